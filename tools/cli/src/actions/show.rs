//! An action in words: what exactly it would change, for how much money, by which rule, until when.

use serde_json::Value;

use super::given::{approvers, given, said};
use super::{ignore, in_run};
use crate::answer::{money, text, texts, words};
use crate::plain::shown;

/// What becomes of an action, in one sentence, with the next command.
pub(crate) fn next(action: &Value) -> String {
    if in_run::is_of_run(action)
        && let Some(said) = in_run::next(action)
    {
        return said;
    }
    if ignore::is_ignore(action)
        && let Some(said) = ignore::next(action)
    {
        return said;
    }
    let at = |pointer| shown(text(action, pointer));
    let (id, incident) = (at("/id"), at("/incident"));
    match text(action, "/state") {
        "allowed" => format!(
            "next: {} --execute   does it; nothing has changed yet",
            command(action)
        ),
        "approved" => format!(
            "{id} is approved, and nothing has changed yet; next: {} --execute",
            command(action)
        ),
        "held" => format!(
            "{} next: another person runs `counterfoil approve {id}`",
            waits(action)
        ),
        "rejected" => format!("{id} is rejected: nothing changes, and {incident} is open again"),
        "cancelled" => format!("{id} is withdrawn: nothing changes"),
        "executing" => {
            format!("{id} is being executed; what became of it: counterfoil approvals {id}")
        }
        "executed" => {
            format!("{id} is executed: the row is changed, and is looked at again within a minute")
        }
        "verified" => match at("/undo_of") {
            undone if undone.is_empty() => {
                format!("{id} is verified: the row is changed, and the promise holds")
            }
            undone => format!(
                "{id} is verified: the row is what it was before {undone}; look at what is open now: \
                 counterfoil incidents show {incident}"
            ),
        },
        "denied" => format!(
            "{id} is denied by {}: {}; nothing changes",
            at("/decision/rule"),
            at("/decision/reason")
        ),
        "expired" => format!(
            "{id} was not approved in time; propose it again: {}",
            again(action)
        ),
        "stale" => format!(
            "{id} is stale: the row or what was promised changed since, and nothing was written; look at it, \
             and propose it again: counterfoil incidents show {incident}"
        ),
        "failed" => failed(&id, &at("/failure"), &incident),
        state => format!("{id} is {}", shown(state)),
    }
}

/// What is known of the row after a repair that failed, by its code.
fn failed(id: &str, code: &str, incident: &str) -> String {
    let known = match code {
        "outcome-unknown" => {
            return format!(
                "{id} was begun, and nobody knows whether the row was changed: it could not be read back \
                 ({code}). look at the row in your database; {incident} is open, and the next scan compares \
                 it: counterfoil incidents show {incident}"
            );
        }
        "row-changed-since" | "row-gone" => "and what the row holds is not what was to be written",
        "not-applied" => "and the row is as it was",
        "credential-unavailable"
        | "database-unavailable"
        | "not-one-row"
        | "refused"
        | "repairs-off" => "and nothing was written",
        _ => "and what the row holds is not told here",
    };
    format!("{id} failed ({code}), {known}; look at it: counterfoil incidents show {incident}")
}

/// The command that proposes the same once more.
pub(super) fn again(action: &Value) -> String {
    let at = |pointer| shown(text(action, pointer));
    if in_run::is_of_run(action) {
        return format!(
            "counterfoil run propose {} {} …",
            at("/run"),
            at("/params/kind")
        );
    }
    if ignore::is_ignore(action) {
        let incident = at("/incident");
        return format!("counterfoil incidents ignore {incident} --days DAYS --reason …");
    }
    format!("{} --reason …", command(action))
}

/// The command whose action it is, a repair or its undo.
fn command(action: &Value) -> String {
    let at = |pointer| shown(text(action, pointer));
    match at("/undo_of") {
        undone if undone.is_empty() => format!("counterfoil repair {}", at("/incident")),
        undone => format!("counterfoil undo {undone}"),
    }
}

