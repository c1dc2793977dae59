//! What is wrong with a bundle's manifest and files: everything, where [`Bundle::read`] stops at the
//! first. It decides, and this explains.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_evidence::hash::digest_string;
use serde_json::{Value, json};

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
    pub(super) findings: Vec<Finding>,
}

/// Reads a bundle, the manifest's text and every other file by path.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(manifest: &str, files: &BTreeMap<String, String>) -> Result<Bundle, Vec<Finding>> {
    let listing = Listing::read(manifest, files);
    listing.bundle.ok_or(listing.findings)
}

impl<'a> Listing<'a> {
    pub(super) fn read(text: &'a str, files: &BTreeMap<String, String>) -> Self {
        let mut listing = Self {
            text,
            bundle: None,
            manifest: None,
            bad: BTreeSet::new(),
            findings: Vec::new(),
        };
        match Bundle::read(text.as_bytes(), files.clone()) {
            Ok(bundle) => {
                listing.manifest = Some(bundle.manifest().clone());
                listing.bundle = Some(bundle);
            }
            Err(first) => {
                listing.explain(files);
                if listing.findings.is_empty() {
                    let finding = Finding::whole(MANIFEST, first.to_string(), SIGN);
                    listing.findings.push(finding);
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

    /// What is wrong with a field of the manifest.
    pub(super) fn wrong(
        &self,
        field: &str,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) -> Finding {
        let whole = spans::value(self.text, 0).unwrap_or_default();
        let path: Vec<&str> = field.split('/').collect();
        let place = spans::at(self.text, whole.clone(), &path);
        // What is not there has no place, and the whole manifest is none.
        let place = if place == whole { 0..1 } else { place };
        Finding::at(MANIFEST, self.text, place, detail, help)
    }

    fn explain(&mut self, files: &BTreeMap<String, String>) {
        let what = "it is not JSON";
        if let Some(broken) = form::broken(MANIFEST, self.text, what, SIGN) {
            self.findings.push(broken);
            return;
        }
        let whole = spans::value(self.text, 0).unwrap_or_default();
        let (manifest, misformed) = form::read::<Manifest>(self.text, &whole, &model());
        for fault in misformed {
            self.bad.extend(fault.path.first().cloned());
            self.findings.push(fault.finding(MANIFEST, self.text, SIGN));
        }
        let Some(manifest) = manifest else {
            return;
        };
        for fault in manifest.faults() {
            if let ManifestError::Field { field, .. } = &fault
                && let top = field.split('/').next().unwrap_or(field)
                && !self.bad.contains(top)
            {
                self.findings
                    .push(self.wrong(field, fault.to_string(), SIGN));
            }
        }
        for fault in faults(&manifest, files) {
            self.findings.extend(self.differs(&fault));
        }
        self.manifest = Some(manifest);
    }

    /// What is wrong between the manifest and its files; `None` where the manifest says nothing.
    fn differs(&self, fault: &BundleError) -> Option<Finding> {
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
                let known = !self.bad.contains("files");
                known.then(|| Finding::whole(path, detail, help))
            }
            BundleError::TooLarge => {
                let help = "join rules, or take scenarios away that show the same";
                Some(Finding::whole("", fault.to_string(), help))
            }
            BundleError::Schema => {
                let known = !self.bad.contains("schema_sha256");
                let help = "sign it with the `counterfoil` of this version";
                known.then(|| self.wrong("schema_sha256", fault.to_string(), help))
            }
            BundleError::Manifest(_) => None,
        }
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
