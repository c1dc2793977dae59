//! Reading a run package that was verified.

use std::collections::BTreeMap;

use counterfoil_evidence::hash::{self, Hash};
use counterfoil_evidence::json::Json;

use crate::ReportError;

/// What became of the erasable part of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// The entry never had one.
    None,
    Present(&'a Json),
    /// Erased by this entry.
    Erased(u64),
}

/// An entry of the package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) seq: u64,
    pub(crate) at: u64,
    pub(crate) kind: &'a str,
    pub(crate) leaf: Hash,
    pub(crate) facts: &'a Json,
    pub(crate) subject: Subject<'a>,
    /// Whether it is of the run; redactions and key rotations are not.
    pub(crate) of_run: bool,
}

impl<'a> Entry<'a> {
    fn read(json: &'a Json) -> Result<Self, ReportError> {
        let header = json.get("h").ok_or(ReportError::Shape("a header"))?;
        let parts = json.get("p").ok_or(ReportError::Shape("parts"))?;
        let uint = |name| header.get(name).and_then(Json::as_uint);
        let facts = parts.get("facts").and_then(|part| part.get("d"));
        let subject = match parts.get("subject") {
            None => Subject::None,
            Some(part) => match (part.get("d"), part.get("x").and_then(Json::as_uint)) {
                (Some(data), _) => Subject::Present(data),
                (None, Some(by)) => Subject::Erased(by),
                (None, None) => return Err(ReportError::Shape("a subject")),
            },
        };
        Ok(Self {
            seq: uint("seq").ok_or(ReportError::Shape("a position"))?,
            at: uint("at").ok_or(ReportError::Shape("a time"))?,
            kind: header
                .get("kind")
                .and_then(Json::as_str)
                .ok_or(ReportError::Shape("a kind"))?,
            leaf: hash::leaf(&header.canonical()),
            facts: facts.ok_or(ReportError::Shape("facts"))?,
            subject,
            of_run: header.get("run").is_some(),
        })
    }

    /// A fact that is text.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.facts.get(name).and_then(Json::as_str)
    }

    /// A fact that is a count.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.facts.get(name).and_then(Json::as_uint)
    }

    /// A text in the subject, where it is present.
    pub(crate) fn subject_text(&self, name: &str) -> Option<&'a str> {
        match self.subject {
            Subject::Present(data) => data.get(name).and_then(Json::as_str),
            Subject::None | Subject::Erased(_) => None,
        }
    }
}

/// A run: its entries, and those that the package needs besides.
pub(crate) struct Record<'a> {
    pub(crate) id: &'a str,
    pub(crate) open: Entry<'a>,
    pub(crate) close: Entry<'a>,
    /// Layer 2: what lies between open and close, in order.
    pub(crate) middle: Vec<Entry<'a>>,
    /// Redactions and key rotations.
    pub(crate) outside: Vec<Entry<'a>>,
    /// Positions of the run's entries by leaf.
    leaves: BTreeMap<Hash, u64>,
}

impl<'a> Record<'a> {
    /// Reads the document of a package that was accepted.
    pub(crate) fn read(document: &'a Json) -> Result<Self, ReportError> {
        let id = document.get("run").and_then(Json::as_str);
        let entries = document.get("entries").and_then(Json::as_array);
        let entries = entries.ok_or(ReportError::Shape("entries"))?;
        let entries = entries
            .iter()
            .map(Entry::read)
            .collect::<Result<Vec<_>, _>>()?;
        let (run, outside): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.of_run);
        let kind = |kind: &str| run.iter().find(|entry| entry.kind == kind).copied();
        let (open, close) = (kind("run.open"), kind("run.close"));
        let ends = ["run.open", "run.close"];
        let leaves = run.iter().map(|entry| (entry.leaf, entry.seq)).collect();
        Ok(Self {
            id: id.ok_or(ReportError::Shape("a run"))?,
            open: open.ok_or(ReportError::Shape("run.open"))?,
            close: close.ok_or(ReportError::Shape("run.close"))?,
            middle: run
                .into_iter()
                .filter(|entry| !ends.contains(&entry.kind))
                .collect(),
            outside,
            leaves,
        })
    }

    /// Layer 2 entries of one kind.
    pub(crate) fn of<'r>(&'r self, kind: &'r str) -> impl Iterator<Item = &'r Entry<'a>> {
        self.middle.iter().filter(move |entry| entry.kind == kind)
    }

    /// Position of the entry with this leaf, if the run has it.
    pub(crate) fn by_leaf(&self, leaf: &str) -> Option<u64> {
        self.leaves.get(&leaf.parse().ok()?).copied()
    }

    /// Entries whose erasable part is gone.
    pub(crate) fn erased(&self) -> impl Iterator<Item = (u64, u64)> {
        let all = [&self.open, &self.close].into_iter().chain(&self.middle);
        all.filter_map(|entry| match entry.subject {
            Subject::Erased(by) => Some((entry.seq, by)),
            _ => None,
        })
    }
}
