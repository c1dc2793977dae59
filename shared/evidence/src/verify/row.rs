//! What is kept of an entry while a package is verified: about 100 bytes, whatever its parts hold.

use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::kind::Kind;

/// What became of a `subject`, and its commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    None,
    Present(Hash),
    /// Redacted by the entry with this `seq`.
    Erased(Hash, u64),
}

impl Subject {
    pub(super) const fn commitment(self) -> Option<Hash> {
        match self {
            Self::None => None,
            Self::Present(hash) | Self::Erased(hash, _) => Some(hash),
        }
    }

    pub(super) const fn erased_by(self) -> Option<u64> {
        match self {
            Self::Erased(_, by) => Some(by),
            _ => None,
        }
    }
}

/// An entry that is sound by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) seq: u64,
    pub(super) at: u64,
    pub(super) leaf: Hash,
    pub(super) subject: Subject,
    /// Number of its run in the order of appearance.
    pub(super) run: Option<u32>,
    pub(super) kind: Kind,
    /// It is a decision with the effect REQUIRE.
    pub(super) require: bool,
    /// Its `prev` is the leaf of the row before.
    pub(super) linked: bool,
}

impl Row {
    /// Where it is, for a fault.
    pub(super) fn place(&self) -> String {
        format!("entry {}", self.seq)
    }

    pub(super) fn fault(&self, code: Code, what: impl Into<String>) -> Fault {
        Fault::new(code, what).at(self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_costs_about_a_hundred_bytes() {
        assert!(size_of::<Row>() <= 112, "{}", size_of::<Row>());
    }
}
