//! Layer 2: every entry of the run in order; and the entries that the package needs besides.

use super::MAX_ENTRIES;
use super::facts::{changes, contents, rest};
use super::story;
use crate::colour::Tone;
use crate::flow::Flow;
use crate::length::{Length, pt};
use crate::page::SIDE;
use crate::record::{Entry, Record};
use crate::style::{Style, label};
use crate::table::Field;
use crate::time;
use crate::values::{count, flat, who};
use crate::wrap::Span;

/// Layer 2.
pub(crate) fn what_happened(flow: &mut Flow<'_>, record: &Record<'_>) {
    flow.heading(2, "Layer 2: what happened");
    flow.text(
        Style::Body,
        "Every entry of the run in order. Each decision names the rule that judged the action before it happened, the effect, and the policy's own reason.",
    );
    for entry in record.middle.iter().take(MAX_ENTRIES) {
        let mut fields = match entry.kind {
            "run.decision" => decision(entry),
            "run.resolution" => resolution(record, entry),
            _ => other(record, entry),
        };
        fields.extend(contents(entry));
        fields.push(Field::id("Entry hash", entry.leaf.to_string()));
        let rows = fields.len() + story::pairs(entry).len();
        heading(flow, entry, rows);
        flow.fields_at(SIDE + pt(12), fields, None);
        changes(flow, entry);
    }
    let left = record.middle.len().saturating_sub(MAX_ENTRIES);
    if left > 0 {
        let text = format!("{left} more entries of the run are in the attached run.json.");
        flow.text(Style::Body, &text);
    }
    if record.middle.is_empty() {
        flow.text(Style::Body, "Nothing was proposed or done in this run.");
    }
}

/// What it is, its effect, its number, its time. `rows` follow it.
fn heading(flow: &mut Flow<'_>, entry: &Entry<'_>, rows: usize) {
    let mut spans = vec![Style::Heading.span(name(entry))];
    let pad = Style::Heading.span("  ");
    let tone = match entry.kind {
        "run.decision" | "run.resolution" => Some(story::effect(entry)),
        "run.action" | "repair.failed" => {
            let failed = entry.kind == "repair.failed" || entry.text("status") == Some("failed");
            let (tone, word) = if failed {
                (Tone::Bad, "FAILED")
            } else {
                (Tone::Good, "DONE")
            };
            Some(label(tone, word))
        }
        "repair.executed" => Some(label(Tone::Good, "DONE")),
        "repair.verified" => Some(match entry.text("result") {
            Some("match") => label(Tone::Good, "MATCH"),
            _ => label(Tone::Bad, "MISMATCH"),
        }),
        _ => None,
    };
    if let Some(tone) = tone {
        spans.extend([pad.clone(), tone]);
    }
    if entry.kind == "run.resolution" && story::overridden(entry) {
        spans.extend([pad, label(Tone::Bad, "OVERRIDE")]);
    }
    let right = format!("entry {} · {}", entry.seq, time::utc_exact(entry.at));
    flow.entry(&name(entry), &spans, &right, rows_height(rows));
}

/// About how high so many short rows are.
fn rows_height(rows: usize) -> Length {
    i32::try_from(rows).map_or(pt(800), |rows| rows.saturating_mul(18_400))
}

fn name(entry: &Entry<'_>) -> String {
    let kind = match entry.kind {
        "run.decision" => "Decision on",
        "run.resolution" => "Answer to a held decision",
        "run.action" => "Action",
        "repair.started" => "Repair begun",
        "repair.executed" => "Repair carried out",
        "repair.failed" => "Repair failed",
        "repair.verified" => "Both sides read again",
        "incident.opened" => "Incident opened",
        "incident.changed" => "Incident changed",
        "incident.ignored" => "Incident ignored",
        "incident.resolved" => "Incident resolved",
        "observation.recorded" => "Observation",
        kind => kind,
    };
    match entry.kind {
        "run.decision" => format!("{kind} {}", entry.text("action").unwrap_or("–")),
        _ => kind.to_owned(),
    }
}

