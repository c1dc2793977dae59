//! The range export: the entries of a period, with their neighbours (evidence-format section
//! 12.3).

use std::collections::BTreeMap;

use super::run::consistency;
use super::write::{self, Members};
use super::{PackageError, RANGE_FORMAT};
use crate::descriptor::Descriptor;
use crate::hash::Hash;
use crate::json::Json;
use crate::seal::SegmentEntry;

/// Builds a range export of entries `from..to`. It needs every seal above `from` up to the first
/// one that covers `to`, and as extras the redact entries from `to` on that an erased part names
/// and the `key.rotate` entries outside the range.
#[derive(Debug, Clone)]
pub struct RangePackage {
    descriptor: Json,
    from: u64,
    to: u64,
    period: Option<(u64, u64)>,
    entries: Vec<Vec<u8>>,
    extra: BTreeMap<u64, Vec<u8>>,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
    seals: Vec<Json>,
    consistency: BTreeMap<u64, Vec<Hash>>,
}

impl RangePackage {
    /// A range without entries.
    pub fn new(descriptor: &Descriptor, from: u64, to: u64) -> Self {
        Self {
            descriptor: descriptor.to_json(),
            from,
            to,
            period: None,
            entries: Vec::new(),
            extra: BTreeMap::new(),
            before: None,
            after: None,
            seals: Vec::new(),
            consistency: BTreeMap::new(),
        }
    }

    /// Claims that the range is the complete period from `from_at` up to before `to_at`, ms.
    #[must_use]
    pub const fn period(mut self, from_at: u64, to_at: u64) -> Self {
        self.period = Some((from_at, to_at));
        self
    }

    /// Adds the next entry. The first and the last one have an inclusion proof against the last
    /// seal; the others have none.
    ///
    /// # Errors
    /// When it is not the next one or its stored bytes are not what they should be.
    pub fn add(
        &mut self,
        entry: &SegmentEntry<'_>,
        proof: Option<&[Hash]>,
    ) -> Result<(), PackageError> {
        let count = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        let expected = self.from.saturating_add(count);
        if entry.seq != expected {
            return Err(PackageError::Gap {
                expected,
                got: entry.seq,
            });
        }
        self.entries.push(write::entry(entry, proof)?);
        Ok(())
    }

    /// Adds a redact or `key.rotate` entry from outside the range.
    ///
    /// # Errors
    /// When its stored bytes are not what they should be.
    pub fn extra(&mut self, entry: &SegmentEntry<'_>, proof: &[Hash]) -> Result<(), PackageError> {
        self.extra
            .insert(entry.seq, write::entry(entry, Some(proof))?);
        Ok(())
    }

    /// The header of entry `from - 1`.
    pub fn before(&mut self, header: &[u8]) {
        self.before = Some(write::neighbour(header, None));
    }

    /// The header of entry `to`, with its proof.
    pub fn after(&mut self, header: &[u8], proof: &[Hash]) {
        self.after = Some(write::neighbour(header, Some(proof)));
    }

    /// Adds the next seal.
    pub fn seal(&mut self, note: &str) {
        self.seals.push(note.into());
    }

    /// Adds the proof that links a seal of size `size`, which the auditor holds, to the last seal.
    pub fn link(&mut self, size: u64, proof: &[Hash]) {
        self.consistency.insert(size, proof.to_vec());
    }

    /// The package: one canonical JSON line, without a line feed.
    pub fn document(&self) -> Vec<u8> {
        let extra =
            (!self.extra.is_empty()).then(|| write::array(self.extra.values().map(Vec::as_slice)));
        let time = |ms: u64| Json::uint(ms).canonical();
        Members::new()
            .maybe("after", self.after.clone())
            .maybe("before", self.before.clone())
            .maybe("consistency", consistency(&self.consistency))
            .json("descriptor", &self.descriptor)
            .raw(
                "entries",
                &write::array(self.entries.iter().map(Vec::as_slice)),
            )
            .maybe("extra", extra)
            .json("format", &RANGE_FORMAT.into())
            .json("from", &Json::uint(self.from))
            .maybe("from_at", self.period.map(|(from, _)| time(from)))
            .json("seals", &Json::Array(self.seals.clone()))
            .json("to", &Json::uint(self.to))
            .maybe("to_at", self.period.map(|(_, to)| time(to)))
            .end()
    }
}