/// Who took the place of missing approvals, and whether another person has looked at it.
pub(crate) fn override_of(action: &Value) -> Option<String> {
    let at = |pointer| shown(text(action, pointer));
    let by = at("/overridden_by");
    if by.is_empty() {
        return None;
    }
    let how = match (at("/override/ticket"), at("/override/at")) {
        (ticket, at) if !ticket.is_empty() => format!(" ({ticket}) at {at}"),
        _ => String::new(),
    };
    let review = match (at("/override/review/by"), at("/override/review/until")) {
        (person, _) if !person.is_empty() => {
            format!("; reviewed by {person} at {}", at("/override/review/at"))
        }
        (_, until) if !until.is_empty() => format!(
            "; not reviewed yet, until {until} another person does: counterfoil override review {}",
            at("/id")
        ),
        _ => String::new(),
    };
    Some(format!("by {by}{how}{review}"))
}

/// The decision in a sentence.
pub(crate) fn decision(action: &Value) -> String {
    let at = |pointer| shown(text(action, pointer));
    let because = format!("{} ({})", at("/decision/reason"), at("/decision/rule"));
    match text(action, "/decision/effect") {
        "ALLOW" => format!("allowed without approval: {because}"),
        "REQUIRE" => format!("held for {}: {because}", people(needed(action))),
        "DENY" => format!("denied: {because}"),
        other => format!("{}: {because}", shown(other)),
    }
}

fn needed(action: &Value) -> u64 {
    let needed = action.pointer("/decision/approvals");
    needed.and_then(Value::as_u64).unwrap_or_default()
}

fn people(count: u64) -> String {
    match count {
        1 => "the approval of one other person".to_owned(),
        count => format!("the approvals of {count} other people"),
    }
}

fn waits(action: &Value) -> String {
    let id = shown(text(action, "/id"));
    match needed(action).saturating_sub(given(action)) {
        // Where it is told without who counts no more, it waits for one at least.
        0 | 1 => format!("{id} waits for one more approval."),
        more => format!("{id} waits for {more} more approvals."),
    }
}

/// Everything that whoever votes must know.
pub(super) fn story(action: &Value, incident: Option<&Value>) -> Vec<String> {
    let at = |pointer| shown(text(action, pointer));
    let mut lines = vec![format!("{} is {}", at("/id"), words(&at("/state")))];
    let repairs = !in_run::is_of_run(action) && !ignore::is_ignore(action);
    if in_run::is_of_run(action) {
        lines.extend(in_run::story(action));
    } else if ignore::is_ignore(action) {
        lines.extend(ignore::story(action, &differs(incident)));
    } else {
        lines.push(format!(
            "  repairs    {}{}",
            at("/incident"),
            differs(incident)
        ));
        lines.push(format!("  money      {}", a_month(incident)));
    }
    if !at("/undo_of").is_empty() {
        lines.push(format!("  undoes     {}", at("/undo_of")));
    }
    let proposer = format!("{} {}", at("/proposer/type"), at("/proposer/id"));
    let why = match at("/reason") {
        reason if reason.is_empty() => "no reason was given".to_owned(),
        reason => reason,
    };
    lines.push(format!("  proposed   by {proposer}: {why}"));
    if repairs {
        lines.extend(writes(action));
    }
    lines.push(format!("  decision   {}", decision(action)));
    let approved = approvers(action);
    if !approved.is_empty() {
        lines.push(format!("  approved   by {}", approved.join(", ")));
    }
    if let Some(broken) = override_of(action) {
        lines.push(format!("  overridden {broken}"));
    }
    let words = said(action).into_iter();
    lines.extend(words.map(|said| format!("  said       {said}")));
    if text(action, "/state") == "held" {
        lines.push(format!("  until      {}", at("/expires_at")));
    }
    if !at("/failure").is_empty() {
        lines.push(format!("  failure    {}", at("/failure")));
    }
    lines.push(format!("  digest     {}", at("/action_digest")));
    lines
}

