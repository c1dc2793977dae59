//! Step 17: what the auditor holds and the operator cannot change.

use super::input::Body;
use super::members::Unreadable;
use super::roots::Growth;
use super::seals::{Sealed, each_note, read_anchor};
use super::{Contradiction, Evidence, Report, keys};
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::tree::check_consistency;

/// Sizes of the anchors that were linked, and whether the largest one given is among them.
#[derive(Debug, Clone, Default)]
pub(super) struct Anchored {
    pub(super) sizes: Vec<u64>,
    pub(super) largest: bool,
}

/// A seal that the auditor brought.
struct Anchor<'a> {
    note: &'a str,
    sealed: Sealed,
}

pub(super) fn check(
    evidence: &Evidence<'_>,
    usable: &[Hash],
    report: &mut Report,
    contradiction: &mut Contradiction,
) -> Result<Anchored, Unreadable> {
    let mut anchors = read(evidence, usable)?;
    let versions = read_versions(evidence, usable, report);
    if let Some((fault, one, other)) = find_equivocation(evidence, &versions) {
        *contradiction = pair(evidence, one, other)?;
        return Err(fault.into());
    }
    anchors.extend(versions);
    if anchors.is_empty() {
        report.skip("no anchor was given: a rollback or a second history cannot be seen");
        return Ok(Anchored::default());
    }
    let mut fork = None;
    match link_all(evidence, &anchors, report, &mut fork) {
        Ok(anchored) => Ok(anchored),
        Err(fault) => {
            if let Some((one, other)) = fork {
                *contradiction = pair(evidence, one, other)?;
            }
            Err(fault.into())
        }
    }
}

/// Step 5 for a note of the auditor, and its keys must be in force.
fn valid(evidence: &Evidence<'_>, usable: &[Hash], note: &str) -> Result<Sealed, Fault> {
    let trust = evidence.trust;
    let sealed = read_anchor(note, trust, trust.stream, usable)?;
    keys::check_in_force(evidence, &keys::rotations(evidence), &sealed)?;
    Ok(sealed)
}

fn read<'a>(evidence: &Evidence<'a>, usable: &[Hash]) -> Result<Vec<Anchor<'a>>, Fault> {
    let notes = evidence.trust.anchors.iter().enumerate();
    notes
        .map(|(index, note)| match valid(evidence, usable, note) {
            Ok(sealed) => Ok(Anchor { note, sealed }),
            Err(fault) => Err(fault.at(format!("anchor {index}"))),
        })
        .collect()
}

/// Of the versions from locked storage, those that are not valid are ignored.
fn read_versions<'a>(
    evidence: &Evidence<'a>,
    usable: &[Hash],
    report: &mut Report,
) -> Vec<Anchor<'a>> {
    let mut versions = Vec::new();
    for (index, note) in evidence.trust.versions.iter().enumerate() {
        match valid(evidence, usable, note) {
            Ok(sealed) => versions.push(Anchor { note, sealed }),
            Err(fault) => report.skip(format!("seal version {index} was ignored: {fault}")),
        }
    }
    versions
}

/// A note of the auditor, or that of a seal of the package by its place.
#[derive(Clone, Copy)]
enum Note<'a> {
    Brought(&'a str),
    Packed(usize),
}

/// Both notes, read again where they lie in the package.
fn pair(
    evidence: &Evidence<'_>,
    one: Note<'_>,
    other: Note<'_>,
) -> Result<Contradiction, Unreadable> {
    let text = |note: Note<'_>| match note {
        Note::Brought(note) => Ok(Some(note.to_owned())),
        Note::Packed(index) => {
            notes_at(&evidence.loaded.body, &[index]).map(|notes| notes.into_iter().next())
        }
    };
    Ok(text(one)?.zip(text(other)?).map(Box::new))
}

/// The notes of the package at some places, ascending.
pub(super) fn notes_at(body: &Body<'_>, places: &[usize]) -> Result<Vec<String>, Unreadable> {
    let mut notes = Vec::new();
    let mut index = 0_usize;
    each_note(body, |note| {
        if places.contains(&index) {
            notes.push(note);
        }
        index = index.saturating_add(1);
    })?;
    Ok(notes)
}

