//! One sentence per entry of a run package.

use counterfoil_core::money::Money;
use counterfoil_core::time::Timestamp;
use counterfoil_evidence::hash::leaf;
use counterfoil_evidence::json::Json;

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) seq: u64,
    pub(super) at: String,
    pub(super) leaf: String,
    pub(super) run: String,
    pub(super) kind: String,
    pub(super) text: String,
}

/// The sentences of a package that was verified.
pub(super) fn sentences(package: &Json) -> Vec<Sentence> {
    let run = text(package, "run");
    let entries = package.get("entries").and_then(Json::as_array);
    let entries = entries.unwrap_or_default().iter();
    entries
        .filter_map(|entry| {
            let header = entry.get("h")?;
            let parts = entry.get("p")?;
            let facts = parts.get("facts")?.get("d")?;
            let kind = text(header, "kind");
            let at = header.get("at")?.as_uint()?;
            Some(Sentence {
                seq: header.get("seq")?.as_uint()?,
                at: Timestamp::from_millis(at).to_string(),
                leaf: leaf(&header.canonical()).to_string(),
                run: run.to_owned(),
                text: sentence(kind, facts, &Personal::of(parts.get("subject")))?,
                kind: kind.to_owned(),
            })
        })
        .collect()
}

/// The erasable part of an entry.
enum Personal<'a> {
    None,
    Present(&'a Json),
    Erased(u64),
}

impl<'a> Personal<'a> {
    fn of(part: Option<&'a Json>) -> Self {
        let Some(part) = part else { return Self::None };
        match (part.get("d"), part.get("x").and_then(Json::as_uint)) {
            (Some(data), _) => Self::Present(data),
            (None, Some(by)) => Self::Erased(by),
            (None, None) => Self::None,
        }
    }

    fn get(&self, name: &str) -> Option<&'a Json> {
        match self {
            Self::Present(data) => data.get(name),
            Self::None | Self::Erased(_) => None,
        }
    }

    /// What was changed, in words; where it was erased, that.
    fn change(&self) -> String {
        if let Self::Erased(by) = self {
            return format!(" (what exactly was erased by entry {by})");
        }
        let side = |name| self.get(name).and_then(Json::as_array).unwrap_or_default();
        let changes = side("before").iter().zip(side("after"));
        let words: Vec<String> = changes
            .map(|(before, after)| {
                let column = text(before, "column");
                format!("{column} from {} to {}", value(before), value(after))
            })
            .collect();
        if words.is_empty() {
            return String::new();
        }
        format!(": {}", words.join(", "))
    }

    /// "; promised pro, granted free, 29.00 USD a month at risk"
    fn difference(&self) -> String {
        let Some(difference) = self.get("difference") else {
            return String::new();
        };
        let money = difference.get("at_risk").and_then(|money| {
            let minor = money.get("minor")?.as_int()?;
            Some(Money::new(minor, text(money, "currency")))
        });
        let money = money.map_or_else(String::new, |money| format!(", {money} a month at risk"));
        format!(
            "; promised {}, granted {}{money}",
            text(difference, "promised"),
            text(difference, "granted")
        )
    }

    fn comment(&self) -> String {
        match self.get("comment").and_then(Json::as_str) {
            Some(comment) => format!(", saying \"{comment}\""),
            None => String::new(),
        }
    }
}

