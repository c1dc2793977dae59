//! Steps 1 to 3: from bytes to the members of a package.

use std::collections::BTreeMap;

use super::members::Members;
use super::range::RangeForm;
use crate::base64;
use crate::code::{Code, Fault};
use crate::hash::Hash;
use crate::header::is_run_id;
use crate::json::Json;
use crate::package::gzip;
use crate::package::tar::TarLimits;
use crate::package::{EXPORT_FORMAT, RANGE_FORMAT, RUN_FORMAT};
use crate::tree::decode_proof;

pub(super) mod folder;

/// A package as it was received.
#[derive(Debug, Clone, Copy)]
pub enum Package<'a> {
    /// One JSON document.
    Document(&'a [u8]),
    /// A folder: file name to content; time-stamps as `timestamps/<seal hash>.tsr`.
    Folder(&'a BTreeMap<String, Vec<u8>>),
    /// A folder in a tar archive, not compressed.
    Tar(&'a [u8]),
    /// The same, compressed with gzip.
    Gzip(&'a [u8]),
}

impl<'a> Package<'a> {
    /// A package that is one file: a tar archive, a compressed one, or else a JSON document.
    pub fn of_file(bytes: &'a [u8]) -> Self {
        if bytes.get(257..262) == Some(b"ustar") {
            Self::Tar(bytes)
        } else if bytes.starts_with(&gzip::MAGIC) {
            Self::Gzip(bytes)
        } else {
            Self::Document(bytes)
        }
    }
}

/// The three forms of a package.
pub(super) enum Form {
    /// One run, by its id.
    Run(String),
    /// Everything.
    Full,
    /// A range of entries.
    Range(Box<RangeForm>),
}

/// The entries and seals of a package, where they lie.
pub(super) enum Body<'a> {
    /// In one document.
    Document {
        entries: Vec<Json>,
        seals: Vec<String>,
        /// Time-stamp tokens by the seal hash they are for.
        timestamps: Vec<(Hash, Vec<u8>)>,
    },
    /// In files.
    Folder {
        members: &'a dyn Members,
        /// Proofs of the first and the last entry of a range.
        borders: Option<(Json, Json)>,
        /// Seal hashes of the time-stamp tokens.
        timestamps: Vec<Hash>,
    },
}

/// The members of a package; not yet judged.
pub(super) struct Loaded<'a> {
    pub(super) form: Form,
    pub(super) descriptor: Json,
    pub(super) body: Body<'a>,
    /// Consistency proofs by size, ascending.
    pub(super) consistency: Vec<(u64, Vec<Hash>)>,
}

/// Members of the outermost object.
pub(super) type Fields = BTreeMap<String, Json>;

pub(super) fn too_large() -> Fault {
    Fault::new(Code::Limit, "the package is larger than the limit")
}

/// Reads the document form.
pub(super) fn document(bytes: &[u8], limits: TarLimits) -> Result<Loaded<'static>, Fault> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits.max_bytes {
        return Err(too_large());
    }
    let Json::Object(mut members) = Json::parse_document(bytes)? else {
        return Err(format("the package is not an object"));
    };
    check_members(&members, &["descriptor", "entries", "seals", "timestamps"])?;
    let descriptor = required(&mut members, "descriptor")?;
    let entries = array(required(&mut members, "entries")?, "entries")?;
    let seals = array(required(&mut members, "seals")?, "seals")?;
    let seals = seals.into_iter().map(|seal| match seal {
        Json::Str(note) => Ok(note),
        _ => Err(format("a seal is not a string")),
    });
    let timestamps = match members.remove("timestamps") {
        Some(items) => array(items, "timestamps")?
            .iter()
            .map(timestamp)
            .collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    Ok(Loaded {
        consistency: consistency(&mut members)?,
        form: form(&mut members)?,
        descriptor,
        body: Body::Document {
            entries,
            seals: seals.collect::<Result<_, _>>()?,
            timestamps,
        },
    })
}

/// The format is known, and no member is there that it does not have. `body` are the members that
/// the folder form keeps in files of their own.
pub(super) fn check_members(members: &Fields, body: &[&str]) -> Result<(), Fault> {
    let own: &[&str] = match members.get("format").and_then(Json::as_str) {
        Some(RUN_FORMAT) => &["consistency", "run"],
        Some(EXPORT_FORMAT) => &[],
        Some(RANGE_FORMAT) => &[
            "after",
            "before",
            "consistency",
            "extra",
            "from",
            "from_at",
            "to",
            "to_at",
        ],
        _ => return Err(format("format is unknown")),
    };
    let known = |name: &str| name == "format" || own.contains(&name) || body.contains(&name);
    match members.keys().find(|name| !known(name)) {
        Some(name) => Err(Fault::new(
            Code::PackageFields,
            format!("{name} is not a member of this format"),
        )),
        None => Ok(()),
    }
}

pub(super) fn form(members: &mut Fields) -> Result<Form, Fault> {
    let name = required(members, "format")?;
    match name.as_str() {
        Some(RUN_FORMAT) => match required(members, "run")? {
            Json::Str(id) if is_run_id(&id) => Ok(Form::Run(id)),
            _ => Err(format("run is not a run id")),
        },
        Some(RANGE_FORMAT) => Ok(Form::Range(Box::new(RangeForm::read(members)?))),
        _ => Ok(Form::Full),
    }
}

pub(super) fn consistency(members: &mut Fields) -> Result<Vec<(u64, Vec<Hash>)>, Fault> {
    let fields = |what: &str| Fault::new(Code::PackageFields, format!("consistency: {what}"));
    let Some(items) = members.remove("consistency") else {
        return Ok(Vec::new());
    };
    let items = items.as_array().ok_or_else(|| fields("not an array"))?;
    let mut proofs: Vec<(u64, Vec<Hash>)> = Vec::new();
    for item in items {
        let size = item.get("size").and_then(Json::as_uint);
        let (Some(2), Some(size), Some(proof)) =
            (item.as_object().map(BTreeMap::len), size, item.get("proof"))
        else {
            return Err(fields("an item is not exactly proof and size"));
        };
        if proofs.last().is_some_and(|(before, _)| *before >= size) {
            return Err(fields("sizes do not ascend"));
        }
        proofs.push((
            size,
            decode_proof(proof).map_err(|fault| fault.at("consistency"))?,
        ));
    }
    Ok(proofs)
}

fn timestamp(item: &Json) -> Result<(Hash, Vec<u8>), Fault> {
    let fields = || {
        Fault::new(
            Code::PackageFields,
            "a time-stamp is not exactly seal and tsr",
        )
    };
    let text = |name: &str| item.get(name).and_then(Json::as_str).ok_or_else(fields);
    if item.as_object().map(BTreeMap::len) != Some(2) {
        return Err(fields());
    }
    let seal = text("seal")?.parse().map_err(|_| fields())?;
    Ok((seal, base64::decode(text("tsr")?)?))
}

pub(super) fn required(members: &mut Fields, name: &str) -> Result<Json, Fault> {
    members
        .remove(name)
        .ok_or_else(|| format(&format!("{name} is missing")))
}

pub(super) fn array(json: Json, name: &str) -> Result<Vec<Json>, Fault> {
    match json {
        Json::Array(items) => Ok(items),
        _ => Err(format(&format!("{name} is not an array"))),
    }
}

pub(super) fn format(what: &str) -> Fault {
    Fault::new(Code::Format, what)
}