/// The row, and each column before and after.
fn writes(action: &Value) -> Vec<String> {
    let table = shown(text(action, "/change/table"));
    let key = exactly(text(action, "/change/key"));
    let mut lines = vec![format!("  writes     one row of {table}, key {key}")];
    let columns = changes(action).into_iter();
    lines.extend(columns.map(|line| format!("    {line}")));
    lines
}

fn differs(incident: Option<&Value>) -> String {
    let Some(incident) = incident else {
        return String::new();
    };
    let customers = shown(&texts(incident, "/customers").join(", "));
    let kind = words(&shown(text(incident, "/kind")));
    format!(": {kind}, {customers}")
}

/// `29.00 USD a month, at least`.
pub(super) fn a_month(incident: Option<&Value>) -> String {
    match incident.map(|it| money(it, "/at_risk")) {
        Some(amount) if !amount.is_empty() => format!("{} a month, at least", shown(&amount)),
        _ => "no amount is known".to_owned(),
    }
}

/// Before and after of every column, in columns.
fn changes(action: &Value) -> Vec<String> {
    let columns = action.pointer("/change/columns").and_then(Value::as_array);
    let columns = columns.into_iter().flatten();
    let mut rows = vec![["column", "before", "after"].map(str::to_owned)];
    rows.extend(columns.map(|it| {
        [
            shown(text(it, "/column")),
            exactly(text(it, "/before")),
            exactly(text(it, "/after")),
        ]
    }));
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let (column, before) = (width(0), width(1));
    let line =
        |[name, was, will]: &[String; 3]| format!("{name:column$}  {was:before$}  -> {will}");
    rows.iter().map(line).collect()
}

