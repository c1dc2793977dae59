//! The outer archive (evidence-format section 12.5): evidence, and what helps people to read it.
//!
//! Nothing beside the evidence changes a verdict; the manifest says what belongs together.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::Trust;

use super::activations::Activation;
use super::collect::Summary;
use super::failure::{BuildError, corrupt};
use super::tar::Archive;
use crate::bundles::StoredBundle;
use crate::export::{ExportScope, ExportSeal};
use crate::json::canonical;
use crate::policy::{builtin_bundles, default_bundle_digest};
use crate::ports::ScratchFile;

/// `schema` of a manifest.
pub(super) const SCHEMA: &str = "counterfoil.delivery/1";

const README: &str = include_str!("README.txt");
const README_LEDGER: &str = include_str!("README-ledger.txt");

/// What a delivery says about itself.
pub(super) struct About<'a> {
    /// Bundles of the workspace that decisions cite.
    pub(super) bundles: &'a [StoredBundle],
    /// How the rules that decisions cite came into force.
    pub(super) activations: &'a [Activation],
    pub(super) export: String,
    pub(super) scope: &'a ExportScope,
    pub(super) trust: &'a Trust,
    pub(super) seal: ExportSeal,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) summary: &'a Summary,
    pub(super) seals: u64,
    /// A sentence about what is unusual, or nothing.
    pub(super) remark: &'a str,
}

