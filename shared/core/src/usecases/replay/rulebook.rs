//! The rules that decisions cite, by digest: those of this program, or those of the delivery.
//!
//! What a delivery holds counts only when it has the digest that the decision cites: whoever exchanged
//! it is refused. What is not there, or what this program cannot read, is no difference; then nothing
//! is said about the decision.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::hash::{digest_string, parse_digest};
use counterfoil_evidence::json::Json;
use counterfoil_evidence::verify::Trust;
use counterfoil_policy::bundle::{Bundle, BundleError};
use counterfoil_policy::{
    ENGINE, Failure, LANGUAGE, Layer, LayerName, Layers, Phase, Request, Verdict, baseline, judge,
    schema_digest,
};

use super::in_force::{Asked, Shown, entry_of};
use super::{InForce, Inputs, text};
use crate::policy::{baseline_digest, default_bundle, default_bundle_digest};
use crate::usecases::announced::workspace_of;

/// Why a decision cannot be judged by the rules that it cites.
#[derive(Debug, Clone)]
pub(super) enum Unfound {
    /// They are not at hand, or this program cannot read them.
    Missing(String),
    /// What stands in their place is something else.
    Refused(String),
}

/// The rules of one layer.
#[derive(Debug, Clone)]
struct Held {
    layer: Arc<Layer>,
    /// They came with the delivery, without a signature: a baseline or a default of another version.
    foreign: bool,
}

/// The rules that one decision cites.
pub(super) struct Cited {
    baseline: Held,
    /// `None` where the baseline alone judged, because the workspace's bundle could not be asked.
    workspace: Option<Held>,
}

impl Cited {
    pub(super) fn judge(&self, request: Json, phase: Phase) -> Verdict {
        let workspace = self.workspace.as_ref();
        let layers = Layers {
            baseline: Ok(self.baseline.layer.as_ref()),
            workspace: workspace
                .map(|held| held.layer.as_ref())
                .ok_or(Failure::BundleMissing),
        };
        judge(layers, &Request::read(request), phase, &|| Duration::ZERO)
    }

    /// Those of the rules that only the delivery vouches for.
    pub(super) fn delivered(&self) -> impl Iterator<Item = String> {
        let layers = [Some(&self.baseline), self.workspace.as_ref()];
        let foreign = layers.into_iter().flatten().filter(|held| held.foreign);
        foreign.map(|held| named(held.layer.name(), held.layer.digest()))
    }
}

/// The rules that decisions cite.
pub(super) struct Rulebook<'a> {
    inputs: Inputs<'a>,
    /// Keys that seal the workspace's stream; without them nothing is said about who put what in force.
    trust: Option<&'a Trust>,
    /// What was found under a digest.
    known: BTreeMap<(LayerName, String), Result<Held, Unfound>>,
    in_force: Vec<InForce>,
    not_shown: Vec<String>,
}

impl<'a> Rulebook<'a> {
    pub(super) const fn of(inputs: Inputs<'a>, trust: Option<&'a Trust>) -> Self {
        Self {
            inputs,
            trust,
            known: BTreeMap::new(),
            in_force: Vec::new(),
            not_shown: Vec::new(),
        }
    }