/// A value of a row such that two different ones look different.
fn exactly(value: &str) -> String {
    if value.is_empty() {
        return "(empty)".to_owned();
    }
    let text = shown(value);
    let plain = value.trim() == value && !value.starts_with(['"', '(']) && !value.contains("  ");
    if plain { text } else { format!("\"{text}\"") }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in crate::actions) fn held() -> Value {
        json!({
            "id": "act_1", "state": "held", "incident": "inc_1", "run": "run_1",
            "action_digest": "sha256:ab", "expires_at": "2026-11-29T00:00:00.000Z",
            "proposer": {"type": "api_key", "id": "key_1"}, "reason": "support\u{1b}[2J asked",
            "decision": {"id": "dec_1", "effect": "REQUIRE", "approvals": 2, "rule": "base.require.machine-live",
                "reason": "Machines change live rows only with approval"},
            "change": {"table": "public.app_users", "key": "42", "columns": [
                {"column": "plan", "before": "free", "after": "pro"},
                {"column": "trial_ends_at", "before": "", "after": " 2026"},
            ]},
            "approved_by": ["usr_1"], "follow_up_run": null, "failure": null,
        })
    }

    #[test]
    fn a_change_is_told_exactly() {
        let incident = json!({ "kind": "paid_no_access", "customers": ["cus_1"],
            "at_risk": {"minor": 2900, "currency": "usd"} });
        let story = story(&held(), Some(&incident));
        let expected = [
            "act_1 is held",
            "  repairs    inc_1: paid no access, cus_1",
            "  money      29.00 USD a month, at least",
            "  proposed   by api_key key_1: support\\u{1b}[2J asked",
            "  writes     one row of public.app_users, key 42",
            "    column         before   -> after",
            "    plan           free     -> pro",
            "    trial_ends_at  (empty)  -> \" 2026\"",
            "  decision   held for the approvals of 2 other people: Machines change live rows only with approval \
             (base.require.machine-live)",
            "  approved   by usr_1",
            "  until      2026-11-29T00:00:00.000Z",
            "  digest     sha256:ab",
        ];
        assert_eq!(story, expected);
    }

    #[test]
    fn whoever_broke_the_glass_and_who_looked_at_it_is_told() {
        let mut broken = held();
        assert_eq!(override_of(&broken), None);
        broken["overridden_by"] = json!("usr_2");
        broken["override"] = json!({ "by": "usr_2", "at": "2026-11-26T01:00:00.000Z", "ticket": "OPS-1\u{1b}",
            "review": { "until": "2026-12-03T01:00:00.000Z", "by": null, "at": null } });
        assert_eq!(
            story(&broken, None)[10],
            "  overridden by usr_2 (OPS-1\\u{1b}) at 2026-11-26T01:00:00.000Z; not reviewed yet, until \
             2026-12-03T01:00:00.000Z another person does: counterfoil override review act_1"
        );
        broken["override"]["review"]["by"] = json!("usr_3");
        broken["override"]["review"]["at"] = json!("2026-11-27T01:00:00.000Z");
        let said = override_of(&broken).unwrap();
        assert!(
            said.ends_with("reviewed by usr_3 at 2026-11-27T01:00:00.000Z"),
            "{said}"
        );
    }

    #[test]
    fn values_that_differ_look_different() {
        let values = [
            "", "(empty)", " ", "a", " a", "a ", "\"a\"", "\"a \"", "a\n", "a  b", "a b",
        ];
        let shown: std::collections::BTreeSet<String> =
            values.iter().map(|it| exactly(it)).collect();
        assert_eq!(shown.len(), values.len(), "{shown:?}");
    }

    #[test]
    fn every_outcome_has_its_sentence() {
        let said = |state: &str| {
            let mut action = held();
            action["state"] = json!(state);
            next(&action)
        };
        assert!(
            said("held").contains(
                "one more approval. next: another person runs `counterfoil approve act_1`"
            )
        );
        assert!(said("allowed").contains("counterfoil repair inc_1 --execute"));
        assert!(said("expired").contains("counterfoil repair inc_1"));
        assert!(said("denied").contains("by base.require.machine-live: Machines"));
        assert!(said("stale").contains("nothing was written"));
        assert!(said("verified").contains("the promise holds"));
        let failed = |code: &str| {
            let mut action = held();
            (action["state"], action["failure"]) = (json!("failed"), json!(code));
            next(&action)
        };
        assert!(failed("not-applied").contains("the row is as it was"));
        assert!(failed("refused").contains("nothing was written"));
        // Of these nobody knows what was written, and nothing is claimed.
        for code in [
            "row-changed-since",
            "row-gone",
            "outcome-unknown",
            "new\ncode",
        ] {
            let said = failed(code);
            assert!(
                !said.contains("as it was") && !said.contains("nothing was"),
                "{said}"
            );
            assert!(said.ends_with("counterfoil incidents show inc_1"), "{said}");
        }
        let unknown = failed("outcome-unknown");
        assert!(!unknown.contains("  "), "{unknown}");
        assert!(
            unknown.contains("nobody knows whether the row was changed"),
            "{unknown}"
        );
        assert_eq!(said("new\nstate"), "act_1 is new\\nstate");
        // Proposing the repair would be the opposite of what it takes back.
        let mut undo = held();
        (undo["state"], undo["undo_of"]) = (json!("expired"), json!("act_0"));
        let said = next(&undo);
        assert!(
            said.ends_with("counterfoil undo act_0 --reason …"),
            "{said}"
        );
        assert!(!said.contains("repair"), "{said}");
        for (state, end) in [
            ("approved", "next: counterfoil undo act_0 --execute"),
            (
                "verified",
                "the row is what it was before act_0; look at what is open now: counterfoil incidents show inc_1",
            ),
        ] {
            undo["state"] = json!(state);
            let said = next(&undo);
            assert!(said.ends_with(end), "{said}");
        }
        let mut allowed = held();
        allowed["decision"]["effect"] = json!("ALLOW");
        assert!(decision(&allowed).starts_with("allowed without approval: Machines"));
    }
}
