//! One pass over the entries: each is read once, and what later steps need of it is kept.
//!
//! The steps have an order (evidence-format section 14), and a package with a fault in two steps gets
//! the code of the first one. So what is found early, about facts or runs, waits here for its turn.

use std::collections::BTreeMap;

use super::row::{Row, Subject};
use super::trust::Trust;
use crate::code::Fault;
use crate::hash::{Hash, parse_digest};
use crate::header::Header;
use crate::json::{Json, View};
use crate::kind::Kind;
use crate::recorded::Recorded;
use crate::runs::Replay;

/// An entry that passed step 7, as it comes by.
pub(super) struct Sound<'a> {
    pub(super) header: &'a Header,
    pub(super) leaf: Hash,
    pub(super) facts: View<'a>,
    pub(super) subject: Subject,
    pub(super) proof: Option<Json>,
}

/// What a redact entry states.
pub(super) struct Redact {
    pub(super) row: Row,
    pub(super) seq: Option<u64>,
    pub(super) entry: Option<Hash>,
    pub(super) commit: Option<Hash>,
    pub(super) lost: bool,
}

/// What a hold covers.
pub(super) enum Target {
    All,
    Run(String),
    Range(u64, u64),
}

/// What holds are replayed from, in stream order.
pub(super) enum HoldAct {
    Set(Row, String, Target),
    Release(Row, String),
    /// Index into the redact entries.
    Redact(usize),
}

/// A rotation in the package.
pub(super) struct Rotation {
    pub(super) seq: u64,
    pub(super) add: Hash,
    pub(super) retire: Hash,
}

/// A reference to another entry.
pub(super) struct Reference {
    pub(super) row: Row,
    pub(super) leaf: Hash,
    pub(super) field: Field,
}

/// Which reference, and what it must name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Any entry at this position.
    Cause(u64),
    PriorRun,
    Decision,
    Repair,
}

/// Everything that is known of the entries after the pass.
pub(super) struct Collected<'a> {
    pub(super) rows: Vec<Row>,
    pub(super) extra: Vec<Row>,
    /// Proofs of entries by index, and of extras.
    pub(super) proofs: BTreeMap<usize, Json>,
    pub(super) extra_proofs: Vec<Option<Json>>,
    /// `prev` of the first entry.
    pub(super) first_prev: Hash,
    /// Whether the first entry is a genesis of this descriptor.
    pub(super) genesis: bool,
    pub(super) rotations: Vec<Rotation>,
    pub(super) redacts: Vec<Redact>,
    pub(super) holds: Vec<HoldAct>,
    pub(super) references: Vec<Reference>,
    /// First fault of steps 7 and 10.
    pub(super) entry_fault: Option<Fault>,
    pub(super) facts_fault: Option<Fault>,
    pub(super) run_fault: Option<Fault>,
    pub(super) replay: Replay,
    /// Which of the outputs that were given are recorded.
    pub(super) outputs: Vec<bool>,
    /// Keys that a `key.rotate` entry adds, sound or not.
    pub(super) added: Vec<Hash>,
    descriptor: Vec<u8>,
    trust: &'a Trust,
    previous: Option<Hash>,
}

impl<'a> Collected<'a> {
    pub(super) fn new(descriptor: Vec<u8>, replay: Replay, trust: &'a Trust) -> Self {
        Self {
            rows: Vec::new(),
            extra: Vec::new(),
            proofs: BTreeMap::new(),
            extra_proofs: Vec::new(),
            first_prev: Hash::ZERO,
            genesis: false,
            rotations: Vec::new(),
            redacts: Vec::new(),
            holds: Vec::new(),
            references: Vec::new(),
            entry_fault: None,
            facts_fault: None,
            run_fault: None,
            replay,
            outputs: vec![false; trust.outputs.len()],
            added: Vec::new(),
            descriptor,
            trust,
            previous: None,
        }
    }

    /// Notes a fault of step 7; the first one counts.
    pub(super) fn fail(&mut self, index: usize, fault: Fault) {
        if self.entry_fault.is_none() {
            self.entry_fault = Some(fault.at(format!("element {index} of entries")));
        }
    }

    /// Takes the next entry.
    pub(super) fn take(&mut self, sound: Sound<'_>) {
        let item = recorded(&sound);
        let index = self.rows.len();
        if index == 0 {
            self.first_prev = sound.header.prev;
            self.genesis = sound.header.kind == Kind::Genesis
                && sound
                    .facts
                    .get("descriptor")
                    .is_some_and(|named| named.canonical().as_ref() == self.descriptor);
        }
        let run = self.replay_one(&item);
        let row = Row {
            linked: self.previous == Some(sound.header.prev),
            run,
            require: sound.header.kind == Kind::RunDecision && item.text("effect") == "REQUIRE",
            ..row(&sound)
        };
        self.previous = Some(sound.leaf);
        self.check_facts(&item);
        self.keep(&item, row);
        self.keep_hold(&item, row);
        if sound.header.kind == Kind::RunClose {
            self.check_outputs(&item);
        }
        self.proofs.extend(sound.proof.map(|proof| (index, proof)));
        self.rows.push(row);
    }

