//! Who put rules in force, as a delivery proves it: the entry of the workspace's stream that activated
//! them, under a seal by a key that the auditor pinned, and the signature by the key that it names.

use counterfoil_evidence::code::Code;
use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::hash;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::verify::{Package, Trust, verify};
use counterfoil_policy::LayerName;
use counterfoil_policy::bundle::{Bundle, Envelope, PublicKey};

use super::{Inputs, text};

/// Who put rules in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Which rules: the name of their layer, and their digest.
    pub rules: String,
    /// Since when, ms.
    pub since: u64,
    /// The stream that says so.
    pub stream: String,
    /// The entry that says so.
    pub seq: u64,
    /// In whose request.
    pub by: Option<String>,
    /// Who proposed it; older entries name only the proposal.
    pub proposed_by: Option<String>,
    /// Who uploaded them.
    pub uploaded_by: Option<String>,
    /// Whose approval it took.
    pub approvals: Vec<String>,
    /// The fingerprint of the key whose signature was checked.
    pub signer: Option<String>,
}

/// What can be said.
#[derive(Debug)]
pub(super) enum Shown {
    /// This, proved.
    Proved(InForce),
    /// Nothing, and why.
    No(String),
}

/// The file with the entry that put rules in force.
pub(super) fn entry_of(digest: &str) -> String {
    format!("workspace/{}.json", digest.replace("sha256:", ""))
}

/// Rules, and what is known of them.
pub(super) struct Asked<'a> {
    pub(super) inputs: Inputs<'a>,
    /// Keys that may have sealed the workspace's stream.
    pub(super) trust: &'a Trust,
    /// The workspace that the decision speaks of.
    pub(super) workspace: &'a str,
    pub(super) layer: LayerName,
    pub(super) digest: &'a str,
    /// The bundle, which has that digest; `None` for rules that are not signed.
    pub(super) bundle: Option<&'a Bundle>,
}

