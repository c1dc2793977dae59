//! `events/` and `template.yaml` speak about the same routes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_local::FUNCTIONS;
use serde_json::Value;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Events by `<function>/<file>`.
fn events() -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for function in FUNCTIONS {
        let folder = fs::read_dir(checkout().join("events").join(function))
            .into_iter()
            .flatten();
        for path in folder.flatten().map(|entry| entry.path()) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let event = serde_json::from_str(&text).unwrap_or(Value::Null);
            found.insert(format!("{function}/{name}"), event);
        }
    }
    found
}

/// `POST /v1/exports` and so on, of every `HttpApi` event of the template.
fn routes() -> BTreeSet<String> {
    let template = fs::read_to_string(checkout().join("template.yaml")).unwrap_or_default();
    template
        .lines()
        .filter_map(|line| line.split_once("Method: ")?.1.split_once(", Path: \""))
        .filter_map(|(method, rest)| Some(format!("{method} {}", rest.split_once('"')?.0)))
        .collect()
}

#[test]
fn every_event_is_json() {
    for (name, event) in events() {
        assert!(event.is_object(), "events/{name}.json");
    }
}

#[test]
fn every_route_has_an_event_and_every_http_event_a_route() {
    let of_events: BTreeSet<String> = events()
        .values()
        .filter_map(|event| Some(event.get("routeKey")?.as_str()?.to_owned()))
        .collect();
    assert_eq!(of_events, routes());
    assert!(of_events.len() >= 10);
}

#[test]
fn an_http_event_says_its_path_and_route_twice_alike() {
    for (name, event) in events() {
        let Some(route) = event.get("routeKey") else {
            continue;
        };
        assert_eq!(
            event.pointer("/requestContext/routeKey"),
            Some(route),
            "{name}"
        );
        assert_eq!(
            event.pointer("/requestContext/http/path"),
            event.get("rawPath"),
            "{name}"
        );
    }
}

#[test]
fn both_forms_of_a_delivery_carry_the_same_signature() {
    let events = events();
    let signature = |name: &str| events[name].pointer("/headers/stripe-signature").cloned();
    let text = "stripe-webhook/subscription-updated";
    assert!(signature(text).is_some());
    assert_eq!(
        signature(text),
        signature("stripe-webhook/subscription-updated-base64")
    );
}
