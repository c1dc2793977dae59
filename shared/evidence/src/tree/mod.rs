//! The Merkle tree over the leaves (evidence-format section 10, RFC 6962).
//!
//! No tree is stored. The state of a size is its [`Frontier`]; an entry keeps the nodes that it
//! completes, and every proof is computed from such nodes by point reads.

mod proof;
mod verify;

pub use proof::{
    MissingNode, NodeId, consistency_nodes, consistency_proof, inclusion_nodes, inclusion_proof,
};
pub use verify::{check_consistency, check_inclusion, decode_proof, root_from_inclusion};

use thiserror::Error;

use crate::hash::{self, Hash};

/// Most hashes in a proof.
pub const MAX_PROOF: usize = 64;

/// The roots of the perfect subtrees of a size, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

/// Bytes that are not the frontier of the size given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a frontier of size {size} has {expected} hashes of 32 bytes, not {got} bytes")]
pub struct FrontierError {
    /// Size of the tree.
    pub size: u64,
    /// Number of hashes that belong to the size.
    pub expected: u32,
    /// Number of bytes given.
    pub got: usize,
}

impl Frontier {
    /// The empty tree.
    pub const fn new() -> Self {
        Self {
            size: 0,
            roots: Vec::new(),
        }
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first.
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Adds a leaf and returns the nodes that it completes, level 0 (the leaf itself) first. The
    /// entry keeps them.
    pub fn push(&mut self, leaf: Hash) -> Vec<Hash> {
        let mut completed = vec![leaf];
        let mut top = leaf;
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.roots.pop() else { break };
            top = hash::node(&left, &top);
            completed.push(top);
        }
        self.roots.push(top);
        self.size = self.size.saturating_add(1);
        completed
    }

    /// Adds a leaf without listing the nodes.
    pub(crate) fn grow(&mut self, leaf: Hash) {
        let mut top = leaf;
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.roots.pop() else { break };
            top = hash::node(&left, &top);
        }
        self.roots.push(top);
        self.size = self.size.saturating_add(1);
    }

    /// The frontier of size `index`, out of the inclusion proof of entry `index`: the hashes on the
    /// left of its path are the roots of the perfect subtrees before it. The proof must have been
    /// checked; `None` when it is not as long as the path.
    pub(crate) fn before(index: u64, size: u64, proof: &[Hash]) -> Option<Self> {
        let mut position = index;
        let mut last = size.checked_sub(1)?;
        let mut roots = Vec::new();
        for sibling in proof {
            if position & 1 == 1 || position == last {
                roots.push(*sibling);
                while position & 1 == 0 && position != 0 {
                    position >>= 1;
                    last >>= 1;
                }
            }
            position >>= 1;
            last >>= 1;
        }
        roots.reverse();
        let whole = u32::try_from(roots.len()) == Ok(index.count_ones());
        whole.then_some(Self { size: index, roots })
    }

    /// The root; that of the empty tree is the hash of nothing.
    pub fn root(&self) -> Hash {
        fold(&self.roots).unwrap_or_else(|| hash::sha256(b""))
    }

    /// The hashes, joined: what the head item keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.roots
            .iter()
            .flat_map(|root| *root.as_bytes())
            .collect()
    }

    /// Reads what [`Frontier::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the number of hashes does not belong to the size.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, FrontierError> {
        let wrong = FrontierError {
            size,
            expected: size.count_ones(),
            got: bytes.len(),
        };
        let mut roots = Vec::new();
        for chunk in bytes.chunks(32) {
            roots.push(Hash::from_slice(chunk).map_err(|_| wrong)?);
        }
        if u32::try_from(roots.len()) != Ok(wrong.expected) {
            return Err(wrong);
        }
        Ok(Self { size, roots })
    }
}

/// Joins subtree roots, largest first, into one.
pub(crate) fn fold(roots: &[Hash]) -> Option<Hash> {
    let (last, larger) = roots.split_last()?;
    Some(
        larger
            .iter()
            .rev()
            .fold(*last, |right, left| hash::node(left, &right)),
    )
}

/// Largest power of two below `n`, for `n` above 1.
pub(crate) fn split(n: u64) -> u64 {
    n.saturating_sub(1)
        .checked_ilog2()
        .map_or(0, |log| 1_u64 << log)
}

#[cfg(test)]
mod tests;
