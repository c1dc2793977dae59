//! Step 17: what the auditor holds and the operator cannot change.

use super::seals::{Sealed, read_one};
use super::{Evidence, Report, keys};
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::tree::{Frontier, check_consistency};

/// Sizes of the anchors that were linked, and whether the largest one given is among them.
#[derive(Debug, Clone, Default)]
pub(super) struct Anchored {
    pub(super) sizes: Vec<u64>,
    pub(super) largest: bool,
}

pub(super) fn check(
    evidence: &Evidence<'_>,
    usable: &[Hash],
    report: &mut Report,
) -> Result<Anchored, Fault> {
    let stream = evidence.trust.stream;
    let rotations = keys::rotations(evidence);
    let valid = |note: &String| {
        let anchor = read_one(note, evidence.trust, stream, usable)?;
        keys::check_in_force(evidence, &rotations, &anchor)?;
        Ok::<_, Fault>(anchor)
    };
    let mut anchors = Vec::new();
    for (index, note) in evidence.trust.anchors.iter().enumerate() {
        anchors.push(valid(note).map_err(|fault| fault.at(format!("anchor {index}")))?);
    }
    let mut versions = Vec::new();
    for (index, note) in evidence.trust.versions.iter().enumerate() {
        match valid(note) {
            Ok(version) => versions.push(version),
            Err(fault) => report.skip(format!("seal version {index} was ignored: {fault}")),
        }
    }
    check_equivocation(evidence, &versions)?;
    anchors.extend(versions);
    if anchors.is_empty() {
        report.skip("no anchor was given: a rollback or a second history cannot be seen");
        return Ok(Anchored::default());
    }
    link_all(evidence, &anchors, report)
}

/// Two valid seals of one size with different roots, or two on top of one seal.
fn check_equivocation(evidence: &Evidence<'_>, versions: &[Sealed]) -> Result<(), Fault> {
    if versions.is_empty() {
        return Ok(());
    }
    let all: Vec<&Sealed> = versions.iter().chain(&evidence.seals).collect();
    let mut by_size: Vec<&Sealed> = all.clone();
    by_size.sort_by_key(|sealed| sealed.seal.body.size);
    let mut by_prev = all;
    by_prev.sort_by_key(|sealed| sealed.seal.body.prev);
    for (one, other) in by_size.iter().zip(by_size.iter().skip(1)) {
        let (a, b) = (&one.seal.body, &other.seal.body);
        if a.size == b.size && a.root != b.root {
            return Err(one.fault(Code::Equivocation, "two valid seals have different roots"));
        }
    }
    for (one, other) in by_prev.iter().zip(by_prev.iter().skip(1)) {
        let (a, b) = (&one.seal.body, &other.seal.body);
        if a.prev == b.prev && a != b {
            return Err(one.fault(Code::Equivocation, "two valid seals follow the same seal"));
        }
    }
    Ok(())
}

fn link_all(
    evidence: &Evidence<'_>,
    anchors: &[Sealed],
    report: &mut Report,
) -> Result<Anchored, Fault> {
    let largest = anchors.iter().map(|anchor| anchor.seal.body.size).max();
    let mut order: Vec<&Sealed> = anchors.iter().collect();
    order.sort_by_key(|anchor| anchor.seal.body.size);
    order.dedup_by_key(|anchor| (anchor.seal.body.size, anchor.seal.body.root));
    let roots = Roots::of(evidence, &order);
    let mut anchored = Anchored::default();
    for anchor in order {
        let size = anchor.seal.body.size;
        if link(evidence, anchor, &roots)? {
            anchored.sizes.push(size);
            anchored.largest |= largest == Some(size);
        } else {
            report.skip(format!(
                "anchor of size {size}: no consistency proof for it"
            ));
        }
    }
    Ok(anchored)
}

/// Roots at the sizes of the anchors, where all leaves are there.
struct Roots(Vec<(u64, Hash)>);

impl Roots {
    fn of(evidence: &Evidence<'_>, anchors: &[&Sealed]) -> Self {
        let mut roots = Vec::new();
        if !evidence.is_full() {
            return Self(roots);
        }
        let mut tree = Frontier::new();
        let mut leaves = evidence.entries.iter();
        for size in anchors.iter().map(|anchor| anchor.seal.body.size) {
            while tree.size() < size {
                let Some(item) = leaves.next() else {
                    return Self(roots);
                };
                tree.grow(item.leaf);
            }
            roots.push((size, tree.root()));
        }
        Self(roots)
    }

    fn at(&self, size: u64) -> Option<Hash> {
        self.0
            .iter()
            .find(|(known, _)| *known == size)
            .map(|(_, root)| *root)
    }
}

/// Whether the package and the anchor are one history; `false` when that cannot be told.
fn link(evidence: &Evidence<'_>, anchor: &Sealed, roots: &Roots) -> Result<bool, Fault> {
    let body = &anchor.seal.body;
    let fork = || Err(anchor.fault(Code::Fork, "the anchor and the package are two histories"));
    if let Some(root) = roots.at(body.size) {
        return if root == body.root { Ok(true) } else { fork() };
    }
    let equal = evidence
        .seals
        .iter()
        .find(|sealed| sealed.seal.body.size == body.size);
    if let Some(equal) = equal {
        return if equal.seal.body.root == body.root {
            Ok(true)
        } else {
            fork()
        };
    }
    let last = &evidence.last_seal()?.seal.body;
    let proof = evidence
        .loaded
        .consistency
        .iter()
        .find(|(size, _)| *size == body.size);
    match proof {
        Some((_, proof)) if body.size < last.size => {
            check_consistency(body.size, body.root, last.size, last.root, proof)?;
            Ok(true)
        }
        Some((_, proof)) => {
            check_consistency(last.size, last.root, body.size, body.root, proof)?;
            Ok(true)
        }
        None if body.size > last.size => {
            let what = format!("the package ends at size {}", last.size);
            Err(anchor.fault(Code::Rollback, what))
        }
        None => Ok(false),
    }
}
