//! A workspace with two owners and a signing key.

use std::collections::BTreeMap;
use std::sync::Arc;

use counterfoil_core::bundles::{Loaded, load};
use counterfoil_core::ports::{EvidenceAppend, State, StateKey, StateWrite};
use counterfoil_core::tenancy::{Role, WorkspaceCtx};
use counterfoil_core::usecases::{NewBundle, Policies, PolicyActed, PolicyError, Uploaded};
use counterfoil_policy::bundle::{Bundle, SigningKey};
use counterfoil_policy::check::Finding;
pub(super) use counterfoil_testkit::bundles::PERMIT;
use counterfoil_testkit::bundles::Rules;
use serde_json::{Value, json};

use crate::tenants::bench::Bench;

/// An owner exports nothing.
pub(super) const STRICT: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n@id(\"ws.forbid.export\") @why(\"nothing leaves\")\nforbid (principal, action == CF::Action::\"evidence.export\", resource);\n";
const TESTS: &str = "[{\"name\": \"a viewer repairs\", \"principal\": \"User/viewer\", \"action\": \"repair.execute\", \"resource\": \"Incident/inc\", \"want\": \"DENY\"}]";

/// A bundle as somebody sends it.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) manifest: Value,
    pub(super) signature: String,
    pub(super) files: BTreeMap<String, String>,
}

pub(super) struct Desk {
    pub(super) bench: Bench,
}

pub(super) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

impl Desk {
    /// Ann and Ben are owners; no key is registered.
    pub(super) async fn keyless() -> Self {
        let bench = Bench::new().await;
        bench.join("ben", Role::Owner).await;
        Self { bench }
    }

    /// The same with a registered key.
    pub(super) async fn new() -> Self {
        let desk = Self::keyless().await;
        for who in ["ann", "ben"] {
            desk.register(who, 1, None).await.unwrap();
        }
        desk
    }

    pub(super) fn policies(&self) -> Policies {
        self.with(self.bench.store.clone(), self.bench.store.clone())
    }

    pub(super) fn with(
        &self,
        evidence: Arc<dyn EvidenceAppend>,
        state: Arc<dyn State>,
    ) -> Policies {
        let mut ports = self.bench.ports_with(evidence);
        ports.state = state;
        Policies {
            ports,
            reader: self.bench.store.clone(),
        }
    }

    pub(super) async fn ctx(&self, who: &str) -> WorkspaceCtx {
        self.bench.ctx(who).await
    }

    pub(super) async fn register(
        &self,
        who: &str,
        seed: u8,
        replaces: Option<u8>,
    ) -> Result<PolicyActed, PolicyError> {
        let replaces = replaces.map(|seed| key(seed).public().fingerprint());
        let ctx = self.ctx(who).await;
        let public = key(seed).public().text();
        let policies = self.policies();
        policies
            .register_key(&ctx, &public, replaces.as_deref())
            .await
    }

    /// Signs rules with key 1.
    pub(super) fn signed(&self, rules: &str, version: u64, previous: Option<&str>) -> Sent {
        self.signed_by(1, rules, version, previous)
    }

    pub(super) fn signed_by(
        &self,
        seed: u8,
        rules: &str,
        version: u64,
        previous: Option<&str>,
    ) -> Sent {
        let rules = Rules::of(self.bench.workspace.id, version, rules)
            .with("tests/a.json", TESTS)
            .after(previous);
        let envelope = rules.signed(&key(seed));
        Sent {
            signature: serde_json::to_string(&envelope).unwrap(),
            manifest: rules.manifest,
            files: rules.files,
        }
    }

    pub(super) async fn upload(&self, who: &str, sent: &Sent) -> Result<Uploaded, PolicyError> {
        let manifest = sent.manifest.to_string();
        let new = NewBundle {
            manifest: &manifest,
            signature: &sent.signature,
            files: &sent.files,
        };
        let ctx = self.ctx(who).await;
        self.policies().upload(&ctx, new).await
    }

