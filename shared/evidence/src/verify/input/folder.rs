//! The folder form: one file for each kind of content (evidence-format section 12.4).

use super::{Body, Fields, Loaded, check_members, consistency, form, format, required, too_large};
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::json::Json;
use crate::package::tar::TarLimits;
use crate::package::{RANGE_FORMAT, RUN_FORMAT};
use crate::verify::members::{self, Lines, Members, Unreadable};

/// Longest line of `seals.jsonl`.
const MAX_SEAL_LINE: usize = 33_024;
const FILES: [&str; 5] = [
    "descriptor.json",
    "headers.jsonl",
    "package.json",
    "parts.jsonl",
    "seals.jsonl",
];

/// Reads the small files; entries and seals stay where they are.
pub(in crate::verify) fn load(
    members: &dyn Members,
    limits: TarLimits,
) -> Result<Loaded<'_>, Unreadable> {
    let files = members.files()?;
    let total = files
        .iter()
        .fold(0_u64, |total, (_, length)| total.saturating_add(*length));
    if total > limits.max_bytes || files.len() > limits.max_files {
        return Err(too_large().into());
    }
    let timestamps = timestamps(&files)?;
    if let Some(missing) = FILES
        .iter()
        .find(|name| !files.iter().any(|(file, _)| file == *name))
    {
        return Err(format(&format!("{missing} is missing from the folder")).into());
    }
    let package = members::whole(members, "package.json", limits.max_bytes)?;
    let Json::Object(mut fields) =
        Json::parse_document(&package).map_err(|fault| fault.at("package.json"))?
    else {
        return Err(format("package.json is not an object").into());
    };
    let descriptor = members::whole(members, "descriptor.json", limits.max_bytes)?;
    let descriptor =
        Json::parse_canonical(&descriptor).map_err(|fault| fault.at("descriptor.json"))?;
    let body = match fields.get("format").and_then(Json::as_str) {
        Some(RANGE_FORMAT) => ["proofs"].as_slice(),
        Some(RUN_FORMAT) => return Err(format("a run package has no folder form").into()),
        _ => &[],
    };
    check_members(&fields, body)?;
    let borders = border_proofs(&mut fields)?;
    Ok(Loaded {
        consistency: consistency(&mut fields)?,
        form: form(&mut fields)?,
        descriptor,
        body: Body::Folder {
            members,
            borders,
            timestamps,
        },
    })
}

/// Checks the file names and takes the seal hashes of the time-stamps.
fn timestamps(files: &[(String, u64)]) -> Result<Vec<Hash>, Fault> {
    let mut timestamps = Vec::new();
    for (name, _) in files {
        if FILES.contains(&name.as_str()) {
            continue;
        }
        let seal = name
            .strip_prefix("timestamps/")
            .and_then(|name| name.strip_suffix(".tsr"));
        match seal.and_then(|seal| seal.parse().ok()) {
            Some(seal) => timestamps.push(seal),
            None => {
                return Err(Fault::new(
                    Code::Limit,
                    "a file does not belong into the folder",
                ));
            }
        }
    }
    Ok(timestamps)
}

/// The notes of `seals.jsonl`, one after the other.
pub(in crate::verify) struct SealLines<'a> {
    lines: Lines<'a>,
    bytes: Vec<u8>,
}

impl<'a> SealLines<'a> {
    pub(in crate::verify) fn open(members: &'a dyn Members) -> Result<Self, Unreadable> {
        Ok(Self {
            lines: Lines::open(members, "seals.jsonl", MAX_SEAL_LINE)?,
            bytes: Vec::new(),
        })
    }

    pub(in crate::verify) fn next(&mut self) -> Result<Option<String>, Unreadable> {
        if !self.lines.next(&mut self.bytes)? {
            return Ok(None);
        }
        let note = seal(&self.bytes).map_err(|fault| self.lines.place(fault))?;
        Ok(Some(note))
    }
}

fn seal(line: &[u8]) -> Result<String, Fault> {
    let Json::Object(mut members) = Json::parse_canonical(line)? else {
        return Err(format("a seal line is not an object"));
    };
    let taken = (
        members.remove("note"),
        members.remove("size"),
        members.remove("at"),
    );
    let (Some(note), Some(size), Some(at), true) = (taken.0, taken.1, taken.2, members.is_empty())
    else {
        return Err(Fault::new(
            Code::Canon,
            "a seal line is not exactly at, note and size",
        ));
    };
    let Json::Str(note) = note else {
        return Err(Fault::new(Code::NoteSyntax, "a seal line without a note"));
    };
    let (stated_size, stated_at) = stated(&note)
        .ok_or_else(|| Fault::new(Code::NoteSyntax, "a note without size and time"))?;
    if size != Json::uint(stated_size) || at != Json::uint(stated_at) {
        let what = "at or size of a seal line are not those of its note";
        return Err(Fault::new(Code::Canon, what));
    }
    Ok(note)
}

/// Size and time as a note states them, before its grammar is judged.
fn stated(note: &str) -> Option<(u64, u64)> {
    let mut lines = note.split('\n');
    let size = lines.nth(1)?.parse().ok()?;
    let at = lines.nth(1)?.strip_prefix("at ")?.parse().ok()?;
    Some((size, at))
}

/// The proofs of a range's first and last entry.
fn border_proofs(fields: &mut Fields) -> Result<Option<(Json, Json)>, Fault> {
    if fields.get("format").and_then(Json::as_str) != Some(RANGE_FORMAT) {
        return Ok(None);
    }
    let Json::Object(mut proofs) = required(fields, "proofs")? else {
        return Err(format("proofs is not an object"));
    };
    let first = required(&mut proofs, "first")?;
    let last = required(&mut proofs, "last")?;
    if !proofs.is_empty() {
        return Err(Fault::new(
            Code::PackageFields,
            "proofs is not exactly first and last",
        ));
    }
    Ok(Some((first, last)))
}
