//! What every operation of the document must say.

use std::collections::BTreeSet;

use serde_json::Value;

use super::made::{made, operations};

#[test]
fn every_operation_is_named_once_and_said_in_a_sentence() {
    let document = made();
    let tags: BTreeSet<&str> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let (mut ids, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (path, method, operation) in operations(&document) {
        let at = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(!id.contains('_') && id.len() > 4, "{at}: {id}");
        assert!(ids.insert(id.to_owned()), "{at}: {id} is another's");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(
            summary.len() > 8 && !summary.ends_with('.'),
            "{at}: {summary}"
        );
        let [tag] = operation["tags"].as_array().unwrap().as_slice() else {
            panic!("{at}: one tag");
        };
        let tag = tag.as_str().unwrap();
        assert!(tags.contains(tag), "{at}: {tag}");
        used.insert(tag.to_owned());
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let described = parameter["description"]
                .as_str()
                .is_some_and(|text| !text.is_empty());
            assert!(
                described || parameter["$ref"].is_string(),
                "{at}: {parameter}"
            );
        }
    }
    for tag in ["incidents", "exports", "actions"] {
        assert!(used.contains(tag), "{tag}");
    }
}

/// What was asked for, or where that is.
fn is_no_problem(status: &str) -> bool {
    status.starts_with('2') || status == "303"
}

#[test]
fn every_operation_says_which_problems_it_answers_with() {
    let document = made();
    for (path, method, operation) in operations(&document) {
        let answers = operation["responses"].as_object().unwrap();
        let open = operation["security"] == serde_json::json!([{}]);
        for status in ["400", "401", "404", "429", "500", "503"] {
            let applies = !open || status != "401";
            assert!(
                answers.contains_key(status) == applies,
                "{method} {path}: {status}"
            );
        }
        assert!(
            answers.keys().any(|status| is_no_problem(status)),
            "{method} {path}"
        );
        for (status, answer) in answers {
            let answer = resolved(&document, answer);
            assert!(!answer["description"].as_str().unwrap().is_empty());
            if is_no_problem(status) {
                continue;
            }
            let content = &answer["content"]["application/problem+json"];
            let examples = content["examples"].as_object().unwrap();
            assert!(!examples.is_empty(), "{method} {path}: {status}");
            for (code, example) in examples {
                assert_eq!(example["value"]["code"], code.as_str(), "{method} {path}");
                assert_eq!(
                    example["value"]["status"].to_string(),
                    *status,
                    "{method} {path}"
                );
            }
        }
    }
}

/// Clients read documents by their references.
#[test]
fn every_reference_leads_somewhere() {
    let document = made();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 50, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

/// A body takes what its schema names, and every text of it has an end.
#[test]
fn bodies_are_closed() {
    let document = made();
    for (path, method, operation) in operations(&document) {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        if body.is_null() {
            continue;
        }
        let body = resolved(&document, body);
        assert_eq!(body["additionalProperties"], false, "{method} {path}");
    }
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str() {
                    Some(reference) if name == "$ref" => found.push(reference.to_owned()),
                    _ => collect(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// What no POST may do without a key, because it only looks.
const ONLY_LOOKS: [&str; 0] = [];

#[test]
fn every_post_that_creates_or_executes_demands_an_idempotency_key() {
    let document = made();
    for (path, method, operation) in operations(&document) {
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        let key = parameters.find(|parameter| parameter["name"] == "Idempotency-Key");
        let demanded = key.is_some_and(|key| key["required"] == true);
        let should = method == "post" && !ONLY_LOOKS.contains(&path.as_str());
        assert_eq!(demanded, should, "{method} {path}");
    }
}
