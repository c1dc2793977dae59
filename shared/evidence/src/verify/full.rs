//! Step 9 for a full export: one chain from genesis, and every seal recomputed.

use super::Evidence;
use super::roots::Growth;
use super::row::Row;
use super::seals::Sealed;
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::kind::Kind;

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let rows = evidence.rows();
    check_seq(rows, 0)?;
    check_links(evidence, Some((evidence.trust.stream, 0)))?;
    check_genesis(evidence)?;
    check_close(rows)?;
    check_seals(evidence)
}

/// Positions are dense from `first`.
pub(super) fn check_seq(rows: &[Row], first: u64) -> Result<(), Fault> {
    for (row, expected) in rows.iter().zip(first..) {
        if row.seq != expected {
            return Err(row.fault(Code::Seq, format!("it is where entry {expected} belongs")));
        }
    }
    Ok(())
}

/// Every entry names the leaf before it and is not older. `before` is what the first one continues,
/// where that is known.
pub(super) fn check_links(
    evidence: &Evidence<'_>,
    before: Option<(Hash, u64)>,
) -> Result<(), Fault> {
    let mut at = before.map_or(0, |(_, at)| at);
    for (index, row) in evidence.rows().iter().enumerate() {
        let linked = match (index, before) {
            (0, Some((leaf, _))) => evidence.entries.first_prev == leaf,
            (0, None) => true,
            _ => row.linked,
        };
        if !linked {
            return Err(row.fault(Code::Prev, "prev is not the leaf of the entry before"));
        }
        if row.at < at {
            return Err(row.fault(Code::Time, "older than the entry before"));
        }
        at = row.at;
    }
    Ok(())
}

/// `genesis` is entry 0, names this descriptor, and is nowhere else.
pub(super) fn check_genesis(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let first = evidence.rows().first();
    let first = first.ok_or_else(|| Fault::new(Code::Genesis, "there is no entry"))?;
    if first.seq == 0 {
        if first.kind != Kind::Genesis {
            return Err(first.fault(Code::Genesis, "the first entry is not genesis"));
        }
        if !evidence.entries.genesis {
            return Err(first.fault(Code::Genesis, "genesis names another descriptor"));
        }
    }
    for row in evidence.all() {
        if row.kind == Kind::Genesis && row.seq != 0 {
            return Err(row.fault(Code::Genesis, "genesis is entry 0 and nowhere else"));
        }
    }
    Ok(())
}

pub(super) fn check_close(rows: &[Row]) -> Result<(), Fault> {
    for (row, next) in rows.iter().zip(rows.iter().skip(1)) {
        if row.kind == Kind::StreamClose {
            return Err(next.fault(Code::AfterClose, "it follows stream.close"));
        }
    }
    Ok(())
}

fn check_seals(evidence: &Evidence<'_>) -> Result<(), Fault> {
    check_first_seal(evidence)?;
    let count = u64::try_from(evidence.rows().len()).unwrap_or(u64::MAX);
    let mut growth = Growth::of(evidence);
    for sealed in &evidence.seals {
        let body = &sealed.body;
        if body.size > count {
            let what = format!("the package has only {count} entries");
            return Err(sealed.fault(Code::Truncated, what));
        }
        check_root(sealed, growth.as_mut())?;
        check_against_entries(sealed, evidence)?;
    }
    let covered = evidence.last_seal()?.body.size;
    if covered != count {
        let what = format!("the last seal covers {covered} of {count} entries");
        return Err(Fault::new(Code::UnsealedTail, what));
    }
    Ok(())
}

/// The root of a seal is that over the entries; seals must come in their order.
pub(super) fn check_root(sealed: &Sealed, growth: Option<&mut Growth<'_>>) -> Result<(), Fault> {
    if growth.and_then(|growth| growth.root(sealed.body.size)) == Some(sealed.body.root) {
        return Ok(());
    }
    Err(sealed.fault(Code::Root, "not the root over the entries"))
}

pub(super) fn check_first_seal(evidence: &Evidence<'_>) -> Result<(), Fault> {
    match evidence.seals.first() {
        Some(first) if first.body.prev != Hash::ZERO => {
            Err(first.fault(Code::SealFirst, "the first seal names a seal before it"))
        }
        _ => Ok(()),
    }
}

/// Head and time of a seal against the entries around its size, as far as they are there.
pub(super) fn check_against_entries(sealed: &Sealed, evidence: &Evidence<'_>) -> Result<(), Fault> {
    let body = &sealed.body;
    let from = evidence.rows().first().map_or(0, |row| row.seq);
    let at = |seq: u64| {
        let index = usize::try_from(seq.checked_sub(from)?).ok()?;
        evidence.rows().get(index)
    };
    if let Some(last) = body.size.checked_sub(1).and_then(at) {
        if last.leaf != body.head {
            return Err(sealed.fault(Code::Head, "head is not the leaf of its last entry"));
        }
        if body.at < last.at {
            return Err(sealed.fault(Code::BackdatedSeal, "older than its last entry"));
        }
    }
    match at(body.size) {
        Some(next) if next.at < body.at => {
            Err(next.fault(Code::Backdated, "older than a seal that does not cover it"))
        }
        _ => Ok(()),
    }
}
