//! Makes the document: every function's part, and what holds for every route.

use std::collections::BTreeMap;
use std::path::PathBuf;

use counterfoil_lambda::Problem;
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;
use utoipa::{PartialSchema, ToSchema};

use super::headers::{self, Kind};
use super::problems::{ProblemType, problems};

/// Every function that answers people, by its name in template.yaml.
pub(super) fn functions() -> [(&'static str, Value); 3] {
    let part = |document: OpenApi| serde_json::to_value(document).unwrap();
    [
        ("ApiFunction", part(counterfoil_api::document())),
        ("Export", part(counterfoil_export::document())),
        (
            "RepairApprove",
            part(counterfoil_repair_approve::document()),
        ),
    ]
}

/// Operations of a document: path, method, operation.
pub(super) fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push((path.clone(), method.clone(), operation.clone()));
        }
    }
    found
}

const ABOUT: &str = "\
Counterfoil checks that every customer has the access they paid for, repairs one approved row at a \
time, and keeps evidence of each step.

Times are RFC 3339 in UTC. Money is an integer of minor units with a currency. Clients must accept \
fields that they do not know, and words that they do not know where a schema has \
`x-extensible-enum`. Errors are RFC 9457 problems with a stable `code`.";

const TAGS: &[(&str, &str)] = &[
    ("actions", "Repairs: propose, approve, execute"),
    (
        "customers",
        "Both sides of a customer, and asking for a fresh look",
    ),
    ("deletion", "The end of a project or of a workspace"),
    ("entries", "The evidence stream of a project"),
    ("erasure", "Taking contents away; the record stays"),
    ("exports", "Evidence packages"),
    ("holds", "Legal holds"),
    ("incidents", "Differences between promise and grant"),
    ("invitations", "Asking people to join a workspace"),
    ("keys", "API keys of a workspace"),
    ("login", "Where people sign in, and who is calling"),
    ("members", "People of a workspace, and their roles"),
    (
        "policies",
        "A workspace's own rules: signing keys, bundles, activation",
    ),
    ("projects", "One Stripe account and one database each"),
    ("runs", "Executions with their record"),
    ("security", "Where to report a weakness"),
    ("settings", "Retention and schedule of a project"),
    ("webhooks", "Deliveries of Stripe"),
    ("workspaces", "Tenants: projects, people and keys"),
];

pub(super) fn made() -> Value {
    let known = problems();
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for (function, part) in functions() {
        for (path, method, operation) in operations(&part) {
            let item = paths.entry(path.clone()).or_insert_with(|| json!({}));
            let before = item
                .as_object_mut()
                .unwrap()
                .insert(method.clone(), completed(&known, &path, &method, operation));
            assert!(before.is_none(), "{function} has {method} {path} too");
        }
        let more = part["components"]["schemas"].as_object();
        for (name, schema) in more.into_iter().flatten() {
            let before = schemas.insert(name.clone(), schema.clone());
            let same = before.is_none_or(|before| before == *schema);
            assert!(same, "{function} means something else by the schema {name}");
        }
    }
    schemas.insert("Problem".to_owned(), schema::<Problem>());
    let mut named = Vec::new();
    Problem::schemas(&mut named);
    for (name, more) in named {
        schemas.insert(name, serde_json::to_value(more).unwrap());
    }
    let tags: Vec<Value> = TAGS
        .iter()
        .map(|(name, description)| json!({ "name": name, "description": description }))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Counterfoil",
            "version": "1",
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The HTTP API of a deployment" }],
        "tags": tags,
        "security": [{ "api_key": [] }, { "oidc": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses(&known),
            "parameters": { "CounterfoilProject": project_header() },
            "headers": headers::components(),
            "securitySchemes": {
                "api_key": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "cfk_live_...",
                    "description": "An API key of a workspace or of a project",
                },
                "oidc": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "An access token of the deployment's OIDC issuer",
                },
            },
        },
    })
}

fn schema<T: PartialSchema>() -> Value {
    serde_json::to_value(T::schema()).unwrap()
}

fn project_header() -> Value {
    json!({
        "name": "Counterfoil-Project", "in": "header", "required": false,
        "description": "The project, for credentials that reach several. A key of one project needs none",
        "schema": { "$ref": "#/components/schemas/ProjectId" },
    })
}

/// Problems of every route.
const EVERYWHERE: [&str; 7] = [
    "invalid-request",
    "credential-in-url",
    "unauthenticated",
    "not-found",
    "rate-limited",
    "internal",
    "evidence-unavailable",
];

/// Problems of every route that is done once.
const ONCE: [&str; 3] = [
    "idempotency-key-missing",
    "idempotency-in-flight",
    "idempotency-key-reused",
];

fn is_done_once(fields: &Map<String, Value>) -> bool {
    let parameters = fields.get("parameters").and_then(Value::as_array);
    let mut parameters = parameters.into_iter().flatten();
    parameters.any(|parameter| parameter["name"] == "Idempotency-Key")
}

/// Routes of whoever calls, that are about no tenant.
const NO_TENANT: [&str; 3] = ["/v1/me", "/v1/workspaces", "/v1/invitations/accept"];

