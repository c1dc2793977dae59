//! The offline verifier (evidence-format sections 13 to 15).
//!
//! [`verify`] takes a package in memory, [`verify_members`] one whose files lie anywhere, and both
//! what the auditor trusts; they give a [`Verdict`]: accepted at a level, with everything that was not
//! checked, or refused with one code. The steps have the order of section 14, and the first failure
//! counts.
//!
//! The folder form is read as streams, each line once, and about 100 bytes of an entry are kept, so a
//! package of any size can be verified: give a [`Members`] that opens its files. A document is held in
//! memory as a whole.
//!
//! Not done here: the signature inside a time-stamp token, which needs certificates and their clock. A
//! caller that can check it gives a [`TimestampAuthority`]; without one the token is listed as not
//! checked.

mod anchors;
mod collect;
mod disorder;
mod entry;
mod external;
mod full;
mod header_line;
mod holds;
mod input;
mod keys;
mod members;
mod outputs;
mod part_line;
mod range;
mod redactions;
mod references;
mod roots;
mod row;
mod run;
mod seals;
mod stream;
mod trust;
mod verdict;

pub use crate::runs::Governance;
pub use external::{TimestampAuthority, Token};
pub use input::Package;
pub use members::{Members, Unreadable};
pub use trust::{PinnedKey, Trust, TrustError};
pub use verdict::{Accepted, HoldStatus, LostUnderHold, Verdict};

use std::collections::BTreeMap;
use std::io;

use crate::code::{Code, Fault};
use crate::descriptor::Descriptor;
use crate::hash::Hash;
use crate::package::gzip;
use crate::package::tar;
use crate::runs::Replay;
use collect::Collected;
use input::{Body, Form, Loaded};
use row::Row;
use seals::Sealed;

/// Verifies a package in memory.
pub fn verify(package: Package<'_>, trust: &Trust) -> Verdict {
    verify_with(package, trust, None)
}

/// Verifies a package in memory, with somebody who can check time-stamp tokens.
pub fn verify_with(
    package: Package<'_>,
    trust: &Trust,
    authority: Option<&dyn TimestampAuthority>,
) -> Verdict {
    let result = with_loaded(package, trust, |loaded| accept(loaded, trust, authority));
    match result {
        Ok(verdict) => verdict,
        Err(Unreadable::Refused(fault)) => Verdict::refused(fault, trust.level),
        Err(Unreadable::Io(error)) => {
            let fault = Fault::new(Code::Format, format!("the package cannot be read: {error}"));
            Verdict::refused(fault, trust.level)
        }
    }
}

/// Verifies a package in folder form whose files are read as streams.
///
/// # Errors
/// When they cannot be read; nothing is said about the package then.
pub fn verify_members(
    members: &dyn Members,
    trust: &Trust,
    authority: Option<&dyn TimestampAuthority>,
) -> io::Result<Verdict> {
    let result = input::folder::load(members, trust.limits)
        .and_then(|loaded| accept(&loaded, trust, authority));
    match result {
        Ok(verdict) => Ok(verdict),
        Err(Unreadable::Refused(fault)) => Ok(Verdict::refused(fault, trust.level)),
        Err(Unreadable::Io(error)) => Err(error),
    }
}

/// The seals of a package, unverified: what an earlier package contributes as anchors.
///
/// # Errors
/// When it cannot be read.
pub fn seals_of(package: Package<'_>, trust: &Trust) -> Result<Vec<String>, Unreadable> {
    with_loaded(package, trust, |loaded| notes(&loaded.body))
}

/// As [`seals_of`], of a package whose files are read as streams.
///
/// # Errors
/// When it cannot be read.
pub fn seals_of_members(members: &dyn Members, trust: &Trust) -> Result<Vec<String>, Unreadable> {
    notes(&input::folder::load(members, trust.limits)?.body)
}

fn notes(body: &Body<'_>) -> Result<Vec<String>, Unreadable> {
    let mut notes = Vec::new();
    seals::each_note(body, |note| notes.push(note))?;
    Ok(notes)
}

