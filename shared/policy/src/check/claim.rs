//! Whether files that somebody brings are a bundle that a workspace may activate next.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answers::{answers, untested};
use super::found::Found;
use super::listing::{Listing, wrong};
use super::lockout::locks_out;
use super::{Finding, check, form, spans};
use crate::bundle::{Bundle, Envelope, Expected, PublicKey};
use crate::effect::{Failure, LayerName};
use crate::layer::Layer;

const SIGNATURE: &str = "signature.json";

/// What somebody brings, and what it must fit.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Text of `manifest.json`.
    pub manifest: &'a str,
    /// Text of `signature.json`.
    pub signature: &'a str,
    /// Every other file, by path.
    pub files: &'a BTreeMap<String, String>,
    /// The workspace.
    pub workspace: &'a str,
    /// The keys that may sign for it.
    pub keys: &'a [PublicKey],
    /// The version that is active; 0 before the first.
    pub active_version: u64,
    /// The digest that is active.
    pub active: Option<&'a str>,
}

/// A bundle that may be activated.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The bundle.
    pub bundle: Bundle,
    /// Its signature.
    pub envelope: Envelope,
    /// Its rules.
    pub layer: Layer,
    /// What is to be looked at.
    pub warnings: Vec<Finding>,
}

impl Claim<'_> {
    /// Looks at everything, stage by stage: what the bundle is and who signed it, its rules, its tests.
    ///
    /// # Errors
    /// Everything that the first stage with an error has found.
    pub fn check(&self) -> Result<Checked, Vec<Finding>> {
        let (bundle, envelope) = self.identity()?;
        let policies: Vec<_> = bundle.policies().collect();
        let version = bundle.manifest().version;
        let (layer, warnings) = check(LayerName::Workspace, bundle.digest(), version, &policies)?;
        let (answers, mut wrong) = answers(&layer, bundle.tests());
        if answers.is_empty() && wrong.is_empty() {
            wrong.push(untested());
        }
        wrong.extend(locks_out(&layer, &policies));
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Checked {
            bundle,
            envelope,
            layer,
            warnings,
        })
    }

    fn identity(&self) -> Result<(Bundle, Envelope), Vec<Finding>> {
        let mut listing = Listing::read(self.manifest, self.files);
        let mut found = std::mem::take(&mut listing.found);
        for misplaced in self.misplaced(&listing) {
            found.error(|| misplaced);
        }
        let envelope = self.envelope(&mut found);
        if let (Some(bundle), Some(envelope), true) = (&listing.bundle, &envelope, found.is_good())
            && let Some(unloadable) = self.unloadable(bundle, envelope)
        {
            found.error(|| unloadable);
        }
        match (listing.bundle, envelope) {
            (Some(bundle), Some(envelope)) if found.is_good() => Ok((bundle, envelope)),
            _ => Err(found.list()),
        }
    }

    fn envelope(&self, found: &mut Found) -> Option<Envelope> {
        let (what, help) = (
            "it is no DSSE envelope",
            "`counterfoil policy sign` writes it",
        );
        if let Some(broken) = form::broken(SIGNATURE, self.signature, what, help) {
            found.error(|| broken);
            return None;
        }
        let place = spans::value(self.signature, 0).unwrap_or_default();
        let (envelope, faults, more) = form::read::<Envelope>(self.signature, &place, &model());
        let envelope = envelope.filter(|_| faults.is_empty());
        for fault in faults {
            found.error(|| {
                let mut finding = fault.finding(SIGNATURE, self.signature, help);
                finding.detail = format!("{what}: {}", finding.detail);
                finding
            });
        }
        found.more(usize::from(more));
        let envelope = envelope?;
        if self.keys.is_empty() {
            let detail = "this workspace has no signing key, so nothing can be signed for it";
            let help = "an owner registers one: `counterfoil policy key`";
            found.error(|| Finding::whole(SIGNATURE, detail, help));
            return None;
        }
        match envelope.verify(self.keys) {
            Ok(_) => Some(envelope),
            Err(error) => {
                let help = "sign with a key whose fingerprint `counterfoil policy status` lists";
                found.error(|| Finding::whole(SIGNATURE, error.to_string(), help));
                None
            }
        }
    }

    fn misplaced(&self, listing: &Listing<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut wrong = |field, detail: String, help: String| {
            findings.push(wrong(listing.text, field, detail, help));
        };
        if let Some(manifest) = listing.manifest("layer")
            && manifest.layer != LayerName::Workspace
        {
            wrong(
                "layer",
                "`layer` must be `workspace`".to_owned(),
                "the baseline is built into the product: write \"workspace\", and sign it"
                    .to_owned(),
            );
        }
        if let Some(manifest) = listing.manifest("workspace")
            && manifest.workspace.as_deref() != Some(self.workspace)
        {
            wrong(
                "workspace",
                "`workspace` names another workspace".to_owned(),
                format!("sign it with --workspace {}", self.workspace),
            );
        }
        if let Some(manifest) = listing.manifest("version")
            && manifest.version <= self.active_version
        {
            let next = self.active_version.saturating_add(1);
            wrong(
                "version",
                format!(
                    "`version` is {}, and version {} is active already",
                    manifest.version, self.active_version
                ),
                format!("sign it with --version {next}: older rules come back as a newer version"),
            );
        }
        if let Some(manifest) = listing.manifest("previous")
            && manifest.previous.as_deref() != self.active
        {
            wrong(
                "previous",
                "`previous` is not the digest that is active".to_owned(),
                match self.active {
                    Some(active) => format!("sign it with --previous {active}"),
                    None => "sign it without --previous: no bundle is active yet".to_owned(),
                },
            );
        }
        findings
    }

    fn unloadable(&self, bundle: &Bundle, envelope: &Envelope) -> Option<Finding> {
        let expected = Expected {
            layer: LayerName::Workspace,
            workspace: Some(self.workspace),
            digest: bundle.digest(),
            keys: self.keys,
        };
        match bundle.load(envelope, expected) {
            Err(Failure::EngineRange) => Some(wrong(
                self.manifest,
                "cedar",
                Failure::EngineRange.why(),
                "sign it with the `counterfoil` of this version",
            )),
            // What is signed is not this manifest. That policies cannot be parsed is said with its
            // place by the next stage.
            Err(_) if envelope.verify(self.keys).ok() != Some(bundle.statement()) => {
                Some(Finding::whole(
                    SIGNATURE,
                    "it is the signature of another bundle",
                    "sign the folder again: `counterfoil policy sign`",
                ))
            }
            _ => None,
        }
    }
}

/// A good envelope, as far as its form goes.
fn model() -> Value {
    json!({
        "payloadType": "application/vnd.counterfoil.policy-bundle+json",
        "payload": "",
        "signatures": [{ "keyid": "", "sig": "" }],
    })
}