/// Adds what every route has: the project's header, problems, the request's id.
fn completed(known: &[ProblemType], path: &str, method: &str, mut operation: Value) -> Value {
    let fields = operation.as_object_mut().unwrap();
    let own = fields.remove("x-problems").unwrap_or_else(|| json!([]));
    let own = own.as_array().unwrap().iter();
    let mut codes: Vec<&str> = own.clone().map(|code| code.as_str().unwrap()).collect();
    let once = is_done_once(fields);
    let judged = method != "get" && codes.contains(&"action-denied");
    if once {
        codes.extend(ONCE);
    }
    let open = fields
        .get("security")
        .is_some_and(|asked| *asked == json!([{}]));
    let everywhere = EVERYWHERE.into_iter();
    codes.extend(everywhere.filter(|code| !open || *code != "unauthenticated"));
    if fields.contains_key("requestBody") {
        codes.extend(["body-too-large", "unsupported-media-type"]);
    }
    let kind = Kind { open, once, judged };
    let names_tenant = path.contains("{project_id}") || path.contains("{workspace_id}");
    if !NO_TENANT.contains(&path) && !names_tenant && !open {
        let parameters = fields.entry("parameters").or_insert_with(|| json!([]));
        let header = json!({ "$ref": "#/components/parameters/CounterfoilProject" });
        parameters.as_array_mut().unwrap().push(header);
    }
    let answers = fields["responses"].as_object_mut().unwrap();
    for (status, answer) in answers.iter_mut() {
        assert!(
            status.starts_with('2') || status == "303",
            "{method} {path}: problems come by their code"
        );
        let answer = answer.as_object_mut().unwrap();
        let headers = answer.entry("headers").or_insert_with(|| json!({}));
        headers::complete(headers.as_object_mut().unwrap(), status, kind);
    }
    let mut by_status: BTreeMap<u16, Vec<&ProblemType>> = BTreeMap::new();
    for code in codes {
        let kind = known.iter().find(|kind| kind.code == code);
        let kind = kind.unwrap_or_else(|| panic!("{method} {path}: no problem {code}"));
        let of_status = by_status.entry(kind.status).or_default();
        if !of_status.iter().any(|known| known.code == code) {
            of_status.push(kind);
        }
    }
    for (status, mut kinds) in by_status {
        kinds.sort_by_key(|kind| kind.code.clone());
        answers.insert(status.to_string(), answer(&kinds, kind));
    }
    operation
}

fn response_name(kind: &ProblemType) -> String {
    let words = kind.code.split(['-', '_']);
    words
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_uppercase() + rest
        })
        .collect()
}

/// One problem is a shared response; several are told apart by their examples.
fn answer(kinds: &[&ProblemType], of: Kind) -> Value {
    if let [kind] = kinds {
        return json!({ "$ref": format!("#/components/responses/{}", response_name(kind)) });
    }
    let when: Vec<&str> = kinds.iter().map(|kind| kind.when.as_str()).collect();
    body(&when.join(". Or: "), kinds, of)
}

fn body(description: &str, kinds: &[&ProblemType], of: Kind) -> Value {
    let examples: Map<String, Value> = kinds
        .iter()
        .map(|kind| {
            (
                kind.code.clone(),
                json!({ "summary": kind.when, "value": example(kind) }),
            )
        })
        .collect();
    let mut headers = Map::new();
    let status = kinds.first().map_or(0, |kind| kind.status);
    headers::complete(&mut headers, &status.to_string(), of);
    json!({
        "description": description,
        "headers": headers,
        "content": { "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" },
            "examples": examples,
        } },
    })
}

/// As the product would write it.
fn example(kind: &ProblemType) -> Value {
    let status = axum_status(kind.status);
    let problem = match kind.code.as_str() {
        "invalid-request" => Problem::invalid("/reason", "must have 10 to 1,000 characters"),
        "not-found" => Problem::not_found(),
        "unauthenticated" => Problem::unauthenticated(),
        "evidence-unavailable" => Problem::unavailable(),
        code => {
            let code: &'static str = code.to_owned().leak();
            Problem::new(status, code, kind.when.as_str())
        }
    };
    serde_json::to_value(problem).unwrap()
}

fn axum_status(status: u16) -> reqwest::StatusCode {
    reqwest::StatusCode::from_u16(status).unwrap()
}

fn responses(known: &[ProblemType]) -> Value {
    let all = known.iter();
    let named: Map<String, Value> = all
        .map(|kind| (response_name(kind), body(&kind.when, &[kind], Kind::ANY)))
        .collect();
    Value::Object(named)
}

pub(super) fn committed() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json")
}

#[test]
fn the_document_is_what_the_routes_say() {
    let text = serde_json::to_string_pretty(&made()).unwrap() + "\n";
    if std::env::var_os("COUNTERFOIL_UPDATE").is_some() {
        std::fs::write(committed(), &text).unwrap();
    }
    let before = std::fs::read_to_string(committed()).unwrap_or_default();
    let differs = before.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert!(
        before == text,
        "docs/openapi.json differs (line {}): run\n  \
         COUNTERFOIL_UPDATE=1 cargo test -p counterfoil-tests --test document",
        differs.map_or(1, |line| line + 1),
    );
}