    /// Ann uploads rules.
    pub(super) async fn stored(&self, rules: &str, version: u64, previous: Option<&str>) -> String {
        let sent = self.signed(rules, version, previous);
        self.upload("ann", &sent).await.unwrap().bundle.digest
    }

    pub(super) async fn activate(
        &self,
        who: &str,
        digest: &str,
    ) -> Result<PolicyActed, PolicyError> {
        let ctx = self.ctx(who).await;
        self.policies().activate(&ctx, digest).await
    }

    /// Ann uploads and proposes rules, Ben brings them into force.
    pub(super) async fn in_force(
        &self,
        rules: &str,
        version: u64,
        previous: Option<&str>,
    ) -> String {
        let digest = self.stored(rules, version, previous).await;
        assert!(self.activate("ann", &digest).await.unwrap().waits);
        assert!(!self.activate("ben", &digest).await.unwrap().waits);
        digest
    }

    pub(super) async fn revoke(&self, who: &str, digest: &str) -> Result<PolicyActed, PolicyError> {
        let ctx = self.ctx(who).await;
        self.policies().revoke(&ctx, digest).await
    }

    /// Brings a signed bundle into force behind the product's back, as if nothing had been checked.
    pub(super) async fn slipped_in(&self, sent: &Sent) -> String {
        let store = self.bench.store.as_ref();
        let key = |sk: &str| StateKey {
            pk: format!("{}#policy", self.bench.workspace.id),
            sk: sk.to_owned(),
        };
        let manifest = sent.manifest.to_string();
        let bundle = Bundle::read(manifest.as_bytes(), sent.files.clone()).unwrap();
        let digest = bundle.digest().to_owned();
        let mut state = store.get(&key("state")).await.unwrap().unwrap();
        let before = state.doc["active"]["digest"].clone();
        let mut row = store
            .get(&key(before.as_str().unwrap()))
            .await
            .unwrap()
            .unwrap();
        row.doc["digest"] = json!(digest);
        row.doc["manifest"] = json!(manifest);
        row.doc["envelope"] = serde_json::from_str(&sent.signature).unwrap();
        row.doc["files"] = json!(sent.files);
        state.doc["active"]["digest"] = json!(digest);
        state.doc["active"]["version"] = json!(bundle.manifest().version);
        state.doc["stored"][&digest] = state.doc["stored"][before.as_str().unwrap()].clone();
        let rows = vec![
            StateWrite::replace(state.key, state.version, state.doc),
            StateWrite::create(key(&digest), row.doc),
        ];
        assert!(store.write(rows).await.unwrap());
        digest
    }

    /// The digest in force, as the row says.
    pub(super) async fn active(&self) -> Option<String> {
        let ctx = self.ctx("ann").await;
        let view = self.policies().view(&ctx).await.unwrap();
        view.state.value.active_digest().map(str::to_owned)
    }

    pub(super) async fn load(&self) -> Loaded {
        load(self.bench.store.as_ref(), self.bench.workspace.id)
            .await
            .unwrap()
    }

    /// Why the bundle in force cannot be asked.
    pub(super) async fn failure(&self) -> Option<&'static str> {
        let active = self.load().await.active?;
        active.layer.err().map(counterfoil_policy::Failure::rule)
    }
}

#[track_caller]
pub(super) fn invalid(done: Result<Uploaded, PolicyError>) -> Vec<Finding> {
    match done {
        Err(PolicyError::Invalid(findings)) => findings,
        other => panic!("{other:?}"),
    }
}

/// What is wrong with a bundle, and whether whoever runs the product is told.
#[track_caller]
pub(super) fn refused(done: Result<Uploaded, PolicyError>) -> (bool, PolicyError) {
    match done.unwrap_err() {
        PolicyError::Suspect(why) => (true, *why),
        why => (false, why),
    }
}

#[track_caller]
pub(super) fn unfit(done: Result<PolicyActed, PolicyError>, words: &str) {
    match done {
        Err(PolicyError::Unfit(why)) => assert!(why.contains(words), "{why}"),
        other => panic!("{other:?}"),
    }
}
