//! `docs/decision-table.md` and the cases are one: no row without a case, no case without a row.

use std::collections::BTreeSet;
use std::path::Path;

use crate::case::{Case, cases, names};

/// Knobs that the engine does not look at: they belong to the run.
const OF_THE_RUN: [&str; 1] = ["race_grace"];

/// The cells of every table that has a column `cases`.
fn rows() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/decision-table.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut rows = Vec::new();
    let mut wanted = false;
    for line in text.lines() {
        let Some(inner) = line.strip_prefix('|').and_then(|it| it.strip_suffix('|')) else {
            wanted = false;
            continue;
        };
        let cells: Vec<String> = inner
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect();
        if cells.last().is_some_and(|last| last == "cases") {
            wanted = true;
        } else if wanted && !cells[0].starts_with("--") {
            rows.push(cells);
        }
    }
    rows
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_row_has_a_case_and_every_case_a_row() {
    let rows = rows();
    assert!(rows.len() >= 40, "only {} rows were read", rows.len());
    let mut named = BTreeSet::new();
    for row in &rows {
        let cases = quoted(row.last().unwrap());
        assert!(!cases.is_empty(), "{} has no case", row[0]);
        named.extend(cases);
    }
    let names = names();
    let missing: Vec<_> = named.difference(&names).collect();
    let unnamed: Vec<_> = names.difference(&named).collect();
    assert!(
        missing.is_empty() && unnamed.is_empty(),
        "no folder: {missing:?}, no row: {unnamed:?}"
    );
}

#[test]
fn every_complaint_has_its_case() {
    for number in 1..=15 {
        let prefix = format!("complaint-{number:02}-");
        assert!(
            names().iter().any(|name| name.starts_with(&prefix)),
            "{prefix}"
        );
    }
}

/// The knobs that mappings have are those that the table names, and each is turned in a case.
#[test]
fn every_knob_is_in_the_table_and_turned_in_a_case() {
    let cases = cases();
    let compiled = compiled_rules(&cases[0]);
    let turned: BTreeSet<String> = cases
        .iter()
        .filter_map(|case| case.changes.get("rules")?.as_table())
        .flat_map(|rules| rules.keys().cloned())
        .collect();
    let told: BTreeSet<String> = rows()
        .iter()
        .filter(|row| row.len() == 5)
        .flat_map(|row| quoted(&row[2]))
        .filter_map(|knob| knob.split_once(' ').map(|(name, _)| name.to_owned()))
        .collect();
    for knob in compiled
        .iter()
        .filter(|knob| !OF_THE_RUN.contains(&knob.as_str()))
    {
        assert!(turned.contains(knob), "no case turns {knob}");
        assert!(told.contains(knob), "the table does not name {knob}");
    }
    for knob in &told {
        assert!(compiled.contains(knob), "mappings have no {knob}");
    }
}

fn compiled_rules(case: &Case) -> BTreeSet<String> {
    let artifact: serde_json::Value =
        serde_json::from_str(&case.artifact.canonical_text()).unwrap();
    let rules = artifact["rules"].as_object().unwrap();
    let plain = |name: &String| name.strip_suffix("_s").unwrap_or(name).to_owned();
    rules.keys().map(plain).collect()
}
