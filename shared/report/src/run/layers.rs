//! Layers 1 and 3: what ran, and what was produced.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::verify::Governance;

use super::facts::{changes, contents, rest};
use crate::flow::Flow;
use crate::parts;
use crate::record::Record;
use crate::style::{Style, label};
use crate::table::{Field, column, number};
use crate::time;
use crate::values::{grouped, who};

/// Layer 1.
pub(crate) fn what_ran(flow: &mut Flow<'_>, record: &Record<'_>) {
    let open = &record.open;
    flow.heading(2, "Layer 1: what ran");
    flow.text(
        Style::Body,
        "Everything that determined the run, by its fingerprint. Another version of a mapping, of a policy or of the program gives another fingerprint.",
    );
    let mut fields = vec![
        Field::new("Run", vec![Style::Mono.span(record.id)]),
        Field::text(
            "Opened",
            format!("{} (entry {})", time::utc_exact(open.at), open.seq),
        ),
        Field::id("Entry hash", open.leaf.to_string()),
    ];
    if let Some(actor) = who(open.facts.get("actor")) {
        fields.push(Field::new("Started by", actor));
    }
    for (name, fact) in [("Flow version", "flow"), ("Artifact", "artifact")] {
        fields.push(Field::id(name, open.text(fact).unwrap_or("–")));
    }
    let bundles = open.facts.get("policy_bundles").and_then(Json::as_array);
    for (index, bundle) in bundles.unwrap_or_default().iter().enumerate() {
        let name = if index == 0 { "Policies in force" } else { "" };
        fields.push(Field::id(name, bundle.as_str().unwrap_or("–")));
    }
    if let Some(cause) = open.facts.get("cause") {
        let seq = cause.get("seq").and_then(Json::as_uint).unwrap_or_default();
        let entry = cause.get("entry").and_then(Json::as_str).unwrap_or("–");
        fields.push(Field::new(
            "Caused by",
            vec![
                Style::Small.span(format!("entry {seq}, ")),
                Style::Mono.span(entry),
            ],
        ));
    }
    if let Some(prior) = open.text("prior_run") {
        fields.push(Field::id("Run before", prior));
    }
    if let Some(as_of) = open.count("as_of") {
        fields.push(Field::text("Promises as of", time::utc_exact(as_of)));
    }
    let told = [
        "actor",
        "flow",
        "artifact",
        "policy_bundles",
        "inputs",
        "cause",
        "prior_run",
        "as_of",
    ];
    fields.extend(rest(open.facts, &told));
    fields.extend(contents(open));
    flow.fields(fields);
    changes(flow, open);
    files(
        flow,
        "Inputs",
        open.facts.get("inputs"),
        "The run had no input files.",
    );
}

fn files(flow: &mut Flow<'_>, title: &str, files: Option<&Json>, none: &str) {
    flow.heading(3, title);
    let files = files.and_then(Json::as_array).unwrap_or_default();
    if files.is_empty() {
        flow.text(Style::Body, none);
        return;
    }
    let columns = [
        column("Reference", 205),
        number("Bytes", 62),
        column("Digest", 200),
    ];
    let rows = files.iter().map(|file| {
        let text = |name| file.get(name).and_then(Json::as_str).unwrap_or("–");
        let bytes = file
            .get("bytes")
            .and_then(Json::as_uint)
            .unwrap_or_default();
        vec![
            vec![Style::Mono.span(text("ref"))],
            vec![Style::Small.span(grouped(bytes))],
            vec![Style::Mono.span(text("hash"))],
        ]
    });
    flow.table(&columns, rows);
}

/// Layer 3.
pub(crate) fn what_was_produced(flow: &mut Flow<'_>, record: &Record<'_>, result: Governance) {
    let close = &record.close;
    flow.heading(2, "Layer 3: what was produced");
    let number = |name| grouped(close.count(name).unwrap_or_default());
    let (word, tone, _) = parts::governance(result);
    let mut fields = vec![
        Field::text(
            "Closed",
            format!("{} (entry {})", time::utc_exact(close.at), close.seq),
        ),
        Field::id("Entry hash", close.leaf.to_string()),
        Field::text("Status", close.text("status").unwrap_or("–")),
        Field::text(
            "Decisions",
            format!(
                "{}: {} ALLOW, {} REQUIRE, {} DENY",
                number("decisions"),
                number("allow"),
                number("require"),
                number("deny")
            ),
        ),
        Field::text("Unresolved", number("unresolved")),
        Field::text("Overrides", number("overrides")),
        Field::new(
            "Governance result",
            vec![
                label(tone, word),
                Style::Small.span("  computed by the verifier, not read from the package"),
            ],
        ),
    ];
    let told = [
        "status",
        "decisions",
        "allow",
        "require",
        "deny",
        "unresolved",
        "overrides",
        "outputs",
    ];
    fields.extend(rest(close.facts, &told));
    fields.extend(contents(close));
    flow.fields(fields);
    changes(flow, close);
    files(
        flow,
        "Outputs",
        close.facts.get("outputs"),
        "The run produced no files.",
    );
}
