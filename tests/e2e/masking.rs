//! What viewers do not see: every reading route is asked as a viewer and as everybody else of the
//! workspace, and the values that differ are those of the table, no more and no fewer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use counterfoil_core::tenancy::Role;
use serde_json::{Value, json};

use super::calls::ballot;
use super::matrix::{Records, records};
use super::stage::{Stage, now, stage};
use super::tenant::Tenant;

/// Fields that viewers see masked, by operation; `*` stands for every item of a list.
const MASKED: &[(&str, &[&str])] = &[
    ("readIncident", &["/customers/*", "/ignored/reason"]),
    (
        "listIncidents",
        &["/items/*/customers/*", "/items/*/ignored/reason"],
    ),
    ("listHolds", &["/items/*/reason"]),
    ("listRuns", &["/items/*/customer"]),
    ("readAction", ACTION),
    (
        "listApprovals",
        &[
            "/items/*/change/key",
            "/items/*/change/columns/*/before",
            "/items/*/change/columns/*/after",
            "/items/*/params/target",
            "/items/*/reason",
        ],
    ),
    (
        "readCustomer",
        &[
            "/customer",
            "/fresh_look/body/customer",
            "/promise/subscriptions/*/id",
            "/promise/subscriptions/*/customer",
            "/rows/*/row",
            "/rows/*/customers/*",
            "/rows/*/promise/subscriptions/*/id",
            "/rows/*/promise/subscriptions/*/customer",
            "/rows/*/grant/plan",
            "/rows/*/grant/seats",
            "/rows/*/grant/features",
            "/incidents/*/customers/*",
        ],
    ),
];

const ACTION: &[&str] = &[
    "/change/key",
    "/change/columns/*/before",
    "/change/columns/*/after",
    "/reason",
];

/// What a viewer must find nowhere.
const WORDS: &str = "ada@example.com asked for it, see cus_NffrFeUfNV2Hib";

#[test]
fn viewers_see_what_the_table_says_and_everybody_else_sees_all() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let mut records = records(stage, &tenant).await;
        worded(stage, &tenant, &mut records).await;
        let customer = &records.ids["customers"];
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut asked = 0;
        for (operation, path) in readings(&records) {
            // It leads to an export, and says nothing itself.
            if path.ends_with("/evidence") {
                continue;
            }
            let seen = async |who: &str| {
                let answer = stage
                    .call("GET", &path, Some(who), None, &Value::Null)
                    .await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.text);
                answer
            };
            let masked = seen(&tenant.people[&Role::Viewer]).await;
            let clear = seen(&tenant.people[&Role::Auditor]).await;
            let differing = differences(&clear.json(), &masked.json());
            for who in [
                &tenant.people[&Role::Approver],
                &tenant.people[&Role::Admin],
                &tenant.people[&Role::Owner],
                &tenant.read_key,
            ] {
                let also = seen(who).await;
                let differing = differences(&clear.json(), &also.json());
                assert!(differing.is_empty(), "{operation}: {differing:?}");
            }
            for secret in [customer.as_str(), "ada@example.com", "NffrFeUfNV"] {
                assert!(
                    !masked.text.contains(secret),
                    "{operation} shows {secret} to viewers: {}",
                    masked.text
                );
            }
            asked += 1;
            if !differing.is_empty() {
                found.insert(operation, differing);
            }
        }
        assert!(asked > 15, "{asked}");
        let expected: BTreeMap<String, BTreeSet<String>> = MASKED
            .iter()
            .map(|(operation, fields)| {
                let fields = fields.iter().map(|field| (*field).to_owned());
                ((*operation).to_owned(), fields.collect())
            })
            .collect();
        assert_eq!(found, expected);
    });
}

/// A hold would forbid the deletion, so this is another tenant's.
#[test]
fn viewers_see_that_a_project_goes_and_not_who_is_named_in_the_reason() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let project = format!("/v1/projects/{}", tenant.project.id);
        let deletion = format!("{project}/deletion");
        let reason = json!({ "reason": WORDS });
        let owner = &tenant.people[&Role::Owner];
        let proposed = stage.post_once(&deletion, owner, "masking", &reason).await;
        assert_eq!(proposed.status, 202, "{}", proposed.text);
        for (path, field) in [(&deletion, "/reason"), (&project, "/deletion/reason")] {
            let seen = async |role: Role| {
                let who = Some(tenant.people[&role].as_str());
                stage
                    .call("GET", path, who, None, &Value::Null)
                    .await
                    .json()
            };
            let (clear, masked) = (seen(Role::Auditor).await, seen(Role::Viewer).await);
            assert_eq!(clear.pointer(field), Some(&json!(WORDS)));
            let differing = differences(&clear, &masked);
            assert_eq!(differing, BTreeSet::from([field.to_owned()]), "{path}");
            let masked = masked.to_string();
            assert!(
                !masked.contains("ada@") && !masked.contains("NffrFeUf"),
                "{masked}"
            );
        }
    });
}

