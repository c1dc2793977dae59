//! The pure half of appending (evidence-format section 18): from drafts to finished entries.
//!
//! [`extend()`] decides positions, times, links, salts and commitments, and refuses what a later
//! verifier would refuse. It writes nothing: a store puts the result down in one transaction under
//! the condition that head and runs are still the ones given. Whether the stream was closed by
//! `stream.close` cannot be seen from its head; whoever closes a stream must not append to it.

mod draft;
mod extend;
#[cfg(test)]
mod tests;

pub use draft::{Cite, Draft};
pub use extend::{DraftError, Entry, Extension, MAX_SKEW_MS, extend};

use crate::hash::Hash;
use crate::tree::Frontier;

/// The newest state of a stream: what orders its writers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Stream id.
    pub stream: Hash,
    /// Number of entries.
    pub size: u64,
    /// Leaf of the last entry, or the stream id.
    pub prev: Hash,
    /// Time of the last entry, ms.
    pub at: u64,
    /// No entry may be older than this, ms; the sealer raises it.
    pub floor: u64,
    /// Tree state.
    pub frontier: Frontier,
}

impl Head {
    /// The head of a stream without entries.
    pub const fn new(stream: Hash) -> Self {
        Self {
            stream,
            size: 0,
            prev: stream,
            at: 0,
            floor: 0,
            frontier: Frontier::new(),
        }
    }
}

/// The newest state of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHead {
    /// The run's id.
    pub id: String,
    /// Counter of its next entry.
    pub next: u64,
    /// Leaf of its last entry, or the stream id.
    pub prev: Hash,
    /// Whether it has its `run.close`.
    pub closed: bool,
}

impl RunHead {
    /// A run without entries.
    pub fn new(id: impl Into<String>, stream: Hash) -> Self {
        Self {
            id: id.into(),
            next: 0,
            prev: stream,
            closed: false,
        }
    }
}
