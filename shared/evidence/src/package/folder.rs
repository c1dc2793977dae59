//! The files of the folder form, piece by piece (evidence-format section 12.4).
//!
//! For exports of any size: whoever writes them holds one chunk of entries at a time. Nothing is
//! judged here, as everywhere in packages.

use std::collections::BTreeMap;

use super::write::{self, Members};
use super::{EXPORT_FORMAT, PackageError, RANGE_FORMAT};
use crate::hash::Hash;
use crate::json::Json;
use crate::seal::SegmentEntry;

/// The line of an entry in `headers.jsonl`, with its line feed.
pub fn header_line(entry: &SegmentEntry<'_>) -> Vec<u8> {
    [entry.header, b"\n"].concat()
}

/// The lines of an entry in `parts.jsonl`.
///
/// # Errors
/// When the stored bytes are not canonical, or the parts are not those of the header.
pub fn part_lines(entry: &SegmentEntry<'_>) -> Result<Vec<u8>, PackageError> {
    write::part_lines(entry)
}

/// The line of a seal in `seals.jsonl`.
///
/// # Errors
/// When it is not a note.
pub fn seal_line(note: &str) -> Result<Vec<u8>, PackageError> {
    write::seal_line(note)
}

/// `package.json` of a full export.
pub fn export_document() -> Vec<u8> {
    Members::new().json("format", &EXPORT_FORMAT.into()).end()
}

/// `package.json` of a range of entries `from..to`: everything that is not in a file of its own.
#[derive(Debug, Clone, Default)]
pub struct RangeDocument {
    /// First entry.
    pub from: u64,
    /// The entry after the last one.
    pub to: u64,
    /// The period that the range claims to be, ms, half open.
    pub period: Option<(u64, u64)>,
    /// Proof of the first entry against the last seal.
    pub first: Vec<Hash>,
    /// Proof of the last entry.
    pub last: Vec<Hash>,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    extra: BTreeMap<u64, Vec<u8>>,
}

impl RangeDocument {
    /// The header of entry `from - 1`.
    pub fn before(&mut self, header: &[u8]) {
        self.before = Some(write::neighbour(header, None));
    }

    /// The header of entry `to`, with its proof.
    pub fn after(&mut self, header: &[u8], proof: &[Hash]) {
        self.after = Some(write::neighbour(header, Some(proof)));
    }

    /// Adds a redact or `key.rotate` entry from outside the range.
    ///
    /// # Errors
    /// When its stored bytes are not what they should be.
    pub fn extra(&mut self, entry: &SegmentEntry<'_>, proof: &[Hash]) -> Result<(), PackageError> {
        let written = write::entry(entry, Some(proof))?;
        self.extra.insert(entry.seq, written);
        Ok(())
    }

    /// The file.
    pub fn document(&self) -> Vec<u8> {
        let extra =
            (!self.extra.is_empty()).then(|| write::array(self.extra.values().map(Vec::as_slice)));
        let time = |ms: u64| Json::uint(ms).canonical();
        let proofs = Members::new()
            .json("first", &write::proof(&self.first))
            .json("last", &write::proof(&self.last))
            .end();
        Members::new()
            .maybe("after", self.after.clone())
            .maybe("before", self.before.clone())
            .maybe("extra", extra)
            .json("format", &RANGE_FORMAT.into())
            .json("from", &Json::uint(self.from))
            .maybe("from_at", self.period.map(|(from, _)| time(from)))
            .raw("proofs", &proofs)
            .json("to", &Json::uint(self.to))
            .maybe("to_at", self.period.map(|(_, to)| time(to)))
            .end()
    }
}