    /// Takes an entry from outside a range.
    pub(super) fn take_extra(&mut self, sound: Sound<'_>) {
        let item = recorded(&sound);
        self.check_facts(&item);
        let row = row(&sound);
        match row.kind {
            Kind::Redact => self.redacts.push(redact(&item, row)),
            Kind::KeyRotate => self.rotations.extend(rotation(&item)),
            _ => {}
        }
        self.extra_proofs.push(sound.proof);
        self.extra.push(row);
    }

    fn check_facts(&mut self, item: &Recorded<'_>) {
        if self.facts_fault.is_none()
            && let Err(fault) = item.header.kind.check_facts_in(item.facts)
        {
            self.facts_fault = Some(fault.at(item.place()));
        }
    }

    fn replay_one(&mut self, item: &Recorded<'_>) -> Option<u32> {
        let place = item.header.run.as_ref()?;
        let run = self.replay.number(&place.id);
        if self.run_fault.is_none() {
            self.run_fault = self.replay.take(item).err();
        }
        Some(run)
    }

    fn keep(&mut self, item: &Recorded<'_>, row: Row) {
        match row.kind {
            Kind::KeyRotate => self.rotations.extend(rotation(item)),
            Kind::RunOpen => {
                if let Some(cause) = item.facts.get("cause") {
                    let seq = cause.get("seq").and_then(View::as_uint);
                    let leaf = cause.get("entry").and_then(View::as_hash);
                    let seq = seq.unwrap_or(u64::MAX);
                    self.refer(row, Some(leaf.unwrap_or(Hash::ZERO)), Field::Cause(seq));
                }
                self.refer(row, item.hash("prior_run"), Field::PriorRun);
            }
            Kind::RunResolution => self.refer(row, item.hash("decision"), Field::Decision),
            Kind::RepairVerified => self.refer(row, item.hash("repair"), Field::Repair),
            _ => {}
        }
    }

    fn refer(&mut self, row: Row, leaf: Option<Hash>, field: Field) {
        self.references
            .extend(leaf.map(|leaf| Reference { row, leaf, field }));
    }

    fn keep_hold(&mut self, item: &Recorded<'_>, row: Row) {
        let act = match row.kind {
            Kind::HoldSet => HoldAct::Set(row, item.text("hold").into_owned(), target(item)),
            Kind::HoldRelease => HoldAct::Release(row, item.text("hold").into_owned()),
            Kind::Redact => {
                let act = HoldAct::Redact(self.redacts.len());
                self.redacts.push(redact(item, row));
                act
            }
            _ => return,
        };
        self.holds.push(act);
    }

    fn check_outputs(&mut self, item: &Recorded<'_>) {
        if self.outputs.iter().all(|found| *found) {
            return;
        }
        let Some(outputs) = item.facts.get("outputs").and_then(View::items) else {
            return;
        };
        for output in outputs {
            let name = output.get("ref").and_then(View::as_str);
            let hash = output.get("hash").and_then(View::as_str);
            let hash = hash.and_then(|hash| parse_digest(&hash));
            for ((given, digest), found) in self.trust.outputs.iter().zip(&mut self.outputs) {
                *found |= name.as_deref() == Some(given) && hash == Some(*digest);
            }
        }
    }
}

fn recorded<'a>(sound: &Sound<'a>) -> Recorded<'a> {
    Recorded {
        header: sound.header,
        leaf: sound.leaf,
        facts: sound.facts,
    }
}

const fn row(sound: &Sound<'_>) -> Row {
    Row {
        seq: sound.header.seq,
        at: sound.header.at,
        leaf: sound.leaf,
        subject: sound.subject,
        run: None,
        kind: sound.header.kind,
        require: false,
        linked: false,
    }
}

fn rotation(item: &Recorded<'_>) -> Option<Rotation> {
    Some(Rotation {
        seq: item.header.seq,
        add: item.hash("add")?,
        retire: item.hash("retire")?,
    })
}

fn redact(item: &Recorded<'_>, row: Row) -> Redact {
    Redact {
        row,
        seq: item.uint("seq"),
        entry: item.hash("entry"),
        commit: item.hash("commit"),
        lost: item.text("reason") == "lost",
    }
}

fn target(item: &Recorded<'_>) -> Target {
    let field = |name: &str| item.facts.get("target").and_then(|target| target.get(name));
    let number = |name: &str| field(name).and_then(View::as_uint);
    match (
        field("run").and_then(View::as_str),
        number("from").zip(number("to")),
    ) {
        (Some(id), _) => Target::Run(id.into_owned()),
        (None, Some((from, to))) => Target::Range(from, to),
        (None, None) => Target::All,
    }
}
