//! A bundle: policies and their tests, listed by a manifest, known by the manifest's digest, and
//! signed.
//!
//! ```text
//! manifest.json        what is in it (Manifest)
//! policies/NAME.cedar  rules
//! tests/NAME.json      questions with the answers they must get
//! ```
//! Whatever loads a bundle verifies it first, every time: there is no unsigned bundle and no setting
//! that leaves the signature out.

mod envelope;
mod manifest;
mod statement;

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_evidence::hash::digest_string;
use thiserror::Error;

pub use envelope::{Envelope, PublicKey, SignatureError, SigningKey};
pub use manifest::{CedarRange, FileEntry, MANIFEST_SCHEMA, Manifest, ManifestError};
pub use statement::Statement;

use manifest::MOST_FILES;

use crate::effect::{Failure, LayerName};
use crate::layer::Layer;
use crate::schema::schema_digest;

/// Bytes of all files of a bundle, at most.
pub const LARGEST_BUNDLE: usize = 128 * 1024;
/// Rules of a bundle, at most.
pub const MOST_RULES: usize = 200;

/// Why files are not a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BundleError {
    /// The manifest is not one.
    #[error("`manifest.json` is not a manifest")]
    Manifest(#[from] ManifestError),
    /// A file is missing, is not listed, or differs from what the manifest says.
    #[error("`{path}`: {fault}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// All files together are too large.
    #[error("the files have more than {LARGEST_BUNDLE} bytes together")]
    TooLarge,
    /// The schema is not this product's.
    #[error("`schema_sha256` names another schema than {}", schema_digest())]
    Schema,
}

/// What is wrong with a file of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FileFault {
    /// The manifest lists it, and it did not come.
    #[error("is listed and missing")]
    Missing,
    /// It is longer or shorter.
    #[error("has another size than listed")]
    Size,
    /// It has other bytes.
    #[error("has another digest than listed")]
    Digest,
    /// It came, and the manifest does not list it.
    #[error("is not listed in the manifest")]
    Unlisted,
}

/// Files that are what their manifest says. Nothing is said about who signed it, or whether its
/// policies are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    manifest: Manifest,
    digest: String,
    files: BTreeMap<String, String>,
}

/// What a bundle must be to be loaded.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The layer it is for.
    pub layer: LayerName,
    /// The workspace it is for; `None` for the baseline and for the default of workspaces.
    pub workspace: Option<&'a str>,
    /// The digest that is active.
    pub digest: &'a str,
    /// Who may have signed it: from the workspace's record, never from the bundle.
    pub keys: &'a [PublicKey],
}

impl Bundle {
    /// Reads a bundle: the manifest's text and every other file by path.
    ///
    /// # Errors
    /// When the manifest is none, or a file is not what it says.
    pub fn read(manifest: &[u8], files: BTreeMap<String, String>) -> Result<Self, BundleError> {
        let (manifest, digest) = Manifest::read(manifest)?;
        let fault = faults(&manifest, &files).next();
        match fault {
            Some(fault) => Err(fault),
            None => Ok(Self {
                manifest,
                digest,
                files,
            }),
        }
    }

    /// Whether files are others than a manifest lists, whatever else is wrong with them.
    pub fn differs(manifest: &[u8], files: &BTreeMap<String, String>) -> bool {
        let other = |fault| matches!(fault, BundleError::File { .. });
        Manifest::read(manifest).is_ok_and(|(manifest, _)| faults(&manifest, files).any(other))
    }

    /// What is in it.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its name everywhere: `sha256:` over the canonical manifest.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Its files by path, without the manifest.
    pub const fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// Policies, `(path, text)`, by path.
    pub fn policies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.under("policies/")
    }

    /// Tests, `(path, text)`, by path.
    pub fn tests(&self) -> impl Iterator<Item = (&str, &str)> {
        self.under("tests/")
    }

    fn under(&self, folder: &'static str) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter();
        files
            .filter(move |(path, _)| path.starts_with(folder))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// What is signed of it.
    pub fn statement(&self) -> Statement {
        Statement::of(&self.manifest, &self.digest)
    }

    /// Verifies the bundle and makes it a layer.
    ///
    /// # Errors
    /// What the decision says instead of a rule's id: [`Failure::BundleUnverified`],
    /// [`Failure::EngineRange`].
    pub fn load(&self, envelope: &Envelope, expected: Expected<'_>) -> Result<Layer, Failure> {
        let signed = envelope.verify(expected.keys);
        let signed = signed.map_err(|_| Failure::BundleUnverified)?;
        let manifest = &self.manifest;
        let meant = manifest.layer == expected.layer
            && manifest.workspace.as_deref() == expected.workspace
            && self.digest == expected.digest
            && signed == self.statement();
        if !meant {
            return Err(Failure::BundleUnverified);
        }
        if !manifest.cedar.admits_this_engine() {
            return Err(Failure::EngineRange);
        }
        let files: Vec<(&str, &str)> = self.policies().collect();
        let layer = Layer::of(
            manifest.layer,
            self.digest.as_str(),
            manifest.version,
            &files,
        );
        layer.map_err(|_| Failure::BundleUnverified)
    }
}

/// Every way in which files are not what a manifest says.
pub(crate) fn faults(
    manifest: &Manifest,
    files: &BTreeMap<String, String>,
) -> impl Iterator<Item = BundleError> {
    let bytes = files.values().map(String::len).sum::<usize>();
    let large = (bytes > LARGEST_BUNDLE).then_some(BundleError::TooLarge);
    let wrong = |path: &String, fault| BundleError::File {
        path: path.clone(),
        fault,
    };
    // Of too many the manifest's own faults tell.
    let entries = manifest.files.iter().take(MOST_FILES);
    let different = entries.filter_map(move |entry| {
        let fault = match files.get(&entry.path) {
            None => FileFault::Missing,
            Some(text) if u64::try_from(text.len()) != Ok(entry.size) => FileFault::Size,
            Some(text) if digest_string(text.as_bytes()) != entry.sha256 => FileFault::Digest,
            Some(_) => return None,
        };
        Some(wrong(&entry.path, fault))
    });
    let listed: BTreeSet<&String> = manifest.files.iter().map(|entry| &entry.path).collect();
    let more = files.keys().filter(move |path| !listed.contains(path));
    let more = more.map(move |path| wrong(path, FileFault::Unlisted));
    let schema = (manifest.schema_sha256 != schema_digest()).then_some(BundleError::Schema);
    large.into_iter().chain(different).chain(more).chain(schema)
}
