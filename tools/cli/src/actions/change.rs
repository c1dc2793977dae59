//! Changes that wait for further people: each in a sentence with what its confirmation takes, and a no.

use reqwest::Method;
use serde_json::{Value, json};

use crate::access::segment;
use crate::answer::{items, text, texts};
use crate::client::{Client, Failure};
use crate::plain::shown;
use crate::signing_key;

/// What waits, soonest end first.
pub(super) async fn waiting(api: &Client) -> Result<Value, Failure> {
    api.get("/v1/changes").await
}

/// The change of an id that names no action.
///
/// # Errors
/// `error`, where it names no change either.
pub(super) async fn instead(api: &Client, id: &str, error: Failure) -> Result<Value, Failure> {
    match &error {
        Failure::Refused(refused) if refused.code == "not-found" => {}
        _ => return Err(error),
    }
    let all = waiting(api).await?;
    let found = items(&all).iter().find(|it| text(it, "/id") == id);
    found.cloned().ok_or(error)
}

/// Ends one.
pub(super) async fn reject(api: &Client, id: &str, reason: &str) -> Result<Value, Failure> {
    let path = format!("/v1/changes/{}/reject", segment(id)?);
    let body = json!({ "reason": reason });
    let sent = api.change(Method::POST, &path, Some(&body), None).await;
    Ok(sent?.body)
}

/// What would change, who wants it and until when, and what whoever agrees does.
pub(super) fn sentence(change: &Value) -> String {
    let at = |pointer| shown(text(change, pointer));
    let reason = match at("/reason") {
        reason if reason.is_empty() => "no reason was given".to_owned(),
        reason => reason,
    };
    let (what, how) = told(change);
    format!(
        "{} waits until {} for {}: {what}; proposed by {}: {reason}. Whoever agrees {how}",
        at("/id"),
        at("/expires_at"),
        missing(change),
        at("/proposed_by"),
    )
}

fn missing(change: &Value) -> String {
    let needed = change.pointer("/approvals").and_then(Value::as_u64);
    let given = u64::try_from(texts(change, "/approved_by").len()).unwrap_or(u64::MAX);
    let role = shown(text(change, "/role"));
    match needed.unwrap_or_default().saturating_sub(given) {
        0 | 1 => format!("one more {role}"),
        more => format!("{more} more of the role {role}"),
    }
}

/// What would change, and what agreeing takes.
fn told(change: &Value) -> (String, String) {
    let at = |pointer| shown(text(change, pointer));
    let name = at("/name");
    match name.split_once('/') {
        Some(("flow", flow)) => (
            format!("flow {flow} would register {}", kinds(change)),
            format!("runs: counterfoil flow register {flow}{}", options(change)),
        ),
        Some(("legal_hold", hold)) => (
            format!("legal hold {hold} would be released"),
            format!("sends POST /v1/holds/{hold}/release"),
        ),
        _ => match name.as_str() {
            "mapping" => (
                format!("{} would be the active mapping", at("/value/mapping")),
                "runs: counterfoil project map FILE --activate".to_owned(),
            ),
            "unfreeze" => (
                "the emergency stop would be lifted".to_owned(),
                "runs: counterfoil project unfreeze".to_owned(),
            ),
            "retention" => {
                let days = change.pointer("/value/snapshot_days");
                let days = days.and_then(Value::as_u64).unwrap_or_default();
                (
                    format!("snapshots would be kept for {days} days"),
                    "sends the same to PUT /v1/settings/retention".to_owned(),
                )
            }
            "policy" => (
                format!("{} would be the rules in force", at("/value/bundle")),
                format!("runs: counterfoil policy activate {}", at("/value/bundle")),
            ),
            "policy_key" => {
                let [key, replaces] =
                    ["/value/public_key", "/value/replaces"].map(|at| text(change, at));
                let key = signing_key::named(key, replaces);
                (
                    format!("the key {key} would sign bundles"),
                    format!("compares it, and runs: {}", signing_key::command(replaces)),
                )
            }
            _ => (
                format!("{name} would change"),
                "sends the same once more".to_owned(),
            ),
        },
    }
}