impl About<'_> {
    /// `README.txt`, for a reader who has never heard of us.
    pub(super) fn readme(&self) -> Vec<u8> {
        let text = match self.scope {
            ExportScope::Customer { .. } => README_LEDGER,
            _ => README,
        };
        let remark = if self.remark.is_empty() {
            String::new()
        } else {
            format!("{}\n\n", self.remark)
        };
        text.replace("{what}", &self.what())
            .replace("{remark}", &remark)
            .replace("{stream}", &self.trust.stream.to_string())
            .replace("{prefix}", &self.trust.prefix)
            .replace("{size}", &self.seal.size.to_string())
            .replace("{sealed_at}", &self.seal.at.to_string())
            .replace("{seal}", &self.seal.hash)
            .replace("{entries}", &self.summary.entries.to_string())
            .into_bytes()
    }

    fn what(&self) -> String {
        let (from, to) = (self.from, self.to);
        match self.scope {
            ExportScope::Run { run_id } => format!("Run {run_id}."),
            ExportScope::Period {
                from: begin,
                to: end,
            } => format!(
                "Every entry of one project from {begin} up to, not including, {end}: entries {from} \
                 to {}.",
                to.saturating_sub(1)
            ),
            ExportScope::All => format!("Every entry of one project: the first {to}."),
            ExportScope::Workspace => {
                format!("Every entry about the workspace itself: the first {to}.")
            }
            ExportScope::Customer { .. } => {
                "Every recorded run that concerns one customer, each as a package of its own."
                    .to_owned()
            }
        }
    }

    fn filter(&self) -> Json {
        let mut fields = vec![("of", Json::from(self.scope.name()))];
        match self.scope {
            ExportScope::Period { from, to } => {
                fields.push(("from", from.to_string().into()));
                fields.push(("to", to.to_string().into()));
            }
            ExportScope::Customer { customer } => {
                fields.push(("customer", customer.as_str().into()));
            }
            ExportScope::Run { run_id } => fields.push(("run_id", run_id.to_string().into())),
            ExportScope::All | ExportScope::Workspace => {}
        }
        object(fields)
    }

    /// `manifest.json`: every other member by its digest.
    fn manifest(&self, archive: &Archive) -> Vec<u8> {
        let files = archive.members().iter().map(|member| {
            object([
                ("bytes", Json::uint(member.bytes)),
                ("name", member.name.as_str().into()),
                ("sha256", member.digest.as_str().into()),
            ])
        });
        // Kinds have dots, which keys of canonical JSON have not.
        let kinds = self.summary.kinds.iter().map(|(kind, count)| {
            object([
                ("count", Json::uint(*count)),
                ("kind", kind.as_str().into()),
            ])
        });
        let known = builtin_bundles();
        let absent = self.summary.policies.iter();
        let absent = absent.filter(|cited| {
            let built_in = known.iter().any(|(digest, _)| digest == *cited);
            !built_in && self.bundles.iter().all(|bundle| bundle.digest != **cited)
        });
        let standard = default_bundle_digest();
        let unactivated = self.summary.policies.iter().filter(|cited| {
            **cited != standard && self.activations.iter().all(|it| it.digest != **cited)
        });
        let seal = object([
            ("at", self.seal.at.to_string().into()),
            ("seal", self.seal.hash.as_str().into()),
            ("size", Json::uint(self.seal.size)),
        ]);
        let counts = object([
            ("entries", Json::uint(self.summary.entries)),
            ("erased", Json::uint(self.summary.erased)),
            ("kinds", Json::Array(kinds.collect())),
            ("runs", Json::uint(self.summary.runs)),
            ("seals", Json::uint(self.seals)),
        ]);
        let mut text = object([
            (
                "activations_not_included",
                Json::Array(unactivated.map(|cited| cited.as_str().into()).collect()),
            ),
            ("counts", counts),
            ("export", self.export.as_str().into()),
            ("files", Json::Array(files.collect())),
            ("filter", self.filter()),
            ("from", Json::uint(self.from)),
            (
                "policies_not_included",
                Json::Array(absent.map(|cited| cited.as_str().into()).collect()),
            ),
            ("remark", self.remark.into()),
            ("schema", SCHEMA.into()),
            ("seal", seal),
            ("stream", self.trust.stream.into()),
            ("to", Json::uint(self.to)),
        ])
        .canonical();
        text.push(b'\n');
        text
    }

    /// Adds what stands beside the evidence, and ends the archive with its manifest. `report` is
    /// given the manifest as it is without a report.
    pub(super) fn finish(
        &self,
        mut archive: Archive,
        index: &mut dyn ScratchFile,
        report: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, BuildError>,
    ) -> Result<Delivered, BuildError> {
        archive.file("index.csv", index)?;
        for pinned in &self.trust.keys {
            let name = format!("keys/{}.pem", pinned.key.hash());
            archive.bytes(&name, pem(pinned.key.spki()).as_bytes())?;
        }
        for (digest, files) in builtin_bundles() {
            if !self.summary.policies.contains(&digest) {
                continue;
            }
            let folder = digest.replace("sha256:", "policy/");
            for (path, text) in files {
                archive.bytes(&format!("{folder}/{path}"), text.as_bytes())?;
            }
        }
        for bundle in self.bundles {
            let folder = bundle.digest.replace("sha256:", "policy/");
            archive.bytes(
                &format!("{folder}/manifest.json"),
                bundle.manifest.as_bytes(),
            )?;
            let envelope = canonical(&bundle.envelope)?;
            archive.bytes(&format!("{folder}/envelope.json"), &envelope)?;
            for (path, text) in &bundle.files {
                archive.bytes(&format!("{folder}/{path}"), text.as_bytes())?;
            }
        }
        for activation in self.activations {
            let hex = activation.digest.replace("sha256:", "");
            archive.bytes(&format!("workspace/{hex}.json"), &activation.document)?;
            if let Some(key) = &activation.signer {
                let pem = key.pem().map_err(|_| corrupt("writing a signing key"))?;
                archive.bytes(&format!("policy/{hex}/signer.pem"), pem.as_bytes())?;
            }
        }
        let report = report(&self.manifest(&archive))?;
        if let Some(report) = &report {
            archive.bytes("report.pdf", report)?;
        }
        let manifest = self.manifest(&archive);
        archive.bytes("manifest.json", &manifest)?;
        Ok(Delivered {
            package: archive.end()?,
            report,
        })
    }
}

/// A delivery in working space.
pub(super) struct Delivered {
    pub(super) package: Box<dyn ScratchFile>,
    pub(super) report: Option<Vec<u8>>,
}

/// A DER public key as PEM (RFC 7468).
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
    for (at, letter) in text.chars().enumerate() {
        if at > 0 && at.is_multiple_of(64) {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END PUBLIC KEY-----\n");
    pem
}

/// Rotated keys of several summaries.
pub(super) fn rotated<'a>(summaries: impl IntoIterator<Item = &'a Summary>) -> BTreeSet<String> {
    let keys = summaries.into_iter().flat_map(|summary| &summary.keys);
    keys.cloned().collect()
}
