use std::collections::BTreeMap;

use super::*;
use crate::hash::{leaf, node, sha256};

/// The definition of RFC 6962 section 2.1, without any cleverness.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(b""),
        [one] => *one,
        _ => {
            let middle = usize::try_from(split(u64::try_from(leaves.len()).unwrap())).unwrap();
            node(&mth(&leaves[..middle]), &mth(&leaves[middle..]))
        }
    }
}

struct Tree {
    leaves: Vec<Hash>,
    kept: BTreeMap<u64, Vec<Hash>>,
    frontier: Frontier,
}

impl Tree {
    fn of(size: u64) -> Self {
        let mut tree = Self {
            leaves: Vec::new(),
            kept: BTreeMap::new(),
            frontier: Frontier::new(),
        };
        for seq in 0..size {
            let leaf = leaf(&seq.to_be_bytes());
            tree.leaves.push(leaf);
            tree.kept.insert(seq, tree.frontier.push(leaf));
        }
        tree
    }

    fn lookup(&self, level: u32, index: u64) -> Option<Hash> {
        self.kept
            .get(&NodeId { level, index }.entry())?
            .get(usize::try_from(level).unwrap())
            .copied()
    }

    fn root(&self, size: u64) -> Hash {
        mth(&self.leaves[..usize::try_from(size).unwrap()])
    }
}

#[test]
fn the_frontier_gives_the_root_of_the_definition() {
    for size in 0..70 {
        let tree = Tree::of(size);
        assert_eq!(tree.frontier.root(), tree.root(size));
        let bytes = tree.frontier.to_bytes();
        assert_eq!(Frontier::from_bytes(size, &bytes).unwrap(), tree.frontier);
        assert!(
            Frontier::from_bytes(size + 1, &bytes).is_err()
                || (size + 1).count_ones() == size.count_ones()
        );
    }
}

#[test]
fn an_entry_keeps_as_many_nodes_as_it_completes() {
    let tree = Tree::of(64);
    for (seq, nodes) in &tree.kept {
        assert_eq!(
            u32::try_from(nodes.len()),
            Ok(1 + (seq + 1).trailing_zeros())
        );
    }
}

#[test]
fn every_inclusion_proof_verifies_and_only_for_its_leaf() {
    let tree = Tree::of(70);
    for size in 1..=70 {
        let root = tree.root(size);
        for index in 0..size {
            let proof = inclusion_proof(index, size, |l, i| tree.lookup(l, i)).unwrap();
            let leaf = tree.leaves[usize::try_from(index).unwrap()];
            check_inclusion(leaf, index, size, &proof, root).unwrap();
            let other = tree.leaves[usize::try_from((index + 1) % 70).unwrap()];
            assert!(check_inclusion(other, index, size, &proof, root).is_err());
            let longer = [proof.clone(), vec![root]].concat();
            let fault = check_inclusion(leaf, index, size, &longer, root).unwrap_err();
            assert_eq!(fault.code, crate::code::Code::ProofLen);
            for needed in inclusion_nodes(index, size) {
                assert!(needed.entry() < size, "a node beyond the sealed size");
            }
        }
    }
}

#[test]
fn every_consistency_proof_verifies_and_only_for_its_roots() {
    let tree = Tree::of(70);
    for second in 1..=70 {
        for first in 1..=second {
            let proof = consistency_proof(first, second, |l, i| tree.lookup(l, i)).unwrap();
            let (old, new) = (tree.root(first), tree.root(second));
            check_consistency(first, old, second, new, &proof).unwrap();
            assert!(check_consistency(first, sha256(b"x"), second, new, &proof).is_err());
            assert!(check_consistency(first, old, second, sha256(b"x"), &proof).is_err());
        }
    }
}

#[test]
fn a_missing_node_is_named() {
    let missing = inclusion_proof(2, 4, |_, _| None).unwrap_err();
    assert!([1, 3].contains(&missing.node.entry()));
}

#[test]
fn a_proof_from_size_zero_is_refused_even_between_empty_trees() {
    let empty = sha256(b"");
    assert!(check_consistency(0, empty, 0, empty, &[]).is_err());
}

#[test]
fn reads_for_one_proof_stay_within_one_batch() {
    let size = 1_000_000_007;
    assert!(inclusion_nodes(123_456_789, size).len() <= 60);
    assert!(consistency_nodes(123_456_789, size).len() <= 60);
}
