//! The manifest: what a bundle consists of.

use counterfoil_evidence::hash::{digest_string, parse_digest};
use counterfoil_evidence::json::Json;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::effect::LayerName;

/// The manifest's schema.
pub const MANIFEST_SCHEMA: &str = "counterfoil.policy-bundle/v1";
/// Files of a bundle, at most.
pub(super) const MOST_FILES: usize = 64;
/// Characters of a file's name, without folder and extension, at most.
const LONGEST_NAME: usize = 64;
/// What a digest looks like.
const DIGEST: &str = "must be sha256: and 64 hexadecimal digits";
/// Characters of the summary, at most.
const LONGEST_SUMMARY: usize = 200;

/// Why a text is not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// It is not in the restricted JSON of the evidence format.
    #[error("it is not JSON of integers, texts and lower-case names")]
    Json,
    /// A field is missing, unknown, or of another type.
    #[error("{0}")]
    Fields(String),
    /// A field breaks a rule.
    #[error("`{field}` {rule}")]
    Field {
        /// The field, for example `files/0/path`.
        field: String,
        /// The rule.
        rule: &'static str,
    },
}

/// What a bundle consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `counterfoil.policy-bundle/v1`.
    pub schema: String,
    /// The layer that it is for.
    pub layer: LayerName,
    /// The workspace that it is for; absent in the baseline and in the default of workspaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// Counts up.
    pub version: u64,
    /// The digest of the bundle before it; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The engine that it is written for.
    pub cedar: CedarRange,
    /// The digest of the schema that it is written for.
    pub schema_sha256: String,
    /// Every other file.
    pub files: Vec<FileEntry>,
    /// When it was made, RFC 3339 UTC.
    pub created_at: String,
    /// Who made it.
    pub created_by: String,
    /// What it changes, in a sentence.
    pub summary: String,
}

/// The engine that a bundle is written for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CedarRange {
    /// The version of the language, for example `4.5`: no newer one is needed.
    pub lang: String,
    /// The range of engines, for example `>=4.14,<5`.
    pub engine: String,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// `policies/NAME.cedar` or `tests/NAME.json`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// `sha256:` over the bytes.
    pub sha256: String,
}

impl Manifest {
    /// Reads a manifest, in any layout of its JSON, with its digest.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, String), ManifestError> {
        let json = Json::parse(bytes).map_err(|_| ManifestError::Json)?;
        let canonical = json.canonical();
        let manifest: Self = serde_json::from_slice(&canonical)
            .map_err(|error| ManifestError::Fields(error.to_string()))?;
        let fault = manifest.faults().next();
        match fault {
            Some(fault) => Err(fault),
            None => Ok((manifest, digest_string(&canonical))),
        }
    }

    /// The canonical text, whose digest names the bundle.
    pub fn canonical(&self) -> Vec<u8> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Json::parse(&text)
            .map(|json| json.canonical())
            .unwrap_or_default()
    }

    /// Every rule that a field breaks.
    pub(crate) fn faults(&self) -> impl Iterator<Item = ManifestError> {
        let digest = |text: &String| parse_digest(text).is_some();
        let fields = [
            (
                self.schema == MANIFEST_SCHEMA,
                "schema",
                "must be counterfoil.policy-bundle/v1",
            ),
            (self.version > 0, "version", "starts at 1"),
            (
                self.previous.as_ref().is_none_or(digest),
                "previous",
                DIGEST,
            ),
            (digest(&self.schema_sha256), "schema_sha256", DIGEST),
            (
                self.cedar.parsed().is_some(),
                "cedar",
                "must name a language version as 4.5 and a range of engines as >=4.14,<5",
            ),
            (
                self.summary.chars().count() <= LONGEST_SUMMARY,
                "summary",
                "has more than 200 characters",
            ),
            (
                (1..=MOST_FILES).contains(&self.files.len()),
                "files",
                "must be 1 to 64",
            ),
        ];
        let broken = |(holds, field, rule): (bool, &str, _)| {
            let field = field.to_owned();
            (!holds).then_some(ManifestError::Field { field, rule })
        };
        let fields = fields.into_iter().filter_map(broken);
        let before = std::iter::once(None).chain(self.files.iter().map(Some));
        // Of too many that is said, and no more.
        let files = self.files.iter().take(MOST_FILES).zip(before).enumerate();
        fields.chain(files.flat_map(|(number, (file, before))| file.faults(number, before)))
    }
}

impl FileEntry {
    fn faults(
        &self,
        number: usize,
        before: Option<&Self>,
    ) -> impl Iterator<Item = ManifestError> + use<> {
        let fields = [
            (
                before.is_none_or(|before| before.path < self.path),
                "path",
                "must come after the one before: files are sorted by path, each path once",
            ),
            (
                is_path(&self.path),
                "path",
                "must be policies/NAME.cedar or tests/NAME.json, NAME in lower case, digits, `-` and `_`",
            ),
            (parse_digest(&self.sha256).is_some(), "sha256", DIGEST),
        ];
        let broken = move |(holds, field, rule): (bool, &str, _)| {
            let field = format!("files/{number}/{field}");
            (!holds).then_some(ManifestError::Field { field, rule })
        };
        fields.into_iter().filter_map(broken)
    }
}

impl CedarRange {
    fn parsed(&self) -> Option<(Version, VersionReq)> {
        let lang = Version::parse(&format!("{}.0", self.lang)).ok()?;
        let engine = VersionReq::parse(&self.engine).ok()?;
        Some((lang, engine))
    }

    /// Whether this engine is in the range and speaks the language.
    pub(super) fn admits_this_engine(&self) -> bool {
        let spoken = cedar_policy::get_lang_version();
        self.parsed().is_some_and(|(lang, engine)| {
            lang <= spoken
                && lang.major == spoken.major
                && engine.matches(&cedar_policy::get_sdk_version())
        })
    }
}

fn is_path(path: &str) -> bool {
    let policy = path
        .strip_prefix("policies/")
        .and_then(|name| name.strip_suffix(".cedar"));
    let test = path
        .strip_prefix("tests/")
        .and_then(|name| name.strip_suffix(".json"));
    let letter = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
    };
    policy
        .or(test)
        .is_some_and(|name| (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(letter))
}