#[test]
fn viewers_see_that_somebody_voted_and_not_who_is_named_in_their_words() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, _) = stage.drifted("paid_no_access");
        let incident = stage.found(&tenant, &customer).await;
        let action = stage.propose(&tenant, &incident).await;
        let path = format!("/v1/actions/{}", action.field("/id"));
        let votes = format!("{path}/approvals");
        let mut no = ballot(&action, "reject");
        no["reason"] = json!(WORDS);
        let voted = stage.call("POST", &votes, Some(&tenant.ben), Some(action.etag()), &no);
        assert_eq!(voted.await.says(), (200, "rejected".to_owned()));
        let seen = async |role: Role| {
            let who = Some(tenant.people[&role].as_str());
            stage
                .call("GET", &path, who, None, &Value::Null)
                .await
                .json()
        };
        let (clear, masked) = (seen(Role::Auditor).await, seen(Role::Viewer).await);
        let said = clear.pointer("/votes/0/reason");
        assert_eq!(said, Some(&json!(WORDS)), "{clear}");
        let differing = differences(&clear, &masked);
        assert!(differing.contains("/votes/*/reason"), "{differing:?}");
        let masked = masked.to_string();
        assert!(
            !masked.contains("ada@") && !masked.contains("NffrFeUf"),
            "{masked}"
        );
    });
}

/// Puts words of people where people write some: into a hold, an incident that is ignored and a
/// repair. The last two are what is read.
async fn worded(stage: &Stage, tenant: &Tenant, records: &mut Records) {
    let owner = &tenant.people[&Role::Owner];
    let post = async |path: &str, body: Value, status: u16| {
        let answer = stage.post_once(path, owner, "masking", &body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        answer
    };
    let hold = json!({ "target": { "run": records.ids["runs"] }, "reason": WORDS });
    post("/v1/holds", hold, 201).await;
    let cancel = format!("/v1/actions/{}/cancel", records.ids["actions"]);
    post(&cancel, Value::Null, 200).await;
    let path = format!("/v1/incidents/{}/repairs", records.ids["incidents"]);
    let action = post(&path, json!({ "reason": WORDS }), 201).await;
    records.ids.insert("actions", action.field("/id"));
    let (customer, _) = stage.drifted("wrong_plan");
    let incident = stage.found(tenant, &customer).await;
    let until = now().plus(Duration::from_hours(24)).to_string();
    let path = format!("/v1/incidents/{}/ignore", incident.id);
    post(&path, json!({ "reason": WORDS, "until": until }), 200).await;
    records.ids.insert("incidents", incident.id.to_string());
}

/// Every reading operation, with a path to something that is there.
fn readings(records: &Records) -> Vec<(String, String)> {
    let document = include_str!("../../docs/openapi.json");
    let document: Value = serde_json::from_str(document).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let operation = &item["get"]["operationId"];
        let Some(operation) = operation.as_str() else {
            continue;
        };
        // A link is made anew each time; the others are no JSON, or need a key of the workspace.
        // A flow is named by the project, and holds nothing of a person.
        let skipped = ["downloadExport", "readSecurityContact", "readFlow"].contains(&operation);
        if skipped || path.contains("{workspace_id}") || OF_NOBODY.contains(&operation) {
            continue;
        }
        let mut full = path.replace("{project_id}", &records.project);
        for name in ["{id}", "{seq}", "{hash}"] {
            if let Some((family, _)) = path.split_once(&format!("/{name}")) {
                let id = &records.ids[family.rsplit('/').next().unwrap()];
                full = full.replace(name, id);
            }
        }
        found.push((operation.to_owned(), full));
    }
    found
}

/// Operations about whoever asks: everybody's answer is their own.
const OF_NOBODY: [&str; 3] = ["readMe", "readLogin", "listWorkspaces"];

/// Where two answers differ.
fn differences(one: &Value, other: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    differ("", one, other, &mut found);
    found
}

fn differ(at: &str, one: &Value, other: &Value, found: &mut BTreeSet<String>) {
    match (one, other) {
        (Value::Object(fields), Value::Object(others)) if fields.len() == others.len() => {
            for (name, field) in fields {
                differ(&format!("{at}/{name}"), field, &others[name], found);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (item, other) in items.iter().zip(others) {
                differ(&format!("{at}/*"), item, other, found);
            }
        }
        (one, other) if one == other => {}
        _ => {
            // A time that goes on is no value of a row.
            let ticks = ["/seconds_since_last_delivery", "/next_cursor"];
            if !ticks.iter().any(|tick| at.ends_with(tick)) {
                found.insert(at.to_owned());
            }
        }
    }
}
