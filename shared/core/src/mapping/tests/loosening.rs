//! What needs a second person, and that no field is forgotten.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{GOOD, good};
use crate::mapping::{Artifact, Mapping, Subject, compile};

fn changed(from: &str, to: &str) -> Artifact {
    assert!(GOOD.contains(from), "{from}");
    of(&GOOD.replacen(from, to, 1))
}

fn of(text: &str) -> Artifact {
    compile(&Mapping::from_toml(text).unwrap()).unwrap_or_else(|errors| panic!("{errors:?}"))
}

const FIRST: &str = "{ stripe = \"customer.metadata.user_id\", column = \"id\" },";
const SECOND: &str = "{ stripe = \"customer.id\", column = \"stripe_customer_id\" },";
const REPORTING: &str = "{ stripe = \"customer.email\", column = \"email\", report_only = true },";

#[test]
fn what_switches_a_rule_off_or_reaches_further_loosens() {
    let both = format!("{FIRST}\n  {SECOND}");
    let swapped = format!("{SECOND}\n  {FIRST}");
    let plan = "plan = { column = \"plan\", repairable = true, none = \"free\" }\n";
    let cases = [
        ("comp = { column = \"comped_until\" }", ""),
        ("\"comped_until\"", "\"never_set\""),
        (FIRST, ""),
        (SECOND, ""),
        (REPORTING, ""),
        (&both, &swapped),
        ("\"stripe_customer_id\"", "\"other_id\""),
        ("race_grace = \"10m\"", "race_grace = \"9m\""),
        ("past_due_grace = \"14d\"", "past_due_grace = \"13d\""),
        (
            "pause_collection = \"grant\"",
            "pause_collection = \"revoke\"",
        ),
        ("max_repairs_per_run = 50", "max_repairs_per_run = 51"),
        ("max_drift_percent = 5.0", "max_drift_percent = 5.1"),
        ("minor = 100000", "minor = 100001"),
        ("currency = \"usd\"", "currency = \"eur\""),
        ("max_amount_at_risk", "# max_amount_at_risk"),
        ("\"public.app_users\"", "\"public.users\""),
        ("primary_key = \"id\"", "primary_key = \"uid\""),
        ("none = \"free\"", "none = \"basic\""),
        ("column = \"plan\"", "column = \"tier\""),
        (plan, ""),
        ("premium = { column = \"premium\", repairable = true }", ""),
        (
            "seats = { column = \"seats\", none = 1 }",
            "seats = { column = \"seats\", repairable = true, none = 1 }",
        ),
        ("\"trial_ends_at\"", "\"trial_until\""),
        ("premium = true\nmatch", "premium = false\nmatch"),
        (
            "price = [\"price_1\", \"price_0\"]",
            "price = [\"price_1\"]",
        ),
        ("{ kind = \"audit\" }", "{ kind = \"all\" }"),
        (
            "match = { product_metadata",
            "match = { price = [\"price_2\"], product_metadata",
        ),
    ];
    for (from, to) in cases {
        assert!(changed(from, to).loosens(&good()), "{from} -> {to}");
    }
}

#[test]
fn what_only_tightens_or_is_seen_with_each_repair_does_not_loosen() {
    let fourth = format!(
        "{REPORTING}\n  {{ stripe = \"customer.metadata.mail\", column = \"mail\", report_only = true }},"
    );
    let cases = [
        ("rank = 20", "rank = 30"),
        ("name = \"pro\"", "name = \"plus\""),
        (
            "features = [\"sso\", \"export\", \"sso\"]",
            "features = [\"sso\"]",
        ),
        (
            "lookup_key = [\"pro_monthly\"]",
            "lookup_key = [\"pro_monthly\", \"pro_yearly\"]",
        ),
        (REPORTING, &fourth),
        ("tolerance = \"1h\"", "tolerance = \"0s\""),
        ("features_from = \"all\"", "features_from = \"highest\""),
        ("race_grace = \"10m\"", "race_grace = \"11m\""),
        ("past_due_grace = \"14d\"", "past_due_grace = \"forever\""),
        ("unpaid = \"revoke\"", "unpaid = \"grant\""),
        ("max_repairs_per_run = 50", "max_repairs_per_run = 49"),
        ("minor = 100000", "minor = 99999"),
        ("\"features\", repairable = true", "\"features\""),
        ("seats = { column = \"seats\", none = 1 }", ""),
    ];
    for (from, to) in cases {
        assert!(!changed(from, to).loosens(&good()), "{from} -> {to}");
    }
    assert!(!good().loosens(&good()));
    let unmarked = changed("comp = { column = \"comped_until\" }", "");
    assert!(!good().loosens(&unmarked), "a marker that is new");
}

#[test]
fn the_documented_table_decides_on_every_field_of_the_compiled_form() {
    let mut whole = good().compiled().clone();
    whole.subject = Subject::Organization;
    let mut fields = BTreeSet::new();
    paths(&serde_json::to_value(&whole).unwrap(), "", &mut fields);
    let document = include_str!("../../../../../docs/mapping.md");
    let table = document
        .split("| field | loosens | why |\n")
        .nth(1)
        .unwrap();
    let rows = table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .skip(1);
    let first = rows.map(|row| row.split('|').nth(1).unwrap());
    let told: Vec<&str> = first
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let set: BTreeSet<String> = told.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(set.len(), told.len(), "each once");
    assert_eq!(set, fields);
}

/// The places where values are; what people name themselves is one value.
fn paths(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    let named = at.ends_with("product_metadata") || at.ends_with("].features");
    match value {
        Value::Object(fields) if !named => {
            for (name, value) in fields {
                let dot = if at.is_empty() { "" } else { "." };
                paths(value, &format!("{at}{dot}{name}"), found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for item in items {
                paths(item, &format!("{at}[]"), found);
            }
        }
        Value::Null => panic!("{at}: give it a value, or its fields are not seen"),
        _ => drop(found.insert(at.to_owned())),
    }
}
