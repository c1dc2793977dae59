//! `index.csv` of a delivery: one line per entry, for people with a spreadsheet (RFC 4180).
//!
//! It says nothing that `facts` do not say, so it holds no personal data. A cell that a spreadsheet
//! would take for a formula begins with an apostrophe.

use counterfoil_evidence::hash;
use counterfoil_evidence::json::Json;

use crate::ports::{StoredEntry, StoredPart};
use crate::time::Timestamp;

/// The first line.
pub(super) const HEADINGS: &str = "seq,at,kind,run,entry_hash,actor_type,actor,action,effect,rule,reason,status,personal_data\r\n";

/// The line of an entry; `header` and `facts` are its parsed bytes.
pub(super) fn line(entry: &StoredEntry, header: &Json, facts: &Json) -> String {
    let text = |json: Option<&Json>| json.and_then(Json::as_str).unwrap_or_default().to_owned();
    let at = header.get("at").and_then(Json::as_uint).unwrap_or_default();
    let actor = |name: &str| text(facts.get("actor").and_then(|actor| actor.get(name)));
    let run = header.get("run").and_then(|run| run.get("id"));
    let personal = match &entry.subject {
        None => "none",
        Some(StoredPart::Present { .. }) => "present",
        Some(StoredPart::Erased(_)) => "erased",
    };
    let cells = [
        entry.seq.to_string(),
        Timestamp::from_millis(at).to_string(),
        text(header.get("kind")),
        text(run),
        hash::leaf(&entry.header).to_string(),
        actor("type"),
        actor("id"),
        text(facts.get("action").or_else(|| facts.get("topic"))),
        text(facts.get("effect")),
        text(facts.get("rule")),
        text(facts.get("reason")),
        text(facts.get("status").or_else(|| facts.get("result"))),
        personal.to_owned(),
    ];
    let cells: Vec<String> = cells.iter().map(|cell| self::cell(cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell: no formula, and quoted where it must be.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guarded = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if guarded.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_never_breaks_a_line() {
        assert_eq!(cell("run.close"), "run.close");
        assert_eq!(cell("=1+2"), "'=1+2");
        assert_eq!(cell("@SUM(A1)"), "'@SUM(A1)");
        assert_eq!(cell("-2"), "'-2");
        assert_eq!(cell("+49"), "'+49");
        assert_eq!(cell("\ta"), "'\ta");
        assert_eq!(cell("a, \"b\"\r\nc"), "\"a, \"\"b\"\"\r\nc\"");
        assert_eq!(cell("=a,b"), "\"'=a,b\"");
    }

    #[test]
    fn every_line_has_as_many_cells_as_there_are_headings() {
        let entry = StoredEntry {
            seq: 3,
            header: Vec::new(),
            nodes: Vec::new(),
            facts: None,
            subject: Some(StoredPart::Erased(9)),
        };
        let header = Json::parse(br#"{"at":1795392000000,"kind":"run.close"}"#).unwrap();
        let line = line(&entry, &header, &Json::Null);
        let cells = |line: &str| line.trim_end().split(',').count();
        assert_eq!(cells(&line), cells(HEADINGS));
        assert!(line.starts_with("3,2026-11-23T00:00:00Z,run.close,"));
        assert!(line.ends_with(",erased\r\n"));
    }
}
