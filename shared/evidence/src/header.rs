//! The permanent header of an entry (evidence-format section 5).

use std::collections::BTreeMap;

use crate::code::{Code, Fault};
use crate::hash::{self, Hash};
use crate::json::{Json, object};
use crate::kind::{Kind, RunRule};
use crate::part::PartName;

/// Longest header, in bytes.
pub const MAX_HEADER: usize = 2_048;

/// Place of an entry in its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRef {
    /// Opaque id.
    pub id: String,
    /// Counts the entries of the run from 0.
    pub n: u64,
    /// Leaf of the run's entry before, or the stream id.
    pub prev: Hash,
}

/// A header. `alg` and `v` have one value each and are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Time, ms since 1970.
    pub at: u64,
    /// What is recorded.
    pub kind: Kind,
    /// Commitment to `facts`.
    pub facts: Hash,
    /// Commitment to `subject`, where there is one.
    pub subject: Option<Hash>,
    /// Leaf of the entry before, or the stream id.
    pub prev: Hash,
    /// Place in a run.
    pub run: Option<RunRef>,
    /// Position in the stream.
    pub seq: u64,
    /// Stream id.
    pub stream: Hash,
}

impl Header {
    /// The header as JSON.
    pub fn to_json(&self) -> Json {
        let mut parts = vec![("facts", self.facts.into())];
        if let Some(subject) = self.subject {
            parts.push(("subject", subject.into()));
        }
        let mut fields = vec![
            ("alg", Json::from("sha256")),
            ("at", Json::uint(self.at)),
            ("kind", self.kind.name().into()),
            ("parts", object(parts)),
            ("prev", self.prev.into()),
            ("seq", Json::uint(self.seq)),
            ("stream", self.stream.into()),
            ("v", Json::Int(1)),
        ];
        if let Some(run) = &self.run {
            let run = object([
                ("id", run.id.as_str().into()),
                ("n", Json::uint(run.n)),
                ("prev", run.prev.into()),
            ]);
            fields.push(("run", run));
        }
        object(fields)
    }

    /// The bytes that are hashed and stored.
    pub fn bytes(&self) -> Vec<u8> {
        self.to_json().canonical()
    }

    /// Reads stored header bytes, which must be canonical and of this stream.
    ///
    /// # Errors
    /// The code of the first rule that is broken.
    pub fn parse(bytes: &[u8], stream: Hash) -> Result<Self, Fault> {
        let json = Json::parse_canonical(bytes)?;
        Self::from_json(&json, bytes.len(), stream)
    }

    /// Checks a header, in the order of evidence-format section 14, step 7. `len` is the length of
    /// its canonical form.
    ///
    /// # Errors
    /// The code of the first rule that is broken.
    pub fn from_json(json: &Json, len: usize, stream: Hash) -> Result<Self, Fault> {
        check_fields(json)?;
        if json.get("v") != Some(&Json::Int(1)) {
            return Err(Fault::new(Code::Version, "v is not 1"));
        }
        if json.get("alg").and_then(Json::as_str) != Some("sha256") {
            return Err(Fault::new(Code::Alg, "alg is not sha256"));
        }
        let kind = json
            .get("kind")
            .and_then(Json::as_str)
            .and_then(Kind::from_name)
            .ok_or_else(|| Fault::new(Code::Kind, "kind is not in the closed list"))?;
        if hash_field(json, "stream") != Some(stream) {
            return Err(Fault::new(Code::Stream, "the entry is of another stream"));
        }
        let typed = |name: &str| Fault::new(Code::Types, format!("{name} has the wrong type"));
        let at = json
            .get("at")
            .and_then(Json::as_uint)
            .ok_or_else(|| typed("at"))?;
        let seq = json
            .get("seq")
            .and_then(Json::as_uint)
            .ok_or_else(|| typed("seq"))?;
        let prev = hash_field(json, "prev").ok_or_else(|| typed("prev"))?;
        let (facts, subject) = commitments(json)?;
        let run = run_field(json, kind)?;
        if len > MAX_HEADER {
            return Err(Fault::new(Code::Limit, format!("a header of {len} bytes")));
        }
        Ok(Self {
            at,
            kind,
            facts,
            subject,
            prev,
            run,
            seq,
            stream,
        })
    }

