//! Step 9 for a full export: one chain from genesis, and every seal recomputed.

use super::Evidence;
use super::entry::Item;
use super::seals::Sealed;
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::kind::Kind;
use crate::tree::Frontier;

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let entries = &evidence.entries;
    check_seq(entries, 0)?;
    let mut before = (evidence.trust.stream, 0);
    for item in entries {
        before = check_link(item, before)?;
    }
    check_genesis(evidence)?;
    check_close(entries)?;
    check_seals(evidence)
}

/// Positions are dense from `first`.
pub(super) fn check_seq(entries: &[Item], first: u64) -> Result<(), Fault> {
    for (item, expected) in entries.iter().zip(first..) {
        if item.header.seq != expected {
            return Err(item.fault(Code::Seq, format!("it is where entry {expected} belongs")));
        }
    }
    Ok(())
}

/// An entry names the leaf before it and is not older; returns what the next one has to name.
pub(super) fn check_link(item: &Item, (leaf, at): (Hash, u64)) -> Result<(Hash, u64), Fault> {
    if item.header.prev != leaf {
        return Err(item.fault(Code::Prev, "prev is not the leaf of the entry before"));
    }
    if item.header.at < at {
        return Err(item.fault(Code::Time, "older than the entry before"));
    }
    Ok((item.leaf, item.header.at))
}

/// `genesis` is entry 0, names this descriptor, and is nowhere else.
pub(super) fn check_genesis(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let first = evidence.entries.first();
    let first = first.ok_or_else(|| Fault::new(Code::Genesis, "there is no entry"))?;
    if first.header.seq == 0 {
        if first.header.kind != Kind::Genesis {
            return Err(first.fault(Code::Genesis, "the first entry is not genesis"));
        }
        if first.facts.get("descriptor") != Some(&evidence.loaded.descriptor) {
            return Err(first.fault(Code::Genesis, "genesis names another descriptor"));
        }
    }
    for item in evidence.all() {
        if item.header.kind == Kind::Genesis && item.header.seq != 0 {
            return Err(item.fault(Code::Genesis, "genesis is entry 0 and nowhere else"));
        }
    }
    Ok(())
}

pub(super) fn check_close(entries: &[Item]) -> Result<(), Fault> {
    for (item, next) in entries.iter().zip(entries.iter().skip(1)) {
        if item.header.kind == Kind::StreamClose {
            return Err(next.fault(Code::AfterClose, "it follows stream.close"));
        }
    }
    Ok(())
}

fn check_seals(evidence: &Evidence<'_>) -> Result<(), Fault> {
    check_first_seal(evidence)?;
    let count = u64::try_from(evidence.entries.len()).unwrap_or(u64::MAX);
    let mut tree = Frontier::new();
    let mut leaves = evidence.entries.iter();
    for sealed in &evidence.seals {
        let body = &sealed.seal.body;
        if body.size > count {
            let what = format!("the package has only {count} entries");
            return Err(sealed.fault(Code::Truncated, what));
        }
        while tree.size() < body.size {
            let Some(item) = leaves.next() else { break };
            tree.grow(item.leaf);
        }
        if tree.root() != body.root {
            return Err(sealed.fault(Code::Root, "not the root over the entries"));
        }
        check_against_entries(sealed, evidence)?;
    }
    let covered = evidence.last_seal()?.seal.body.size;
    if covered != count {
        let what = format!("the last seal covers {covered} of {count} entries");
        return Err(Fault::new(Code::UnsealedTail, what));
    }
    Ok(())
}

pub(super) fn check_first_seal(evidence: &Evidence<'_>) -> Result<(), Fault> {
    match evidence.seals.first() {
        Some(first) if first.seal.body.prev != Hash::ZERO => {
            Err(first.fault(Code::SealFirst, "the first seal names a seal before it"))
        }
        _ => Ok(()),
    }
}

/// Head and time of a seal against the entries around its size, as far as they are there.
pub(super) fn check_against_entries(sealed: &Sealed, evidence: &Evidence<'_>) -> Result<(), Fault> {
    let body = &sealed.seal.body;
    let from = evidence.entries.first().map_or(0, |item| item.header.seq);
    let at = |seq: u64| {
        let index = usize::try_from(seq.checked_sub(from)?).ok()?;
        evidence.entries.get(index)
    };
    if let Some(last) = body.size.checked_sub(1).and_then(at) {
        if last.leaf != body.head {
            return Err(sealed.fault(Code::Head, "head is not the leaf of its last entry"));
        }
        if body.at < last.header.at {
            return Err(sealed.fault(Code::BackdatedSeal, "older than its last entry"));
        }
    }
    match at(body.size) {
        Some(next) if next.header.at < body.at => {
            Err(next.fault(Code::Backdated, "older than a seal that does not cover it"))
        }
        _ => Ok(()),
    }
}
