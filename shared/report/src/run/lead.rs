//! The first sentence of the report: what came of the run.

use super::story;
use crate::record::{Entry, Record};
use crate::values::count;

/// What came of the run, in one or two sentences.
pub(super) fn lead(record: &Record<'_>) -> String {
    match record.open.text("purpose") {
        Some("check") => compared(
            record,
            "One customer's access was compared with what that customer pays for",
        ),
        Some("scan") => compared(
            record,
            "The access of all customers was compared with what they pay for",
        ),
        Some("repair") => repair(record).to_owned(),
        Some("export") => {
            "Evidence was to be exported. This report tells who asked for it and what policy decided."
                .to_owned()
        }
        Some("vote") => {
            "A person answered a proposed action. This report tells what was proposed, who answered, and what followed."
                .to_owned()
        }
        _ => {
            "A run took place under policy. This report tells what ran, what was decided about each of its actions, and what came out."
                .to_owned()
        }
    }
}

fn compared(record: &Record<'_>, what: &str) -> String {
    let found = match record.close.count("findings") {
        None => "What came of it is below.".to_owned(),
        Some(0) => "No difference was found.".to_owned(),
        Some(found) => format!(
            "{} found.",
            count(found, "difference was", "differences were")
        ),
    };
    format!("{what}. {found}")
}

fn repair(record: &Record<'_>) -> &'static str {
    let any = |kind, test: fn(&Entry<'_>) -> bool| record.of(kind).any(test);
    let approved = any("run.resolution", |entry| {
        entry.text("effect") == Some("ALLOW")
    });
    let executed = any("repair.executed", |_| true);
    let differs = any("repair.verified", |entry| {
        entry.text("result") != Some("match")
    });
    let verified = any("repair.verified", |_| true);
    let judged = |effect: &str| {
        let mut decisions = record.of("run.decision");
        decisions.any(|entry| entry.text("effect") == Some(effect))
    };
    match (executed, approved, verified, differs) {
        (true, true, true, false) => {
            "A repair was approved and carried out. Afterwards the customer's access matched what billing promises."
        }
        (true, false, true, false) => {
            "A repair was carried out. Afterwards the customer's access matched what billing promises."
        }
        (true, _, true, true) => {
            "A repair was carried out, and afterwards the customer's access still differed from what billing promises."
        }
        (true, _, false, _) => {
            "A repair was carried out. No reading afterwards is recorded in this run."
        }
        _ if any("repair.failed", story::is_unsure) => {
            "A repair was tried and failed. What its row held afterwards is not what was to be written."
        }
        _ if any("repair.failed", |_| true) => "A repair was tried and failed. It changed nothing.",
        _ if any("repair.started", |_| true) => {
            "A repair was begun. What became of it is not recorded in this run."
        }
        _ if judged("DENY") => "A repair was proposed, and policy denied it. Nothing was changed.",
        _ if judged("REQUIRE") && !approved => {
            "A repair was proposed. It waited for an approval when this run ended, and nothing was changed in this run."
        }
        _ if any("run.resolution", |entry| {
            entry.text("effect") == Some("DENY")
        }) =>
        {
            "A proposed repair was turned down, withdrawn, or not answered in time. Nothing was changed."
        }
        _ => "A repair was proposed or answered. Nothing was changed in this run.",
    }
}
