//! Whether files that somebody brings are a bundle that a workspace may activate next.

use std::collections::BTreeMap;
use std::error::Error;

use super::lockout::locks_out;
use super::scenario::{self, Scenario, said};
use super::{Finding, check};
use crate::bundle::{Bundle, BundleError, Envelope, Expected, PublicKey};
use crate::effect::{Failure, LayerName};
use crate::layer::{Layer, Layers, baseline};

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
        let mut wrong = wrong_answers(&layer, bundle.tests());
        wrong.extend(locks_out(&layer));
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
        let mut findings = Vec::new();
        let bundle = Bundle::read(self.manifest.as_bytes(), self.files.clone());
        let bundle = bundle
            .map_err(|error| findings.push(of_bundle(&error)))
            .ok();
        let envelope = self.envelope().map_err(|it| findings.extend(it)).ok();
        if let Some(bundle) = &bundle {
            findings.extend(self.misplaced(bundle));
        }
        if let (Some(bundle), Some(envelope), true) = (&bundle, &envelope, findings.is_empty()) {
            findings.extend(self.unloadable(bundle, envelope));
        }
        match (bundle, envelope) {
            (Some(bundle), Some(envelope)) if findings.is_empty() => Ok((bundle, envelope)),
            _ => Err(findings),
        }
    }

    fn envelope(&self) -> Result<Envelope, Vec<Finding>> {
        let wrong =
            |detail: String, help| vec![Finding::whole("signature.json", detail).helped(help)];
        let read: Result<Envelope, _> = serde_json::from_str(self.signature);
        let envelope = read.map_err(|error| {
            let help = "`counterfoil policy sign` writes it";
            wrong(format!("it is no DSSE envelope: {error}"), help)
        })?;
        if self.keys.is_empty() {
            let detail = "this workspace has no signing key, so nothing can be signed for it";
            let help = "an owner registers one: `counterfoil policy key`";
            return Err(wrong(detail.to_owned(), help));
        }
        match envelope.verify(self.keys) {
            Ok(_) => Ok(envelope),
            Err(error) => {
                let help = "sign with a key whose fingerprint `counterfoil policy status` lists";
                Err(wrong(error.to_string(), help))
            }
        }
    }

    fn misplaced(&self, bundle: &Bundle) -> Vec<Finding> {
        let manifest = bundle.manifest();
        let mut findings = Vec::new();
        let mut wrong = |detail: String, help: String| {
            findings.push(Finding::whole("manifest.json", detail).helped(help));
        };
        if manifest.layer != LayerName::Workspace {
            wrong(
                "`layer` must be `workspace`".to_owned(),
                "the baseline is built into the product".to_owned(),
            );
        }
        if manifest.workspace.as_deref() != Some(self.workspace) {
            wrong(
                "`workspace` names another workspace".to_owned(),
                format!("sign it with --workspace {}", self.workspace),
            );
        }
        if manifest.version <= self.active_version {
            let next = self.active_version.saturating_add(1);
            wrong(
                format!(
                    "`version` is {}, and version {} is active already",
                    manifest.version, self.active_version
                ),
                format!("sign it with --version {next}: older rules come back as a newer version"),
            );
        }
        if manifest.previous.as_deref() != self.active {
            wrong(
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
            Err(Failure::EngineRange) => Some(
                Finding::whole("manifest.json", Failure::EngineRange.why())
                    .helped("sign it with the `counterfoil` of this version"),
            ),
            // What is signed is not this manifest. That policies cannot be parsed is said with its
            // place by the next stage.
            Err(_) if envelope.verify(self.keys).ok() != Some(bundle.statement()) => Some(
                Finding::whole("signature.json", "it is the signature of another bundle")
                    .helped("sign the folder again: `counterfoil policy sign`"),
            ),
            _ => None,
        }
    }
}

fn of_bundle(error: &BundleError) -> Finding {
    let file = match error {
        BundleError::File { path, .. } => path.as_str(),
        BundleError::TooLarge => "",
        BundleError::Manifest(_) | BundleError::Schema => "manifest.json",
    };
    let mut detail = error.to_string();
    let mut cause = error.source();
    while let Some(why) = cause {
        detail = format!("{detail}: {why}");
        cause = why.source();
    }
    Finding::whole(file, detail).helped("sign the folder again: `counterfoil policy sign`")
}

/// The scenarios of a bundle that get another answer than they want, on top of the baseline.
fn wrong_answers<'a>(
    layer: &Layer,
    tests: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<Finding> {
    let layers = Layers {
        baseline: baseline(),
        workspace: Ok(layer),
    };
    let mut findings = Vec::new();
    let mut scenarios = 0_usize;
    for (file, text) in tests {
        let listed = match scenario::read(text) {
            Ok(listed) => listed,
            Err(error) => {
                findings.push(Finding::whole(file, error.to_string()));
                continue;
            }
        };
        for scenario in listed {
            scenarios = scenarios.saturating_add(1);
            let name = serde_json::to_string(&scenario.name).unwrap_or_default();
            let wrong = |detail| Finding::at_text(file, text, &name, detail);
            match scenario.ask(layers) {
                Ok(verdict) if scenario.is_met(&verdict) => {}
                Ok(verdict) => {
                    let Scenario { want, why, .. } = &scenario;
                    let by = if why.is_empty() {
                        String::new()
                    } else {
                        format!(" by {why}")
                    };
                    let (got, rule) = (said(&verdict), &verdict.rule);
                    findings.push(wrong(format!("wanted {want}{by}, got {got} by {rule}")));
                }
                Err(error) => findings.push(wrong(error.to_string())),
            }
        }
    }
    if scenarios == 0 && findings.is_empty() {
        let detail = "no scenario says what the rules are for";
        let help = "write at least one into tests/NAME.json";
        findings.push(Finding::whole("", detail).helped(help));
    }
    findings
}