impl Asked<'_> {
    /// Who put the rules in force; `Err` says what was exchanged.
    pub(super) fn answer(&self) -> Result<Shown, String> {
        let hex = self.digest.replace("sha256:", "");
        let name = entry_of(self.digest);
        let envelope = match self.bundle {
            Some(bundle) => Some((bundle, self.envelope(&hex, bundle)?)),
            None => None,
        };
        let Some(package) = (self.inputs)(&name) else {
            return Ok(Shown::No(format!("the delivery holds no {name}")));
        };
        let stated = match self.sealed(&name, &package)? {
            Ok(stated) => stated,
            Err(why) => return Ok(Shown::No(why)),
        };
        let mut in_force = self.activated(&name, &stated)?;
        if let Some((bundle, envelope)) = envelope {
            let facts = &stated.facts;
            let Some(pem) = (self.inputs)(&format!("policy/{hex}/signer.pem")) else {
                return Ok(Shown::No(format!(
                    "the delivery holds no policy/{hex}/signer.pem"
                )));
            };
            in_force.signer = Some(signed(bundle, &envelope, facts, &pem)?);
        }
        Ok(Shown::Proved(in_force))
    }

    /// The signature, which a bundle always has.
    fn envelope(&self, hex: &str, bundle: &Bundle) -> Result<Envelope, String> {
        let name = format!("policy/{hex}/envelope.json");
        if bundle.manifest().workspace.as_deref() != Some(self.workspace) {
            return Err("the bundle that it cites is of another workspace".to_owned());
        }
        let envelope = (self.inputs)(&name);
        let envelope =
            envelope.ok_or_else(|| format!("the signature of its bundle, {name}, is gone"))?;
        let envelope: Envelope = serde_json::from_slice(&envelope)
            .map_err(|_| format!("{name} is no signature of a bundle"))?;
        if envelope.signatures.is_empty() {
            return Err(format!("the signature in {name} was taken out"));
        }
        Ok(envelope)
    }

    /// The entry of an accepted package; `Ok(Err)` where its seal is by a key that the auditor did not
    /// pin.
    fn sealed(&self, name: &str, package: &[u8]) -> Result<Result<Stated, String>, String> {
        let wrong = || format!("{name} is no package of the workspace's stream");
        let document = Json::parse_document(package).map_err(|_| wrong())?;
        let descriptor = document.get("descriptor").ok_or_else(wrong)?;
        let descriptor = Descriptor::from_json(descriptor).map_err(|_| wrong())?;
        if descriptor.workspace != hash::owner(self.workspace, &descriptor.nonce) {
            return Err(format!("{name} is of another workspace than the decision"));
        }
        let mut trust = Trust::of(self.trust.keys.clone(), descriptor.stream_id());
        // A key that is capped was compromised: how far it counts in this stream is not known.
        trust.keys.retain(|pinned| pinned.max_size.is_none());
        trust.prefix.clone_from(&self.trust.prefix);
        trust.limits = self.trust.limits;
        if let Err(fault) = verify(Package::Document(package), &trust).result {
            if matches!(fault.code, Code::KeyNotInDescriptor | Code::NoTrustedSig) {
                return Ok(Err(format!("{name} is sealed by a key that was not given")));
            }
            return Err(format!("{name} does not verify: {fault}"));
        }
        let entries = document.get("entries").and_then(Json::as_array);
        let stated = entries.unwrap_or_default().iter().find_map(|entry| {
            let header = entry.get("h")?;
            let facts = entry.get("p")?.get("facts")?.get("d")?;
            let of_it = text(header, "kind") == Some("policy.activated")
                && text(facts, "bundle") == Some(self.digest);
            of_it.then(|| Stated {
                header: header.clone(),
                facts: facts.clone(),
            })
        });
        let stated =
            stated.ok_or_else(|| format!("{name} does not hold the entry that activated it"))?;
        Ok(Ok(stated))
    }

    fn activated(&self, name: &str, stated: &Stated) -> Result<InForce, String> {
        let Stated { header, facts } = stated;
        let (rules, activates) = match self.layer {
            LayerName::Baseline => ("baseline", "baseline"),
            LayerName::Workspace => ("bundle", "workspace"),
        };
        if text(facts, "layer") != Some(activates) {
            return Err(format!("{name} activates it for another layer"));
        }
        let uint = |name: &str| header.get(name).and_then(Json::as_uint).unwrap_or_default();
        let said = |name: &str| text(facts, name).map(str::to_owned);
        let approvals = facts.get("approvals").and_then(Json::as_array);
        let approvals = approvals.unwrap_or_default().iter();
        Ok(InForce {
            rules: format!("{rules} {}", self.digest),
            since: uint("at"),
            stream: text(header, "stream").unwrap_or_default().to_owned(),
            seq: uint("seq"),
            by: facts
                .get("actor")
                .and_then(|actor| text(actor, "id"))
                .map(str::to_owned),
            proposed_by: said("proposed_by"),
            uploaded_by: said("uploaded_by"),
            approvals: approvals
                .filter_map(|it| it.as_str().map(str::to_owned))
                .collect(),
            signer: None,
        })
    }
}

/// An entry of an accepted package.
struct Stated {
    header: Json,
    facts: Json,
}

/// Checks the signature by the key that the entry names.
fn signed(
    bundle: &Bundle,
    envelope: &Envelope,
    facts: &Json,
    pem: &[u8],
) -> Result<String, String> {
    let key = std::str::from_utf8(pem).ok().map(PublicKey::from_pem);
    let Some(Ok(key)) = key else {
        return Err("the delivered signing key of its bundle is no Ed25519 key in PEM".to_owned());
    };
    let fingerprint = key.fingerprint();
    if text(facts, "signer") != Some(fingerprint.as_str()) {
        return Err(
            "the delivered signing key is not the one that the activating entry names".to_owned(),
        );
    }
    let statement = envelope.verify(&[key]).map_err(|error| {
        format!("the signature of its bundle does not verify with key {fingerprint}: {error}")
    })?;
    if statement != bundle.statement() {
        return Err("the signature is one of another bundle".to_owned());
    }
    Ok(fingerprint)
}
