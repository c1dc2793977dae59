//! Roots of the tree at the sizes that the entries of a package reach.
//!
//! A full export has all leaves. A range has those from its first entry on, and the proof of that entry
//! holds the roots of the subtrees before it (evidence-format section 12.3). A run package has neither.

use super::Evidence;
use super::input::Form;
use super::row::Row;
use crate::hash::Hash;
use crate::tree::{Frontier, decode_proof};

/// The tree of a package, growing entry by entry.
pub(super) struct Growth<'a> {
    tree: Frontier,
    leaves: std::slice::Iter<'a, Row>,
}

impl<'a> Growth<'a> {
    /// The tree before the first entry; none for a run package. The proofs of a range must have been
    /// checked.
    pub(super) fn of(evidence: &'a Evidence<'_>) -> Option<Self> {
        let tree = match &evidence.loaded.form {
            Form::Full => Frontier::new(),
            Form::Range(range) => frontier_before(evidence, 0, range.from)?,
            Form::Run(_) => return None,
        };
        Some(Self {
            tree,
            leaves: evidence.rows().iter(),
        })
    }

    /// The tree of a size, if the entries reach it; sizes must ascend.
    pub(super) fn at(&mut self, size: u64) -> Option<&Frontier> {
        while self.tree.size() < size {
            self.tree.grow(self.leaves.next()?.leaf);
        }
        (self.tree.size() == size).then_some(&self.tree)
    }

    /// The root at a size, as [`Growth::at`].
    pub(super) fn root(&mut self, size: u64) -> Option<Hash> {
        self.at(size).map(Frontier::root)
    }
}

/// What the proof of the entry at `index`, which has this `seq`, says of the tree before it.
pub(super) fn frontier_before(evidence: &Evidence<'_>, index: usize, seq: u64) -> Option<Frontier> {
    let proof = decode_proof(evidence.entries.proofs.get(&index)?).ok()?;
    Frontier::before(seq, evidence.seals.last()?.body.size, &proof)
}
