//! Building proofs from persisted nodes (evidence-format section 10).

use thiserror::Error;

use super::{fold, split};
use crate::hash::Hash;

/// A perfect subtree: leaves `index * 2^level` to `(index + 1) * 2^level - 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId {
    /// Height.
    pub level: u32,
    /// Position among the subtrees of this height.
    pub index: u64,
}

impl NodeId {
    /// `seq` of the entry that keeps the node, at position `level` of its nodes.
    pub fn entry(self) -> u64 {
        let size = 1_u64.checked_shl(self.level).unwrap_or(0);
        self.index
            .saturating_add(1)
            .saturating_mul(size)
            .saturating_sub(1)
    }
}

/// A node that a proof needs could not be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("node {} of level {} is missing: entry {} keeps it", node.index, node.level, node.entry())]
pub struct MissingNode {
    /// The node.
    pub node: NodeId,
}

/// Leaves `from..to`, a subtree of an RFC 6962 tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u64,
    to: u64,
}

impl Span {
    const fn len(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// The two halves, as the tree divides the span.
    fn halves(self) -> (Self, Self) {
        let middle = self.from.saturating_add(split(self.len()));
        (
            Self {
                from: self.from,
                to: middle,
            },
            Self {
                from: middle,
                to: self.to,
            },
        )
    }

    /// The perfect subtrees that the span consists of, largest first.
    fn nodes(self) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        let mut from = self.from;
        while let Some(level) = self.to.saturating_sub(from).checked_ilog2() {
            nodes.push(NodeId {
                level,
                index: from >> level,
            });
            from = from.saturating_add(1_u64 << level);
        }
        nodes
    }

    fn hash(self, lookup: &dyn Fn(u32, u64) -> Option<Hash>) -> Result<Hash, MissingNode> {
        let mut hashes = Vec::new();
        for node in self.nodes() {
            hashes.push(lookup(node.level, node.index).ok_or(MissingNode { node })?);
        }
        fold(&hashes).ok_or(MissingNode {
            node: NodeId {
                level: 0,
                index: self.from,
            },
        })
    }
}

/// Spans whose hashes are the inclusion proof, leaf side first (RFC 9162 section 2.1.3.1).
fn inclusion_path(index: u64, size: u64) -> Vec<Span> {
    let mut path = Vec::new();
    let mut span = Span { from: 0, to: size };
    if index >= size {
        return path;
    }
    while span.len() > 1 {
        let (left, right) = span.halves();
        let (inside, beside) = if index < left.to {
            (left, right)
        } else {
            (right, left)
        };
        path.push(beside);
        span = inside;
    }
    path.reverse();
    path
}

/// Spans whose hashes are the consistency proof (RFC 9162 section 2.1.4.1).
fn consistency_path(first: u64, second: u64) -> Vec<Span> {
    let mut path = Vec::new();
    let mut span = Span {
        from: 0,
        to: second,
    };
    if first == 0 || first >= second {
        return path;
    }
    while span.to != first {
        let (left, right) = span.halves();
        if first <= left.to {
            path.push(right);
            span = left;
        } else {
            path.push(left);
            span = right;
        }
    }
    if span.from > 0 {
        path.push(span);
    }
    path.reverse();
    path
}

fn nodes(path: Vec<Span>) -> Vec<NodeId> {
    let mut nodes: Vec<_> = path.into_iter().flat_map(Span::nodes).collect();
    nodes.sort_unstable_by_key(|node| (node.entry(), node.level));
    nodes.dedup();
    nodes
}

fn build(
    path: Vec<Span>,
    lookup: &dyn Fn(u32, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, MissingNode> {
    path.into_iter().map(|span| span.hash(lookup)).collect()
}

/// The persisted nodes that [`inclusion_proof`] will look up, by ascending entry: what to read.
/// None when `index` is not below `size`.
pub fn inclusion_nodes(index: u64, size: u64) -> Vec<NodeId> {
    nodes(inclusion_path(index, size))
}

/// The persisted nodes that [`consistency_proof`] will look up, by ascending entry: what to read.
/// None when `first` is 0 or not below `second`.
pub fn consistency_nodes(first: u64, second: u64) -> Vec<NodeId> {
    nodes(consistency_path(first, second))
}

/// Inclusion proof of entry `index` in the tree of `size`, leaf side first. `lookup` finds a
/// persisted node by level and index.
///
/// # Errors
/// When a node is missing. The proof for an index that is not below `size` is empty and verifies
/// for nothing.
pub fn inclusion_proof(
    index: u64,
    size: u64,
    lookup: impl Fn(u32, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, MissingNode> {
    build(inclusion_path(index, size), &lookup)
}

/// Consistency proof between the trees of size `first` and `second`; empty for equal sizes.
///
/// # Errors
/// When a node is missing.
pub fn consistency_proof(
    first: u64,
    second: u64,
    lookup: impl Fn(u32, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, MissingNode> {
    build(consistency_path(first, second), &lookup)
}