    pub(super) const fn inputs(&self) -> Inputs<'a> {
        self.inputs
    }

    /// Who put the rules in force that were cited, and of which this is not shown.
    pub(super) fn told(self) -> (Vec<InForce>, Vec<String>) {
        (self.in_force, self.not_shown)
    }

    /// The rules that a decision cites.
    pub(super) fn cited(&mut self, decision: &Json) -> Result<Cited, Unfound> {
        this_engine(decision)?;
        let Some(baseline) = layer(decision, "baseline") else {
            let why = "recorded in a form of which this program knows nothing";
            return Err(Unfound::Missing(why.to_owned()));
        };
        let workspace = layer(decision, "workspace");
        for of in [Some(baseline), workspace].into_iter().flatten() {
            if text(of, "schema") != Some(schema_digest()) {
                let why = "written for another policy schema than this program's";
                return Err(Unfound::Missing(why.to_owned()));
            }
        }
        let cites = |name: &str| text(decision, name).unwrap_or_default();
        let owner = workspace_of(decision).unwrap_or_default();
        Ok(Cited {
            baseline: self.held(LayerName::Baseline, cites("baseline"), owner)?,
            workspace: match workspace {
                Some(_) => Some(self.held(LayerName::Workspace, cites("policy"), owner)?),
                None => None,
            },
        })
    }

    fn held(&mut self, name: LayerName, digest: &str, owner: &str) -> Result<Held, Unfound> {
        let key = (name, digest.to_owned());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let found = self.find(name, digest);
        let found = found.and_then(|(held, bundle)| {
            self.show(name, digest, owner, bundle.as_ref())?;
            Ok(held)
        });
        self.known.insert(key, found.clone());
        found
    }

    /// Notes who put the rules in force.
    fn show(
        &mut self,
        layer: LayerName,
        digest: &str,
        workspace: &str,
        bundle: Option<&Bundle>,
    ) -> Result<(), Unfound> {
        let Some(trust) = self.trust.filter(|_| digest != default_bundle_digest()) else {
            return Ok(());
        };
        let asked = Asked {
            inputs: self.inputs,
            trust,
            workspace,
            layer,
            digest,
            bundle,
        };
        match asked.answer().map_err(Unfound::Refused)? {
            Shown::Proved(in_force) => self.in_force.push(in_force),
            Shown::No(why) => {
                let named = named(layer, digest);
                self.not_shown
                    .push(format!("who put {named} in force: {why}"));
            }
        }
        Ok(())
    }

    fn find(&self, name: LayerName, digest: &str) -> Result<(Held, Option<Bundle>), Unfound> {
        let Some(folder) = folder(digest) else {
            return Err(Unfound::Refused(format!(
                "it cites no digest of a {}",
                noun(name)
            )));
        };
        if name == LayerName::Workspace && digest != default_bundle_digest() {
            let manifest = format!("{folder}/manifest.json");
            if let Some(manifest) = (self.inputs)(&manifest) {
                let (held, bundle) = self.bundle(&manifest, &folder, digest)?;
                return Ok((held, Some(bundle)));
            }
        }
        let text = self.text(&folder);
        let exchanged = text
            .as_ref()
            .is_some_and(|text| digest_string(text.as_bytes()) != digest);
        if exchanged {
            return Err(Unfound::Refused(format!(
                "the files in {folder} are not the {} that it cites: somebody exchanged them",
                noun(name)
            )));
        }
        let built_in = match name {
            LayerName::Baseline if digest == baseline_digest() => {
                baseline().cloned().map(Arc::new).ok()
            }
            LayerName::Workspace if digest == default_bundle_digest() => default_bundle().ok(),
            _ => None,
        };
        if let Some(layer) = built_in {
            let foreign = false;
            return Ok((Held { layer, foreign }, None));
        }
        let missing = || {
            Unfound::Missing(format!(
                "the delivery does not hold {}",
                named(name, digest)
            ))
        };
        if name == LayerName::Workspace && (self.inputs)(&entry_of(digest)).is_some() {
            return Err(Unfound::Refused(format!(
                "the rules in {folder} were put in force, so they are a bundle, and its signature is gone"
            )));
        }
        // One text: how it was cut into files is no part of the digest.
        let text = text.ok_or_else(missing)?;
        let layer = Layer::of(name, digest, 0, &[(folder.as_str(), text.as_str())]);
        let held = Held {
            layer: Arc::new(layer.map_err(|_| unreadable(name, digest))?),
            foreign: true,
        };
        Ok((held, None))
    }

    /// The bundle of a workspace.
    fn bundle(
        &self,
        manifest: &[u8],
        folder: &str,
        digest: &str,
    ) -> Result<(Held, Bundle), Unfound> {
        let exchanged = |what: &str| {
            Unfound::Refused(format!(
                "the files in {folder} are not the bundle that it cites: {what}"
            ))
        };
        let listed = Json::parse_document(manifest);
        let listed = listed.map_err(|_| exchanged("its manifest is none"))?;
        if digest_string(&listed.canonical()) != digest {
            return Err(exchanged("its manifest has another digest"));
        }
        let mut files = BTreeMap::new();
        for file in listed
            .get("files")
            .and_then(Json::as_array)
            .unwrap_or_default()
        {
            let path = text(file, "path").unwrap_or_default();
            let read = (self.inputs)(&format!("{folder}/{path}"));
            let read = read.and_then(|read| String::from_utf8(read).ok());
            files.extend(read.map(|read| (path.to_owned(), read)));
        }
        let bundle = match Bundle::read(manifest, files) {
            Ok(bundle) => bundle,
            Err(error @ BundleError::File { .. }) => return Err(exchanged(&error.to_string())),
            Err(_) => return Err(unreadable(LayerName::Workspace, digest)),
        };
        let policies: Vec<(&str, &str)> = bundle.policies().collect();
        let version = bundle.manifest().version;
        let layer = Layer::of(LayerName::Workspace, digest, version, &policies);
        let held = Held {
            layer: Arc::new(layer.map_err(|_| unreadable(LayerName::Workspace, digest))?),
            foreign: false,
        };
        Ok((held, bundle))
    }

    /// The texts in a folder of rules, one after the other in the order of their names; `None` where
    /// the delivery has none of them.
    fn text(&self, folder: &str) -> Option<String> {
        let manifest = (self.inputs)("manifest.json")?;
        let manifest = Json::parse_document(&manifest).ok()?;
        let files = manifest.get("files")?.as_array()?.iter();
        let names = files.filter_map(|file| text(file, "name"));
        let within = |name: &&str| {
            let path = name.strip_prefix(folder);
            path.is_some_and(|path| path.starts_with("/policies/"))
        };
        let mut names: Vec<&str> = names.filter(within).collect();
        names.sort_unstable();
        let texts = names.iter().filter_map(|name| (self.inputs)(name));
        let texts: Vec<u8> = texts.flatten().collect();
        (!texts.is_empty()).then(|| String::from_utf8_lossy(&texts).into_owned())
    }
}

