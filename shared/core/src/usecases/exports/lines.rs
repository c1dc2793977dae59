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
    /// Where the line of the run is that holds a decision, by the decision's leaf.
    held: BTreeMap<String, usize>,
    /// Where the line of an executed repair is, by its leaf.
    executed: BTreeMap<String, usize>,
}

impl Lines {
    pub(super) fn take(&mut self, entry: &StoredEntry, kind: &str, header: &Json, facts: &Json) {
        let at = header.get("at").and_then(Json::as_uint).unwrap_or_default();
        let run = header.get("run").and_then(|run| run.get("id"));
        let run = run.and_then(Json::as_str).unwrap_or_default();
        match kind {
            "run.open" => self.open(run, at, text(facts, "purpose")),
            "run.close" => self.close(run, facts),
            "run.decision" => self.decision(run, entry, facts),
            "run.resolution" => self.answer(entry.seq, facts),
            "repair.executed" => self.repair(entry, (at, run), "executed", change(entry)),
            "repair.failed" => {
                let code = text(facts, "code");
                // Read back after a lost reply: it may have been written in between.
                let what = match code.as_str() {
                    "row-changed-since" | "row-gone" => "not known",
                    _ => "nothing",
                };
                self.repair(entry, (at, run), "failed", format!("{what}: {code}"));
            }
            "observation.recorded" if text(facts, "topic") == "action.outcome_unknown" => {
                let why = format!("not known: {}", text(facts, "code"));
                self.repair(entry, (at, run), "unknown", why);
            }
            "repair.verified" => self.checked(facts),
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
            answer: None,
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

impl Lines {
    fn decision(&mut self, run: &str, entry: &StoredEntry, facts: &Json) {
        let held = text(facts, "effect") == "REQUIRE";
        if let (true, Some(leaf), Some(line)) = (held, leaf(entry), self.open.get(run)) {
            self.held.insert(leaf, *line);
        }
    }

    fn answer(&mut self, seq: u64, facts: &Json) {
        let line = self.held.get(&text(facts, "decision"));
        if let Some(line) = line.and_then(|line| self.runs.get_mut(*line)) {
            line.answer = Some(seq);
        }
    }

    fn repair(
        &mut self,
        entry: &StoredEntry,
        (at, run): (u64, &str),
        outcome: &str,
        change: String,
    ) {
        let shown = self.repairs.len();
        push(&mut self.repairs, &mut self.repairs_total, || RepairLine {
            seq: entry.seq,
            at,
            run: run.to_owned(),
            outcome: outcome.to_owned(),
            checked: None,
            change,
        });
        if let (true, Some(leaf)) = (self.repairs.len() > shown, leaf(entry)) {
            self.executed.insert(leaf, shown);
        }
    }

    /// A reading afterwards belongs to its repair; of a repair before the period it is no line.
    fn checked(&mut self, facts: &Json) {
        let line = self.executed.remove(&text(facts, "repair"));
        if let Some(line) = line.and_then(|line| self.repairs.get_mut(line)) {
            line.checked = Some(text(facts, "result"));
        }
    }
}

fn leaf(entry: &StoredEntry) -> Option<String> {
    entry.nodes.first().map(ToString::to_string)
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

#[cfg(test)]
mod tests {
    use counterfoil_evidence::hash::sha256;
    use counterfoil_evidence::json::object;

    use super::*;

    /// Takes entries in order, each with its facts; the leaf of entry n is `leaf_of(n)`.
    fn lines(entries: &[(&str, &str, &str)]) -> Lines {
        let mut lines = Lines::default();
        for (seq, (run, kind, facts)) in entries.iter().enumerate() {
            let entry = StoredEntry {
                seq: u64::try_from(seq).unwrap(),
                header: Vec::new(),
                nodes: vec![sha256(&[u8::try_from(seq).unwrap()])],
                facts: None,
                subject: None,
            };
            let header = object([("run", object([("id", Json::from(*run))]))]);
            let facts = Json::parse(facts.as_bytes()).unwrap();
            lines.take(&entry, kind, &header, &facts);
        }
        lines
    }

    fn leaf_of(seq: u8) -> String {
        sha256(&[seq]).to_string()
    }

    #[test]
    fn a_reading_afterwards_is_part_of_its_repair_and_no_repair() {
        let verified =
            |of: u8, result: &str| format!(r#"{{"repair":"{}","result":"{result}"}}"#, leaf_of(of));
        let lines = lines(&[
            ("r1", "repair.executed", "{}"),
            ("r2", "repair.executed", "{}"),
            ("r3", "repair.failed", r#"{"code":"row-changed"}"#),
            ("r2", "repair.verified", &verified(1, "mismatch")),
            ("r1", "repair.verified", &verified(0, "match")),
            ("r0", "repair.verified", &verified(200, "match")),
        ]);
        assert_eq!(lines.repairs_total, 3);
        let rows: Vec<_> = lines
            .repairs
            .iter()
            .map(|row| (row.seq, row.outcome.as_str(), row.checked.as_deref()))
            .collect();
        let told = [
            (0, "executed", Some("match")),
            (1, "executed", Some("mismatch")),
            (2, "failed", None),
        ];
        assert_eq!(rows, told);
        assert_eq!(lines.repairs[2].change, "nothing: row-changed");
    }

    #[test]
    fn of_a_repair_whose_row_is_not_known_nothing_is_claimed() {
        let unknown = r#"{"topic":"action.outcome_unknown","code":"outcome-unknown"}"#;
        let lines = lines(&[
            ("r1", "repair.failed", r#"{"code":"row-gone"}"#),
            ("r2", "observation.recorded", unknown),
            ("r3", "observation.recorded", r#"{"topic":"action.begun"}"#),
        ]);
        let rows: Vec<_> = lines
            .repairs
            .iter()
            .map(|row| (row.outcome.as_str(), row.change.as_str()))
            .collect();
        let told = [
            ("failed", "not known: row-gone"),
            ("unknown", "not known: outcome-unknown"),
        ];
        assert_eq!((rows.as_slice(), lines.repairs_total), (told.as_slice(), 2));
    }

    #[test]
    fn what_a_run_left_held_names_the_entry_of_the_answer() {
        let answer = format!(r#"{{"decision":"{}","effect":"ALLOW"}}"#, leaf_of(1));
        let lines = lines(&[
            ("r1", "run.open", r#"{"purpose":"repair"}"#),
            ("r1", "run.decision", r#"{"effect":"REQUIRE"}"#),
            ("r1", "run.close", r#"{"status":"completed","require":1}"#),
            ("r2", "run.open", r#"{"purpose":"repair"}"#),
            ("r2", "run.resolution", &answer),
            ("r2", "run.close", r#"{"status":"completed"}"#),
        ]);
        let answers: Vec<_> = lines.runs.iter().map(|run| run.answer).collect();
        assert_eq!(answers, [Some(4), None]);
    }
}
