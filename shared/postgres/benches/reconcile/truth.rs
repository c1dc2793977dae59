//! The differences that the data holds, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    findings: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    kind: String,
    user_id: Option<String>,
    customer_ids: Vec<String>,
}

/// Kind and subject of every difference.
pub(crate) struct Truth(BTreeSet<String>);

/// Reads `truth.json`.
pub(crate) fn read(folder: &Path) -> Truth {
    let text = std::fs::read(folder.join("truth.json")).unwrap();
    let file: File = serde_json::from_slice(&text).unwrap();
    let line = |known: Known| {
        let customer = matches!(known.kind.as_str(), "missing_user_row" | "orphan_customer");
        let subject = if customer {
            known.customer_ids.into_iter().next()
        } else {
            known.user_id
        };
        format!("{}\t{}", known.kind, subject.unwrap())
    };
    Truth(file.findings.into_iter().map(line).collect())
}

impl Truth {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Ends the benchmark unless precision and recall are 1.
    pub(crate) fn must_equal(&self, found: &Path, whose: &str) {
        let text = std::fs::read_to_string(found).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let found: BTreeSet<String> = lines.iter().cloned().collect();
        assert_eq!(found.len(), lines.len(), "{whose} repeats itself");
        let missed: Vec<_> = self.0.difference(&found).take(3).collect();
        let wrong: Vec<_> = found.difference(&self.0).take(3).collect();
        assert!(
            missed.is_empty() && wrong.is_empty(),
            "{whose} missed {missed:?} and invented {wrong:?}"
        );
    }
}
