//! What a caller wants to record, before it has a place in the stream.

use std::fmt;

use crate::json::Json;
use crate::kind::Kind;

/// Names another entry of the same batch: `facts[field]` becomes its leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cite {
    /// Field of the facts.
    pub field: &'static str,
    /// Index of the cited entry in the batch; it must come earlier.
    pub entry: usize,
}

/// An entry to be written. `Debug` shows no `subject`.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// What is recorded.
    pub kind: Kind,
    /// The run it belongs to.
    pub run: Option<String>,
    /// What stays: no personal data, no text of people.
    pub facts: Json,
    /// What can be erased.
    pub subject: Option<Json>,
    /// Pseudonym of the person whom `subject` is about: how a store finds it again to erase it. It
    /// lies beside the part, never in the header.
    pub about: Option<String>,
    /// References into the same batch.
    pub cites: Vec<Cite>,
}

impl Draft {
    /// An entry with facts only.
    pub const fn new(kind: Kind, facts: Json) -> Self {
        Self {
            kind,
            run: None,
            facts,
            subject: None,
            about: None,
            cites: Vec::new(),
        }
    }

    /// The run it belongs to.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ids are small and written by value"
    )]
    pub fn in_run(mut self, id: impl ToString) -> Self {
        self.run = Some(id.to_string());
        self
    }

    /// Its erasable part.
    #[must_use]
    pub fn subject(mut self, subject: Json) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Whom its erasable part is about, by pseudonym.
    #[must_use]
    pub fn about(mut self, pseudonym: Option<String>) -> Self {
        self.about = pseudonym;
        self
    }

    /// Sets `facts[field]` to the leaf of entry number `entry` of the same batch.
    #[must_use]
    pub fn cite(mut self, field: &'static str, entry: usize) -> Self {
        self.cites.push(Cite { field, entry });
        self
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("kind", &self.kind)
            .field("run", &self.run)
            .field("facts", &self.facts)
            .field("has_subject", &self.subject.is_some())
            .field("cites", &self.cites)
            .finish_non_exhaustive()
    }
}
