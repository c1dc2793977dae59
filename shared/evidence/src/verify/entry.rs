//! Step 7: every entry by itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::collect::Sound;
use super::input::Form;
use super::row::Subject;
use crate::code::{Code, Fault};
use crate::hash::{self, Hash};
use crate::header::Header;
use crate::json::{Json, MAX_DEPTH, View};
use crate::kind::Kind;
use crate::part::{PartName, check_length};

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

/// An entry of a document that is sound by itself.
pub(super) struct Item<'a> {
    header: Header,
    leaf: Hash,
    facts: &'a Json,
    subject: Subject,
    proof: Option<&'a Json>,
}

impl<'a> Item<'a> {
    /// The entry for the pass over all entries.
    pub(super) fn sound(&'a self) -> Sound<'a> {
        Sound {
            header: &self.header,
            leaf: self.leaf,
            facts: View::Tree(self.facts),
            subject: self.subject,
            proof: self.proof.cloned(),
        }
    }
}

/// The key that an entry adds if it is a `key.rotate`, sound or not.
pub(super) fn added_key(json: &Json) -> Option<Hash> {
    let kind = json.get("h")?.get("kind")?.as_str()?;
    let facts = json.get("p")?.get("facts")?.get("d")?;
    let add = facts.get("add")?.as_str()?.parse().ok();
    add.filter(|_| kind == Kind::KeyRotate.name())
}

pub(super) fn check(json: &Json, stream: Hash, fields: Fields) -> Result<Item<'_>, Fault> {
    let wrong = |what: &str| Fault::new(Code::EntryFields, what);
    let members = json.as_object().ok_or_else(|| wrong("not an object"))?;
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
    let (header, leaf) = check_header(header, None, stream)?;
    let parts = parts
        .as_object()
        .ok_or_else(|| Fault::new(Code::Format, "p is not an object"))?;
    check_set(&header, parts.keys().map(String::as_str))?;
    let mut facts = &Json::Null;
    let mut subject = Subject::None;
    for (name, part) in parts {
        match PartName::from_name(name) {
            Some(PartName::Facts) => facts = check_facts(header.facts, part, None)?,
            Some(PartName::Subject) => subject = check_subject(&header, part, None)?,
            None => {}
        }
    }
    Ok(Item {
        header,
        leaf,
        facts,
        subject,
        proof: members.get("proof"),
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

/// The parts are those that the header names.
pub(super) fn check_set<'a>(
    header: &Header,
    mut names: impl Iterator<Item = &'a str>,
) -> Result<(), Fault> {
    let mut count = 0_usize;
    let named = names.all(|name| {
        count = count.saturating_add(1);
        PartName::from_name(name).is_some_and(|name| header.commitment(name).is_some())
    });
    let expected = if header.subject.is_some() { 2 } else { 1 };
    if named && count == expected {
        return Ok(());
    }
    Err(part_set())
}

pub(super) fn part_set() -> Fault {
    Fault::new(
        Code::PartSet,
        "the parts are not those that the header names",
    )
}

pub(super) fn facts_protected() -> Fault {
    Fault::new(Code::FactsProtected, "facts cannot be erased")
}

pub(super) fn check_facts<'a>(
    commitment: Hash,
    part: &'a Json,
    bytes: Option<&[u8]>,
) -> Result<&'a Json, Fault> {
    if part.get("x").is_some() {
        return Err(facts_protected());
    }
    present(PartName::Facts, commitment, part, bytes)
}

pub(super) fn check_subject(
    header: &Header,
    part: &Json,
    bytes: Option<&[u8]>,
) -> Result<Subject, Fault> {
    let commitment = header.subject.unwrap_or(Hash::ZERO);
    let Some(by) = part.get("x") else {
        return present(PartName::Subject, commitment, part, bytes)
            .map(|_| Subject::Present(commitment));
    };
    if part.as_object().map(BTreeMap::len) != Some(1) {
        return Err(Fault::new(Code::Format, "an absent part has only x"));
    }
    erased(header, by.as_uint())
}

/// An absent `subject` names the entry that explains it, which comes later.
pub(super) fn erased(header: &Header, by: Option<u64>) -> Result<Subject, Fault> {
    match by {
        Some(by) if by > header.seq => {
            Ok(Subject::Erased(header.subject.unwrap_or(Hash::ZERO), by))
        }
        _ => Err(Fault::new(
            Code::PartMissing,
            "subject is explained by no later entry",
        )),
    }
}

/// A part commits to its bytes.
pub(super) fn check_commitment(
    name: PartName,
    commitment: Hash,
    salt: Option<Hash>,
    bytes: &[u8],
) -> Result<(), Fault> {
    if salt.map(|salt| hash::commitment(salt.as_bytes(), bytes)) == Some(commitment) {
        return Ok(());
    }
    let what = format!("{name} does not match its commitment");
    Err(Fault::new(Code::PartHash, what))
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
    check_commitment(name, commitment, salt, &bytes)?;
    Ok(content)
}
