//! From drafts to entries.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Draft, Head, RunHead};
use crate::code::{Code, Fault};
use crate::descriptor::Descriptor;
use crate::hash::{self, Hash};
use crate::header::{Header, RunRef, is_run_id};
use crate::json::{Json, MAX_UINT, View};
use crate::kind::{Kind, RunRule};
use crate::part::{Part, PartName};
use crate::recorded::Recorded;
use crate::runs::Replay;
use crate::seal::{SegmentEntry, SegmentPart};

/// How far head or floor may be ahead of the writer's clock: beyond, a clock is wrong, and an entry
/// with such a time would bind all later ones.
pub const MAX_SKEW_MS: u64 = 120_000;

/// Why drafts do not become entries. Nothing is written then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DraftError {
    /// Head or floor are too far ahead of the clock.
    #[error("the stream is {ahead_ms} ms ahead of the clock, more than {MAX_SKEW_MS} ms")]
    Clock {
        /// How far.
        ahead_ms: u64,
    },
    /// There is nothing to append.
    #[error("there is no entry to append")]
    Empty,
    /// The run is closed.
    #[error("run {run} is closed; record this in a new run")]
    RunClosed {
        /// The run's id.
        run: String,
    },
    /// `run.open` for a run that has entries.
    #[error("run {run} was opened before; run ids are not used again")]
    RunExists {
        /// The run's id.
        run: String,
    },
    /// Any other entry of a run that has none.
    #[error("run {run} is not open; its first entry is run.open")]
    RunUnknown {
        /// The run's id.
        run: String,
    },
    /// A cite of an entry that is not earlier in the batch.
    #[error("draft {draft} cites entry {entry} of the batch, which is not before it")]
    Cite {
        /// Index of the draft.
        draft: usize,
        /// What it cites.
        entry: usize,
    },
    /// A verifier would refuse the entry.
    #[error("draft {draft} ({kind}) would not verify")]
    Refused {
        /// Index of the draft.
        draft: usize,
        /// Its kind.
        kind: Kind,
        /// What a verifier would say.
        #[source]
        fault: Fault,
    },
}

/// A finished entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The header.
    pub header: Header,
    /// The bytes that are hashed and stored.
    pub bytes: Vec<u8>,
    /// Leaf hash of the bytes.
    pub leaf: Hash,
    /// Persisted nodes, level 0 first.
    pub nodes: Vec<Hash>,
    /// `facts`, then `subject` where there is one.
    pub parts: Vec<Part>,
}

impl Entry {
    /// Position in the stream.
    pub const fn seq(&self) -> u64 {
        self.header.seq
    }

    /// The entry as a store would give it back: for sealing and packing.
    pub fn as_stored(&self) -> SegmentEntry<'_> {
        let part = |name| {
            let part = self.parts.iter().find(|part| part.name == name)?;
            Some(SegmentPart::Present {
                bytes: &part.bytes,
                salt: &part.salt,
            })
        };
        SegmentEntry {
            seq: self.seq(),
            header: &self.bytes,
            nodes: &self.nodes,
            facts: part(PartName::Facts),
            subject: part(PartName::Subject),
        }
    }
}

/// What one append adds to a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The entries, one per draft, in order.
    pub entries: Vec<Entry>,
    /// The head afterwards.
    pub head: Head,
    /// The runs that the entries belong to, as they are afterwards.
    pub runs: BTreeMap<String, RunHead>,
}

/// Turns drafts into the next entries of a stream.
///
/// `runs` holds the current state of every run that a draft belongs to, except runs that begin
/// here. `now_ms` is the writer's clock; `salt` draws 32 random bytes for each part.
///
/// # Errors
/// See [`DraftError`].
pub fn extend(
    head: &Head,
    runs: &BTreeMap<String, RunHead>,
    drafts: &[Draft],
    now_ms: u64,
    salt: &mut dyn FnMut() -> [u8; 32],
) -> Result<Extension, DraftError> {
    if drafts.is_empty() {
        return Err(DraftError::Empty);
    }
    let bound = head.at.max(head.floor);
    let ahead_ms = bound.saturating_sub(now_ms);
    if ahead_ms > MAX_SKEW_MS {
        return Err(DraftError::Clock { ahead_ms });
    }
    let mut writer = Writer {
        head: Head {
            at: now_ms.max(bound),
            ..head.clone()
        },
        runs,
        touched: BTreeMap::new(),
        entries: Vec::new(),
        replay: Replay::from_start(),
    };
    for draft in drafts {
        writer.add(draft, salt)?;
    }
    Ok(Extension {
        entries: writer.entries,
        head: writer.head,
        runs: writer.touched,
    })
}

struct Writer<'a> {
    head: Head,
    runs: &'a BTreeMap<String, RunHead>,
    touched: BTreeMap<String, RunHead>,
    entries: Vec<Entry>,
    /// The runs that begin in this batch.
    replay: Replay,
}

