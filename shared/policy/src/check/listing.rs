//! What is wrong with a bundle's manifest and files: everything, where [`Bundle::read`] stops at the
//! first. It decides, and this explains.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_evidence::hash::digest_string;
use serde_json::{Value, json};

use super::found::Found;
use super::{Finding, form, spans};
use crate::bundle::{
    Bundle, BundleError, FileFault, MANIFEST_SCHEMA, Manifest, ManifestError, faults,
};
use crate::schema::schema_digest;

const MANIFEST: &str = "manifest.json";
const SIGN: &str = "`counterfoil policy sign` writes it";

/// A manifest and the files that came with it.
pub(super) struct Listing<'a> {
    /// The manifest's text.
    pub(super) text: &'a str,
    /// The bundle, where nothing is wrong.
    pub(super) bundle: Option<Bundle>,
    /// What the manifest says, as far as it can be read.
    manifest: Option<Manifest>,
    /// Its fields that say nothing that counts.
    bad: BTreeSet<String>,
    /// What is wrong.
    pub(super) found: Found,
}

/// Reads a bundle, the manifest's text and every other file by path.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(manifest: &str, files: &BTreeMap<String, String>) -> Result<Bundle, Vec<Finding>> {
    let listing = Listing::read(manifest, files);
    let Listing { bundle, found, .. } = listing;
    bundle.ok_or_else(|| found.list())
}

impl<'a> Listing<'a> {
    pub(super) fn read(text: &'a str, files: &BTreeMap<String, String>) -> Self {
        let mut listing = Self {
            text,
            bundle: None,
            manifest: None,
            bad: BTreeSet::new(),
            found: Found::default(),
        };
        match Bundle::read(text.as_bytes(), files.clone()) {
            Ok(bundle) => {
                listing.manifest = Some(bundle.manifest().clone());
                listing.bundle = Some(bundle);
            }
            Err(first) => {
                listing.explain(files);
                if listing.found.is_good() {
                    let other = || Finding::whole(MANIFEST, first.to_string(), SIGN);
                    listing.found.error(other);
                }
            }
        }
        listing
    }

    /// A field that can be believed, of a manifest that can be read.
    pub(super) fn manifest(&self, field: &str) -> Option<&Manifest> {
        let good = !self.bad.contains(field);
        self.manifest.as_ref().filter(|_| good)
    }

    fn explain(&mut self, files: &BTreeMap<String, String>) {
        let what = "it is not JSON";
        if let Some(broken) = form::broken(MANIFEST, self.text, what, SIGN) {
            self.found.error(|| broken);
            return;
        }
        let whole = spans::value(self.text, 0).unwrap_or_default();
        let (manifest, misformed, more) = form::read::<Manifest>(self.text, &whole, &model());
        for fault in misformed {
            self.bad.extend(fault.path.first().cloned());
            let text = self.text;
            self.found.error(|| fault.finding(MANIFEST, text, SIGN));
        }
        self.found.more(usize::from(more));
        let Some(manifest) = manifest else {
            return;
        };
        for fault in manifest.faults() {
            if let ManifestError::Field { field, .. } = &fault
                && let top = field.split('/').next().unwrap_or(field)
                && !self.bad.contains(top)
            {
                let text = self.text;
                self.found
                    .error(|| wrong(text, field, fault.to_string(), SIGN));
            }
        }
        let text = self.text;
        for fault in faults(&manifest, files) {
            if self.counts(&fault) {
                self.found.error(|| differs(text, &fault));
            }
        }
        self.manifest = Some(manifest);
    }

    /// Whether the manifest says what the files differ from.
    fn counts(&self, fault: &BundleError) -> bool {
        match fault {
            BundleError::File { .. } => !self.bad.contains("files"),
            BundleError::Schema => !self.bad.contains("schema_sha256"),
            BundleError::TooLarge => true,
            // That is said already.
            BundleError::Manifest(_) => false,
        }
    }
}

/// What is wrong with a field of the manifest.
pub(super) fn wrong(
    text: &str,
    field: &str,
    detail: impl Into<String>,
    help: impl Into<String>,
) -> Finding {
    let whole = spans::value(text, 0).unwrap_or_default();
    let path: Vec<&str> = field.split('/').collect();
    let place = spans::at(text, whole.clone(), &path);
    // What is not there has no place, and the whole manifest is none.
    let place = if place == whole { 0..1 } else { place };
    Finding::at(MANIFEST, text, place, detail, help)
}

/// What is wrong between the manifest and its files.
fn differs(text: &str, fault: &BundleError) -> Finding {
    match fault {
        BundleError::File { path, fault } => {
            let help = match fault {
                FileFault::Missing => "bring it, or sign the folder without it",
                FileFault::Unlisted => "take it away, or sign the folder with it",
                FileFault::Size | FileFault::Digest => {
                    "undo what was changed after it was signed, or sign the folder again"
                }
            };
            let help = format!("{help}: `counterfoil policy sign`");
            let detail = format!("`{path}` {fault}");
            Finding::whole(path, detail, help)
        }
        BundleError::TooLarge => {
            let help = "join rules, or take scenarios away that show the same";
            Finding::whole("", fault.to_string(), help)
        }
        BundleError::Schema => {
            let help = "sign it with the `counterfoil` of this version";
            wrong(text, "schema_sha256", fault.to_string(), help)
        }
        BundleError::Manifest(error) => Finding::whole(MANIFEST, error.to_string(), SIGN),
    }
}

/// A good manifest.
fn model() -> Value {
    let digest = digest_string(b"");
    json!({
        "schema": MANIFEST_SCHEMA,
        "layer": "workspace",
        "workspace": "ws_01J00000000000000000000000",
        "version": 1,
        "previous": digest,
        "cedar": { "lang": "4.5", "engine": ">=4.14,<5" },
        "schema_sha256": schema_digest(),
        "files": [{ "path": "policies/rules.cedar", "size": 0, "sha256": digest }],
        "created_at": "2026-11-01T00:00:00Z",
        "created_by": "",
        "summary": "",
    })
}
