//! The full export: all entries and all seals (evidence-format sections 12.2 and 12.4).

use std::collections::BTreeMap;

use super::write::{self, Members};
use super::{EXPORT_FORMAT, PackageError};
use crate::descriptor::Descriptor;
use crate::json::Json;
use crate::seal::SegmentEntry;

/// Builds a full export in memory: entries from 0 to the size of the last seal, and every seal.
#[derive(Debug, Clone)]
pub struct ExportPackage {
    descriptor: Json,
    entries: Vec<Vec<u8>>,
    headers: Vec<u8>,
    parts: Vec<u8>,
    seals: Vec<Json>,
    seal_lines: Vec<u8>,
}

impl ExportPackage {
    /// An export without entries.
    pub fn new(descriptor: &Descriptor) -> Self {
        Self {
            descriptor: descriptor.to_json(),
            entries: Vec::new(),
            headers: Vec::new(),
            parts: Vec::new(),
            seals: Vec::new(),
            seal_lines: Vec::new(),
        }
    }

    /// Adds the next entry.
    ///
    /// # Errors
    /// When it is not the next one or its stored bytes are not what they should be.
    pub fn add(&mut self, entry: &SegmentEntry<'_>) -> Result<(), PackageError> {
        let expected = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        if entry.seq != expected {
            return Err(PackageError::Gap {
                expected,
                got: entry.seq,
            });
        }
        self.entries.push(write::entry(entry, None)?);
        self.parts.extend(write::part_lines(entry)?);
        self.headers.extend_from_slice(entry.header);
        self.headers.push(b'\n');
        Ok(())
    }

    /// Adds the next seal.
    ///
    /// # Errors
    /// When it is not a note.
    pub fn seal(&mut self, note: &str) -> Result<(), PackageError> {
        self.seal_lines.extend(write::seal_line(note)?);
        self.seals.push(note.into());
        Ok(())
    }

    /// The export as one canonical JSON document.
    pub fn document(&self) -> Vec<u8> {
        Members::new()
            .json("descriptor", &self.descriptor)
            .raw(
                "entries",
                &write::array(self.entries.iter().map(Vec::as_slice)),
            )
            .json("format", &EXPORT_FORMAT.into())
            .json("seals", &Json::Array(self.seals.clone()))
            .end()
    }

    /// The export in folder form: file name to content.
    pub fn folder(&self) -> BTreeMap<String, Vec<u8>> {
        let package = Members::new().json("format", &EXPORT_FORMAT.into()).end();
        BTreeMap::from([
            ("package.json".to_owned(), package),
            ("descriptor.json".to_owned(), self.descriptor.canonical()),
            ("headers.jsonl".to_owned(), self.headers.clone()),
            ("parts.jsonl".to_owned(), self.parts.clone()),
            ("seals.jsonl".to_owned(), self.seal_lines.clone()),
        ])
    }
}
