//! Step 13: references name earlier entries of the right kind (evidence-format section 6).

use super::collect::{Field, Reference};
use super::row::Row;
use super::{Evidence, Report};
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::kind::Kind;

impl Field {
    const fn name(self) -> &'static str {
        match self {
            Self::Cause(_) => "cause",
            Self::PriorRun => "prior_run",
            Self::Decision => "decision",
            Self::Repair => "repair",
        }
    }
}

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report) -> Result<(), Fault> {
    let references = &evidence.entries.references;
    let leaves: Vec<Hash> = references.iter().map(|reference| reference.leaf).collect();
    for (reference, target) in references.iter().zip(find(evidence, &leaves)) {
        check_one(evidence, reference, target, report)?;
    }
    Ok(())
}

/// The entries and extras with these leaves. The leaves are sorted once, if there is anything to find.
pub(super) fn find<'a>(evidence: &'a Evidence<'_>, leaves: &[Hash]) -> Vec<Option<&'a Row>> {
    if leaves.is_empty() {
        return Vec::new();
    }
    let mut index: Vec<&Row> = evidence.all().collect();
    index.sort_unstable_by_key(|row| row.leaf);
    let at = |leaf: &Hash| {
        let place = index.binary_search_by_key(leaf, |row| row.leaf).ok()?;
        index.get(place).copied()
    };
    leaves.iter().map(at).collect()
}

fn check_one(
    evidence: &Evidence<'_>,
    reference: &Reference,
    found: Option<&Row>,
    report: &mut Report,
) -> Result<(), Fault> {
    let (row, field) = (&reference.row, reference.field.name());
    let wrong = |what: String| Err(row.fault(Code::Ref, what));
    match found {
        Some(target) if target.seq >= row.seq => {
            return wrong(format!("{field} names a later entry"));
        }
        None if evidence.is_full() => {
            return wrong(format!("{field} names an entry that does not exist"));
        }
        None => report.skip(format!("{field} of entry {}: outside the package", row.seq)),
        Some(_) => {}
    }
    let kind = match reference.field {
        Field::Cause(seq) => {
            let agrees = match found {
                Some(target) => target.seq == seq,
                // Another entry at the place that the reference names.
                None => evidence.by_seq(seq).is_none(),
            };
            if agrees && seq < row.seq {
                return Ok(());
            }
            return wrong("cause does not name an earlier entry at its seq".to_owned());
        }
        Field::PriorRun => Kind::RunClose,
        Field::Decision => Kind::RunDecision,
        Field::Repair => Kind::RepairExecuted,
    };
    let Some(target) = found else { return Ok(()) };
    if target.kind != kind {
        return wrong(format!("{field} does not name a {kind}"));
    }
    if reference.field == Field::Decision && !target.require {
        return wrong("it resolves a decision that is not REQUIRE".to_owned());
    }
    Ok(())
}
