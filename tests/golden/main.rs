//! The decision table, case by case: a folder per case with Stripe's objects, the app's rows, what
//! differs from the shared mapping, and what must be found. What the files of a case are is said in
//! README.md beside this file.

#[cfg(test)]
mod case;
#[cfg(test)]
mod expected;
#[cfg(test)]
mod table;

use std::collections::BTreeSet;

use case::{Case, cases};
use serde_json::{Value, json};

#[test]
fn every_case_finds_what_it_expects() {
    let failures: Vec<String> = cases().iter().filter_map(Case::failure).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The engine takes objects in any order, twice, and as text; all of it is one run.
#[test]
fn order_repetition_and_form_of_the_input_change_nothing() {
    for case in cases() {
        let expected = case.run();
        assert_eq!(case.run_reversed_and_twice(), expected, "{}", case.name);
        assert_eq!(case.run_as_text(), expected, "{}", case.name);
    }
}

/// A case that cannot fail proves nothing: every field of every expectation is compared.
#[test]
fn an_expectation_that_is_changed_fails() {
    let mut changed = BTreeSet::new();
    for case in cases() {
        let findings = case.expected["findings"].as_array().unwrap().clone();
        if case.run().findings.is_empty() {
            let extra = json!({ "kind": "paid_no_access" });
            assert!(case.with("/findings", json!([extra])).failure().is_some());
        }
        for (place, finding) in findings.iter().enumerate() {
            for (field, value) in finding.as_object().unwrap() {
                let other = if *value == json!("other") {
                    json!(1)
                } else {
                    json!("other")
                };
                let pointer = format!("/findings/{place}/{field}");
                assert!(
                    case.with(&pointer, other).failure().is_some(),
                    "{} {pointer}",
                    case.name
                );
                changed.insert(field.clone());
            }
        }
        let missing = findings.get(1..).unwrap_or(&[Value::Null]).to_vec();
        assert!(
            case.with("/findings", json!(missing)).failure().is_some(),
            "{}",
            case.name
        );
    }
    assert!(changed.len() >= 10, "{changed:?}");
}

#[test]
fn every_kind_of_finding_has_a_case() {
    let found: BTreeSet<String> = cases()
        .iter()
        .flat_map(|case| case.run().findings)
        .map(|finding| finding.kind.name().to_owned())
        .collect();
    for kind in [
        "paid_no_access",
        "access_without_payment",
        "wrong_plan",
        "wrong_trial_end",
        "wrong_seats",
        "wrong_features",
        "missing_user_row",
        "orphan_customer",
        "duplicate_customer",
        "ambiguous_customer",
        "mapping_conflict",
        "unmapped_price",
        "unknown_state",
        "test_mode_backing",
    ] {
        assert!(found.contains(kind), "{kind}");
    }
}

/// Bad input: the named finding, and never a repair.
#[test]
fn what_is_unknown_is_never_repaired() {
    for name in [
        "unmapped-price",
        "unmapped-price-beside-a-plan",
        "unknown-status",
        "unknown-status-beside-an-active-one",
        "unknown-currency",
        "deleted-customer",
        "deleted-customer-subscription-not-ended",
        "deleted-customer-not-listed",
        "stored-id-unknown",
        "test-subscription-in-live-mode",
        "test-customer-in-live-mode",
        "live-subscription-in-test-mode",
        "mapping-conflict",
        "ambiguous-customer",
        "value-that-the-mapping-does-not-know",
    ] {
        let found = Case::read(name).run().findings;
        assert!(!found.is_empty(), "{name}");
        for finding in found {
            assert!(finding.not_repairable.is_some(), "{name}: {finding:?}");
            assert!(finding.changes.is_empty(), "{name}: {finding:?}");
        }
    }
}
