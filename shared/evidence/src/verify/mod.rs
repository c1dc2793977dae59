//! The offline verifier (evidence-format sections 13 to 15).
//!
//! [`verify`] takes a package and what the auditor trusts, and gives a [`Verdict`]: accepted at a
//! level, with everything that was not checked, or refused with one code. The steps run in the
//! order of section 14, and the first failure ends.
//!
//! Not done by this version: witness cosignatures, and the signature inside a time-stamp token.
//! Both are listed as not checked, and no level is given for them.

mod anchors;
mod entry;
mod full;
mod holds;
mod input;
mod keys;
mod outputs;
mod range;
mod redactions;
mod references;
mod run;
mod seals;
mod trust;
mod verdict;

pub use crate::runs::Governance;
pub use input::Package;
pub use trust::{PinnedKey, Trust, TrustError};
pub use verdict::{Accepted, HoldStatus, LostUnderHold, Verdict};

use std::collections::BTreeMap;

use crate::code::{Code, Fault};
use crate::descriptor::Descriptor;
use crate::hash::Hash;
use crate::json::Json;
use crate::kind::Kind;
use crate::runs::Replay;
use entry::Item;
use input::{Form, Loaded};
use seals::Sealed;

/// Verifies a package.
pub fn verify(package: Package<'_>, trust: &Trust) -> Verdict {
    match input::load(package, trust.limits).and_then(|loaded| accept(&loaded, trust)) {
        Ok(accepted) => Verdict::new(Ok(accepted), trust.level),
        Err(fault) => Verdict::new(Err(fault), trust.level),
    }
}

/// The seals of a package, unverified: what an earlier package contributes as anchors.
///
/// # Errors
/// When it cannot be read.
pub fn seals_of(package: Package<'_>, trust: &Trust) -> Result<Vec<String>, Fault> {
    input::load(package, trust.limits).map(|loaded| loaded.seals)
}

/// What the steps after parsing work on.
struct Evidence<'a> {
    loaded: &'a Loaded,
    trust: &'a Trust,
    descriptor: Descriptor,
    /// Seals, oldest first; there is at least one.
    seals: Vec<Sealed>,
    /// Entries of the package, ascending in a valid one.
    entries: Vec<Item>,
    /// Redact and rotation entries from outside a range.
    extra: Vec<Item>,
    /// Entries and extras by leaf.
    by_leaf: BTreeMap<Hash, Place>,
}

/// Where an entry is in the package.
#[derive(Clone, Copy)]
enum Place {
    Entry(usize),
    Extra(usize),
}

impl Evidence<'_> {
    fn is_full(&self) -> bool {
        matches!(self.loaded.form, Form::Full)
    }

    fn last_seal(&self) -> Result<&Sealed, Fault> {
        self.seals
            .last()
            .ok_or_else(|| Fault::new(Code::NoSeal, "the package has no seal"))
    }

    fn all(&self) -> impl Iterator<Item = &Item> {
        self.entries.iter().chain(&self.extra)
    }

    fn by_leaf(&self, leaf: Hash) -> Option<&Item> {
        match *self.by_leaf.get(&leaf)? {
            Place::Entry(index) => self.entries.get(index),
            Place::Extra(index) => self.extra.get(index),
        }
    }

    fn by_seq(&self, seq: u64) -> Option<&Item> {
        let find = |items: &[Item]| items.binary_search_by_key(&seq, |item| item.header.seq);
        match find(&self.entries) {
            Ok(index) => self.entries.get(index),
            Err(_) => find(&self.extra)
                .ok()
                .and_then(|index| self.extra.get(index)),
        }
    }
}

