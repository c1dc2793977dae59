//! What a rule can read is written down: a row of docs/policies.md for every attribute of the schema.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::SchemaFragment;
use counterfoil_policy::SCHEMA;
use serde_json::{Map, Value};

const PAGE: &str = include_str!("../../../../docs/policies.md");

/// The section about facts.
fn section() -> &'static str {
    let start = PAGE.find("## What a rule can read").unwrap();
    let rest = PAGE.get(start + 3..).unwrap();
    let end = rest.find("\n## ").unwrap();
    rest.get(..end).unwrap()
}

/// What rows of the section name first.
fn written() -> Vec<String> {
    let rows = section()
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned())
        .collect()
}

/// Attributes by path, each with whether it is always there.
type Attributes = BTreeMap<String, bool>;

/// The attributes of a type, below a path; those of a record are named one by one.
fn attributes(common: &Map<String, Value>, of: &Value, path: &str, into: &mut Attributes) {
    let named = of["name"].as_str().or_else(|| of["type"].as_str());
    let record = named.and_then(|name| common.get(name)).unwrap_or(of);
    match record["attributes"].as_object() {
        Some(fields) => {
            for (name, field) in fields {
                attributes(common, field, &format!("{path}.{name}"), into);
            }
        }
        None => {
            into.insert(path.to_owned(), of["required"] != false);
        }
    }
}

/// Every attribute of the schema.
fn readable() -> Attributes {
    let (fragment, _) = SchemaFragment::from_cedarschema_str(SCHEMA).unwrap();
    let schema = fragment.to_json_value().unwrap();
    let space = &schema["CF"];
    let common = space["commonTypes"].as_object().unwrap();
    let mut all = Attributes::new();
    for (name, entity) in space["entityTypes"].as_object().unwrap() {
        if entity["shape"]["attributes"].is_object() {
            attributes(common, &entity["shape"], name, &mut all);
        }
    }
    for action in space["actions"].as_object().unwrap().values() {
        let context = &action["appliesTo"]["context"];
        if context.is_object() {
            attributes(common, context, "context", &mut all);
        }
    }
    all
}

#[test]
fn every_attribute_of_the_schema_has_one_row_and_no_row_is_of_something_else() {
    let (readable, written) = (readable(), written());
    for known in [
        "context.base.scope.environment",
        "Incident.at_risk.currency",
        "RunAction.params.target",
        "context.standing.kept",
    ] {
        assert!(readable.contains_key(known), "{known}: {readable:#?}");
    }
    let rows: BTreeSet<&String> = written.iter().collect();
    assert_eq!(rows.len(), written.len(), "one row each: {written:#?}");
    let readable: BTreeSet<&String> = readable.keys().collect();
    let missing: Vec<_> = readable.difference(&rows).collect();
    let unknown: Vec<_> = rows.difference(&readable).collect();
    assert!(
        missing.is_empty(),
        "docs/policies.md has no row for {missing:?}"
    );
    assert!(unknown.is_empty(), "the schema does not have {unknown:?}");
}

/// A rule that reads without `has` what may be absent is refused.
#[test]
fn what_may_be_absent_is_marked_and_nothing_else() {
    let readable = readable();
    let mut marked = BTreeSet::new();
    for row in section().lines().filter(|line| line.starts_with("| `")) {
        let fact = row.split('`').nth(1).unwrap();
        if row.contains("| optional: ") {
            marked.insert(fact.to_owned());
        }
    }
    let optional = readable.iter().filter(|(_, always)| !**always);
    let optional: BTreeSet<String> = optional.map(|(fact, _)| fact.clone()).collect();
    assert!(
        optional.contains("context.base.approver_key"),
        "{optional:?}"
    );
    assert_eq!(marked, optional);
}
