//! Ignores that people have to approve, in words: which difference would be left alone, until when, and
//! what that costs.

use serde_json::Value;

use crate::answer::{money, text};
use crate::plain::shown;

/// Whether an incident would be ignored by it.
pub(crate) fn is_ignore(action: &Value) -> bool {
    action.get("ignore").is_some_and(Value::is_object)
}

/// `ignores until 2026-12-31T00:00:00.000Z`.
pub(super) fn does(action: &Value) -> String {
    format!("ignores until {}", shown(text(action, "/ignore/until")))
}

/// What becomes of it, with the next command; `None` for what every action says alike.
pub(super) fn next(action: &Value) -> Option<String> {
    let at = |pointer| shown(text(action, pointer));
    let (id, incident) = (at("/id"), at("/incident"));
    Some(match text(action, "/state") {
        "approved" => {
            format!("{id} is approved, and {incident} is ignored within minutes")
        }
        "rejected" => format!("{id} is rejected: {incident} stays as it is"),
        "executed" => format!(
            "{id} is executed: {incident} is ignored until {}",
            at("/ignore/until")
        ),
        "stale" => format!(
            "{id} is stale: the incident or the rules changed since, or its time is over; nothing was done; look \
             at it: counterfoil incidents show {incident}"
        ),
        _ => return None,
    })
}

/// The lines of its own in what whoever votes must know.
pub(super) fn story(action: &Value, differs: &str) -> Vec<String> {
    let at = |pointer| shown(text(action, pointer));
    let amount = match money(action, "/ignore/at_risk") {
        amount if amount.is_empty() => "no amount is known".to_owned(),
        amount => format!("{} a month at risk, at least", shown(&amount)),
    };
    vec![
        format!("  ignores    {}{differs}", at("/incident")),
        format!("  for as long as it is so, until {}", at("/ignore/until")),
        format!("  promised   {}", at("/ignore/promised")),
        format!("  granted    {}", at("/ignore/granted")),
        format!("  money      {amount}"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::show::tests::held;
    use super::super::show::{next, story};
    use super::*;

    fn ignore(state: &str) -> Value {
        let mut action = held();
        action["state"] = json!(state);
        action["type"] = json!("incident.ignore");
        action["change"] = Value::Null;
        action["ignore"] = json!({ "until": "2026-12-31T00:00:00.000Z", "promised": "pro", "granted": "fr\u{1b}ee",
            "at_risk": {"minor": 2900, "currency": "usd"} });
        action
    }

    #[test]
    fn what_would_be_ignored_is_told_with_its_end_and_its_money() {
        let incident = json!({ "kind": "paid_no_access", "customers": ["cus_1"] });
        let story = story(&ignore("held"), Some(&incident)).join("\n");
        for said in [
            "ignores    inc_1: paid no access, cus_1",
            "until 2026-12-31T00:00:00.000Z",
            "granted    fr\\u{1b}ee",
            "29.00 USD a month at risk, at least",
            "digest     sha256:ab",
        ] {
            assert!(story.contains(said), "{said}: {story}");
        }
        assert!(!story.contains("writes"), "{story}");
    }

    #[test]
    fn nothing_is_said_of_a_row_or_of_a_repair() {
        for state in [
            "held",
            "approved",
            "rejected",
            "expired",
            "cancelled",
            "executed",
            "stale",
        ] {
            let said = next(&ignore(state));
            assert!(!said.contains("row") && !said.contains("repair"), "{said}");
        }
        let said = next(&ignore("expired"));
        assert!(
            said.contains("counterfoil incidents ignore inc_1"),
            "{said}"
        );
    }
}
