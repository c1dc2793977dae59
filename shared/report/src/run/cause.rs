//! Why a repair was proposed, where it writes, and what the difference costs: the erasable part of
//! the decisions about it (evidence-format section 6).

use std::collections::BTreeSet;

use counterfoil_evidence::json::Json;

use super::story::TOLD;
use crate::record::{Entry, Record, Subject};
use crate::style::Style;
use crate::table::Field;
use crate::values::{money, plain, shortened};
use crate::wrap::Span;

/// What differed, where the change goes, and the money.
pub(super) fn cause(record: &Record<'_>) -> Vec<Field> {
    let acts = acts(record);
    let told = acts.iter().take(TOLD);
    let mut fields = named("Why", told.clone().filter_map(|act| why(act)));
    fields.extend(named("Where", told.filter_map(|act| place(act))));
    fields.extend(at_risk(&acts));
    fields
}

/// Contents of the decisions, once for every action.
fn acts<'a>(record: &Record<'a>) -> Vec<&'a Json> {
    let mut seen = BTreeSet::new();
    let decisions = record.of("run.decision");
    decisions
        .filter_map(|decision| match decision.subject {
            Subject::Present(contents) => seen.insert(act(decision)).then_some(contents),
            Subject::None | Subject::Erased(_) => None,
        })
        .collect()
}

/// The action that a decision is about: a proposal and its execution are one.
fn act(decision: &Entry<'_>) -> String {
    let named = decision
        .text("act")
        .or_else(|| decision.text("action_hash"));
    named.map_or_else(|| decision.leaf.to_string(), str::to_owned)
}

fn why(contents: &Json) -> Option<Vec<Span>> {
    let difference = contents.get("difference")?;
    let text = |name| difference.get(name).and_then(Json::as_str);
    let (promised, granted) = (text("promised")?, text("granted")?);
    let mut spans = vec![
        Style::Small.span("Billing promised "),
        Style::Small.strong(shortened(promised)),
        Style::Small.span(", the app granted "),
        Style::Small.strong(shortened(granted)),
        Style::Small.span("."),
    ];
    if let Some(kind) = text("kind") {
        let kind = kind.replace('_', " ");
        spans.push(Style::Small.span(format!(" The finding: {}.", shortened(&kind))));
    }
    Some(spans)
}

fn place(contents: &Json) -> Option<Vec<Span>> {
    let table = contents.get("table")?.as_str()?;
    let mut spans = vec![
        Style::Small.span("Table "),
        Style::Small.id(shortened(table)),
    ];
    if let Some(key) = contents.get("key") {
        spans.push(Style::Small.span(", row "));
        spans.push(Style::Small.id(plain(key)));
    }
    if let Some(customer) = contents.get("customer").and_then(Json::as_str) {
        spans.push(Style::Small.span(", of customer "));
        spans.push(Style::Small.id(shortened(customer)));
    }
    Some(spans)
}

/// Money at risk, where it is known.
fn at_risk(acts: &[&Json]) -> Option<Field> {
    let amounts = acts.iter().filter_map(|contents| {
        let difference = contents.get("difference")?;
        money(difference.get("at_risk")?)
    });
    let mut amounts: Vec<String> = amounts.collect();
    let more = match amounts.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    amounts.truncate(TOLD);
    let text = format!("{} a month{more}", amounts.join(", "));
    (!amounts.is_empty()).then(|| Field::text("Money at risk", text))
}

/// Values under one name.
fn named(name: &str, values: impl Iterator<Item = Vec<Span>>) -> Vec<Field> {
    let values = values.enumerate();
    values
        .map(|(index, value)| Field::new(if index == 0 { name } else { "" }, value))
        .collect()
}
