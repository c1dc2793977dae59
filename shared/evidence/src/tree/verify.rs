//! Checking proofs (RFC 9162 sections 2.1.3.2 and 2.1.4.2) with the codes of the format.

use super::MAX_PROOF;
use crate::base64;
use crate::code::{Code, Fault};
use crate::hash::{Hash, node};
use crate::json::Json;

/// Reads a proof from its array of base64 hashes.
///
/// # Errors
/// `E_PROOF_LEN`, `E_B64`, `E_B64_NONCANONICAL`, `E_HASH_LEN`; `E_FORMAT` when it is no array of
/// strings.
pub fn decode_proof(json: &Json) -> Result<Vec<Hash>, Fault> {
    let items = json
        .as_array()
        .ok_or_else(|| Fault::new(Code::Format, "a proof is no array"))?;
    if items.len() > MAX_PROOF {
        return Err(Fault::new(
            Code::ProofLen,
            format!("a proof of {} hashes", items.len()),
        ));
    }
    items
        .iter()
        .map(|item| {
            let text = item
                .as_str()
                .ok_or_else(|| Fault::new(Code::Format, "a proof hash is no string"))?;
            base64::decode_hash(text)
        })
        .collect()
}

/// The root that a proof leads to from `leaf` at `index` in a tree of `size`.
///
/// # Errors
/// `E_PROOF_INDEX` when `index` is not below `size`; `E_PROOF_LEN` when the proof is not exactly as
/// long as the path.
pub fn root_from_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
) -> Result<Hash, Fault> {
    if index >= size {
        let what = format!("entry {index} is not among the {size} entries of the seal");
        return Err(Fault::new(Code::ProofIndex, what));
    }
    let mut position = index;
    let mut last = size.saturating_sub(1);
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return Err(length(proof));
        }
        if position & 1 == 1 || position == last {
            hash = node(sibling, &hash);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last == 0 {
        Ok(hash)
    } else {
        Err(length(proof))
    }
}

/// Checks that `leaf` is entry `index` of the tree with this size and root.
///
/// # Errors
/// `E_PROOF_INDEX`, `E_PROOF_LEN`, `E_INCLUSION`.
pub fn check_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: Hash,
) -> Result<(), Fault> {
    if root_from_inclusion(leaf, index, size, proof)? == root {
        Ok(())
    } else {
        Err(Fault::new(
            Code::Inclusion,
            format!("entry {index} is not in the sealed tree"),
        ))
    }
}

/// Checks that the tree of size `first` is a prefix of the tree of size `second`.
///
/// # Errors
/// `E_PROOF_INDEX` when `first` is 0 (that proves nothing) or above `second`; `E_PROOF_LEN`;
/// `E_FORK` when the proof leads to another root on either side.
pub fn check_consistency(
    first: u64,
    first_root: Hash,
    second: u64,
    second_root: Hash,
    proof: &[Hash],
) -> Result<(), Fault> {
    if first == 0 || first > second {
        let what = format!("no proof leads from size {first} to size {second}");
        return Err(Fault::new(Code::ProofIndex, what));
    }
    let fork = || {
        Fault::new(
            Code::Fork,
            format!("sizes {first} and {second} are two histories"),
        )
    };
    if first == second {
        if !proof.is_empty() {
            return Err(length(proof));
        }
        return if first_root == second_root {
            Ok(())
        } else {
            Err(fork())
        };
    }
    let (old, new) = roots_from_consistency(first, first_root, second, proof)?;
    if old == first_root && new == second_root {
        Ok(())
    } else {
        Err(fork())
    }
}

/// The two roots that a proof leads to, for `0 < first < second`.
fn roots_from_consistency(
    first: u64,
    first_root: Hash,
    second: u64,
    proof: &[Hash],
) -> Result<(Hash, Hash), Fault> {
    let mut position = first.saturating_sub(1);
    let mut last = second.saturating_sub(1);
    while position & 1 == 1 {
        position >>= 1;
        last >>= 1;
    }
    let mut hashes = proof.iter();
    // A first tree that is one perfect subtree is its own starting point.
    let start = if first.is_power_of_two() {
        first_root
    } else {
        *hashes.next().ok_or_else(|| length(proof))?
    };
    let (mut old, mut new) = (start, start);
    for sibling in hashes {
        if last == 0 {
            return Err(length(proof));
        }
        if position & 1 == 1 || position == last {
            old = node(sibling, &old);
            new = node(sibling, &new);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            new = node(&new, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last == 0 {
        Ok((old, new))
    } else {
        Err(length(proof))
    }
}

fn length(proof: &[Hash]) -> Fault {
    Fault::new(
        Code::ProofLen,
        format!("a proof of {} hashes does not fit the path", proof.len()),
    )
}
