//! What the report of a bulk delivery lists: runs, incidents, repairs.

use std::collections::BTreeMap;

use counterfoil_evidence::json::Json;

use crate::ports::{IncidentLine, RepairLine, RunLine, StoredEntry, StoredPart};

/// Most lines of a kind that a report shows; the rest is counted.
const SHOWN: usize = 5_000;

/// The lines, and how many there would be.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) runs: Vec<RunLine>,
    pub(super) runs_total: u64,
    pub(super) incidents: Vec<IncidentLine>,
    pub(super) incidents_total: u64,
    pub(super) repairs: Vec<RepairLine>,
    pub(super) repairs_total: u64,
    /// Where the line of an open run is.
    open: BTreeMap<String, usize>,
}

impl Lines {
    pub(super) fn take(&mut self, entry: &StoredEntry, kind: &str, header: &Json, facts: &Json) {
        let at = header.get("at").and_then(Json::as_uint).unwrap_or_default();
        let run = header.get("run").and_then(|run| run.get("id"));
        let run = run.and_then(Json::as_str).unwrap_or_default();
        match kind {
            "run.open" => self.open(run, at, text(facts, "purpose")),
            "run.close" => self.close(run, facts),
            "repair.executed" | "repair.failed" | "repair.verified" => {
                let outcome = match kind {
                    "repair.executed" => "executed".to_owned(),
                    "repair.failed" => "failed".to_owned(),
                    _ => text(facts, "result"),
                };
                push(&mut self.repairs, &mut self.repairs_total, || RepairLine {
                    seq: entry.seq,
                    at,
                    run: run.to_owned(),
                    outcome,
                    change: change(entry),
                });
            }
            _ => {
                let Some(event) = kind.strip_prefix("incident.") else {
                    return;
                };
                let target = facts.get("target");
                push(&mut self.incidents, &mut self.incidents_total, || {
                    IncidentLine {
                        seq: entry.seq,
                        at,
                        incident: target.map(|target| text(target, "id")).unwrap_or_default(),
                        event: event.to_owned(),
                    }
                });
            }
        }
    }

    fn open(&mut self, run: &str, at: u64, purpose: String) {
        let shown = self.runs.len();
        push(&mut self.runs, &mut self.runs_total, || RunLine {
            run: run.to_owned(),
            at,
            purpose,
            status: None,
            decisions: (0, 0, 0),
        });
        if self.runs.len() > shown {
            self.open.insert(run.to_owned(), shown);
        }
    }

    fn close(&mut self, run: &str, facts: &Json) {
        let line = self.open.remove(run);
        let Some(line) = line.and_then(|line| self.runs.get_mut(line)) else {
            return;
        };
        let count = |name| facts.get(name).and_then(Json::as_uint).unwrap_or_default();
        line.status = Some(text(facts, "status"));
        line.decisions = (count("allow"), count("require"), count("deny"));
    }
}

fn push<T>(lines: &mut Vec<T>, total: &mut u64, line: impl FnOnce() -> T) {
    *total = total.saturating_add(1);
    if lines.len() < SHOWN {
        lines.push(line());
    }
}

fn text(json: &Json, name: &str) -> String {
    let text = json.get(name).and_then(Json::as_str);
    text.unwrap_or_default().to_owned()
}

/// "plan from free to pro", as far as the entry still says it.
fn change(entry: &StoredEntry) -> String {
    let bytes = match &entry.subject {
        None => return String::new(),
        Some(StoredPart::Erased(by)) => return format!("erased by entry {by}"),
        Some(StoredPart::Present { bytes, .. }) => bytes,
    };
    let Ok(subject) = Json::parse(bytes) else {
        return String::new();
    };
    let side = |name: &str| {
        subject
            .get(name)
            .and_then(Json::as_array)
            .unwrap_or_default()
    };
    let changes = side("before").iter().zip(side("after"));
    let words: Vec<String> = changes
        .map(|(before, after)| {
            let column = text(before, "column");
            format!("{column} from {} to {}", value(before), value(after))
        })
        .collect();
    words.join(", ")
}

/// The value of a side: a cell is a type and a value.
fn value(side: &Json) -> String {
    match side.get("value") {
        Some(Json::Object(cell)) => cell.get("value").map_or_else(nothing, plain),
        Some(value) => plain(value),
        None => nothing(),
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::Null => nothing(),
        Json::Str(text) if text.is_empty() => "\"\"".to_owned(),
        Json::Str(text) => text.clone(),
        Json::Array(items) if items.is_empty() => "none".to_owned(),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            items.join("+")
        }
        other => other.canonical_text(),
    }
}

fn nothing() -> String {
    "nothing".to_owned()
}