fn with_loaded<T>(
    package: Package<'_>,
    trust: &Trust,
    then: impl FnOnce(&Loaded<'_>) -> Result<T, Unreadable>,
) -> Result<T, Unreadable> {
    let limits = trust.limits;
    match package {
        Package::Document(bytes) => then(&input::document(bytes, limits)?),
        Package::Folder(files) => then(&input::folder::load(files, limits)?),
        Package::Tar(bytes) => {
            let files = tar::read(bytes, limits)?;
            then(&input::folder::load(&files, limits)?)
        }
        Package::Gzip(bytes) => {
            let files = tar::read(&gzip::unpack(bytes, limits.max_bytes)?, limits)?;
            then(&input::folder::load(&files, limits)?)
        }
    }
}

/// What the steps after the entries work on.
struct Evidence<'a> {
    loaded: &'a Loaded<'a>,
    trust: &'a Trust,
    descriptor: Descriptor,
    /// Seals, oldest first; there is at least one.
    seals: Vec<Sealed>,
    /// The last note, with its cosignatures.
    last_note: String,
    entries: Collected<'a>,
}

impl Evidence<'_> {
    const fn is_full(&self) -> bool {
        matches!(self.loaded.form, Form::Full)
    }

    fn rows(&self) -> &[Row] {
        &self.entries.rows
    }

    fn last_seal(&self) -> Result<&Sealed, Fault> {
        self.seals
            .last()
            .ok_or_else(|| Fault::new(Code::NoSeal, "the package has no seal"))
    }

    fn all(&self) -> impl Iterator<Item = &Row> {
        self.entries.rows.iter().chain(&self.entries.extra)
    }

    fn by_seq(&self, seq: u64) -> Option<&Row> {
        let find = |rows: &[Row]| rows.binary_search_by_key(&seq, |row| row.seq);
        let rows = self.rows();
        // Positions are dense in all forms but the run package.
        let place = rows
            .first()
            .and_then(|first| usize::try_from(seq.checked_sub(first.seq)?).ok());
        if let Some(row) = place.and_then(|place| rows.get(place))
            && row.seq == seq
        {
            return Some(row);
        }
        match find(rows) {
            Ok(index) => rows.get(index),
            Err(_) => find(&self.entries.extra)
                .ok()
                .and_then(|index| self.entries.extra.get(index)),
        }
    }
}

/// Two valid seals that contradict each other: proof against the holder of the key.
type Contradiction = Option<Box<(String, String)>>;

/// Steps 4 to 19. What cannot be read ends; what is refused is a verdict.
fn accept(
    loaded: &Loaded<'_>,
    trust: &Trust,
    authority: Option<&dyn TimestampAuthority>,
) -> Result<Verdict, Unreadable> {
    let descriptor = Descriptor::from_json(&loaded.descriptor);
    let stream = descriptor
        .as_ref()
        .map_or(Hash::ZERO, Descriptor::stream_id);
    let seals = seals::read(&loaded.body, trust, stream)?;
    let entries = pass(loaded, trust, stream)?;
    let mut contradiction = None;
    let accepted = descriptor.map_err(Unreadable::from).and_then(|descriptor| {
        let usable = usable_keys(trust, &descriptor, &entries.added)?;
        let (seals, last_note) = seals.finish(&usable)?;
        check_pin(stream, trust)?;
        if let Some(fault) = &entries.entry_fault {
            return Err(fault.clone().into());
        }
        let evidence = Evidence {
            loaded,
            trust,
            descriptor,
            seals,
            last_note,
            entries,
        };
        steps(evidence, &usable, authority, &mut contradiction)
    });
    match accepted {
        Ok(accepted) => Ok(Verdict::new(Ok(accepted), trust.level)),
        Err(Unreadable::Refused(fault)) => {
            Ok(Verdict::new(Err(fault), trust.level).proving(contradiction))
        }
        Err(error) => Err(error),
    }
}

fn check_pin(stream: Hash, trust: &Trust) -> Result<(), Fault> {
    if stream == trust.stream {
        return Ok(());
    }
    let what = format!(
        "the package is of stream {stream}, pinned is {}",
        trust.stream
    );
    Err(Fault::new(Code::StreamPin, what))
}