fn sentence(kind: &str, facts: &Json, personal: &Personal<'_>) -> Option<String> {
    let actor = facts.get("actor").map(actor).unwrap_or_default();
    let number = |name| facts.get(name).and_then(Json::as_uint).unwrap_or_default();
    Some(match kind {
        "run.open" => match text(facts, "purpose") {
            "check" => "Promise and grant of the customer were compared.".to_owned(),
            "scan" => "Promises and grants of everybody were compared.".to_owned(),
            "repair" => repair(&actor, facts),
            purpose => format!("{actor} began: {purpose}."),
        },
        "run.decision" if text(facts, "phase") == "execute" => format!(
            "Before anything was changed, the rule {} was asked again and said {}: {}",
            text(facts, "rule"),
            text(facts, "effect"),
            text(facts, "reason")
        ),
        "run.decision" => format!(
            "{actor} asked for {}{}{}{}. The rule {} said {}: {}",
            text(facts, "action"),
            personal.change(),
            personal.difference(),
            personal.comment(),
            text(facts, "rule"),
            text(facts, "effect"),
            text(facts, "reason")
        ),
        "run.resolution" => format!(
            "{}{}.",
            answer(text(facts, "approver"), text(facts, "effect")),
            personal.comment()
        ),
        "repair.started" => "The change was begun.".to_owned(),
        "repair.executed" => format!("The row was changed{}.", personal.change()),
        "repair.failed" => match text(facts, "code") {
            "row-changed-since" | "row-gone" => {
                "What the row holds is not what was to be written.".to_owned()
            }
            _ => "The row was not changed.".to_owned(),
        },
        "observation.recorded" if text(facts, "topic") == "action.outcome_unknown" => {
            "Nobody knows whether the row was changed: it could not be read back.".to_owned()
        }
        "repair.verified" => match text(facts, "result") {
            "match" => "Promise and grant were read again: they agree.".to_owned(),
            _ => "Promise and grant were read again: they still differ.".to_owned(),
        },
        "incident.opened" => "An incident was opened.".to_owned(),
        "incident.changed" => {
            "The incident stays open: the difference is another one now.".to_owned()
        }
        "incident.ignored" => format!("{actor} decided to ignore the incident."),
        "incident.resolved" => "The difference is gone, so the incident was closed.".to_owned(),
        "run.close" => format!(
            "The run ended ({}): {} allowed, {} held, {} denied{}.",
            text(facts, "status"),
            number("allow"),
            number("require"),
            number("deny"),
            match facts.get("findings").and_then(Json::as_uint) {
                Some(1) => ", one difference found".to_owned(),
                Some(found) => format!(", {found} differences found"),
                None => String::new(),
            }
        ),
        "redact" | "key.rotate" => return None,
        other => format!("{actor} recorded {other}{}.", personal.change()),
    })
}

/// A run about a repair proposes it, or carries the answers and what follows.
fn repair(actor: &str, facts: &Json) -> String {
    let cause = facts.get("cause").and_then(|cause| cause.get("seq"));
    let scheduled = facts.get("actor").map(|actor| text(actor, "type")) == Some("scheduler");
    match cause.and_then(Json::as_uint) {
        Some(seq) if !scheduled => {
            format!("{actor} answered or carried out the repair proposed in entry {seq}.")
        }
        _ => format!("{actor} proposed a repair."),
    }
}

/// An answer to what was held; the product answers where no person did.
fn answer(approver: &str, effect: &str) -> String {
    match (approver, effect) {
        (_, "ALLOW") => format!("{approver} approved"),
        ("system:cancel", _) => "The proposal was withdrawn".to_owned(),
        (system, _) if system.starts_with("system:") => {
            "Nobody approved in time, so the proposal ended".to_owned()
        }
        _ => format!("{approver} said no"),
    }
}

/// Who, as evidence names them.
fn actor(actor: &Json) -> String {
    match text(actor, "type") {
        "scheduler" => "The schedule".to_owned(),
        "system" => "The product".to_owned(),
        _ => text(actor, "id").to_owned(),
    }
}

fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// The value of a side: a cell is a type and a value.
fn value(side: &Json) -> String {
    match side.get("value") {
        Some(Json::Object(cell)) => cell.get("value").map_or_else(nothing, plain),
        Some(value) => plain(value),
        None => nothing(),
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::Null => nothing(),
        Json::Str(text) if text.is_empty() => "\"\"".to_owned(),
        Json::Str(text) => text.clone(),
        Json::Array(items) if items.is_empty() => "none".to_owned(),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            items.join("+")
        }
        other => other.canonical_text(),
    }
}