fn decision(entry: &Entry<'_>) -> Vec<Field> {
    let text = |name| entry.text(name).unwrap_or("–");
    let mut fields = vec![
        Field::new("Effect", effect_words(entry)),
        Field::id("Rule", text("rule")),
        Field::text("Reason", format!("“{}”", text("reason"))),
        Field::id("Policy", text("policy")),
        Field::id("Baseline", text("baseline")),
        Field::id("Action digest", text("action_hash")),
    ];
    if let Some(actor) = who(entry.facts.get("actor")) {
        fields.insert(3, Field::new("Asked by", actor));
    }
    if let Some(request) = entry.facts.get("request") {
        let saw: Vec<String> = flat(request, &["action"])
            .into_iter()
            .map(|(name, value)| {
                let name = name.strip_prefix("facts / ").unwrap_or(&name).to_owned();
                format!("{name}: {value}")
            })
            .collect();
        fields.push(Field::text("What policy saw", saw.join(" · ")));
    }
    if let Some(at) = entry.count("evaluated_at") {
        fields.push(Field::text("Evaluated", time::utc_exact(at)));
    }
    let alone = story::alone(entry);
    if alone {
        let words = story::no_second_person();
        fields.insert(1, Field::new("Second person", words.to_vec()));
    }
    let mut told = vec![
        "action",
        "effect",
        "rule",
        "reason",
        "policy",
        "baseline",
        "action_hash",
        "actor",
        "request",
        "evaluated_at",
        "approvals",
    ];
    told.extend(alone.then_some("solo"));
    fields.extend(rest(entry.facts, &told));
    fields
}

fn effect_words(entry: &Entry<'_>) -> Vec<Span> {
    let word = entry.text("effect").unwrap_or("–");
    let means = match word {
        "ALLOW" => "the action may happen".to_owned(),
        "REQUIRE" => {
            let needed = entry.count("approvals").unwrap_or(1);
            format!(
                "the action waits for {}",
                count(needed, "approval", "approvals")
            )
        }
        "DENY" => "the action must not happen".to_owned(),
        _ => String::new(),
    };
    vec![
        Style::Small.strong(word),
        Style::Small.span(format!(": {means}")),
    ]
}

fn resolution(record: &Record<'_>, entry: &Entry<'_>) -> Vec<Field> {
    let word = entry.text("effect").unwrap_or("–");
    let mut fields = vec![
        Field::text(
            "Answer",
            match word {
                "ALLOW" => "ALLOW: approved",
                "DENY" => "DENY: rejected, expired or withdrawn",
                other => other,
            },
        ),
        Field::id("Approver", entry.text("approver").unwrap_or("–")),
    ];
    if let Some(actor) = who(entry.facts.get("actor")) {
        fields.push(Field::new("Given by", actor));
    }
    if story::overridden(entry) {
        fields.push(Field::new(
            "Override",
            vec![
                label(Tone::Bad, "OVERRIDE"),
                Style::Small.span("  the emergency way past a required approval"),
            ],
        ));
    }
    fields.push(cited(record, "Decision", entry.text("decision")));
    let told = ["effect", "approver", "actor", "override", "decision"];
    fields.extend(rest(entry.facts, &told));
    fields
}

fn other(record: &Record<'_>, entry: &Entry<'_>) -> Vec<Field> {
    let mut fields = Vec::new();
    if let Some(actor) = who(entry.facts.get("actor")) {
        fields.push(Field::new("By", actor));
    }
    if let Some(target) = who(entry.facts.get("target")) {
        fields.push(Field::new("About", target));
    }
    for (name, fact) in [("Under decision", "decision"), ("Of repair", "repair")] {
        if entry.text(fact).is_some() {
            fields.push(cited(record, name, entry.text(fact)));
        }
    }
    let told = ["actor", "target", "decision", "repair"];
    fields.extend(rest(entry.facts, &told));
    fields
}

/// An entry that is named by its hash.
fn cited(record: &Record<'_>, name: &str, leaf: Option<&str>) -> Field {
    let leaf = leaf.unwrap_or("–");
    let place = match record.by_leaf(leaf) {
        Some(seq) => format!("entry {seq}, "),
        None => "outside this run, ".to_owned(),
    };
    Field::new(name, vec![Style::Small.span(place), Style::Mono.span(leaf)])
}

/// Redactions and key rotations that the package needs.
pub(crate) fn outside(flow: &mut Flow<'_>, record: &Record<'_>) {
    if record.outside.is_empty() {
        return;
    }
    flow.heading(2, "Entries from outside the run");
    flow.text(
        Style::Body,
        "The package needs them: a redaction explains contents that are gone, a key rotation says which key may seal.",
    );
    for entry in record.outside.iter().take(MAX_ENTRIES) {
        let kind = match entry.kind {
            "redact" => "Contents erased",
            "key.rotate" => "Sealing key changed",
            kind => kind,
        };
        let right = format!("entry {} · {}", entry.seq, time::utc_exact(entry.at));
        let mut fields = rest(entry.facts, &[]);
        fields.push(Field::id("Entry hash", entry.leaf.to_string()));
        let below = rows_height(fields.len());
        flow.entry(kind, &[Style::Heading.span(kind)], &right, below);
        flow.fields_at(SIDE + pt(12), fields, None);
    }
}
