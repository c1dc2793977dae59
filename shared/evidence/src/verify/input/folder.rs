//! The folder form (evidence-format section 12.4): lines that must be canonical already.

use std::collections::{BTreeMap, BTreeSet};

use super::{Loaded, Members, Raw, check_members, consistency, form, format, required};
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::json::{Json, MAX_DOCUMENT_DEPTH, object};
use crate::package::{RANGE_FORMAT, RUN_FORMAT};

/// Longest line of `seals.jsonl`.
const MAX_SEAL_LINE: usize = 33_024;
const FILES: [&str; 5] = [
    "descriptor.json",
    "headers.jsonl",
    "package.json",
    "parts.jsonl",
    "seals.jsonl",
];

pub(super) fn load(files: &BTreeMap<String, Vec<u8>>) -> Result<Loaded, Fault> {
    let timestamps = timestamps(files)?;
    let file = |name: &str| {
        files
            .get(name)
            .ok_or_else(|| format(&format!("{name} is missing from the folder")))
    };
    let Json::Object(mut members) = Json::parse_document(file("package.json")?)? else {
        return Err(format("package.json is not an object"));
    };
    let descriptor = Json::parse_canonical(file("descriptor.json")?)
        .map_err(|fault| fault.at("descriptor.json"))?;
    let mut entries = headers(file("headers.jsonl")?)?;
    parts(file("parts.jsonl")?, &mut entries)?;
    let seals = seals(file("seals.jsonl")?)?;
    let body = match members.get("format").and_then(Json::as_str) {
        Some(RANGE_FORMAT) => ["proofs"].as_slice(),
        Some(RUN_FORMAT) => return Err(format("a run package has no folder form")),
        _ => &[],
    };
    check_members(&members, body)?;
    border_proofs(&mut members, &mut entries)?;
    Ok(Loaded {
        consistency: consistency(&mut members)?,
        form: form(&mut members)?,
        descriptor,
        entries,
        seals,
        timestamps,
    })
}