/// Two valid seals of one size with different roots, or two on top of one seal.
fn find_equivocation<'a>(
    evidence: &Evidence<'_>,
    versions: &[Anchor<'a>],
) -> Option<(Fault, Note<'a>, Note<'a>)> {
    if versions.is_empty() {
        return None;
    }
    let brought = versions
        .iter()
        .map(|version| (&version.sealed, Note::Brought(version.note)));
    let packed = evidence.seals.iter().enumerate();
    let packed = packed.map(|(index, sealed)| (sealed, Note::Packed(index)));
    let mut all: Vec<(&Sealed, Note<'a>)> = brought.chain(packed).collect();
    all.sort_by_key(|(sealed, _)| sealed.body.size);
    for ((one, a), (other, b)) in all.iter().zip(all.iter().skip(1)) {
        if one.body.size == other.body.size && one.body.root != other.body.root {
            let fault = one.fault(Code::Equivocation, "two valid seals have different roots");
            return Some((fault, *a, *b));
        }
    }
    all.sort_by_key(|(sealed, _)| sealed.body.prev);
    for ((one, a), (other, b)) in all.iter().zip(all.iter().skip(1)) {
        if one.body.prev == other.body.prev && one.body != other.body {
            let fault = one.fault(Code::Equivocation, "two valid seals follow the same seal");
            return Some((fault, *a, *b));
        }
    }
    None
}

fn link_all<'a>(
    evidence: &Evidence<'_>,
    anchors: &[Anchor<'a>],
    report: &mut Report,
    fork: &mut Option<(Note<'a>, Note<'a>)>,
) -> Result<Anchored, Fault> {
    let size = |anchor: &Anchor<'_>| anchor.sealed.body.size;
    let largest = anchors.iter().map(size).max();
    let mut order: Vec<&Anchor<'a>> = anchors.iter().collect();
    order.sort_by_key(|anchor| size(anchor));
    order.dedup_by_key(|anchor| {
        let body = &anchor.sealed.body;
        (body.size, body.root, body.head)
    });
    check_rollback(evidence, &order)?;
    let mut growth = Growth::of(evidence);
    let mut anchored = Anchored::default();
    for anchor in order {
        let size = size(anchor);
        let root = growth.as_mut().and_then(|growth| growth.root(size));
        match link(evidence, &anchor.sealed, root) {
            Ok(true) => {
                anchored.sizes.push(size);
                anchored.largest |= largest == Some(size);
            }
            Ok(false) => report.skip(format!(
                "anchor of size {size}: no consistency proof for it"
            )),
            Err(fault) => {
                if fault.code == Code::Fork {
                    *fork = Some((Note::Brought(anchor.note), against(evidence, size)));
                }
                return Err(fault);
            }
        }
    }
    Ok(anchored)
}

/// The seal of the package that an anchor of a size contradicts: that of its size, else the last.
fn against(evidence: &Evidence<'_>, size: u64) -> Note<'static> {
    let equal = evidence
        .seals
        .iter()
        .position(|sealed| sealed.body.size == size);
    Note::Packed(equal.unwrap_or(evidence.seals.len().saturating_sub(1)))
}

/// An anchor above the last seal needs a proof that the package is a prefix of it.
fn check_rollback(evidence: &Evidence<'_>, anchors: &[&Anchor<'_>]) -> Result<(), Fault> {
    let last = evidence.last_seal()?.body.size;
    let links = &evidence.loaded.consistency;
    let cut = anchors.iter().map(|anchor| &anchor.sealed).find(|sealed| {
        let size = sealed.body.size;
        size > last && !links.iter().any(|(linked, _)| *linked == size)
    });
    match cut {
        Some(anchor) => {
            let what = format!("the package ends at size {last}");
            Err(anchor.fault(Code::Rollback, what))
        }
        None => Ok(()),
    }
}

/// Whether the package and the anchor are one history; `false` when that cannot be told. `root` is
/// that over the entries at the anchor's size, where they reach it.
///
/// A seal of equal size in the package is no link by itself: of a run package, nothing but the last
/// seal is tied to the entries.
fn link(evidence: &Evidence<'_>, anchor: &Sealed, root: Option<Hash>) -> Result<bool, Fault> {
    let body = &anchor.body;
    let fork = || Err(anchor.fault(Code::Fork, "the anchor and the package are two histories"));
    let seals = evidence.seals.iter().map(|sealed| &sealed.body);
    let mut equal = seals.filter(|own| own.size == body.size);
    if equal.any(|own| own.root != body.root || own.head != body.head) {
        return fork();
    }
    let head = body
        .size
        .checked_sub(1)
        .and_then(|seq| evidence.by_seq(seq));
    if head.is_some_and(|row| row.leaf != body.head) {
        return fork();
    }
    if let Some(root) = root {
        return if root == body.root { Ok(true) } else { fork() };
    }
    let last = &evidence.last_seal()?.body;
    if last.size == body.size {
        return Ok(true);
    }
    let mut links = evidence.loaded.consistency.iter();
    let Some((_, proof)) = links.find(|(size, _)| *size == body.size) else {
        return Ok(false);
    };
    if body.size < last.size {
        check_consistency(body.size, body.root, last.size, last.root, proof)?;
    } else {
        check_consistency(last.size, last.root, body.size, body.root, proof)?;
    }
    Ok(true)
}
