//! Step 14: absent parts and the redact entries that explain them (evidence-format section 8).

use std::collections::BTreeMap;

use super::collect::Redact;
use super::row::{Row, Subject};
use super::{Evidence, Report};
use crate::code::{Code, Fault};
use crate::kind::Kind;

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report) -> Result<(), Fault> {
    let redacts = &evidence.entries.redacts;
    let by_seq: BTreeMap<u64, &Redact> = redacts.iter().map(|r| (r.row.seq, r)).collect();
    for row in evidence.all() {
        if let Some(by) = row.subject.erased_by() {
            check_absent(evidence, &by_seq, row, by)?;
        }
    }
    redacts
        .iter()
        .try_for_each(|redact| check_redact(evidence, redact, report))
}

fn check_absent(
    evidence: &Evidence<'_>,
    redacts: &BTreeMap<u64, &Redact>,
    row: &Row,
    by: u64,
) -> Result<(), Fault> {
    let Some(explains) = evidence.by_seq(by) else {
        let what = format!("its subject was redacted by entry {by}, which is missing");
        return Err(row.fault(Code::TombstoneAbsent, what));
    };
    let redact = redacts.get(&by).filter(|_| explains.kind == Kind::Redact);
    let Some(redact) = redact else {
        let what = format!("its subject is explained by entry {by}, which is no redact");
        return Err(row.fault(Code::TombstoneKind, what));
    };
    if names(redact, row) {
        Ok(())
    } else {
        Err(explains.fault(Code::TombstoneTarget, "it names another target"))
    }
}

fn names(redact: &Redact, target: &Row) -> bool {
    redact.seq == Some(target.seq)
        && redact.entry == Some(target.leaf)
        && redact.commit.is_some()
        && redact.commit == target.subject.commitment()
}

fn check_redact(
    evidence: &Evidence<'_>,
    redact: &Redact,
    report: &mut Report,
) -> Result<(), Fault> {
    let row = &redact.row;
    let wrong = |what: &str| Err(row.fault(Code::TombstoneTarget, what));
    let Some(seq) = redact.seq.filter(|seq| *seq < row.seq) else {
        return wrong("its target is not an earlier entry");
    };
    let Some(target) = evidence.by_seq(seq) else {
        report.skip(format!(
            "target of redact entry {}: outside the package",
            row.seq
        ));
        return Ok(());
    };
    if !names(redact, target) {
        return wrong("it names another target");
    }
    match target.subject {
        Subject::Erased(_, by) if by == row.seq => Ok(()),
        _ => {
            let what = "the part that it erased is present, or another redact entry erased it";
            Err(row.fault(Code::RedactedPresent, what))
        }
    }
}
