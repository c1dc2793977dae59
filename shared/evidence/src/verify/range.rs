//! Step 9 for a range: borders, links, seals, and the neighbours that prove a period complete
//! (evidence-format section 12.3).

use std::collections::BTreeSet;

use super::Evidence;
use super::collect::Collected;
use super::entry::{self, check_header};
use super::full;
use super::input::{Fields, array, format, required};
use super::roots::{Growth, frontier_before};
use super::run::check_one;
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::header::Header;
use crate::json::Json;
use crate::kind::Kind;
use crate::tree::{check_inclusion, decode_proof};

/// The members that only a range has.
pub(super) struct RangeForm {
    pub(super) from: u64,
    pub(super) to: u64,
    period: Option<(u64, u64)>,
    before: Option<Json>,
    after: Option<Json>,
    extra: Vec<Json>,
}

impl RangeForm {
    pub(super) fn read(members: &mut Fields) -> Result<Self, Fault> {
        let number = |json: Json, name: &str| {
            json.as_uint()
                .ok_or_else(|| format(&format!("{name} is not a number")))
        };
        let from = number(required(members, "from")?, "from")?;
        let to = number(required(members, "to")?, "to")?;
        let period = match (members.remove("from_at"), members.remove("to_at")) {
            (None, None) => None,
            (Some(from), Some(to)) => Some((number(from, "from_at")?, number(to, "to_at")?)),
            _ => return Err(range("a period has from_at and to_at, or none of them")),
        };
        let extra = match members.remove("extra") {
            Some(items) => array(items, "extra")?,
            None => Vec::new(),
        };
        let (before, after) = (members.remove("before"), members.remove("after"));
        Ok(Self {
            from,
            to,
            period,
            before,
            after,
            extra,
        })
    }
}

/// Reads the entries from outside the range.
pub(super) fn take_extras(form: &RangeForm, stream: Hash, collected: &mut Collected<'_>) {
    for (index, json) in form.extra.iter().enumerate() {
        collected.added.extend(entry::added_key(json));
        if collected.entry_fault.is_some() {
            continue;
        }
        match entry::check(json, stream, entry::Fields::Proof) {
            Ok(item) => collected.take_extra(item.sound()),
            Err(fault) => collected.fail(index, fault),
        }
    }
}

/// Gives the proofs of the folder form to the first and the last entry.
pub(super) fn give_borders(
    (first, last): &(Json, Json),
    collected: &mut Collected<'_>,
) -> Result<(), Fault> {
    let Some(end) = collected.rows.len().checked_sub(1) else {
        return Ok(());
    };
    if end == 0 && first != last {
        return Err(range("one entry has two different proofs"));
    }
    collected.proofs.insert(end, last.clone());
    collected.proofs.insert(0, first.clone());
    Ok(())
}

/// The headers on both sides of a range.
pub(super) struct Neighbours<'a> {
    form: &'a RangeForm,
    before: Option<(Header, Hash)>,
    after: Option<(Header, Hash)>,
}

fn range(what: &str) -> Fault {
    Fault::new(Code::Range, what)
}

pub(super) fn check<'a>(
    evidence: &Evidence<'_>,
    form: &'a RangeForm,
) -> Result<Neighbours<'a>, Fault> {
    let entries = evidence.rows();
    let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    if form.from >= form.to || form.to.saturating_sub(form.from) != count {
        return Err(range("the number of entries is not that of the range"));
    }
    full::check_seq(entries, form.from)?;
    check_proof_fields(evidence)?;
    let before = neighbour(form.before.as_ref(), evidence, &["h"], "before")?;
    let after = neighbour(form.after.as_ref(), evidence, &["h", "proof"], "after")?;
    check_links(evidence, form, before.as_ref())?;
    full::check_genesis(evidence)?;
    full::check_close(entries)?;
    check_seal_list(evidence, form)?;
    let last = evidence.last_seal()?;
    for index in [0, entries.len().saturating_sub(1)] {
        if let Some(row) = entries.get(index) {
            check_one(row, evidence.entries.proofs.get(&index), last)?;
        }
    }
    check_inside(evidence)?;
    for (row, proof) in evidence
        .entries
        .extra
        .iter()
        .zip(&evidence.entries.extra_proofs)
    {
        check_one(row, proof.as_ref(), last)?;
    }
    check_extras(evidence, form)?;
    let mut growth = Growth::of(evidence);
    for sealed in evidence
        .seals
        .iter()
        .filter(|sealed| sealed.body.size <= form.to)
    {
        full::check_root(sealed, growth.as_mut())?;
        full::check_against_entries(sealed, evidence)?;
    }
    if entries.last().is_some_and(|row| row.at > last.body.at) {
        return Err(last.fault(Code::BackdatedSeal, "older than an entry it covers"));
    }
    check_end(evidence)?;
    Ok(Neighbours {
        form,
        before,
        after,
    })
}

