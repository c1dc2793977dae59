//! Step 14: absent parts and the redact entries that explain them (evidence-format section 8).

use super::entry::{Item, Subject};
use super::{Evidence, Report};
use crate::code::{Code, Fault};
use crate::kind::Kind;

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report) -> Result<(), Fault> {
    for item in evidence.all() {
        if let Subject::Erased(by) = item.subject {
            check_absent(evidence, item, by)?;
        }
    }
    for item in evidence
        .all()
        .filter(|item| item.header.kind == Kind::Redact)
    {
        check_redact(evidence, item, report)?;
    }
    Ok(())
}

fn check_absent(evidence: &Evidence<'_>, item: &Item, by: u64) -> Result<(), Fault> {
    let Some(redact) = evidence.by_seq(by) else {
        let what = format!("its subject was redacted by entry {by}, which is missing");
        return Err(item.fault(Code::TombstoneAbsent, what));
    };
    if redact.header.kind != Kind::Redact {
        let what = format!("its subject is explained by entry {by}, which is no redact");
        return Err(item.fault(Code::TombstoneKind, what));
    }
    if names(redact, item) {
        Ok(())
    } else {
        Err(redact.fault(Code::TombstoneTarget, "it names another target"))
    }
}

fn names(redact: &Item, target: &Item) -> bool {
    redact.uint("seq") == Some(target.header.seq)
        && redact.hash("entry") == Some(target.leaf)
        && redact.hash("commit").is_some()
        && redact.hash("commit") == target.header.subject
}

fn check_redact(evidence: &Evidence<'_>, redact: &Item, report: &mut Report) -> Result<(), Fault> {
    let wrong = |what: &str| Err(redact.fault(Code::TombstoneTarget, what));
    let Some(seq) = redact.uint("seq").filter(|seq| *seq < redact.header.seq) else {
        return wrong("its target is not an earlier entry");
    };
    let Some(target) = evidence.by_seq(seq) else {
        report.skip(format!(
            "target of redact entry {}: outside the package",
            redact.header.seq
        ));
        return Ok(());
    };
    if !names(redact, target) {
        return wrong("it names another target");
    }
    if target.subject == Subject::Erased(redact.header.seq) {
        Ok(())
    } else {
        let what = "the part that it erased is present, or another redact entry erased it";
        Err(redact.fault(Code::RedactedPresent, what))
    }
}
