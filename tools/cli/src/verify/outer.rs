//! The outer archive of a delivery (evidence-format section 12.5), recognised by what is in it.
//!
//! It is not evidence and nothing of it is judged: only the place of its `evidence.tar` is found, so
//! that this can be verified where it lies. An archive that two readers could understand differently
//! is not recognised, and is then judged as a package.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use counterfoil_evidence::package::tar::BLOCK;

use crate::export::archive::whole_name;

/// The member that is evidence.
pub(super) const EVIDENCE: &str = "evidence.tar";
/// The member that names all others.
pub(super) const MANIFEST: &str = "manifest.json";

/// A part of a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// What an archive is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A delivery; here is its evidence.
    Delivery(Span),
    /// The run packages about one customer.
    Ledger,
    /// Anything else: a package, or nothing that is known.
    Other,
}

/// The regular members at the beginning of an archive, up to its end or to the first that is
/// something else.
#[derive(Debug)]
pub(super) struct Listing {
    members: Vec<(String, Span)>,
}

impl Listing {
    /// Lists an archive that lies in a part of a file; no content is read.
    pub(super) fn of(file: &mut File, place: Span, most: usize) -> io::Result<Self> {
        let mut members = Vec::new();
        let mut at = 0_u64;
        while members.len() < most && place.size.saturating_sub(at) >= BYTES {
            file.seek(SeekFrom::Start(place.offset.saturating_add(at)))?;
            let mut block = [0; BLOCK];
            file.read_exact(&mut block)?;
            let Some((name, size)) = regular(&block) else {
                break;
            };
            at = at.saturating_add(BYTES);
            let offset = place.offset.saturating_add(at);
            members.push((name, Span { offset, size }));
            at = at.saturating_add(size.checked_next_multiple_of(BYTES).unwrap_or(u64::MAX));
        }
        // A member that is cut is none.
        let end = place.offset.saturating_add(place.size);
        members.retain(|(_, span)| span.offset.saturating_add(span.size) <= end);
        Ok(Self { members })
    }

    /// What the names say.
    pub(super) fn kind(&self) -> Kind {
        let named = |wanted: &str| {
            let mut found = self.members.iter().filter(|(name, _)| name == wanted);
            match (found.next(), found.next()) {
                (Some((_, span)), None) => Some(*span),
                _ => None,
            }
        };
        match (named(EVIDENCE), named(MANIFEST)) {
            (Some(evidence), Some(_)) => Kind::Delivery(evidence),
            (None, Some(_)) if self.members.iter().any(|(name, _)| is_run(name)) => Kind::Ledger,
            _ => Kind::Other,
        }
    }

    /// Bytes of all members.
    pub(super) fn bytes(&self) -> u64 {
        let sizes = self.members.iter().map(|(_, span)| span.size);
        sizes.fold(0, u64::saturating_add)
    }
}

/// Whether a file of a ledger is a run package.
pub(super) fn is_run(name: &str) -> bool {
    let run = name.strip_prefix("runs/");
    run.is_some_and(|run| run.strip_suffix(".json").is_some())
}

const BYTES: u64 = 512;

/// Name and size of a regular file; `None` for the end of the archive and for everything else.
fn regular(block: &[u8; BLOCK]) -> Option<(String, u64)> {
    let field = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
    let is_plain = field(257, 265) == b"ustar\x0000" && matches!(field(156, 157), [b'0' | 0]);
    if !is_plain || octal(field(148, 156))? != checksum(block) {
        return None;
    }
    let text = |from, to| field(from, to).split(|byte| *byte == 0).next();
    let name = whole_name(text(345, 500)?, text(0, 100)?)?;
    Some((name, octal(field(124, 136))?))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}

/// The sum of all bytes of a header, its checksum taken as spaces.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let bytes = block.iter().enumerate().map(|(at, byte)| {
        let is_checksum = (148..156).contains(&at);
        u64::from(if is_checksum { b' ' } else { *byte })
    });
    bytes.sum()
}
