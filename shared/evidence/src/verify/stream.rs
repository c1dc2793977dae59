//! The entries of the folder form, header and parts side by side, each line read once.

use super::collect::{Collected, Sound};
use super::entry::{self, check_header};
use super::members::{Lines, Members, Unreadable};
use super::part_line::{Body, PartLine, PartLines};
use super::row::Subject;
use super::{disorder, header_line};
use crate::code::{Code, Fault};
use crate::hash::{self, Hash};
use crate::header::Header;
use crate::json::{Json, View};
use crate::kind::Kind;
use crate::part::{PartName, check_length};

/// Longest line that is read; a header of more than 2,048 bytes is refused anyhow.
const MAX_LINE: usize = 1 << 20;

/// A header line: what is in it, judged or not.
pub(super) struct Line {
    /// Position that it states.
    pub(super) seq: Option<u64>,
    pub(super) rotates: bool,
    pub(super) header: Result<(Header, Hash), Fault>,
}

/// The lines of `headers.jsonl`.
pub(super) struct Headers<'a> {
    lines: Lines<'a>,
    bytes: Vec<u8>,
    stream: Hash,
    /// The stream id as text.
    name: String,
}

impl<'a> Headers<'a> {
    pub(super) fn open(members: &'a dyn Members, stream: Hash) -> Result<Self, Unreadable> {
        Ok(Self {
            lines: Lines::open(members, "headers.jsonl", MAX_LINE)?,
            bytes: Vec::new(),
            stream,
            name: stream.to_string(),
        })
    }

    pub(super) fn next(&mut self) -> Result<Option<Line>, Unreadable> {
        if !self.lines.next(&mut self.bytes)? {
            return Ok(None);
        }
        if let Some(header) = header_line::read(&self.bytes, self.stream, &self.name) {
            return Ok(Some(Line {
                seq: Some(header.seq),
                rotates: header.kind == Kind::KeyRotate,
                header: Ok((header, hash::leaf(&self.bytes))),
            }));
        }
        let json = Json::parse_canonical(&self.bytes).map_err(|fault| self.lines.place(fault))?;
        let kind = json.get("kind").and_then(Json::as_str);
        Ok(Some(Line {
            seq: json.get("seq").and_then(Json::as_uint),
            rotates: kind == Some(Kind::KeyRotate.name()),
            header: check_header(&json, Some(&self.bytes), self.stream),
        }))
    }
}

/// Reads all entries. Where positions are not dense, the package is refused later for that at the
/// latest, and the lines are read in another way to see whether something else comes first.
pub(super) fn read<'a>(
    members: &dyn Members,
    first: u64,
    stream: Hash,
    fresh: impl Fn() -> Collected<'a>,
) -> Result<Collected<'a>, Unreadable> {
    let mut collected = fresh();
    if read_dense(members, first, stream, &mut collected)? {
        return Ok(collected);
    }
    collected = fresh();
    disorder::read(members, stream, &mut collected)?;
    Ok(collected)
}

/// `false` when an entry is not at its position.
fn read_dense(
    members: &dyn Members,
    first: u64,
    stream: Hash,
    collected: &mut Collected<'_>,
) -> Result<bool, Unreadable> {
    let mut headers = Headers::open(members, stream)?;
    let mut lines = PartLines::open(members)?;
    let mut parts = Parts::new();
    let mut expected = first;
    let mut index = 0_usize;
    while let Some(line) = headers.next()? {
        if line.seq != Some(expected) {
            return Ok(false);
        }
        parts.fill(&mut lines, expected)?;
        if line.rotates {
            collected.added.extend(parts.added());
        }
        if collected.entry_fault.is_none() {
            match line.header.and_then(|header| parts.check(header)) {
                Ok((header, leaf, subject)) => collected.take(Sound {
                    header: &header,
                    leaf,
                    facts: parts.facts.view().unwrap_or(View::Tree(&Json::Null)),
                    subject,
                    proof: None,
                }),
                Err(fault) => collected.fail(index, fault),
            }
        }
        expected = expected.saturating_add(1);
        index = index.saturating_add(1);
    }
    match lines.peek() {
        Some(line) => Err(foreign(line.seq).into()),
        None => Ok(true),
    }
}

/// A part without its entry.
pub(super) fn foreign(seq: u64) -> Fault {
    let what = format!("parts.jsonl has a part of entry {seq}, which is not there");
    Fault::new(Code::PartSet, what)
}

/// The parts of one entry.
struct Parts {
    facts: PartLine,
    subject: PartLine,
    has_facts: bool,
    has_subject: bool,
    has_others: bool,
}

impl Parts {
    const fn new() -> Self {
        Self {
            facts: PartLines::place(),
            subject: PartLines::place(),
            has_facts: false,
            has_subject: false,
            has_others: false,
        }
    }

    fn fill(&mut self, lines: &mut PartLines<'_>, seq: u64) -> Result<(), Unreadable> {
        (self.has_facts, self.has_subject, self.has_others) = (false, false, false);
        while let Some(line) = lines.peek() {
            if line.seq < seq {
                return Err(foreign(line.seq).into());
            }
            if line.seq > seq {
                break;
            }
            let (slot, found) = match PartName::from_name(&line.name) {
                Some(PartName::Facts) => (&mut self.facts, &mut self.has_facts),
                Some(PartName::Subject) => (&mut self.subject, &mut self.has_subject),
                None => (&mut self.subject, &mut self.has_others),
            };
            *found = true;
            lines.take(slot)?;
        }
        Ok(())
    }

    /// The key that the facts add.
    fn added(&self) -> Option<Hash> {
        let facts = self.facts.view().filter(|_| self.has_facts)?;
        facts.get("add").and_then(View::as_hash)
    }

    fn check(&self, (header, leaf): (Header, Hash)) -> Result<(Header, Hash, Subject), Fault> {
        let wanted = (true, header.subject.is_some(), false);
        if (self.has_facts, self.has_subject, self.has_others) != wanted {
            return Err(entry::part_set());
        }
        check_facts(header.facts, &self.facts)?;
        let subject = if header.subject.is_some() {
            check_subject(&header, &self.subject)?
        } else {
            Subject::None
        };
        Ok((header, leaf, subject))
    }
}

pub(super) fn check_facts(commitment: Hash, line: &PartLine) -> Result<(), Fault> {
    match &line.body {
        Body::Present(_, salt) => check_present(PartName::Facts, commitment, *salt, line),
        Body::Erased(_) => Err(entry::facts_protected()),
        Body::Other(json, _) => entry::check_facts(commitment, json, line.content()).map(|_| ()),
    }
}

pub(super) fn check_subject(header: &Header, line: &PartLine) -> Result<Subject, Fault> {
    let commitment = header.subject.unwrap_or(Hash::ZERO);
    match &line.body {
        Body::Present(_, salt) => check_present(PartName::Subject, commitment, *salt, line)
            .map(|()| Subject::Present(commitment)),
        Body::Erased(by) => entry::erased(header, Some(*by)),
        Body::Other(json, _) => entry::check_subject(header, json, line.content()),
    }
}

fn check_present(
    name: PartName,
    commitment: Hash,
    salt: Hash,
    line: &PartLine,
) -> Result<(), Fault> {
    let content = line.content().unwrap_or_default();
    check_length(name, content.len())?;
    entry::check_commitment(name, commitment, Some(salt), content)
}
