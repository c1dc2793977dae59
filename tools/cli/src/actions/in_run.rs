//! Actions of governed runs in words: what whoever runs the flow would do, or did.

use serde_json::Value;

use super::ignore;
use super::show::again;
use crate::answer::{money, text};
use crate::plain::shown;

/// Whether whoever runs a flow does it, not the product.
pub(crate) fn is_of_run(action: &Value) -> bool {
    action.get("params").is_some_and(|params| !params.is_null())
}

/// `refund.create to invoice-1042, 29.00 USD`; of a repair, the row that it writes; of an ignore, its end.
pub(crate) fn does(action: &Value) -> String {
    let at = |pointer| shown(text(action, pointer));
    if ignore::is_ignore(action) {
        return ignore::does(action);
    }
    if !is_of_run(action) {
        return format!("writes {} {}", at("/change/table"), at("/change/key"));
    }
    let target = match at("/params/target") {
        target if target.is_empty() => String::new(),
        target => format!(" to {target}"),
    };
    let amount = match money(action, "/params/amount") {
        amount if amount.is_empty() => String::new(),
        amount => format!(", {}", shown(&amount)),
    };
    format!("{}{target}{amount}", at("/params/kind"))
}

/// What becomes of it, with the next command; `None` for what every action says alike.
pub(super) fn next(action: &Value) -> Option<String> {
    let at = |pointer| shown(text(action, pointer));
    let id = at("/id");
    let tell = format!("then tell: counterfoil run result {id} executed");
    Some(match text(action, "/state") {
        "allowed" => format!("{id} may be done now; {tell}"),
        "approved" => format!("{id} is approved and may be done now; {tell}"),
        "executing" => format!("{id} is begun and yours alone: do it; {tell}"),
        "rejected" => format!("{id} is rejected: it must not be done"),
        "cancelled" => format!("{id} is withdrawn: it must not be done"),
        "executed" => format!("{id} is executed, as whoever did it says"),
        "failed" if text(action, "/failure") == "outcome-unknown" => format!(
            "{id} was begun, and nobody told what became of it before its run ended: whether it was done is not \
             known"
        ),
        "failed" => {
            let code = match at("/failure") {
                code if code.is_empty() => String::new(),
                code => format!(" ({code})"),
            };
            format!("{id} failed{code}, as whoever did it says")
        }
        "denied" => format!(
            "{id} is denied by {}: {}; it must not be done",
            at("/decision/rule"),
            at("/decision/reason")
        ),
        "expired" if text(action, "/failure") == "run-ended" => format!(
            "{id} can be neither begun nor told any more, because its run has ended: it must not be done; propose \
             it again in another run"
        ),
        "expired" => format!(
            "{id} was not approved or begun in time: it must not be done; propose it again: {}",
            again(action)
        ),
        "stale" => format!(
            "{id} is stale: the rules ask for more than when it was approved; it must not be done; propose it \
             again: {}",
            again(action)
        ),
        _ => return None,
    })
}

/// The lines of its own in what whoever votes must know.
pub(super) fn story(action: &Value) -> Vec<String> {
    vec![
        format!("  does       {}", does(action)),
        format!("  in         {}", shown(text(action, "/run"))),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refund(state: &str) -> Value {
        json!({
            "id": "act_1", "run": "run_1", "state": state, "incident": null, "change": null, "failure": null,
            "decision": { "rule": "some.rule", "reason": "A rule says so" },
            "params": { "kind": "refund.create", "target": "invoice\u{1b}-1", "amount": {"minor": 2900, "currency": "usd"} },
        })
    }

    #[test]
    fn what_is_done_is_told_with_its_money() {
        assert_eq!(
            does(&refund("held")),
            "refund.create to invoice\\u{1b}-1, 29.00 USD"
        );
        let mut bare = refund("held");
        bare["params"] = json!({ "kind": "mail.send", "target": null, "amount": null });
        assert_eq!(does(&bare), "mail.send");
    }

    #[test]
    fn only_what_may_be_done_is_said_to_be_done_next() {
        for state in ["allowed", "approved"] {
            let said = next(&refund(state)).unwrap();
            assert!(
                said.contains("may be done now") && said.contains("run result act_1"),
                "{said}"
            );
        }
        for state in ["rejected", "cancelled", "denied", "expired", "stale"] {
            let said = next(&refund(state)).unwrap();
            assert!(said.contains("must not be done"), "{said}");
        }
        assert!(next(&refund("held")).is_none());
    }

    #[test]
    fn what_is_left_of_a_run_that_has_ended_is_told_as_it_is() {
        let mut left = refund("expired");
        left["failure"] = json!("run-ended");
        let said = next(&left).unwrap();
        assert!(
            said.contains("its run has ended: it must not be done") && !said.contains("run_1"),
            "{said}"
        );
        let mut begun = refund("failed");
        begun["failure"] = json!("outcome-unknown");
        let said = next(&begun).unwrap();
        assert!(said.contains("whether it was done is not known"), "{said}");
        assert!(!said.contains("as whoever did it says"), "{said}");
    }
}
