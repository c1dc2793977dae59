//! Steps 9 and 11 for a run package: every entry is in the sealed tree, and they are one run.

use std::collections::BTreeSet;

use super::row::Row;
use super::seals::Sealed;
use super::{Evidence, Report};
use crate::code::{Code, Fault};
use crate::json::Json;
use crate::kind::Kind;
use crate::tree::{check_inclusion as included, decode_proof};

pub(super) fn check_inclusion(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let last = evidence.last_seal()?;
    for (index, row) in evidence.rows().iter().enumerate() {
        check_one(row, evidence.entries.proofs.get(&index), last)?;
    }
    Ok(())
}

/// An entry has a proof, and the proof leads to the root of the seal.
pub(super) fn check_one(row: &Row, proof: Option<&Json>, seal: &Sealed) -> Result<(), Fault> {
    let proof = proof.ok_or_else(|| row.fault(Code::EntryFields, "its proof is missing"))?;
    let proof = decode_proof(proof).map_err(|fault| fault.at(row.place()))?;
    let body = &seal.body;
    included(row.leaf, row.seq, body.size, &proof, body.root)
}

/// The package holds the whole run, what belongs to it, and nothing else.
pub(super) fn check_whole(
    evidence: &Evidence<'_>,
    id: &str,
    report: &mut Report,
) -> Result<(), Fault> {
    let inner = evidence.seals.len().saturating_sub(1);
    if inner > 0 {
        report.skip(format!(
            "size, root and head of the {inner} seals before the last one: nothing in a run package is under them"
        ));
    }
    let entries = evidence.rows();
    let number = evidence.entries.replay.number_of(id);
    let of_run = |row: &&Row| number.is_some() && row.run == number;
    let has = |kind: Kind| entries.iter().filter(of_run).any(|item| item.kind == kind);
    if !has(Kind::RunOpen) || !has(Kind::RunClose) {
        return Err(Fault::new(
            Code::RunIncomplete,
            "run.open or run.close is missing",
        ));
    }
    let named: BTreeSet<u64> = entries
        .iter()
        .filter_map(|row| row.subject.erased_by())
        .collect();
    for item in entries {
        let belongs = match item.kind {
            Kind::KeyRotate => true,
            Kind::Redact => named.contains(&item.seq),
            _ => of_run(&item),
        };
        if !belongs {
            return Err(item.fault(Code::RunForeign, "it does not belong to the run"));
        }
    }
    check_order(evidence)
}

fn check_order(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let entries = evidence.rows();
    for (before, item) in entries.iter().zip(entries.iter().skip(1)) {
        if item.seq <= before.seq {
            return Err(item.fault(Code::Seq, "seq does not ascend"));
        }
        if item.at < before.at {
            return Err(item.fault(Code::Time, "older than an entry before it"));
        }
    }
    let seal = evidence.last_seal()?;
    match entries.last() {
        Some(last) if last.at > seal.body.at => {
            Err(seal.fault(Code::BackdatedSeal, "older than an entry it covers"))
        }
        _ => Ok(()),
    }
}
