//! What is printed alike for every entry: facts without a field of their own, contents, changes.

use counterfoil_evidence::json::Json;

use super::story;
use crate::colour::Tone;
use crate::flow::Flow;
use crate::record::{Entry, Subject};
use crate::style::{Style, label};
use crate::table::{Field, column};
use crate::values::flat;

/// Facts that have no field of their own.
pub(super) fn rest(facts: &Json, told: &[&str]) -> Vec<Field> {
    let fields = flat(facts, told).into_iter();
    fields
        .map(|(name, value)| {
            let mono = value.starts_with("sha256:") || looks_like_id(&value);
            let style = if mono { Style::Mono } else { Style::Small };
            Field::new(sentence(&name), vec![style.span(value)])
        })
        .collect()
}

fn looks_like_id(value: &str) -> bool {
    value.len() > 20 && !value.contains(' ') && value.is_ascii()
}

/// The first letter as a capital.
fn sentence(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// What the erasable part of an entry holds besides a change, or that it was erased.
pub(super) fn contents(entry: &Entry<'_>) -> Vec<Field> {
    match entry.subject {
        Subject::None => Vec::new(),
        Subject::Present(data) if story::pairs(entry).is_empty() => rest(data, &[]),
        Subject::Present(data) => rest(data, &["before", "after"]),
        Subject::Erased(by) => vec![Field::new(
            "Contents",
            vec![
                label(Tone::Plain, "ERASED"),
                Style::Small.span(format!("  erased by entry {by}")),
            ],
        )],
    }
}

/// What a change was, column by column.
pub(super) fn changes(flow: &mut Flow<'_>, entry: &Entry<'_>) {
    let pairs = story::pairs(entry);
    if pairs.is_empty() {
        return;
    }
    let columns = [
        column("Column", 117),
        column("Before", 175),
        column("After", 175),
    ];
    let rows = pairs.into_iter().map(|(name, before, after)| {
        vec![
            vec![Style::Mono.span(name)],
            vec![Style::Small.span(before)],
            vec![Style::Small.strong(after)],
        ]
    });
    flow.table(&columns, rows);
}
