//! docs/asvs.csv: OWASP ASVS 5.0.0, level 2 whole and six picks of level 3, each row with its test.

use std::collections::BTreeMap;
use std::path::Path;

use counterfoil_core::evidence::hash::sha256;

use super::text::{root, tests};

/// SHA-256 over the lines `id,level` in numeric order, as the CSV of OWASP/ASVS (tag v5.0.0) has them.
const STANDARD: &str = "9b61a0b8d397d6ba4cc124c66b885d141850e15e66aae533f4d5a4975f0f1d63";

struct Row {
    id: String,
    level: String,
    requirement: String,
    status: String,
    test: String,
    note: String,
}

fn rows() -> Vec<Row> {
    let mut reader = csv::Reader::from_path(root().join("docs/asvs.csv")).unwrap();
    let head = ["id", "level", "requirement", "status", "test", "note"];
    assert_eq!(
        reader.headers().unwrap(),
        &csv::StringRecord::from(head.to_vec())
    );
    let row = |cells: csv::StringRecord| {
        let cell = |at: usize| cells[at].to_owned();
        Row {
            id: cell(0),
            level: cell(1),
            requirement: cell(2),
            status: cell(3),
            test: cell(4),
            note: cell(5),
        }
    };
    reader.records().map(|cells| row(cells.unwrap())).collect()
}

#[test]
fn every_requirement_of_the_standard_has_its_row() {
    let mut lines = String::new();
    let mut levels: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows() {
        lines.extend([row.id.as_str(), ",", row.level.as_str(), "\n"]);
        *levels.entry(row.level).or_default() += 1;
    }
    let levels: Vec<(&str, usize)> = levels
        .iter()
        .map(|(level, count)| (level.as_str(), *count))
        .collect();
    assert_eq!(levels, [("1", 70), ("2", 183), ("3", 6)]);
    assert_eq!(sha256(lines.as_bytes()).to_string(), STANDARD);
}

/// A row that is met names a test that exists; one about documentation may name the page.
#[test]
fn every_row_that_is_met_names_what_holds_it() {
    let tests = tests();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows() {
        let Row {
            id,
            status,
            test,
            note,
            ..
        } = &row;
        let page = Path::new(test).extension().is_some() && root().join(test).is_file();
        let named = tests.contains(test.as_str());
        assert!(test.is_empty() || page || named, "{id}: there is no {test}");
        // In each chapter the first section is about documentation.
        let documentation = id.split('.').nth(1) == Some("1");
        match status.as_str() {
            "met" => assert!(
                named || (page && documentation),
                "{id} is met by no test: {test}"
            ),
            "partly" | "not met" | "not applicable" => {
                assert!(!note.is_empty(), "{id} is {status} without a reason");
            }
            other => panic!("{id} is {other}"),
        }
        assert!(!row.requirement.is_empty(), "{id}");
        *counts.entry(status.clone()).or_default() += 1;
    }
    assert_eq!(counts.values().sum::<usize>(), 259);
    // Nobody makes the table whole by calling everything out of scope.
    assert!(counts["met"] > 90, "{counts:?}");
}

/// A name in a note, too, is one that exists.
#[test]
fn names_in_notes_exist() {
    let tests = tests();
    for row in rows() {
        for word in row
            .note
            .split([' ', ',', ';'])
            .filter(|word| word.matches('_').count() >= 4)
        {
            assert!(tests.contains(word), "{}: there is no {word}", row.id);
        }
    }
}
