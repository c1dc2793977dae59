//! Step 12: which keys were in force when a seal was made (evidence-format section 17).

use std::collections::BTreeSet;

use super::collect::Rotation;
use super::seals::Sealed;
use super::{Evidence, Report};
use crate::code::{Code, Fault};
use crate::hash::Hash;

/// The rotations in the package, by position.
pub(super) fn rotations<'a>(evidence: &'a Evidence<'_>) -> Vec<&'a Rotation> {
    let mut rotations: Vec<&Rotation> = evidence.entries.rotations.iter().collect();
    rotations.sort_unstable_by_key(|rotation| rotation.seq);
    rotations
}

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report) -> Result<(), Fault> {
    let rotations = rotations(evidence);
    check_rotations(evidence, &rotations)?;
    for sealed in &evidence.seals {
        check_in_force(evidence, &rotations, sealed)?;
    }
    check_between_seals(evidence, &rotations)?;
    check_handover(evidence, &rotations, report)
}

/// A rotation retires a valid key and adds one that is not.
fn check_rotations(evidence: &Evidence<'_>, rotations: &[&Rotation]) -> Result<(), Fault> {
    let mut valid: BTreeSet<Hash> = evidence.descriptor.sealers.iter().copied().collect();
    for rotation in rotations {
        let fault = |what: &str| {
            Err(Fault::new(Code::KeyRotate, what).at(format!("entry {}", rotation.seq)))
        };
        if !valid.remove(&rotation.retire) {
            return fault("it retires a key that is not in force");
        }
        if !valid.insert(rotation.add) || rotation.add == rotation.retire {
            return fault("it adds a key that is in force");
        }
    }
    Ok(())
}

/// At least one key of the seal is in force at its size and not capped below it.
pub(super) fn check_in_force(
    evidence: &Evidence<'_>,
    rotations: &[&Rotation],
    sealed: &Sealed,
) -> Result<(), Fault> {
    let size = sealed.body.size;
    let mut valid: BTreeSet<Hash> = evidence.descriptor.sealers.iter().copied().collect();
    for rotation in rotations.iter().filter(|rotation| rotation.seq < size) {
        valid.remove(&rotation.retire);
        valid.insert(rotation.add);
    }
    let in_force = |key: &Hash| valid.contains(key) && evidence.trust.allows(*key, size);
    if sealed.keys.iter().any(in_force) {
        Ok(())
    } else {
        Err(sealed.fault(
            Code::KeyRetired,
            "its keys are retired or capped below this size",
        ))
    }
}

fn check_between_seals(evidence: &Evidence<'_>, rotations: &[&Rotation]) -> Result<(), Fault> {
    let sizes: Vec<u64> = evidence
        .seals
        .iter()
        .map(|sealed| sealed.body.size)
        .collect();
    for (from, to) in sizes.iter().zip(sizes.iter().skip(1)) {
        let between = rotations
            .iter()
            .filter(|rotation| (*from..*to).contains(&rotation.seq));
        if between.count() > 1 {
            let what = format!("two rotations lie between the seals of sizes {from} and {to}");
            return Err(Fault::new(Code::KeyRotate, what));
        }
    }
    Ok(())
}

/// The first seal after a rotation carries lines of both keys, as far as they are pinned.
fn check_handover(
    evidence: &Evidence<'_>,
    rotations: &[&Rotation],
    report: &mut Report,
) -> Result<(), Fault> {
    let from_start = evidence.rows().first().is_some_and(|row| row.seq == 0);
    let whole = from_start && !matches!(evidence.loaded.form, super::Form::Run(_));
    for rotation in rotations {
        let mut after = evidence.seals.iter().filter(|s| s.body.size > rotation.seq);
        let Some(handover) = after.next().filter(|_| whole) else {
            report.skip(format!(
                "handover seal of the rotation at entry {}",
                rotation.seq
            ));
            continue;
        };
        for key in [rotation.add, rotation.retire] {
            if !evidence
                .trust
                .keys
                .iter()
                .any(|pinned| pinned.key.hash() == key)
            {
                report.skip(format!("handover of key {key}, which is not pinned"));
            } else if !handover.keys.contains(&key) {
                let what = format!("the handover seal lacks a line of key {key}");
                return Err(handover.fault(Code::KeyRotate, what));
            }
        }
    }
    Ok(())
}