/// Checks the file names and takes the time-stamps.
fn timestamps(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<(Hash, Vec<u8>)>, Fault> {
    let mut timestamps = Vec::new();
    for (name, content) in files {
        if FILES.contains(&name.as_str()) {
            continue;
        }
        let seal = name
            .strip_prefix("timestamps/")
            .and_then(|name| name.strip_suffix(".tsr"));
        match seal.and_then(|seal| seal.parse().ok()) {
            Some(seal) => timestamps.push((seal, content.clone())),
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

/// Lines without their line feeds.
fn lines<'a>(file: &str, content: &'a [u8]) -> Result<Vec<&'a [u8]>, Fault> {
    if content.is_empty() {
        return Ok(Vec::new());
    }
    let content = content
        .strip_suffix(b"\n")
        .ok_or_else(|| Fault::new(Code::Canon, format!("{file} does not end in a line feed")))?;
    Ok(content.split(|byte| *byte == b'\n').collect())
}

fn headers(content: &[u8]) -> Result<Vec<Raw>, Fault> {
    let mut entries = Vec::new();
    for (number, line) in lines("headers.jsonl", content)?.into_iter().enumerate() {
        let header = Json::parse_canonical(line).map_err(|fault| {
            fault.at(format!("headers.jsonl, line {}", number.saturating_add(1)))
        })?;
        let json = object([("h", header), ("p", object::<String>([]))]);
        entries.push(Raw {
            json,
            header: Some(line.to_vec()),
            parts: BTreeMap::new(),
        });
    }
    Ok(entries)
}

struct PartLine {
    seq: u64,
    name: String,
    part: Json,
    bytes: Option<Vec<u8>>,
}

fn parts(content: &[u8], entries: &mut [Raw]) -> Result<(), Fault> {
    let set = |what: &str| Fault::new(Code::PartSet, what);
    let mut by_seq: BTreeMap<u64, Vec<PartLine>> = BTreeMap::new();
    let mut last: Option<(u64, String)> = None;
    for (number, line) in lines("parts.jsonl", content)?.into_iter().enumerate() {
        let part = part_line(line)
            .map_err(|fault| fault.at(format!("parts.jsonl, line {}", number.saturating_add(1))))?;
        let key = (part.seq, part.name.clone());
        if last.is_some_and(|last| last >= key) {
            return Err(set("the lines of parts.jsonl do not ascend"));
        }
        last = Some(key);
        by_seq.entry(part.seq).or_default().push(part);
    }
    let mut present = BTreeSet::new();
    for entry in entries {
        let seq = entry
            .json
            .get("h")
            .and_then(|header| header.get("seq"))
            .and_then(Json::as_uint);
        let Some(lines) = seq.and_then(|seq| by_seq.get(&seq)) else {
            continue;
        };
        present.extend(seq);
        for line in lines {
            entry
                .parts
                .extend(line.bytes.clone().map(|bytes| (line.name.clone(), bytes)));
        }
        let parts = lines
            .iter()
            .map(|line| (line.name.clone(), line.part.clone()));
        if let Json::Object(members) = &mut entry.json {
            members.insert("p".to_owned(), object(parts));
        }
    }
    if by_seq.keys().any(|seq| !present.contains(seq)) {
        return Err(set("parts.jsonl has a part of an entry that is not there"));
    }
    Ok(())
}

fn part_line(line: &[u8]) -> Result<PartLine, Fault> {
    let Json::Object(mut members) = Json::parse_canonical_to(line, MAX_DOCUMENT_DEPTH)? else {
        return Err(format("not an object"));
    };
    let (Some(Json::Str(name)), Some(seq)) = (members.remove("part"), members.remove("seq")) else {
        return Err(format("part or seq is missing"));
    };
    let seq = seq
        .as_uint()
        .ok_or_else(|| format("seq is not a position"))?;
    let bytes = match (members.get("s"), members.contains_key("d")) {
        (Some(salt), true) => {
            let end = [
                b",\"part\":".as_slice(),
                &Json::from(name.as_str()).canonical(),
                b",\"s\":",
                &salt.canonical(),
                format!(",\"seq\":{seq}}}").as_bytes(),
            ]
            .concat();
            line.strip_prefix(b"{\"d\":")
                .and_then(|rest| rest.strip_suffix(end.as_slice()))
        }
        _ => None,
    };
    let bytes = bytes.map(<[u8]>::to_vec);
    Ok(PartLine {
        seq,
        name,
        part: Json::Object(members),
        bytes,
    })
}

fn seals(content: &[u8]) -> Result<Vec<String>, Fault> {
    let mut seals = Vec::new();
    for line in lines("seals.jsonl", content)? {
        if line.len() > MAX_SEAL_LINE {
            return Err(Fault::new(
                Code::Limit,
                format!("a seal line of {} bytes", line.len()),
            ));
        }
        let Json::Object(mut members) = Json::parse_canonical(line)? else {
            return Err(format("a seal line is not an object"));
        };
        let taken = (
            members.remove("note"),
            members.remove("size"),
            members.remove("at"),
        );
        let (Some(note), Some(size), Some(at), true) =
            (taken.0, taken.1, taken.2, members.is_empty())
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
        seals.push(note);
    }
    Ok(seals)
}

/// Size and time as a note states them, before its grammar is judged.
fn stated(note: &str) -> Option<(u64, u64)> {
    let mut lines = note.split('\n');
    let size = lines.nth(1)?.parse().ok()?;
    let at = lines.nth(1)?.strip_prefix("at ")?.parse().ok()?;
    Some((size, at))
}

/// Gives the proofs of a range's borders to its first and last entry.
fn border_proofs(members: &mut Members, entries: &mut [Raw]) -> Result<(), Fault> {
    if members.get("format").and_then(Json::as_str) != Some(RANGE_FORMAT) {
        return Ok(());
    }
    let Json::Object(mut proofs) = required(members, "proofs")? else {
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
    if entries.len() == 1 && first != last {
        return Err(Fault::new(
            Code::Range,
            "one entry has two different proofs",
        ));
    }
    for (entry, proof) in [(entries.len().checked_sub(1), last), (Some(0), first)] {
        let entry = entry.and_then(|index| entries.get_mut(index));
        if let Some(Json::Object(members)) = entry.map(|entry| &mut entry.json) {
            members.insert("proof".to_owned(), proof);
        }
    }
    Ok(())
}