    /// The commitment to a part, where the entry has it.
    pub const fn commitment(&self, part: PartName) -> Option<Hash> {
        match part {
            PartName::Facts => Some(self.facts),
            PartName::Subject => self.subject,
        }
    }

    /// Leaf hash of the header.
    pub fn leaf(&self) -> Hash {
        hash::leaf(&self.bytes())
    }
}

/// Whether `id` can name a run: `^[A-Za-z0-9_-]{1,64}$`.
pub fn is_run_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn check_fields(json: &Json) -> Result<(), Fault> {
    const REQUIRED: [&str; 8] = ["alg", "at", "kind", "parts", "prev", "seq", "stream", "v"];
    let wrong = |what: String| Fault::new(Code::HdrFields, what);
    let fields = json
        .as_object()
        .ok_or_else(|| wrong("the header is not an object".to_owned()))?;
    for name in REQUIRED {
        if !fields.contains_key(name) {
            return Err(wrong(format!("{name} is missing")));
        }
    }
    match fields
        .keys()
        .find(|name| *name != "run" && !REQUIRED.contains(&name.as_str()))
    {
        Some(unknown) => Err(wrong(format!("{unknown} is not a header field"))),
        None => Ok(()),
    }
}

fn commitments(json: &Json) -> Result<(Hash, Option<Hash>), Fault> {
    let typed = |what: &str| Fault::new(Code::Types, what);
    let parts = json
        .get("parts")
        .and_then(Json::as_object)
        .ok_or_else(|| typed("parts is not an object"))?;
    let hashes: Vec<_> = parts
        .iter()
        .map(|(name, value)| (name, as_hash(value)))
        .collect();
    if hashes.iter().any(|(_, hash)| hash.is_none()) {
        return Err(typed("a commitment is not 64 hexadecimal digits"));
    }
    let mut facts = None;
    let mut subject = None;
    for (name, hash) in hashes {
        match PartName::from_name(name) {
            Some(PartName::Facts) => facts = hash,
            Some(PartName::Subject) => subject = hash,
            None => {
                return Err(Fault::new(
                    Code::PartName,
                    "a part is neither facts nor subject",
                ));
            }
        }
    }
    let facts = facts.ok_or_else(|| Fault::new(Code::PartName, "an entry without facts"))?;
    Ok((facts, subject))
}

fn run_field(json: &Json, kind: Kind) -> Result<Option<RunRef>, Fault> {
    let wrong = |what: String| Fault::new(Code::RunField, what);
    let Some(run) = json.get("run") else {
        return match kind.run_rule() {
            RunRule::Always => Err(wrong(format!("{kind} belongs to a run"))),
            RunRule::Never | RunRule::Either => Ok(None),
        };
    };
    if kind.run_rule() == RunRule::Never {
        return Err(wrong(format!("{kind} belongs to no run")));
    }
    let id = run
        .get("id")
        .and_then(Json::as_str)
        .filter(|id| is_run_id(id));
    let n = run.get("n").and_then(Json::as_uint);
    let prev = hash_field(run, "prev");
    match (run.as_object().map(BTreeMap::len), id, n, prev) {
        (Some(3), Some(id), Some(n), Some(prev)) => Ok(Some(RunRef {
            id: id.to_owned(),
            n,
            prev,
        })),
        _ => Err(wrong("run is not exactly id, n and prev".to_owned())),
    }
}

fn as_hash(value: &Json) -> Option<Hash> {
    value.as_str()?.parse().ok()
}

pub(crate) fn hash_field(json: &Json, name: &str) -> Option<Hash> {
    json.get(name).and_then(as_hash)
}
