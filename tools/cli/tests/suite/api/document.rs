//! Requests of the commands, and the answers that these tests give them, against docs/openapi.json,
//! which is made of the routes: what the document describes is asked for as it says, and no command
//! is tested with a field that the API does not have. Routes that it does not describe are not judged here.

use std::sync::OnceLock;

use axum::http::{HeaderMap, Method, Uri};
use serde_json::Value;

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    })
}

fn is_of(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template
            .zip(path)
            .all(|(one, other)| one.starts_with('{') || one == other)
}

/// Follows `$ref`.
fn resolved(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(place) => document().pointer(place.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// What the document says of a path.
fn described(path: &str) -> Option<&'static Value> {
    let paths = document()["paths"].as_object().unwrap();
    let exact = paths.get(path);
    exact.or_else(|| {
        paths
            .iter()
            .find(|(it, _)| is_of(it, path))
            .map(|(_, it)| it)
    })
}

/// What is wrong with a request.
pub(super) fn wrong(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Value) -> Vec<String> {
    let Some(route) = described(uri.path()) else {
        return Vec::new();
    };
    let line = format!("{method} {uri}");
    let Some(operation) = route.get(method.as_str().to_lowercase()) else {
        return vec![format!("{line}: the route takes no {method}")];
    };
    let mut wrong = Vec::new();
    let parameters = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(resolved);
    let parameters: Vec<&Value> = parameters.collect();
    for pair in uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|it| !it.is_empty())
    {
        let name = pair.split('=').next().unwrap();
        if !parameters
            .iter()
            .any(|it| it["in"] == "query" && it["name"] == name)
        {
            wrong.push(format!("{line}: no parameter {name}"));
        }
    }
    for header in parameters
        .iter()
        .filter(|it| it["in"] == "header" && it["required"] == true)
    {
        let name = header["name"].as_str().unwrap();
        if !headers.contains_key(name) {
            wrong.push(format!("{line}: no header {name}"));
        }
    }
    let schema = operation
        .pointer("/requestBody/content/application~1json/schema")
        .map(resolved);
    let sent = body.as_object().into_iter().flatten().map(|(name, _)| name);
    match schema {
        None => wrong.extend(sent.map(|it| format!("{line}: no body, so no {it}"))),
        Some(schema) => {
            let known = schema["properties"].as_object().unwrap();
            wrong.extend(
                sent.filter(|it| !known.contains_key(*it))
                    .map(|it| format!("{line}: no field {it}")),
            );
            let required = schema["required"].as_array().into_iter().flatten();
            let missing = required.filter(|it| body.get(it.as_str().unwrap()).is_none());
            wrong.extend(missing.map(|it| format!("{line}: {it} is missing")));
        }
    }
    wrong
}

/// Fields of an answer that the API does not give.
pub(super) fn unknown(method: &Method, uri: &Uri, status: u16, body: &Value) -> Vec<String> {
    let operation = described(uri.path()).and_then(|it| it.get(method.as_str().to_lowercase()));
    let answer = operation.and_then(|it| it["responses"].get(status.to_string()));
    let schema = answer
        .map(resolved)
        .and_then(|it| it.pointer("/content/application~1json/schema"));
    let mut unknown = Vec::new();
    if let Some(schema) = schema {
        compare(schema, body, &format!("{method} {uri}: "), &mut unknown);
    }
    unknown
}

fn compare(schema: &'static Value, body: &Value, place: &str, unknown: &mut Vec<String>) {
    let schema = resolved(schema);
    if let Some(items) = body.as_array() {
        if let Some(of) = schema.get("items") {
            for item in items {
                compare(of, item, &format!("{place}/0"), unknown);
            }
        }
        return;
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        // One of several, such as a record or null.
        return;
    };
    for (name, value) in body.as_object().into_iter().flatten() {
        match properties.get(name) {
            Some(of) => compare(of, value, &format!("{place}/{name}"), unknown),
            None => unknown.push(format!("{place}: the answer has no {name}")),
        }
    }
}

#[test]
fn answers_that_the_document_does_not_know_are_noticed() {
    let with = |body: &str| {
        let uri = "/v1/incidents".parse().unwrap();
        let body = serde_json::from_str(body).unwrap();
        unknown(&Method::GET, &uri, 200, &body).len()
    };
    assert_eq!(
        with(r#"{"items": [{"id": "inc_1"}], "next_cursor": null}"#),
        0
    );
    assert_eq!(
        with(r#"{"items": [{"id": "inc_1", "colour": "red"}], "cursor": null}"#),
        2
    );
}

#[test]
fn requests_that_the_document_does_not_know_are_noticed() {
    let with = |method: Method, uri: &str, key: bool, body: &str| {
        let mut headers = HeaderMap::new();
        if key {
            headers.insert("idempotency-key", "k".parse().unwrap());
        }
        let body = serde_json::from_str(body).unwrap_or_default();
        wrong(&method, &uri.parse().unwrap(), &headers, &body).len()
    };
    let right = r#"{"reason": "x", "until": "y"}"#;
    let path = "/v1/incidents/inc_1/ignore";
    assert_eq!(with(Method::GET, "/v1/incidents?state=open", false, ""), 0);
    assert_eq!(with(Method::GET, "/v1/incidents?colour=red", false, ""), 1);
    assert_eq!(with(Method::DELETE, "/v1/incidents", false, ""), 1);
    assert_eq!(with(Method::POST, path, true, right), 0);
    assert_eq!(with(Method::POST, path, false, right), 1);
    assert_eq!(
        with(Method::POST, path, true, r#"{"reason": "x", "till": "y"}"#),
        2
    );
}