/// The entries between the first and the last are in the sealed tree: the tree before the last one, as
/// its proof states it, is the tree before the first one with these entries added.
fn check_inside(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let rows = evidence.rows();
    let Some(last) = rows.last() else {
        return Ok(());
    };
    let mut growth = Growth::of(evidence);
    let grown = growth.as_mut().and_then(|growth| growth.at(last.seq));
    let stated = frontier_before(evidence, rows.len().saturating_sub(1), last.seq);
    if grown.is_some() && grown == stated.as_ref() {
        return Ok(());
    }
    let what = "the entries between the first and the last are not those of the sealed tree";
    Err(Fault::new(Code::Inclusion, what))
}

/// The first and the last entry have a proof, the others have none.
fn check_proof_fields(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let rows = evidence.rows();
    let last = rows.len().saturating_sub(1);
    let proofs = &evidence.entries.proofs;
    let wrong = [0, last]
        .into_iter()
        .find(|border| !proofs.contains_key(border))
        .or_else(|| proofs.keys().copied().find(|at| *at != 0 && *at != last));
    match wrong.and_then(|index| rows.get(index)) {
        Some(row) => Err(row.fault(Code::EntryFields, "only the first and last have a proof")),
        None => Ok(()),
    }
}

fn neighbour(
    json: Option<&Json>,
    evidence: &Evidence<'_>,
    members: &[&str],
    name: &str,
) -> Result<Option<(Header, Hash)>, Fault> {
    let Some(json) = json else { return Ok(None) };
    let found: Vec<&str> = json
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, _)| k.as_str())
        .collect();
    if found != members {
        return Err(Fault::new(
            Code::EntryFields,
            format!("{name} is not exactly {members:?}"),
        ));
    }
    let header = json.get("h").unwrap_or(&Json::Null);
    check_header(header, None, evidence.trust.stream)
        .map(Some)
        .map_err(|fault| fault.at(name))
}

fn check_links(
    evidence: &Evidence<'_>,
    form: &RangeForm,
    before: Option<&(Header, Hash)>,
) -> Result<(), Fault> {
    let link = match before {
        Some((header, leaf)) => {
            if header.seq.checked_add(1) != Some(form.from) {
                return Err(range("before is not the entry before the range"));
            }
            Some((*leaf, header.at))
        }
        None => (form.from == 0).then_some((evidence.trust.stream, 0)),
    };
    full::check_links(evidence, link)
}

/// Seals above `from`; only the last one may be larger than `to`, and it covers it.
fn check_seal_list(evidence: &Evidence<'_>, form: &RangeForm) -> Result<(), Fault> {
    if form.from == 0 {
        full::check_first_seal(evidence)?;
    }
    let Some((last, others)) = evidence.seals.split_last() else {
        return Err(Fault::new(Code::NoSeal, "the package has no seal"));
    };
    if last.body.size < form.to {
        return Err(last.fault(Code::Range, "the last seal does not cover the range"));
    }
    if let Some(larger) = others.iter().find(|sealed| sealed.body.size > form.to) {
        return Err(larger.fault(Code::Range, "only the last seal is larger than the range"));
    }
    match evidence
        .seals
        .iter()
        .find(|sealed| sealed.body.size <= form.from)
    {
        Some(smaller) => Err(smaller.fault(Code::Range, "it covers nothing of the range")),
        None => Ok(()),
    }
}

/// Extras are redact entries that an absent part names, and rotations; ascending, outside.
fn check_extras(evidence: &Evidence<'_>, form: &RangeForm) -> Result<(), Fault> {
    let rows = evidence.rows().iter();
    let named: BTreeSet<u64> = rows.filter_map(|row| row.subject.erased_by()).collect();
    let mut last = None;
    for item in &evidence.entries.extra {
        let seq = item.seq;
        let inside = (form.from..form.to).contains(&seq);
        let belongs = match item.kind {
            Kind::KeyRotate => !inside,
            Kind::Redact => seq >= form.to && named.contains(&seq),
            _ => false,
        };
        if !belongs || last.is_some_and(|last| last >= seq) {
            return Err(item.fault(Code::Range, "it does not belong to the extras"));
        }
        last = Some(seq);
    }
    Ok(())
}

