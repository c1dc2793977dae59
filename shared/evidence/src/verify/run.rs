//! Steps 9 and 11 for a run package: every entry is in the sealed tree, and they are one run.

use std::collections::BTreeSet;

use super::Evidence;
use super::entry::{Item, Subject};
use super::seals::Sealed;
use crate::code::{Code, Fault};
use crate::kind::Kind;
use crate::tree::{check_inclusion as included, decode_proof};

pub(super) fn check_inclusion(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let last = evidence.last_seal()?;
    evidence
        .entries
        .iter()
        .try_for_each(|item| check_one(item, last))
}

/// An entry has a proof, and the proof leads to the root of the seal.
pub(super) fn check_one(item: &Item, seal: &Sealed) -> Result<(), Fault> {
    let proof = item.proof.as_ref();
    let proof = proof.ok_or_else(|| item.fault(Code::EntryFields, "its proof is missing"))?;
    let proof = decode_proof(proof).map_err(|fault| fault.at(item.place()))?;
    let body = &seal.seal.body;
    included(item.leaf, item.header.seq, body.size, &proof, body.root)
}

/// The package holds the whole run, what belongs to it, and nothing else.
pub(super) fn check_whole(evidence: &Evidence<'_>, id: &str) -> Result<(), Fault> {
    let entries = &evidence.entries;
    let of_run = |item: &&Item| item.header.run.as_ref().is_some_and(|run| run.id == id);
    let has = |kind: Kind| {
        entries
            .iter()
            .filter(of_run)
            .any(|item| item.header.kind == kind)
    };
    if !has(Kind::RunOpen) || !has(Kind::RunClose) {
        return Err(Fault::new(
            Code::RunIncomplete,
            "run.open or run.close is missing",
        ));
    }
    let named: BTreeSet<u64> = entries
        .iter()
        .filter_map(|item| match item.subject {
            Subject::Erased(by) => Some(by),
            _ => None,
        })
        .collect();
    for item in entries {
        let belongs = match item.header.kind {
            Kind::KeyRotate => true,
            Kind::Redact => named.contains(&item.header.seq),
            _ => of_run(&item),
        };
        if !belongs {
            return Err(item.fault(Code::RunForeign, "it does not belong to the run"));
        }
    }
    check_order(evidence)
}

fn check_order(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let entries = &evidence.entries;
    for (before, item) in entries.iter().zip(entries.iter().skip(1)) {
        if item.header.seq <= before.header.seq {
            return Err(item.fault(Code::Seq, "seq does not ascend"));
        }
        if item.header.at < before.header.at {
            return Err(item.fault(Code::Time, "older than an entry before it"));
        }
    }
    let seal = evidence.last_seal()?;
    match entries.last() {
        Some(last) if last.header.at > seal.seal.body.at => {
            Err(seal.fault(Code::BackdatedSeal, "older than an entry it covers"))
        }
        _ => Ok(()),
    }
}
