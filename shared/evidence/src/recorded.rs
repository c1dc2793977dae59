//! An entry as its readers see it: a header that was checked, its leaf, its facts.

use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::header::{Header, hash_field};
use crate::json::Json;

/// Header, leaf and facts of an entry.
pub(crate) struct Recorded {
    pub(crate) header: Header,
    pub(crate) leaf: Hash,
    pub(crate) facts: Json,
}

impl Recorded {
    /// Where it is, for a fault.
    pub(crate) fn place(&self) -> String {
        format!("entry {}", self.header.seq)
    }

    pub(crate) fn fault(&self, code: Code, what: impl Into<String>) -> Fault {
        Fault::new(code, what).at(self.place())
    }

    /// A text field of the facts.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.facts
            .get(name)
            .and_then(Json::as_str)
            .unwrap_or_default()
    }

    /// A hash field of the facts.
    pub(crate) fn hash(&self, name: &str) -> Option<Hash> {
        hash_field(&self.facts, name)
    }

    /// A number of the facts.
    pub(crate) fn uint(&self, name: &str) -> Option<u64> {
        self.facts.get(name).and_then(Json::as_uint)
    }
}
