//! The rules of a workspace, for people.

use serde_json::Value;

use crate::answer::{text, texts};
use crate::output::say;
use crate::plain::shown;
use crate::signing_key;
use crate::table::Table;

/// Flips that are printed; the report has more.
const MOST_FLIPS: usize = 20;

pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let list = value.get(name).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn number(value: &Value, pointer: &str) -> u64 {
    let number = value.pointer(pointer).and_then(Value::as_u64);
    number.unwrap_or_default()
}

/// The command that signs the next bundle of a workspace; `previous` is the digest in force, if any.
pub(super) fn sign(workspace: &str, version: u64, previous: &str) -> String {
    let previous = match previous {
        "" => String::new(),
        digest => format!(" --previous {}", shown(digest)),
    };
    format!(
        "counterfoil policy sign FOLDER --key FILE --workspace {} --version {version}{previous}",
        shown(workspace)
    )
}

/// What is in force, who signs, what waits, what is stored.
pub(super) fn tell(policy: &Value, bundles: &[Value], workspace: &str) {
    let active = text(policy, "/active/digest");
    match text(policy, "/state") {
        "default" => say("in force: the default bundle, which permits what the baseline permits"),
        "revoked" => say(format_args!(
            "in force: nothing. {} was revoked, and everything but mending that is denied",
            shown(active)
        )),
        _ => say(format_args!(
            "in force: {}, version {}, since {}",
            shown(active),
            number(policy, "/active/version"),
            shown(text(policy, "/active/since"))
        )),
    }
    let shadow = text(policy, "/shadow/digest");
    if !shadow.is_empty() {
        say(format_args!("in shadow: {}", shown(shadow)));
    }
    for act in ["register_key", "activate"] {
        waits(policy, act);
    }
    let mut keys = Table::new(["key that signs", "since", "registered by"]);
    for key in list(policy, "keys") {
        keys.row([
            text(key, "/fingerprint"),
            text(key, "/since"),
            text(key, "/registered_by"),
        ]);
    }
    keys.print("No key signs. Next: counterfoil policy key policy-key.pub");
    let mut stored = Table::new(["bundle", "version", "state", "uploaded", "by"]);
    for bundle in bundles {
        stored.row([
            text(bundle, "/digest"),
            &number(bundle, "/version").to_string(),
            text(bundle, "/state"),
            text(bundle, "/uploaded_at"),
            text(bundle, "/uploaded_by"),
        ]);
    }
    stored.print("No bundle is stored. Next: counterfoil policy push FOLDER");
    let next = number(policy, "/active/version").saturating_add(1);
    say(format_args!(
        "the next bundle: {}",
        sign(workspace, next, active)
    ));
}

/// What of a kind waits for a second person.
pub(super) fn waits(policy: &Value, act: &str) {
    let waiting = list(policy, "waiting").iter();
    for waiting in waiting.filter(|it| text(it, "/act") == act) {
        let what = if act == "activate" {
            format!("activating {}", shown(text(waiting, "/digest")))
        } else {
            let (key, replaces) = (text(waiting, "/public_key"), text(waiting, "/replaces"));
            format!(
                "registering the key {} (`{}`)",
                signing_key::named(key, replaces),
                signing_key::command(replaces)
            )
        };
        say(format_args!(
            "waits for a second person: {what}, proposed by {} and open until {}",
            shown(text(waiting, "/proposed_by")),
            shown(text(waiting, "/lapses_at"))
        ));
    }
}

/// What a bundle would have decided, in short; `others` is the command that looks at those that were not
/// looked at.
pub(super) fn tell_impact(impact: &Value, others: Option<&str>) {
    say(shown(text(impact, "/sentence")));
    let mut table = Table::new(["was", "would be DENY", "would be REQUIRE", "would be ALLOW"]);
    for before in ["deny", "require", "allow"] {
        let cell = |after: &str| {
            let pointer = format!("/report/transitions/{before}/{after}");
            number(impact, &pointer).to_string()
        };
        table.row([
            &before.to_uppercase(),
            &cell("deny"),
            &cell("require"),
            &cell("allow"),
        ]);
    }
    table.print("");
    tell_flips(impact);
    let errors = number(impact, "/report/engine_errors");
    if errors > 0 {
        say(format_args!(
            "in {errors} of them a policy could not be evaluated: they would be denied"
        ));
    }
    let other = number(impact, "/report/not_comparable");
    if other > 0 {
        say(format_args!(
            "{other} decisions cannot be judged again: no rule denied them, or their question was stored \
             in another form"
        ));
    }
    if let Some(others) = others {
        say("there were more decisions than that: only the newest were looked at");
        say(format_args!("the others: {others}"));
    }
    match texts(impact, "/digests").as_slice() {
        [one] => say(format_args!("report {}", shown(one))),
        several => say(format_args!("reports {}", shown(&several.join(" ")))),
    }
}

fn tell_flips(impact: &Value) {
    let report = impact.get("report").unwrap_or(&Value::Null);
    let flips = list(report, "flips");
    if flips.is_empty() {
        return;
    }
    let mut table = Table::new(["decision", "action", "was", "by", "would be", "by"]);
    for flip in flips.iter().take(MOST_FLIPS) {
        table.row([
            text(flip, "/decision"),
            text(flip, "/action"),
            text(flip, "/before/effect"),
            &texts(flip, "/before/rules").join(" "),
            text(flip, "/after/effect"),
            &texts(flip, "/after/rules").join(" "),
        ]);
    }
    table.print("");
    if flips.len() > MOST_FLIPS {
        say(format_args!(
            "these are the newest {MOST_FLIPS} of {}: --json lists {}",
            number(report, "/flipped"),
            flips.len()
        ));
    }
}