/// What a decision says of a layer; absent where the layer was not asked.
fn layer<'a>(decision: &'a Json, name: &str) -> Option<&'a Json> {
    let layers = decision.get("layers").and_then(Json::as_array);
    let mut layers = layers.unwrap_or_default().iter();
    layers.find(|layer| text(layer, "layer") == Some(name))
}

/// Whether this program speaks the language in which a decision was made.
fn this_engine(decision: &Json) -> Result<(), Unfound> {
    let version = |lang: &str| {
        let (major, minor) = lang.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    let told = decision
        .get("engine")
        .and_then(|engine| text(engine, "lang"));
    let (told, spoken) = (told.and_then(version), version(LANGUAGE));
    let speaks = told.zip(spoken);
    if speaks.is_some_and(|(told, spoken)| told.0 == spoken.0 && told <= spoken) {
        return Ok(());
    }
    Err(Unfound::Missing(format!(
        "judged by an engine whose language this program's, Cedar {ENGINE}, does not speak"
    )))
}

/// Where a delivery has the rules of a digest.
fn folder(digest: &str) -> Option<String> {
    parse_digest(digest)?;
    Some(digest.replace("sha256:", "policy/"))
}

const fn noun(name: LayerName) -> &'static str {
    match name {
        LayerName::Baseline => "baseline",
        LayerName::Workspace => "bundle",
    }
}

fn named(name: LayerName, digest: &str) -> String {
    format!("{} {digest}", noun(name))
}

fn unreadable(name: LayerName, digest: &str) -> Unfound {
    Unfound::Missing(format!(
        "this program's engine, Cedar {ENGINE}, does not read {}",
        named(name, digest)
    ))
}
