//! Step 7: every entry by itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Deref;

use super::input::{Form, Raw};
use crate::code::{Code, Fault};
use crate::hash::{self, Hash};
use crate::header::Header;
use crate::json::{Json, MAX_DEPTH};
use crate::part::{PartName, check_length};
use crate::recorded::Recorded;

/// Whether entries may carry a proof.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fields {
    NoProof,
    Proof,
}

impl Fields {
    pub(super) const fn of(form: &Form) -> Self {
        match form {
            Form::Full => Self::NoProof,
            Form::Run(_) | Form::Range(_) => Self::Proof,
        }
    }
}

/// What became of a `subject`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    None,
    Present,
    /// Redacted by the entry with this `seq`.
    Erased(u64),
}

/// An entry that is sound by itself.
pub(super) struct Item {
    pub(super) entry: Recorded,
    pub(super) subject: Subject,
    pub(super) proof: Option<Json>,
}

impl Deref for Item {
    type Target = Recorded;

    fn deref(&self) -> &Recorded {
        &self.entry
    }
}

pub(super) fn check_all(raw: &[Raw], stream: Hash, fields: Fields) -> Result<Vec<Item>, Fault> {
    raw.iter()
        .enumerate()
        .map(|(index, raw)| {
            check(raw, stream, fields)
                .map_err(|fault| fault.at(format!("element {index} of entries")))
        })
        .collect()
}

fn check(raw: &Raw, stream: Hash, fields: Fields) -> Result<Item, Fault> {
    let wrong = |what: &str| Fault::new(Code::EntryFields, what);
    let members = raw.json.as_object().ok_or_else(|| wrong("not an object"))?;
    let known = |name: &str| match name {
        "h" | "p" => true,
        "proof" => fields == Fields::Proof,
        _ => false,
    };
    if !members.keys().all(|name| known(name)) {
        return Err(wrong("a member does not belong there"));
    }
    let (Some(header), Some(parts)) = (members.get("h"), members.get("p")) else {
        return Err(wrong("h or p is missing"));
    };
    let (header, leaf) = check_header(header, raw.header.as_deref(), stream)?;
    let parts = parts
        .as_object()
        .ok_or_else(|| Fault::new(Code::Format, "p is not an object"))?;
    check_set(&header, parts)?;
    let mut facts = Json::Null;
    let mut subject = Subject::None;
    for (name, part) in parts {
        let bytes = raw.parts.get(name).map(Vec::as_slice);
        match PartName::from_name(name) {
            Some(PartName::Facts) => facts = check_facts(&header, part, bytes)?,
            Some(PartName::Subject) => subject = check_subject(&header, part, bytes)?,
            None => {}
        }
    }
    Ok(Item {
        entry: Recorded {
            header,
            leaf,
            facts,
        },
        subject,
        proof: members.get("proof").cloned(),
    })
}

/// Checks a header; the leaf is that of the bytes given, or of the canonical form.
pub(super) fn check_header(
    json: &Json,
    bytes: Option<&[u8]>,
    stream: Hash,
) -> Result<(Header, Hash), Fault> {
    let bytes = bytes.map_or_else(|| Cow::Owned(json.canonical()), Cow::Borrowed);
    let header = Header::from_json(json, bytes.len(), stream)?;
    if !json.fits_depth(MAX_DEPTH) {
        return Err(Fault::new(Code::Depth, "the header is nested too deeply"));
    }
    Ok((header, hash::leaf(&bytes)))
}

fn check_set(header: &Header, parts: &BTreeMap<String, Json>) -> Result<(), Fault> {
    let named = |name: &str| {
        PartName::from_name(name).is_some_and(|name| header.commitment(name).is_some())
    };
    let expected = if header.subject.is_some() { 2 } else { 1 };
    if parts.len() != expected || !parts.keys().all(|name| named(name)) {
        return Err(Fault::new(
            Code::PartSet,
            "the parts are not those that the header names",
        ));
    }
    Ok(())
}

fn check_facts(header: &Header, part: &Json, bytes: Option<&[u8]>) -> Result<Json, Fault> {
    if part.get("x").is_some() {
        return Err(Fault::new(Code::FactsProtected, "facts cannot be erased"));
    }
    present(PartName::Facts, header.facts, part, bytes).cloned()
}

fn check_subject(header: &Header, part: &Json, bytes: Option<&[u8]>) -> Result<Subject, Fault> {
    let Some(by) = part.get("x") else {
        let commitment = header.subject.unwrap_or(Hash::ZERO);
        return present(PartName::Subject, commitment, part, bytes).map(|_| Subject::Present);
    };
    if part.as_object().map(BTreeMap::len) != Some(1) {
        return Err(Fault::new(Code::Format, "an absent part has only x"));
    }
    match by.as_uint() {
        Some(by) if by > header.seq => Ok(Subject::Erased(by)),
        _ => Err(Fault::new(
            Code::PartMissing,
            "subject is explained by no later entry",
        )),
    }
}

fn present<'a>(
    name: PartName,
    commitment: Hash,
    part: &'a Json,
    bytes: Option<&[u8]>,
) -> Result<&'a Json, Fault> {
    let shape = || Fault::new(Code::Format, format!("{name} is not exactly d and s"));
    let (Some(2), Some(content), Some(salt)) = (
        part.as_object().map(BTreeMap::len),
        part.get("d"),
        part.get("s"),
    ) else {
        return Err(shape());
    };
    if content.as_object().is_none() {
        return Err(shape());
    }
    let bytes = bytes.map_or_else(|| Cow::Owned(content.canonical()), Cow::Borrowed);
    check_length(name, bytes.len())?;
    if !content.fits_depth(MAX_DEPTH) {
        return Err(Fault::new(
            Code::Depth,
            format!("{name} is nested too deeply"),
        ));
    }
    let salt = salt.as_str().and_then(|salt| salt.parse::<Hash>().ok());
    if salt.map(|salt| hash::commitment(salt.as_bytes(), &bytes)) != Some(commitment) {
        return Err(Fault::new(
            Code::PartHash,
            format!("{name} does not match its commitment"),
        ));
    }
    Ok(content)
}
