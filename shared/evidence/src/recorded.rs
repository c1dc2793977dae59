//! An entry as its readers see it: a header that was checked, its leaf, its facts.

use std::borrow::Cow;

use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::header::Header;
use crate::json::View;

/// Header, leaf and facts of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recorded<'a> {
    pub(crate) header: &'a Header,
    pub(crate) leaf: Hash,
    pub(crate) facts: View<'a>,
}

impl<'a> Recorded<'a> {
    /// Where it is, for a fault.
    pub(crate) fn place(&self) -> String {
        format!("entry {}", self.header.seq)
    }

    pub(crate) fn fault(&self, code: Code, what: impl Into<String>) -> Fault {
        Fault::new(code, what).at(self.place())
    }

    /// A text field of the facts.
    pub(crate) fn text(&self, name: &str) -> Cow<'a, str> {
        self.facts
            .get(name)
            .and_then(View::as_str)
            .unwrap_or_default()
    }

    /// A hash field of the facts.
    pub(crate) fn hash(&self, name: &str) -> Option<Hash> {
        self.facts.get(name).and_then(View::as_hash)
    }

    /// A number of the facts.
    pub(crate) fn uint(&self, name: &str) -> Option<u64> {
        self.facts.get(name).and_then(View::as_uint)
    }
}
