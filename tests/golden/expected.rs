//! A run as `expected.json` tells it.

use counterfoil_core::cell::Cell;
use counterfoil_core::reconcile::{Direction, Field, Finding, Outcome};
use serde_json::{Map, Value, json};

/// The expectation with everything that may be left out.
pub(crate) fn complete(expected: &Value) -> Value {
    let count = |name: &str| expected.get(name).cloned().unwrap_or(json!(0));
    json!({
        "findings": expected["findings"],
        "incomplete_subscriptions": count("incomplete_subscriptions"),
        "unread_customers": count("unread_customers"),
    })
}

/// What a run found.
pub(crate) fn told(outcome: &Outcome) -> Value {
    json!({
        "findings": outcome.findings.iter().map(finding).collect::<Vec<Value>>(),
        "incomplete_subscriptions": outcome.incomplete_subscriptions,
        "unread_customers": outcome.unread_customers,
    })
}

fn finding(finding: &Finding) -> Value {
    let mut told = json!({
        "kind": finding.kind.name(),
        "subject": finding.subject,
        "field": finding.field.map(Field::name),
        "expected": finding.expected,
        "actual": finding.actual,
        "rule": finding.rule.name(),
        "at_risk": finding.at_risk,
        "direction": finding.direction.map(Direction::name),
    });
    if !finding.also_at_risk.is_empty() {
        told["also_at_risk"] = json!(finding.also_at_risk);
    }
    if !finding.prices.is_empty() {
        told["prices"] = json!(finding.prices);
    }
    match finding.not_repairable {
        Some(reason) => told["not_repairable"] = json!(reason.name()),
        None => told["writes"] = writes(finding),
    }
    told
}

/// What a repair would write, by column.
fn writes(finding: &Finding) -> Value {
    let changes = finding.changes.iter();
    let changes = changes.map(|change| (change.column.clone(), plain(&change.after)));
    Value::Object(changes.collect::<Map<String, Value>>())
}

fn plain(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(flag) => json!(flag),
        Cell::Int(number) => json!(number),
        Cell::List(names) => json!(names),
        Cell::Text(text) => json!(text),
        Cell::Time(time) => json!(time.to_string()),
    }
}