fn nothing() -> String {
    "nothing".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: &str, facts: &str, subject: &str) -> String {
        let package = format!(
            r#"{{"run":"run_1","entries":[{{"h":{{"at":1795392000000,"kind":"{kind}","seq":7}},"p":{{"facts":{{"d":{facts}}},"subject":{subject}}}}}]}}"#
        );
        let package = Json::parse_document(package.as_bytes()).unwrap();
        let mut told = sentences(&package);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].at, "2026-11-23T00:00:00Z");
        told.remove(0).text
    }

    #[test]
    fn a_proposal_says_what_why_and_how_much_money() {
        let facts = r#"{"action":"repair.execute","actor":{"type":"scheduler","id":"run_0"},"effect":"REQUIRE","rule":"base.require.machine-live","reason":"What a machine proposes needs a person's approval."}"#;
        let subject = r#"{"d":{"before":[{"column":"plan","value":{"type":"text","value":"free"}}],"after":[{"column":"plan","value":{"type":"text","value":"pro"}}],"difference":{"promised":"pro","granted":"free","kind":"paid_no_access","at_risk":{"minor":2900,"currency":"usd"}}},"s":"00"}"#;
        assert_eq!(
            told("run.decision", facts, subject),
            "The schedule asked for repair.execute: plan from free to pro; promised pro, granted free, 29.00 USD a month at \
             risk. The rule base.require.machine-live said REQUIRE: What a machine proposes needs a person's approval."
        );
    }

    #[test]
    fn a_repair_reads_as_a_story() {
        let user = r#""actor":{"type":"user","id":"usr_1"}"#;
        let open = format!(r#"{{{user},"purpose":"repair","cause":{{"entry":"00","seq":15}}}}"#);
        let proposal = format!(r#"{{{user},"purpose":"repair"}}"#);
        let execute = format!(
            r#"{{{user},"action":"repair.execute","effect":"ALLOW","phase":"execute","reason":"Why not.","rule":"r"}}"#
        );
        let vote = |approver: &str, effect: &str| {
            format!(r#"{{"approver":"{approver}","effect":"{effect}"}}"#)
        };
        let (yes, no) = (vote("usr_1", "ALLOW"), vote("usr_1", "DENY"));
        let (withdrawn, late) = (vote("system:cancel", "DENY"), vote("system:expiry", "DENY"));
        let difference = r#"{"d":{"difference":{"promised":"pro","granted":"free"}}}"#;
        let words = r#"{"d":{"comment":"paid"}}"#;
        let resolved = format!("{{{user}}}");
        for (kind, facts, subject, says) in [
            (
                "run.open",
                &open,
                "{}",
                "usr_1 answered or carried out the repair proposed in entry 15.",
            ),
            ("run.open", &proposal, "{}", "usr_1 proposed a repair."),
            (
                "run.decision",
                &execute,
                difference,
                "Before anything was changed, the rule r was asked again and said ALLOW: Why not.",
            ),
            (
                "run.resolution",
                &yes,
                words,
                "usr_1 approved, saying \"paid\".",
            ),
            ("run.resolution", &no, "{}", "usr_1 said no."),
            (
                "run.resolution",
                &withdrawn,
                "{}",
                "The proposal was withdrawn.",
            ),
            (
                "run.resolution",
                &late,
                "{}",
                "Nobody approved in time, so the proposal ended.",
            ),
            (
                "incident.resolved",
                &resolved,
                "{}",
                "The difference is gone, so the incident was closed.",
            ),
        ] {
            assert_eq!(told(kind, facts, subject), says);
        }
    }

    #[test]
    fn what_was_erased_is_said_to_be_erased() {
        let said = told("repair.executed", "{}", r#"{"x":12}"#);
        assert_eq!(
            said,
            "The row was changed (what exactly was erased by entry 12)."
        );
    }
}
