//! Entries of the folder form whose positions are not dense.
//!
//! Such a package is refused with `E_SEQ` at the latest. This reader finds what comes before that: a
//! part without an entry, or an entry that is not sound by itself. Parts are found by position, in
//! sorted memory, whatever order the headers have.

use super::collect::{Collected, Sound};
use super::entry;
use super::members::{Members, Unreadable};
use super::part_line::{PartLine, PartLines};
use super::row::Subject;
use super::stream::{Headers, check_facts, check_subject, foreign};
use crate::code::Fault;
use crate::hash::Hash;
use crate::header::Header;
use crate::json::{Json, View};
use crate::part::PartName;

/// A header that states a position.
struct Slot {
    seq: u64,
    index: usize,
    rotates: bool,
    header: Option<Header>,
    parts: usize,
}

pub(super) fn read(
    members: &dyn Members,
    stream: Hash,
    collected: &mut Collected<'_>,
) -> Result<(), Unreadable> {
    let mut first = First::default();
    let mut slots = slots(members, stream, collected, &mut first)?;
    let mut lines = PartLines::open(members)?;
    let mut line = PartLines::place();
    while lines.peek().is_some() {
        lines.take(&mut line)?;
        let from = slots.partition_point(|slot| slot.seq < line.seq);
        let found = slots
            .get_mut(from..)
            .unwrap_or_default()
            .iter_mut()
            .take_while(|slot| slot.seq == line.seq);
        let mut judged: Option<(Option<Hash>, Option<Fault>)> = None;
        for slot in found {
            slot.parts = slot.parts.saturating_add(1);
            if slot.rotates && line.name == PartName::Facts.name() {
                let facts = line.view().and_then(|facts| facts.get("add"));
                collected.added.extend(facts.and_then(View::as_hash));
            }
            // Copies of one header are judged once, so that a long part is hashed once.
            let fault = match &judged {
                Some((commitment, fault)) if *commitment == named(slot, &line) => fault.clone(),
                _ => judge(slot, &line),
            };
            judged.get_or_insert_with(|| (named(slot, &line), fault.clone()));
            first.note(slot.index, fault);
        }
        if judged.is_none() {
            return Err(foreign(line.seq).into());
        }
    }
    for slot in &slots {
        let Some(header) = &slot.header else { continue };
        let expected = if header.subject.is_some() { 2 } else { 1 };
        let missing = slot.parts != expected;
        first.note(slot.index, missing.then(entry::part_set));
    }
    if let Some((index, fault)) = first.0 {
        collected.fail(index, fault);
    }
    Ok(())
}

/// The commitment of a header to the part of a line.
fn named(slot: &Slot, line: &PartLine) -> Option<Hash> {
    let name = PartName::from_name(&line.name)?;
    slot.header.as_ref()?.commitment(name)
}

fn judge(slot: &Slot, line: &PartLine) -> Option<Fault> {
    let header = slot.header.as_ref()?;
    let checked = match PartName::from_name(&line.name) {
        Some(PartName::Facts) => check_facts(header.facts, line),
        Some(PartName::Subject) if header.subject.is_some() => {
            check_subject(header, line).map(|_| ())
        }
        _ => Err(entry::part_set()),
    };
    checked.err()
}

/// The fault of the first entry that has one.
#[derive(Default)]
struct First(Option<(usize, Fault)>);

impl First {
    fn note(&mut self, index: usize, fault: Option<Fault>) {
        let earlier = self.0.as_ref().is_none_or(|(first, _)| index < *first);
        if let Some(fault) = fault.filter(|_| earlier) {
            self.0 = Some((index, fault));
        }
    }
}

fn slots(
    members: &dyn Members,
    stream: Hash,
    collected: &mut Collected<'_>,
    first: &mut First,
) -> Result<Vec<Slot>, Unreadable> {
    let mut headers = Headers::open(members, stream)?;
    let mut slots = Vec::new();
    let mut index = 0_usize;
    while let Some(line) = headers.next()? {
        let header = match line.header {
            Ok((header, leaf)) => {
                collected.take(Sound {
                    header: &header,
                    leaf,
                    facts: View::Tree(&Json::Null),
                    subject: header.subject.map_or(Subject::None, Subject::Present),
                    proof: None,
                });
                Some(header)
            }
            Err(fault) => {
                first.note(index, Some(fault));
                None
            }
        };
        slots.extend(line.seq.map(|seq| Slot {
            seq,
            index,
            rotates: line.rotates,
            header,
            parts: 0,
        }));
        index = index.saturating_add(1);
    }
    slots.sort_by_key(|slot| (slot.seq, slot.index));
    Ok(slots)
}
