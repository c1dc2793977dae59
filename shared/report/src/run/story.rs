//! The run in plain language, for somebody who never heard of the product.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::verify::Governance;

use super::cause::cause;
use super::lead::lead;
use crate::About;
use crate::colour::Tone;
use crate::flow::Flow;
use crate::parts;
use crate::record::{Entry, Record, Subject};
use crate::style::{Style, label};
use crate::table::Field;
use crate::time;
use crate::values::{count, plain, shortened, who};
use crate::wrap::Span;

/// How many decisions, approvals and changes the summary tells; layer 2 has them all.
pub(super) const TOLD: usize = 5;

/// The title of the report, by what the run was for.
pub(crate) fn title(record: &Record<'_>) -> &'static str {
    match record.open.text("purpose") {
        Some("check") => "Evidence of a check",
        Some("scan") => "Evidence of a scan",
        Some("repair") => "Evidence of a repair",
        Some("export") => "Evidence of an export",
        Some("vote") => "Evidence of a vote",
        _ => "Evidence of a run",
    }
}

/// The summary.
pub(crate) fn tell(flow: &mut Flow<'_>, record: &Record<'_>, result: Governance, about: &About) {
    flow.heading(2, "In short");
    flow.text(Style::Lead, &lead(record));
    flow.text(
        Style::Body,
        "It was written from records that were made while the run happened, and only after those records had passed verification. The names of workspace and project, the report id and the time of issue were added by whoever issued it.",
    );
    let (word, tone, meaning) = parts::governance(result);
    flow.gap(crate::length::pt(4));
    flow.note(
        tone,
        &[vec![
            Style::Body.strong("Governance result  "),
            label(tone, word),
            Style::Body.span(format!("  {meaning}")),
        ]],
    );
    let mut fields = vec![
        Field::new(
            "Run",
            vec![
                Style::Mono.span(record.id),
                Style::Small.span(format!(" in project {}", about.project)),
            ],
        ),
        when(record),
    ];
    if let Some(actor) = who(record.open.facts.get("actor")) {
        fields.push(Field::new("Started by", actor));
    }
    fields.extend(compared(&record.close));
    fields.extend(cause(record));
    fields.extend(decided(record));
    fields.extend(answered(record));
    fields.extend(changed(record));
    fields.extend(afterwards(record));
    fields.push(ended(record));
    fields.extend(erased(record));
    flow.fields(fields);
}

fn when(record: &Record<'_>) -> Field {
    let (from, to) = (record.open.at, record.close.at);
    let text = format!("{}, for {}", time::utc(from), time::duration(from, to));
    Field::text("When", text)
}

/// What a reconciling run looked at.
fn compared(close: &Entry<'_>) -> Option<Field> {
    let (customers, findings) = (close.count("customers")?, close.count("findings")?);
    let mut text = count(customers, "customer", "customers");
    if let (Some(subscriptions), Some(rows)) = (close.count("subscriptions"), close.count("rows")) {
        let subscriptions = count(subscriptions, "subscription", "subscriptions");
        let rows = count(rows, "row", "rows");
        text = format!("{text}: {subscriptions} in billing against {rows} in the app's database");
    }
    let found = match findings {
        0 => "No difference was found.".to_owned(),
        _ => format!(
            "{} found.",
            count(findings, "difference was", "differences were")
        ),
    };
    let whole = match close.text("result") {
        Some("partial") => {
            " Not everything could be read, so nothing was concluded from what was missing."
        }
        _ => "",
    };
    Some(Field::text("Compared", format!("{text}. {found}{whole}")))
}

fn decided(record: &Record<'_>) -> Vec<Field> {
    let close = &record.close;
    let number = |name| close.count(name).unwrap_or_default();
    let total = number("decisions");
    let text = if total == 0 {
        "No action was proposed, so policy had nothing to decide.".to_owned()
    } else {
        format!(
            "Policy judged {}: {} allowed, {} held until somebody approves, {} denied.",
            count(total, "action", "actions"),
            number("allow"),
            number("require"),
            number("deny"),
        )
    };
    let mut fields = vec![Field::text("Decided", text)];
    for decision in record.of("run.decision").take(TOLD) {
        fields.push(Field::new("", verdict(decision)));
    }
    fields.extend(more(record.of("run.decision").count()));
    fields
}

/// `[ALLOW] repair.execute, by rule x: “reason”`, and the words of whoever asked.
fn verdict(decision: &Entry<'_>) -> Vec<Span> {
    let text = |name| decision.text(name).unwrap_or("–").to_owned();
    let mut spans = vec![effect(decision)];
    spans.push(Style::Small.strong(format!("  {}", text("action"))));
    spans.push(Style::Small.span(" by rule "));
    spans.push(Style::Small.id(text("rule")));
    spans.push(Style::Small.span(format!(": “{}”", shortened(&text("reason")))));
    if let Some(approvals) = decision.count("approvals") {
        let needed = count(approvals, "approval is", "approvals are");
        spans.push(Style::Small.span(format!(" {needed} needed.")));
    }
    if let Some(words) = decision.subject_text("comment") {
        let words = format!(" It was asked for with the words “{}”.", shortened(words));
        spans.push(Style::Small.span(words));
    }
    if alone(decision) {
        spans.push(Style::Small.span("  "));
        spans.extend(no_second_person());
    }
    spans
}

/// Whether the only person of a workspace agreed with themselves.
pub(super) fn alone(decision: &Entry<'_>) -> bool {
    decision.facts.get("solo").and_then(Json::as_bool) == Some(true)
}

/// That nobody else agreed, and why that was enough.
pub(super) fn no_second_person() -> [Span; 2] {
    [
        label(Tone::Wait, "ALONE"),
        Style::Small.span(
            "  No second person agreed: whoever proposed it was alone in the workspace, and confirmed it themselves at least 24 hours later.",
        ),
    ]
}

/// The effect of a decision or of an answer as a label.
pub(crate) fn effect(entry: &Entry<'_>) -> Span {
    let word = entry.text("effect").unwrap_or("–");
    let tone = match word {
        "ALLOW" => Tone::Good,
        "REQUIRE" => Tone::Wait,
        "DENY" => Tone::Bad,
        _ => Tone::Plain,
    };
    label(tone, word)
}

fn more(count: usize) -> Option<Field> {
    let left = count.checked_sub(TOLD).filter(|left| *left > 0)?;
    Some(Field::text("", format!("{left} more are told in layer 2.")))
}

/// Who approved or rejected, and with which words.
fn answered(record: &Record<'_>) -> Vec<Field> {
    let answers: Vec<_> = record.of("run.resolution").collect();
    let mut fields = Vec::new();
    for (index, answer) in answers.iter().take(TOLD).enumerate() {
        let allowed = answer.text("effect") == Some("ALLOW");
        let approver = answer.text("approver").unwrap_or("–");
        let mut spans = vec![
            Style::Small.strong(if allowed { "Approved" } else { "Rejected" }),
            Style::Small.span(" by "),
            Style::Small.id(shortened(approver)),
            Style::Small.span(format!(" at {}", time::clock(answer.at))),
        ];
        if overridden(answer) {
            spans.push(Style::Small.span("  "));
            spans.push(label(Tone::Bad, "OVERRIDE"));
        }
        if let Some(comment) = answer.subject_text("comment") {
            spans.push(Style::Small.span(format!(": “{}”", shortened(comment))));
        } else if let Subject::Erased(by) = answer.subject {
            spans.push(Style::Small.span(format!("; the reason was erased by entry {by}")));
        }
        let question = question(record, answer);
        spans.push(Style::Small.span(format!(" It answers {question}.")));
        fields.push(Field::new(if index == 0 { "Answered" } else { "" }, spans));
    }
    fields.extend(more(answers.len()));
    fields
}

/// The held decision that an answer is about, and where it is.
fn question(record: &Record<'_>, answer: &Entry<'_>) -> String {
    let decision = answer.text("decision").unwrap_or("–");
    if let Some(seq) = record.by_leaf(decision) {
        return format!("the decision in entry {seq}");
    }
    let cause = record.open.facts.get("cause");
    let cause = cause.filter(|it| it.get("entry").and_then(Json::as_str) == Some(decision));
    match cause.and_then(|it| it.get("seq")).and_then(Json::as_uint) {
        Some(seq) => format!("the proposal, entry {seq}, which is in another run"),
        None => "a decision in another run".to_owned(),
    }
}

pub(crate) fn overridden(answer: &Entry<'_>) -> bool {
    answer.facts.get("override").and_then(Json::as_bool) == Some(true)
}

fn changed(record: &Record<'_>) -> Vec<Field> {
    let done: Vec<_> = record.of("repair.executed").collect();
    let mut fields = Vec::new();
    for (index, repair) in done.iter().take(TOLD).enumerate() {
        let rows = count(repair.count("rows").unwrap_or(1), "row", "rows");
        let changes: Vec<String> = pairs(repair)
            .into_iter()
            .map(|(column, before, after)| format!("{column} from {before} to {after}"))
            .collect();
        let text = match repair.subject {
            Subject::Erased(by) => format!("{rows}; the values were erased by entry {by}"),
            _ if changes.is_empty() => rows,
            _ => format!("{rows}: {}", changes.join("; ")),
        };
        let name = if index == 0 { "Changed" } else { "" };
        fields.push(Field::text(name, shortened(&text)));
    }
    fields.extend(more(done.len()));
    for unsure in [false, true] {
        let failed = record.of("repair.failed");
        let failed = failed.filter(|entry| is_unsure(entry) == unsure).count();
        if failed > 0 {
            let failed = u64::try_from(failed).unwrap_or(u64::MAX);
            let failed = count(failed, "repair failed", "repairs failed");
            let text = if unsure {
                format!("{failed}, and what was to be written was not there afterwards.")
            } else {
                format!("{failed} and changed nothing.")
            };
            fields.push(Field::text("Failed", text));
        }
    }
    fields
}

/// Whether a failed repair may have been written in between: its row was read back after a lost reply.
pub(super) fn is_unsure(failed: &Entry<'_>) -> bool {
    matches!(failed.text("code"), Some("row-changed-since" | "row-gone"))
}

/// Column, before and after of a change; nothing if either side has another shape, so that it is
/// told as it is.
pub(crate) fn pairs(entry: &Entry<'_>) -> Vec<(String, String, String)> {
    match (side(entry, "before"), side(entry, "after")) {
        (Some(before), Some(after)) => joined(before, after),
        _ => Vec::new(),
    }
}

/// Columns and values of one side of a change.
fn side<'a>(entry: &Entry<'a>, name: &str) -> Option<Vec<(&'a str, String)>> {
    let Subject::Present(data) = entry.subject else {
        return None;
    };
    let Some(side) = data.get(name) else {
        return Some(Vec::new());
    };
    let item = |item: &'a Json| {
        let value = item
            .get("value")
            .filter(|_| item.as_object().is_some_and(|o| o.len() == 2))?;
        Some((item.get("column")?.as_str()?, plain(value)))
    };
    side.as_array()?.iter().map(item).collect()
}