impl Writer<'_> {
    fn add(&mut self, draft: &Draft, salt: &mut dyn FnMut() -> [u8; 32]) -> Result<(), DraftError> {
        let facts = self.cited(draft)?;
        let mut run = self.run(draft)?;
        let (index, kind) = (self.entries.len(), draft.kind);
        let refused = |fault| DraftError::Refused {
            draft: index,
            kind,
            fault,
        };
        let parts = self.check(draft, &facts, salt).map_err(refused)?;
        let commitment = |name| {
            parts
                .iter()
                .find(|part| part.name == name)
                .map(|part| part.commitment)
        };
        let header = Header {
            at: self.head.at,
            kind: draft.kind,
            facts: commitment(PartName::Facts).unwrap_or(Hash::ZERO),
            subject: commitment(PartName::Subject),
            prev: self.head.prev,
            run: run.as_ref().map(|run| RunRef {
                id: run.id.clone(),
                n: run.next,
                prev: run.prev,
            }),
            seq: self.head.size,
            stream: self.head.stream,
        };
        let bytes = header.bytes();
        let leaf = hash::leaf(&bytes);
        let recorded = Recorded {
            header: &header,
            leaf,
            facts: View::Tree(&facts),
        };
        self.replay.take_if_begun(&recorded).map_err(refused)?;
        let nodes = self.head.frontier.push(leaf);
        self.head.size = self.head.size.saturating_add(1);
        self.head.prev = leaf;
        if let Some(run) = &mut run {
            run.next = run.next.saturating_add(1);
            run.prev = leaf;
            run.closed = draft.kind == Kind::RunClose;
            self.touched.insert(run.id.clone(), run.clone());
        }
        self.entries.push(Entry {
            header,
            bytes,
            leaf,
            nodes,
            parts,
        });
        Ok(())
    }

    /// The facts with the leaves of cited entries filled in.
    fn cited(&self, draft: &Draft) -> Result<Json, DraftError> {
        let mut facts = draft.facts.clone();
        for cite in &draft.cites {
            let leaf =
                self.entries
                    .get(cite.entry)
                    .map(|entry| entry.leaf)
                    .ok_or(DraftError::Cite {
                        draft: self.entries.len(),
                        entry: cite.entry,
                    })?;
            if let Json::Object(fields) = &mut facts {
                fields.insert(cite.field.to_owned(), leaf.into());
            }
        }
        Ok(facts)
    }

    fn run(&self, draft: &Draft) -> Result<Option<RunHead>, DraftError> {
        let Some(id) = &draft.run else {
            return Ok(None);
        };
        let known = self.touched.get(id).or_else(|| self.runs.get(id));
        let run = known
            .cloned()
            .unwrap_or_else(|| RunHead::new(id, self.head.stream));
        let opens = draft.kind == Kind::RunOpen;
        match (run.closed, run.next) {
            (true, _) if opens => Err(DraftError::RunExists { run: run.id }),
            (true, _) => Err(DraftError::RunClosed { run: run.id }),
            (false, 0) if !opens => Err(DraftError::RunUnknown { run: run.id }),
            (false, next) if opens && next > 0 => Err(DraftError::RunExists { run: run.id }),
            _ => Ok(Some(run)),
        }
    }

    fn check(
        &self,
        draft: &Draft,
        facts: &Json,
        salt: &mut dyn FnMut() -> [u8; 32],
    ) -> Result<Vec<Part>, Fault> {
        self.check_place(draft, facts)?;
        check_run_field(draft)?;
        draft.kind.check_facts(facts)?;
        let mut parts = vec![Part::new(PartName::Facts, facts, salt())?];
        if let Some(subject) = &draft.subject {
            parts.push(Part::new(PartName::Subject, subject, salt())?);
        }
        Ok(parts)
    }

    /// `genesis` is entry 0 and nowhere else, nothing follows `stream.close`, an erased entry is an
    /// earlier one.
    fn check_place(&self, draft: &Draft, facts: &Json) -> Result<(), Fault> {
        let seq = self.head.size;
        if seq >= MAX_UINT || self.head.at > MAX_UINT {
            return Err(Fault::new(
                Code::Limit,
                "position or time is beyond 2^53 - 1",
            ));
        }
        if (draft.kind == Kind::Genesis) != (seq == 0) {
            return Err(Fault::new(
                Code::Genesis,
                "genesis is entry 0 and nowhere else",
            ));
        }
        if draft.kind == Kind::Genesis {
            let descriptor = facts.get("descriptor").unwrap_or(&Json::Null);
            if Descriptor::from_json(descriptor)?.stream_id() != self.head.stream {
                return Err(Fault::new(
                    Code::Genesis,
                    "the descriptor is of another stream",
                ));
            }
        }
        if self
            .entries
            .last()
            .is_some_and(|entry| entry.header.kind == Kind::StreamClose)
        {
            return Err(Fault::new(Code::AfterClose, "nothing follows stream.close"));
        }
        let target = facts.get("seq").and_then(Json::as_uint);
        if draft.kind == Kind::Redact && target.is_some_and(|target| target >= seq) {
            return Err(Fault::new(
                Code::TombstoneTarget,
                "only an earlier entry can be redacted",
            ));
        }
        Ok(())
    }
}

fn check_run_field(draft: &Draft) -> Result<(), Fault> {
    let rule = draft.kind.run_rule();
    let wrong = |what: &str| Err(Fault::new(Code::RunField, format!("{} {what}", draft.kind)));
    match &draft.run {
        None if rule == RunRule::Always => wrong("belongs to a run"),
        Some(_) if rule == RunRule::Never => wrong("belongs to no run"),
        Some(id) if !is_run_id(id) => {
            wrong("has a run id with characters other than letters, digits, _ and -")
        }
        _ => Ok(()),
    }
}
