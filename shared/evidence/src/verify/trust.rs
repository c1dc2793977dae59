//! What the auditor brings: without it, a package proves nothing (evidence-format section 13).

use thiserror::Error;

use crate::base64;
use crate::hash::Hash;
use crate::json::Json;
use crate::package::tar::TarLimits;
use crate::seal::{DEFAULT_PREFIX, SealKey, Witness, is_prefix};

/// A key that the auditor got out of band.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedKey {
    /// The key.
    pub key: SealKey,
    /// After a compromise: the largest size that this key may seal.
    pub max_size: Option<u64>,
}

impl From<SealKey> for PinnedKey {
    fn from(key: SealKey) -> Self {
        Self {
            key,
            max_size: None,
        }
    }
}

/// Pins, anchors and what else the auditor demands.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Keys that may have sealed.
    pub keys: Vec<PinnedKey>,
    /// The stream that the package must be of.
    pub stream: Hash,
    /// What the origin of the seals starts with.
    pub prefix: String,
    /// Seals that the operator cannot change: kept seals, those of earlier packages.
    pub anchors: Vec<String>,
    /// Every version of every seal from locked storage.
    pub versions: Vec<String>,
    /// Output files: reference and SHA-256.
    pub outputs: Vec<(String, Hash)>,
    /// Pinned witnesses.
    pub witnesses: Vec<Witness>,
    /// How many of them must have signed; all of them if this is 0.
    pub quorum: u64,
    /// The assurance level that is required, 1 to 4.
    pub level: u8,
    /// Limits of the input.
    pub limits: TarLimits,
}

/// The trust file cannot be used. Nothing is said about any package.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("what is trusted: {what}")]
pub struct TrustError {
    what: String,
}

impl Trust {
    /// Trust in one key and one stream; level 2, the default prefix, 1 GiB and 100,000 files.
    pub fn new(key: SealKey, stream: Hash) -> Self {
        Self::of(vec![key.into()], stream)
    }

    /// Trust in these keys and one stream.
    pub fn of(keys: Vec<PinnedKey>, stream: Hash) -> Self {
        Self {
            keys,
            stream,
            prefix: DEFAULT_PREFIX.to_owned(),
            anchors: Vec::new(),
            versions: Vec::new(),
            outputs: Vec::new(),
            witnesses: Vec::new(),
            quorum: 0,
            level: 2,
            limits: TarLimits {
                max_bytes: 1 << 30,
                max_files: 100_000,
            },
        }
    }

    /// Reads a trust file, `counterfoil.trust/1`. It is closed: a misspelt field is an error.
    ///
    /// # Errors
    /// When the file is not exactly of this format.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TrustError> {
        let json = Json::parse(bytes).map_err(|fault| wrong(fault.to_string()))?;
        closed(
            &json,
            &[
                "anchors",
                "format",
                "keys",
                "level",
                "origin",
                "quorum",
                "stream",
                "witnesses",
            ],
        )?;
        if json.get("format").and_then(Json::as_str) != Some("counterfoil.trust/1") {
            return Err(wrong("format must be counterfoil.trust/1"));
        }
        let stream = json
            .get("stream")
            .and_then(Json::as_str)
            .and_then(|id| id.parse().ok());
        let stream = stream.ok_or_else(|| wrong("stream must be 64 hexadecimal digits"))?;
        let keys = json
            .get("keys")
            .and_then(Json::as_array)
            .unwrap_or_default();
        let keys = keys.iter().map(pinned_key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(wrong("keys must hold at least one key"));
        }
        let mut trust = Self::of(keys, stream);
        if let Some(prefix) = json.get("origin") {
            let prefix = prefix.as_str().filter(|prefix| is_prefix(prefix));
            prefix
                .ok_or_else(|| wrong("origin must end in /s/"))?
                .clone_into(&mut trust.prefix);
        }
        trust.anchors = texts(&json, "anchors")?;
        for witness in texts(&json, "witnesses")? {
            let witness = Witness::parse(&witness);
            let witness = witness.map_err(|error| wrong(format!("witnesses: {error}")))?;
            trust.witnesses.push(witness);
        }
        if let Some(quorum) = json.get("quorum") {
            trust.quorum = quorum
                .as_uint()
                .ok_or_else(|| wrong("quorum must be a number"))?;
        }
        if let Some(level) = json.get("level") {
            let level = level.as_uint().and_then(|level| u8::try_from(level).ok());
            trust.level = level
                .filter(|level| (1..=4).contains(level))
                .ok_or_else(|| wrong("level must be 1 to 4"))?;
        }
        trust.check()?;
        Ok(trust)
    }

    /// Checks what only the whole shows.
    ///
    /// # Errors
    /// When the quorum can never be reached.
    pub fn check(&self) -> Result<(), TrustError> {
        let count = self.distinct_witnesses();
        if self.quorum > count {
            let quorum = self.quorum;
            return Err(wrong(format!(
                "quorum {quorum} is more than the {count} witnesses with different keys; pin more"
            )));
        }
        Ok(())
    }

    /// Two witnesses with one key are one.
    fn distinct_witnesses(&self) -> u64 {
        let all = self.witnesses.iter().enumerate();
        let distinct = all.filter(|(index, witness)| {
            let mut before = self.witnesses.iter().take(*index);
            !before.any(|other| other.has_key_of(witness))
        });
        u64::try_from(distinct.count()).unwrap_or(u64::MAX)
    }

    /// How many different witnesses make the quorum.
    pub(super) fn needed_witnesses(&self) -> u64 {
        match self.quorum {
            0 => self.distinct_witnesses(),
            quorum => quorum,
        }
    }

    pub(super) fn seal_keys(&self) -> Vec<SealKey> {
        self.keys.iter().map(|pinned| pinned.key.clone()).collect()
    }

    /// Whether the trust file lets this key seal this size.
    pub(super) fn allows(&self, key: Hash, size: u64) -> bool {
        let mut pins = self.keys.iter().filter(|pinned| pinned.key.hash() == key);
        pins.all(|pinned| pinned.max_size.is_none_or(|most| size <= most))
    }
}

fn wrong(what: impl Into<String>) -> TrustError {
    TrustError { what: what.into() }
}

fn closed(json: &Json, names: &[&str]) -> Result<(), TrustError> {
    let fields = json
        .as_object()
        .ok_or_else(|| wrong("an object is missing"))?;
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(unknown) => Err(wrong(format!(
            "{unknown} is not a field; known are {names:?}"
        ))),
        None => Ok(()),
    }
}

fn pinned_key(json: &Json) -> Result<PinnedKey, TrustError> {
    closed(json, &["max_size", "spki"])?;
    let spki = json
        .get("spki")
        .and_then(Json::as_str)
        .and_then(|text| base64::decode(text).ok());
    let key = spki.and_then(|der| SealKey::from_der(&der).ok());
    let key = key.ok_or_else(|| wrong("spki must be base64 of a P-256 public key in DER"))?;
    let max_size = match json.get("max_size") {
        Some(size) => Some(
            size.as_uint()
                .ok_or_else(|| wrong("max_size must be a number"))?,
        ),
        None => None,
    };
    Ok(PinnedKey { key, max_size })
}

fn texts(json: &Json, name: &str) -> Result<Vec<String>, TrustError> {
    let Some(items) = json.get(name) else {
        return Ok(Vec::new());
    };
    let texts = items.as_array().and_then(|items| {
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect()
    });
    texts.ok_or_else(|| wrong(format!("{name} must be an array of strings")))
}