fn accept(loaded: &Loaded, trust: &Trust) -> Result<Accepted, Fault> {
    let descriptor = Descriptor::from_json(&loaded.descriptor)?;
    let stream = descriptor.stream_id();
    let usable = usable_keys(loaded, trust, &descriptor)?;
    let seals = seals::read(loaded, trust, stream, &usable)?;
    if stream != trust.stream {
        let what = format!(
            "the package is of stream {stream}, pinned is {}",
            trust.stream
        );
        return Err(Fault::new(Code::StreamPin, what));
    }
    let entries = entry::check_all(&loaded.entries, stream, entry::Fields::of(&loaded.form))?;
    let extra = match &loaded.form {
        Form::Range(range) => entry::check_all(&range.extra, stream, entry::Fields::Proof)?,
        _ => Vec::new(),
    };
    let by_leaf = index(&entries, &extra);
    let evidence = Evidence {
        loaded,
        trust,
        descriptor,
        seals,
        entries,
        extra,
        by_leaf,
    };
    seals::check_chain(&evidence.seals)?;
    let mut report = Report::default();
    let neighbours = match &loaded.form {
        Form::Full => full::check(&evidence).map(|()| None)?,
        Form::Run(_) => run::check_inclusion(&evidence).map(|()| None)?,
        Form::Range(range) => Some(range::check(&evidence, range)?),
    };
    for item in evidence.all() {
        item.header
            .kind
            .check_facts(&item.facts)
            .map_err(|fault| fault.at(item.place()))?;
    }
    if let Some(neighbours) = neighbours {
        range::check_neighbours(&evidence, &neighbours)?;
    }
    check_runs(&evidence, &mut report)?;
    if let Form::Run(id) = &loaded.form {
        run::check_whole(&evidence, id)?;
    }
    keys::check(&evidence, &mut report)?;
    references::check(&evidence, &mut report)?;
    redactions::check(&evidence, &mut report)?;
    holds::check(&evidence, &mut report)?;
    outputs::check(&evidence)?;
    let anchored = anchors::check(&evidence, &usable, &mut report)?;
    seals::check_timestamps(&evidence, &mut report)?;
    verdict::accepted(&evidence, report, anchored)
}

/// Step 11: every run, in stream order.
fn check_runs(evidence: &Evidence<'_>, report: &mut Report) -> Result<(), Fault> {
    let outside = |leaf: Hash| evidence.by_leaf(leaf).is_none();
    let mut replay = match &evidence.loaded.form {
        Form::Range(range) if range.from > 0 => Replay::of_range(&outside),
        _ => Replay::from_start(),
    };
    evidence
        .entries
        .iter()
        .try_for_each(|item| replay.take(item))?;
    let outcome = replay.finish();
    report.governance = outcome.governance;
    report.open = outcome.open;
    report.not_checked.extend(outcome.skipped);
    Ok(())
}

/// What the steps find that is no failure.
#[derive(Debug, Default)]
struct Report {
    governance: BTreeMap<String, Governance>,
    open: Vec<String>,
    holds: Vec<String>,
    lost_under_hold: Vec<LostUnderHold>,
    not_checked: Vec<String>,
}

impl Report {
    fn skip(&mut self, what: impl Into<String>) {
        self.not_checked.push(what.into());
    }
}

/// Pinned keys that the descriptor or a rotation in the package lets seal.
fn usable_keys(
    loaded: &Loaded,
    trust: &Trust,
    descriptor: &Descriptor,
) -> Result<Vec<Hash>, Fault> {
    let extra = match &loaded.form {
        Form::Range(range) => range.extra.as_slice(),
        _ => &[],
    };
    let added = loaded.entries.iter().chain(extra).filter_map(|raw| {
        let kind = raw.json.get("h")?.get("kind")?.as_str()?;
        let facts = raw.json.get("p")?.get("facts")?.get("d")?;
        let add = facts.get("add").and_then(Json::as_str)?;
        if kind == Kind::KeyRotate.name() {
            add.parse::<Hash>().ok()
        } else {
            None
        }
    });
    let named: Vec<Hash> = descriptor.sealers.iter().copied().chain(added).collect();
    let pinned = trust.keys.iter().map(|pinned| pinned.key.hash());
    let usable: Vec<Hash> = pinned.filter(|key| named.contains(key)).collect();
    if usable.is_empty() {
        let what = "no pinned key is a sealer of this stream; pin the key of the descriptor";
        return Err(Fault::new(Code::KeyNotInDescriptor, what));
    }
    Ok(usable)
}

fn index(entries: &[Item], extra: &[Item]) -> BTreeMap<Hash, Place> {
    let entries = entries
        .iter()
        .enumerate()
        .map(|(at, item)| (item.leaf, Place::Entry(at)));
    let extra = extra
        .iter()
        .enumerate()
        .map(|(at, item)| (item.leaf, Place::Extra(at)));
    extra.chain(entries).collect()
}