fn joined(
    before: Vec<(&str, String)>,
    mut after: Vec<(&str, String)>,
) -> Vec<(String, String, String)> {
    let mut pairs: Vec<(String, String, String)> = Vec::new();
    for (column, old) in before {
        let new = after.iter().position(|(name, _)| *name == column);
        let new = new.map_or_else(|| "–".to_owned(), |index| after.remove(index).1);
        pairs.push((column.to_owned(), old, new));
    }
    for (column, new) in after {
        pairs.push((column.to_owned(), "–".to_owned(), new));
    }
    pairs
}

fn afterwards(record: &Record<'_>) -> Option<Field> {
    let results: Vec<_> = record.of("repair.verified").collect();
    let wrong = results
        .iter()
        .filter(|entry| entry.text("result") != Some("match"))
        .count();
    let text = match (results.len(), wrong) {
        (0, _) => return None,
        (_, 0) => "Both sides were read again. They match.".to_owned(),
        (all, wrong) => format!("Both sides were read again. {wrong} of {all} still differ."),
    };
    Some(Field::text("Afterwards", text))
}

fn ended(record: &Record<'_>) -> Field {
    let status = record.close.text("status").unwrap_or("–");
    let outputs = record.close.facts.get("outputs").and_then(Json::as_array);
    let outputs = u64::try_from(outputs.unwrap_or_default().len()).unwrap_or(u64::MAX);
    let outputs = match outputs {
        0 => "It produced no files.".to_owned(),
        _ => format!("It produced {}.", count(outputs, "file", "files")),
    };
    Field::text("Result", format!("The run ended: {status}. {outputs}"))
}

fn erased(record: &Record<'_>) -> Option<Field> {
    let erased: Vec<String> = record
        .erased()
        .take(TOLD)
        .map(|(seq, by)| format!("{seq} (by entry {by})"))
        .collect();
    if erased.is_empty() {
        return None;
    }
    let more = record.erased().count().saturating_sub(TOLD);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let text = format!(
        "Contents about people were erased from entry {}{more}. The proof still covers them.",
        erased.join(", ")
    );
    Some(Field::text("Erased", text))
}
