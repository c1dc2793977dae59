//! infra/rights.csv: what each function may do, one row per resource and condition.

use std::path::Path;

/// A row of the file.
#[derive(Debug, Clone)]
pub(crate) struct Right {
    /// Name of the binary; `scheduler` is the role of the schedules.
    pub(crate) function: String,
    /// Name in template.yaml, for objects with the prefix behind it.
    pub(crate) resource: String,
    pub(crate) actions: Vec<String>,
    /// Condition: a kind and its values, or empty.
    pub(crate) only: Vec<String>,
    /// Why this does not happen in the local cloud; empty where it does.
    pub(crate) unseen: String,
}

pub(crate) fn rights() -> Vec<Right> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/rights.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let head = ["function", "resource", "actions", "only", "unseen"];
    assert_eq!(
        reader.headers().unwrap(),
        &csv::StringRecord::from(head.to_vec())
    );
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            Right {
                function: row[0].to_owned(),
                resource: row[1].to_owned(),
                actions: words(&row[2]),
                only: words(&row[3]),
                unseen: row[4].to_owned(),
            }
        })
        .collect()
}

/// Whether a text is what a pattern of a policy says: `*` is any run of characters, `?` is one.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = letters.as_str();
            let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.any(|at| text.get(at..).is_some_and(|text| like(rest, text)))
        }
        Some(letter) => {
            let mut found = text.chars();
            let first = found.next();
            (first == Some(letter) || (letter == '?' && first.is_some()))
                && like(letters.as_str(), found.as_str())
        }
    }
}

impl Right {
    /// Values of the condition: families, purposes or prefixes.
    pub(crate) fn values(&self) -> &[String] {
        self.only.get(1..).unwrap_or_default()
    }

    /// Whether it covers an action on a resource, with a family, purpose or prefix where it asks for
    /// one.
    pub(crate) fn covers(&self, action: &str, resource: &str, value: Option<&str>) -> bool {
        let conditional = ["families", "purposes", "prefixes"];
        let asks = self
            .only
            .first()
            .is_some_and(|kind| conditional.contains(&kind.as_str()));
        let holds = |value| self.values().iter().any(|pattern| like(pattern, value));
        self.actions.iter().any(|own| own == action)
            && like(&self.resource, resource)
            && (!asks || value.is_some_and(holds))
    }
}