/// Kinds of action at a place of the change, and whether they destroy.
fn registered(change: &Value, pointer: &str) -> Vec<(String, bool)> {
    let actions = change.pointer(pointer).and_then(Value::as_array);
    let one = |it: &Value| {
        let destroys = it.get("destructive") == Some(&Value::Bool(true));
        (shown(text(it, "/kind")), destroys)
    };
    actions.into_iter().flatten().map(one).collect()
}

/// `mail.send` and `refund.create (destructive)`.
fn kinds(change: &Value) -> String {
    let kinds = registered(change, "/value/actions").into_iter();
    let kinds = kinds.map(|(kind, destroys)| {
        let mark = if destroys { " (destructive)" } else { "" };
        format!("{kind}{mark}")
    });
    let kinds: Vec<String> = kinds.collect();
    if kinds.is_empty() {
        "nothing".to_owned()
    } else {
        kinds.join(", ")
    }
}

/// The options of `flow register` that ask for the same, whatever is registered now.
fn options(change: &Value) -> String {
    let wanted = registered(change, "/value/actions");
    let before = registered(change, "/value/instead_of").into_iter();
    let gone = before.filter(|(kind, _)| wanted.iter().all(|(it, _)| it != kind));
    let gone = gone.map(|(kind, _)| format!(" --remove {kind}"));
    let named = wanted.iter().map(|(kind, destroys)| {
        let mark = if *destroys { ":destructive" } else { "" };
        format!(" --kind {kind}{mark}")
    });
    named.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, value: &Value) -> Value {
        json!({
            "id": "act_1", "name": name, "value": value, "proposed_by": "usr_1", "role": "admin",
            "expires_at": "2026-12-01T00:00:00.000Z", "approvals": 1, "approved_by": [], "reason": null,
        })
    }

    #[test]
    fn every_change_is_a_sentence_with_what_agreeing_takes() {
        for (name, value, what, how) in [
            (
                "mapping",
                json!({"mapping": "sha256:ab"}),
                "sha256:ab would be the active",
                "project map FILE --activate",
            ),
            (
                "unfreeze",
                json!({"frozen": false}),
                "stop would be lifted",
                "project unfreeze",
            ),
            (
                "retention",
                json!({"snapshot_days": 40}),
                "kept for 40 days",
                "PUT /v1/settings/retention",
            ),
            (
                "policy",
                json!({"bundle": "sha256:ab"}),
                "rules in force",
                "policy activate sha256:ab",
            ),
            (
                "policy_key",
                json!({"public_key": "abc=", "replaces": null}),
                "abc= would sign",
                "policy key FILE",
            ),
            (
                "policy_key",
                json!({"public_key": "abc=", "replaces": "sha256:ab"}),
                "abc= in place of sha256:ab would sign",
                "policy key FILE --replaces sha256:ab",
            ),
            (
                "legal_hold/hld_1",
                json!({}),
                "hld_1 would be released",
                "POST /v1/holds/hld_1/release",
            ),
            (
                "flow/refunds",
                json!({
                    "actions": [{"kind": "mail.send", "destructive": false}, {"kind": "refund", "destructive": true}],
                    "instead_of": [{"kind": "refund", "destructive": true}, {"kind": "mail.drop", "destructive": true}],
                }),
                "register mail.send, refund (destructive)",
                "counterfoil flow register refunds --kind mail.send --kind refund:destructive --remove mail.drop",
            ),
            ("new", json!({}), "new would change", "sends the same"),
        ] {
            let said = sentence(&change(name, &value));
            assert!(said.contains(what) && said.contains(how), "{said}");
            assert!(
                said.contains("until 2026-12-01") && said.contains("one more admin"),
                "{said}"
            );
        }
    }

    #[test]
    fn words_of_others_move_no_cursor_and_missing_approvals_are_counted() {
        let mut one = change("unfreeze", &json!({}));
        one["reason"] = json!("now\u{1b}[2J");
        one["approvals"] = json!(3);
        one["approved_by"] = json!(["usr_2"]);
        let said = sentence(&one);
        assert!(said.contains("2 more of the role admin"), "{said}");
        assert!(said.contains("proposed by usr_1: now\\u{1b}[2J."), "{said}");
    }
}