/// A `stream.close` is the last entry of its stream, so the covering seal ends with it.
fn check_end(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let covered = evidence.last_seal()?.body.size;
    match evidence.rows().last() {
        Some(item) if item.kind == Kind::StreamClose => {
            if item.seq.checked_add(1) == Some(covered) {
                Ok(())
            } else {
                Err(item.fault(Code::AfterClose, "the stream goes on after stream.close"))
            }
        }
        _ => Ok(()),
    }
}

/// Neighbours and period; the specification places this after the facts.
pub(super) fn check_neighbours(
    evidence: &Evidence<'_>,
    neighbours: &Neighbours<'_>,
) -> Result<(), Fault> {
    let Neighbours {
        form,
        before,
        after,
    } = neighbours;
    let before = before.as_ref().map(|(header, _)| header);
    if before.is_some_and(|before| before.kind == Kind::StreamClose) {
        return Err(Fault::new(
            Code::AfterClose,
            "the entry before the range is stream.close",
        ));
    }
    if before.is_some_and(|before| (before.kind == Kind::Genesis) != (before.seq == 0)) {
        return Err(Fault::new(
            Code::Genesis,
            "genesis is entry 0 and nowhere else",
        ));
    }
    if let Some((header, leaf)) = after {
        check_after(evidence, form, header, *leaf)?;
    }
    match form.period {
        Some(period) => {
            let after = after.as_ref().map(|(header, _)| header);
            check_period(evidence, form, period, before, after)
        }
        None => Ok(()),
    }
}

fn check_after(
    evidence: &Evidence<'_>,
    form: &RangeForm,
    header: &Header,
    leaf: Hash,
) -> Result<(), Fault> {
    if header.seq != form.to {
        return Err(range("after is not the entry after the range"));
    }
    let last = evidence.rows().last();
    if last.is_some_and(|last| header.prev != last.leaf) {
        return Err(Fault::new(Code::Prev, "after does not continue the range"));
    }
    if last.is_some_and(|last| header.at < last.at) {
        return Err(Fault::new(Code::Time, "after is older than the range"));
    }
    if header.kind == Kind::Genesis {
        return Err(Fault::new(
            Code::Genesis,
            "genesis is entry 0 and nowhere else",
        ));
    }
    if last.is_some_and(|last| last.kind == Kind::StreamClose) {
        return Err(Fault::new(
            Code::AfterClose,
            "an entry follows stream.close",
        ));
    }
    let proof = form
        .after
        .as_ref()
        .and_then(|after| after.get("proof"))
        .unwrap_or(&Json::Null);
    let proof = decode_proof(proof).map_err(|fault| fault.at("after"))?;
    let seal = evidence.last_seal()?;
    check_inclusion(leaf, header.seq, seal.body.size, &proof, seal.body.root)?;
    let covered = seal.body.size;
    if header.kind == Kind::StreamClose && header.seq.checked_add(1) != Some(covered) {
        return Err(Fault::new(
            Code::AfterClose,
            "the stream goes on after stream.close",
        ));
    }
    let sealed_at = evidence
        .seals
        .iter()
        .filter(|sealed| sealed.body.size <= form.to);
    match sealed_at.map(|sealed| sealed.body.at).max() {
        Some(at) if header.at < at => Err(Fault::new(
            Code::Backdated,
            "after is older than a seal that does not cover it",
        )),
        _ if header.at > seal.body.at => {
            Err(seal.fault(Code::BackdatedSeal, "older than an entry it covers"))
        }
        _ => Ok(()),
    }
}

fn check_period(
    evidence: &Evidence<'_>,
    form: &RangeForm,
    (from_at, to_at): (u64, u64),
    before: Option<&Header>,
    after: Option<&Header>,
) -> Result<(), Fault> {
    if evidence
        .rows()
        .iter()
        .any(|row| !(from_at..to_at).contains(&row.at))
    {
        return Err(range("an entry lies outside the period"));
    }
    let begins = form.from == 0 || before.is_some_and(|before| before.at < from_at);
    let last = &evidence.last_seal()?.body;
    let ends = match after {
        Some(after) => after.at >= to_at,
        None => last.size == form.to && last.at >= to_at,
    };
    if begins && ends {
        Ok(())
    } else {
        Err(range(
            "the neighbours do not show that the period is complete",
        ))
    }
}