/// Reads every entry once.
fn pass<'a>(
    loaded: &Loaded<'_>,
    trust: &'a Trust,
    stream: Hash,
) -> Result<Collected<'a>, Unreadable> {
    let first = match &loaded.form {
        Form::Range(range) => range.from,
        _ => 0,
    };
    let fresh = || {
        let replay = if first > 0 {
            Replay::of_range()
        } else {
            Replay::from_start()
        };
        Collected::new(loaded.descriptor.canonical(), replay, trust)
    };
    let mut collected = match &loaded.body {
        Body::Document { entries, .. } => {
            let mut collected = fresh();
            let fields = entry::Fields::of(&loaded.form);
            for (index, json) in entries.iter().enumerate() {
                collected.added.extend(entry::added_key(json));
                if collected.entry_fault.is_some() {
                    continue;
                }
                match entry::check(json, stream, fields) {
                    Ok(item) => collected.take(item.sound()),
                    Err(fault) => collected.fail(index, fault),
                }
            }
            collected
        }
        Body::Folder {
            members, borders, ..
        } => {
            let mut collected = stream::read(*members, first, stream, fresh)?;
            if let Some(borders) = borders {
                range::give_borders(borders, &mut collected)?;
            }
            collected
        }
    };
    if let Form::Range(range) = &loaded.form {
        range::take_extras(range, stream, &mut collected);
    }
    Ok(collected)
}

/// Steps 8 to 19.
fn steps(
    mut evidence: Evidence<'_>,
    usable: &[Hash],
    authority: Option<&dyn TimestampAuthority>,
    contradiction: &mut Contradiction,
) -> Result<Accepted, Unreadable> {
    let body = &evidence.loaded.body;
    if let Err((fault, pair)) = seals::check_chain(&evidence.seals) {
        if let Some((one, other)) = pair {
            let mut notes = anchors::notes_at(body, &[one, other])?.into_iter();
            *contradiction = notes.next().zip(notes.next()).map(Box::new);
        }
        return Err(fault.into());
    }
    let mut report = Report::default();
    let neighbours = match &evidence.loaded.form {
        Form::Full => full::check(&evidence).map(|()| None)?,
        Form::Run(_) => run::check_inclusion(&evidence).map(|()| None)?,
        Form::Range(range) => Some(range::check(&evidence, range)?),
    };
    if let Some(fault) = evidence.entries.facts_fault.take() {
        return Err(fault.into());
    }
    if let Some(neighbours) = neighbours {
        range::check_neighbours(&evidence, &neighbours)?;
    }
    check_runs(&mut evidence, &mut report)?;
    if let Form::Run(id) = &evidence.loaded.form {
        run::check_whole(&evidence, id, &mut report)?;
    }
    keys::check(&evidence, &mut report)?;
    references::check(&evidence, &mut report)?;
    redactions::check(&evidence, &mut report)?;
    holds::check(&evidence, &mut report)?;
    outputs::check(&evidence)?;
    let anchored = anchors::check(&evidence, usable, &mut report, contradiction)?;
    let external = external::check(&evidence, authority, &mut report)?;
    Ok(verdict::accepted(&evidence, report, anchored, external)?)
}

/// Step 11: what the pass found of runs.
fn check_runs(evidence: &mut Evidence<'_>, report: &mut Report) -> Result<(), Fault> {
    let doubts = evidence.entries.replay.doubts();
    let leaves: Vec<Hash> = doubts.iter().map(|doubt| doubt.cited).collect();
    let inside = references::find(evidence, &leaves);
    for (doubt, found) in doubts.iter().zip(inside) {
        if found.is_some() {
            return Err(doubt.fault.clone());
        }
    }
    if let Some(fault) = evidence.entries.run_fault.take() {
        return Err(fault);
    }
    let outcome = evidence.entries.replay.outcome();
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
fn usable_keys(trust: &Trust, descriptor: &Descriptor, added: &[Hash]) -> Result<Vec<Hash>, Fault> {
    let named = |key: &Hash| descriptor.sealers.contains(key) || added.contains(key);
    let pinned = trust.keys.iter().map(|pinned| pinned.key.hash());
    let usable: Vec<Hash> = pinned.filter(named).collect();
    if usable.is_empty() {
        let what = "no pinned key is a sealer of this stream; pin the key of the descriptor";
        return Err(Fault::new(Code::KeyNotInDescriptor, what));
    }
    Ok(usable)
}
