//! Step 13: references name earlier entries of the right kind (evidence-format section 6).

use super::entry::Item;
use super::{Evidence, Report};
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::header::hash_field;
use crate::json::Json;
use crate::kind::Kind;

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report) -> Result<(), Fault> {
    for item in &evidence.entries {
        match item.header.kind {
            Kind::RunOpen => {
                check_cause(evidence, item, report)?;
                check_field(evidence, item, "prior_run", Kind::RunClose, report)?;
            }
            Kind::RunResolution => {
                check_field(evidence, item, "decision", Kind::RunDecision, report)?;
            }
            Kind::RepairVerified => {
                check_field(evidence, item, "repair", Kind::RepairExecuted, report)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_field(
    evidence: &Evidence<'_>,
    item: &Item,
    field: &str,
    kind: Kind,
    report: &mut Report,
) -> Result<(), Fault> {
    let Some(leaf) = item.hash(field) else {
        return Ok(());
    };
    let Some(target) = target(evidence, item, field, leaf, report)? else {
        return Ok(());
    };
    if target.header.kind != kind {
        return Err(item.fault(Code::Ref, format!("{field} does not name a {kind}")));
    }
    if field == "decision" && target.text("effect") != "REQUIRE" {
        return Err(item.fault(Code::Ref, "it resolves a decision that is not REQUIRE"));
    }
    Ok(())
}

fn check_cause(evidence: &Evidence<'_>, item: &Item, report: &mut Report) -> Result<(), Fault> {
    let Some(cause) = item.facts.get("cause") else {
        return Ok(());
    };
    let seq = cause.get("seq").and_then(Json::as_uint).unwrap_or(u64::MAX);
    let leaf = hash_field(cause, "entry").unwrap_or(Hash::ZERO);
    let found = target(evidence, item, "cause", leaf, report)?;
    let agrees = match found {
        Some(target) => target.header.seq == seq,
        // Another entry at the place that the reference names.
        None => evidence.by_seq(seq).is_none(),
    };
    if !agrees || seq >= item.header.seq {
        return Err(item.fault(Code::Ref, "cause does not name an earlier entry at its seq"));
    }
    Ok(())
}

/// The entry that a reference names; none when it lies outside the package.
fn target<'a>(
    evidence: &'a Evidence<'_>,
    item: &Item,
    field: &str,
    leaf: Hash,
    report: &mut Report,
) -> Result<Option<&'a Item>, Fault> {
    match evidence.by_leaf(leaf) {
        Some(target) if target.header.seq < item.header.seq => Ok(Some(target)),
        Some(_) => Err(item.fault(Code::Ref, format!("{field} names a later entry"))),
        None if evidence.is_full() => Err(item.fault(
            Code::Ref,
            format!("{field} names an entry that does not exist"),
        )),
        None => {
            report.skip(format!(
                "{field} of entry {}: outside the package",
                item.header.seq
            ));
            Ok(None)
        }
    }
}
