//! The tables of a delivery: entries by kind, runs, incidents, repairs.

use counterfoil_evidence::verify::Governance;

use super::{Delivery, MAX_ROWS, RunRow};
use crate::colour::Tone;
use crate::flow::Flow;
use crate::style::{Style, label};
use crate::table::{column, number};
use crate::values::{grouped, shortened};
use crate::wrap::Span;
use crate::{kinds, parts, time};

/// Where the openings of incidents are.
const OPENINGS: &str = "A difference that a check or scan finds opens its incident without an entry of its own: it is a line of the findings object, which is an output of that run and is named by its digest in run.close.";

pub(super) fn kinds(flow: &mut Flow<'_>, delivery: &Delivery<'_>) {
    flow.heading(2, "Entries by kind");
    let columns = [
        column("Kind", 150),
        number("Entries", 77),
        column("What it records", 240),
    ];
    let rows = delivery.kinds.iter().map(|(kind, number)| {
        vec![
            vec![Style::Mono.span(kind.as_str())],
            vec![Style::Small.span(grouped(*number))],
            vec![Style::Small.span(kinds::meaning(kind))],
        ]
    });
    flow.table(&columns, rows);
}

pub(super) fn runs(flow: &mut Flow<'_>, delivery: &Delivery<'_>) {
    flow.heading(2, "Runs");
    if delivery.runs.is_empty() {
        flow.text(Style::Body, "There is no run in these entries.");
        return;
    }
    let columns = [
        column("Run", 145),
        column("Began (UTC)", 104),
        column("For", 52),
        column("Status", 58),
        column("A/R/D", 44),
        column("Governance", 64),
    ];
    let rows = delivery.runs.iter().take(MAX_ROWS).map(|run| {
        let (allow, require, deny) = run.decisions;
        let governance = match delivery.accepted.governance.get(&run.run) {
            Some(result) => {
                let (word, tone, _) = parts::governance(*result);
                vec![label(tone, word)]
            }
            None if run.status.is_none() => vec![Style::Small.span("open")],
            None => vec![Style::Small.span("–")],
        };
        let answer = run.answer.filter(|_| unresolved(delivery, run));
        let answer = answer.map(|seq| Style::Small.span(format!(" answered in entry {seq}")));
        let governance = governance.into_iter().chain(answer).collect();
        vec![
            vec![id(&run.run)],
            vec![Style::Small.span(time::short(run.at))],
            vec![Style::Small.span(shortened(&run.purpose))],
            vec![Style::Small.span(shortened(run.status.as_deref().unwrap_or("open")))],
            vec![Style::Small.span(format!("{allow} / {require} / {deny}"))],
            governance,
        ]
    });
    flow.table(&columns, rows);
    flow.text(Style::Small, "A/R/D: decisions ALLOW, REQUIRE and DENY. The governance result is computed by the verifier.");
    if delivery.runs.iter().any(|run| unresolved(delivery, run)) {
        flow.text(Style::Small, "UNRESOLVED is about a run by itself. A run that proposes something closes with its decision held; the answer, where one was given, is in a later run, which cites that decision. Where this delivery has the answer, its entry is named.");
    }
    left_out(flow, delivery.runs.len(), delivery.runs_total);
}

fn unresolved(delivery: &Delivery<'_>, run: &RunRow) -> bool {
    delivery.accepted.governance.get(&run.run) == Some(&Governance::Unresolved)
}

pub(super) fn incidents(flow: &mut Flow<'_>, delivery: &Delivery<'_>) {
    flow.heading(2, "Incidents");
    if delivery.incidents.is_empty() {
        flow.text(
            Style::Body,
            "No incident was opened, changed or resolved by an entry of its own in these entries.",
        );
        flow.text(Style::Small, OPENINGS);
        return;
    }
    let columns = [
        number("Entry", 46),
        column("When (UTC)", 122),
        column("Event", 82),
        column("Incident", 217),
    ];
    let rows = delivery.incidents.iter().take(MAX_ROWS).map(|row| {
        vec![
            vec![Style::Small.span(grouped(row.seq))],
            vec![Style::Small.span(time::short(row.at))],
            vec![Style::Small.strong(shortened(&row.event))],
            vec![id(&row.incident)],
        ]
    });
    flow.table(&columns, rows);
    flow.text(Style::Small, OPENINGS);
    left_out(flow, delivery.incidents.len(), delivery.incidents_total);
}

pub(super) fn repairs(flow: &mut Flow<'_>, delivery: &Delivery<'_>) {
    flow.heading(2, "Repairs");
    if delivery.repairs.is_empty() {
        flow.text(Style::Body, "Nothing was repaired in these entries.");
        return;
    }
    let columns = [
        number("Entry", 46),
        column("When (UTC)", 86),
        column("Outcome", 72),
        column("Run", 143),
        column("Change", 120),
    ];
    let rows = delivery.repairs.iter().take(MAX_ROWS).map(|row| {
        let mut outcome = vec![word(&row.outcome)];
        if let Some(checked) = &row.checked {
            outcome.extend([Style::Small.span("  "), word(checked)]);
        }
        vec![
            vec![Style::Small.span(grouped(row.seq))],
            vec![Style::Small.span(time::short(row.at))],
            outcome,
            vec![id(&row.run)],
            vec![Style::Small.span(shortened(&row.change))],
        ]
    });
    flow.table(&columns, rows);
    flow.text(Style::Small, "MATCH and MISMATCH: promise and grant were read again after the change, and agreed or did not.");
    left_out(flow, delivery.repairs.len(), delivery.repairs_total);
}

fn word(outcome: &str) -> Span {
    let tone = match outcome {
        "executed" | "match" => Tone::Good,
        "failed" | "mismatch" => Tone::Bad,
        _ => Tone::Plain,
    };
    label(tone, outcome.to_uppercase())
}

/// An id in a narrow column: one line for the ids of the product.
fn id(text: &str) -> Span {
    Span {
        size: 7_300,
        ..Style::Mono.span(shortened(text))
    }
}

fn left_out(flow: &mut Flow<'_>, listed: usize, total: u64) {
    let printed = u64::try_from(listed.min(MAX_ROWS)).unwrap_or(u64::MAX);
    let left = total.saturating_sub(printed);
    if left > 0 {
        let text = format!(
            "{} more are in index.csv and in evidence.tar.",
            grouped(left)
        );
        flow.text(Style::Body, &text);
    }
}
