//! Joining canonical bytes into canonical documents.

use super::PackageError;
use crate::base64;
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::json::Json;
use crate::part::PartName;
use crate::seal::{Seal, SegmentEntry, SegmentPart};

/// Members of an object, in canonical order, values already canonical.
pub(super) struct Members(Vec<u8>);

impl Members {
    pub(super) fn new() -> Self {
        Self(vec![b'{'])
    }

    pub(super) fn raw(mut self, key: &str, value: &[u8]) -> Self {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.extend_from_slice(format!("\"{key}\":").as_bytes());
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn json(self, key: &str, value: &Json) -> Self {
        self.raw(key, &value.canonical())
    }

    /// Adds a member if there is a value.
    pub(super) fn maybe(self, key: &str, value: Option<Vec<u8>>) -> Self {
        match value {
            Some(value) => self.raw(key, &value),
            None => self,
        }
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

pub(super) fn array<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = vec![b'['];
    for item in items {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(item);
    }
    out.push(b']');
    out
}

pub(super) fn proof(hashes: &[Hash]) -> Json {
    Json::Array(
        hashes
            .iter()
            .map(|hash| base64::encode(hash.as_bytes()).into())
            .collect(),
    )
}

/// `{"h":…,"p":…}`, with `proof` where one is given.
pub(super) fn entry(
    entry: &SegmentEntry<'_>,
    proof: Option<&[Hash]>,
) -> Result<Vec<u8>, PackageError> {
    let mut parts = Members::new();
    for (name, part) in parts_of(entry)? {
        parts = parts.raw(name.name(), &part_body(part).end());
    }
    let members = Members::new().raw("h", entry.header).raw("p", &parts.end());
    Ok(members
        .maybe("proof", proof.map(|hashes| self::proof(hashes).canonical()))
        .end())
}

/// `{"h":…}` of a neighbour, with `proof` where one is given.
pub(super) fn neighbour(header: &[u8], proof: Option<&[Hash]>) -> Vec<u8> {
    let proof = proof.map(|hashes| self::proof(hashes).canonical());
    Members::new().raw("h", header).maybe("proof", proof).end()
}

/// The lines of an entry in `parts.jsonl`.
pub(super) fn part_lines(entry: &SegmentEntry<'_>) -> Result<Vec<u8>, PackageError> {
    let mut lines = Vec::new();
    for (name, part) in parts_of(entry)? {
        let name = Json::from(name.name());
        let seq = Json::uint(entry.seq);
        let line = match part {
            SegmentPart::Present { bytes, salt } => Members::new()
                .raw("d", bytes)
                .json("part", &name)
                .json("s", &Hash::new(*salt).into())
                .json("seq", &seq),
            SegmentPart::Erased(by) => Members::new()
                .json("part", &name)
                .json("seq", &seq)
                .json("x", &Json::uint(by)),
        };
        lines.extend_from_slice(&line.end());
        lines.push(b'\n');
    }
    Ok(lines)
}

/// A line of `seals.jsonl`.
pub(super) fn seal_line(note: &str) -> Result<Vec<u8>, PackageError> {
    let seal = Seal::parse(note).map_err(PackageError::Seal)?;
    let line = Members::new()
        .json("at", &Json::uint(seal.body.at))
        .json("note", &note.into())
        .json("size", &Json::uint(seal.body.size));
    let mut line = line.end();
    line.push(b'\n');
    Ok(line)
}

fn part_body(part: SegmentPart<'_>) -> Members {
    match part {
        SegmentPart::Present { bytes, salt } => Members::new()
            .raw("d", bytes)
            .json("s", &Hash::new(*salt).into()),
        SegmentPart::Erased(by) => Members::new().json("x", &Json::uint(by)),
    }
}

/// The parts of an entry, after a look at the header: joined bytes must be what they claim to be.
fn parts_of<'a>(
    entry: &SegmentEntry<'a>,
) -> Result<Vec<(PartName, SegmentPart<'a>)>, PackageError> {
    let seq = entry.seq;
    let bytes = |fault| PackageError::Bytes { seq, fault };
    let header = Json::parse_canonical(entry.header).map_err(bytes)?;
    if header.get("seq").and_then(Json::as_uint) != Some(seq) {
        return Err(bytes(Fault::new(
            Code::Seq,
            "seq is not the position it is stored under",
        )));
    }
    let named = header.get("parts").and_then(Json::as_object);
    let mut parts = Vec::new();
    for (name, part) in [
        (PartName::Facts, entry.facts),
        (PartName::Subject, entry.subject),
    ] {
        let expected = named.is_some_and(|named| named.contains_key(name.name()));
        if part.is_some() != expected {
            return Err(PackageError::Parts { seq });
        }
        if let Some(SegmentPart::Present { bytes: content, .. }) = part {
            Json::parse_canonical(content).map_err(bytes)?;
        }
        parts.extend(part.map(|part| (name, part)));
    }
    Ok(parts)
}
