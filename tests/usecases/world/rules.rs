//! A workspace under rules of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::bundles::{ActiveBundle, PolicyState, RegisteredKey, StoredBundle};
use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::ids::UserId;
use counterfoil_core::ports::{Clock, State, StateKey, StateWrite};
use counterfoil_core::tenancy::{Role, WorkspaceCtx};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{AdminPorts, ImpactReport, NewBundle, Policies};
use counterfoil_policy::bundle::{Bundle, Envelope, SigningKey};
use counterfoil_policy::schema_digest;
use counterfoil_testkit::memory::SeededRandom;
use serde_json::json;

use super::World;

const PERMIT: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n";
const TESTS: &str = "[{\"name\": \"a viewer repairs\", \"principal\": \"User/viewer\", \"action\": \"repair.execute\", \"resource\": \"Incident/inc\", \"want\": \"DENY\"}]";

/// The key that signs.
pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

impl World {
    /// Rules, beside one that permits what the baseline does: the manifest, the files, the bundle.
    fn bundle(&self, rules: &str) -> (String, BTreeMap<String, String>, Bundle) {
        let files = BTreeMap::from([
            ("policies/a.cedar".to_owned(), format!("{PERMIT}{rules}\n")),
            ("tests/a.json".to_owned(), TESTS.to_owned()),
        ]);
        let entries = files.iter().map(|(path, text)| {
            json!({"path": path, "size": text.len(), "sha256": digest_string(text.as_bytes())})
        });
        let manifest = json!({
            "schema": "counterfoil.policy-bundle/v1", "layer": "workspace",
            "workspace": self.workspace.id.to_string(), "version": 1,
            "cedar": {"lang": "4.5", "engine": ">=4.14,<5"}, "schema_sha256": schema_digest(),
            "files": entries.collect::<Vec<_>>(), "created_at": "2026-11-01T00:00:00Z",
            "created_by": "somebody", "summary": "",
        })
        .to_string();
        let bundle = Bundle::read(manifest.as_bytes(), files.clone()).unwrap();
        (manifest, files, bundle)
    }

    async fn in_workspace(&self, name: &str) -> WorkspaceCtx {
        let caller = self.presence(name).await;
        let asked = self.workspace.id.to_string();
        caller.workspace(self.store.as_ref(), &asked).await.unwrap()
    }

    fn policies(&self) -> Policies {
        Policies {
            ports: AdminPorts {
                evidence: self.store.clone(),
                state: self.store.clone(),
                clock: Arc::new(self.clock.clone()),
                random: Arc::new(SeededRandom::new(99)),
            },
            reader: self.store.clone(),
        }
    }

    /// What a bundle would have decided of the newest decisions before a time, ms.
    pub(crate) async fn impact(&self, digest: &str, to: Option<u64>, limit: u64) -> ImpactReport {
        let ben = self.in_workspace("Ben").await;
        let span = (None, to.map(Timestamp::from_millis));
        let policies = self.policies();
        let report = policies.impact(&ben, digest, span, Some(limit));
        report.await.unwrap().0
    }

    /// Ben and Cora, who is let in now, bring rules into force as owners do: the digest.
    pub(crate) async fn activated(&self, rules: &str) -> String {
        self.join("Cora", Role::Owner).await;
        self.clock.advance(Duration::from_secs(1));
        let policies = self.policies();
        let (ben, cora) = (
            self.in_workspace("Ben").await,
            self.in_workspace("Cora").await,
        );
        let public = signing_key().public().text();
        for ctx in [&ben, &cora] {
            policies.register_key(ctx, &public, None).await.unwrap();
        }
        let (manifest, files, bundle) = self.bundle(rules);
        let envelope = Envelope::sign(&bundle.statement(), &signing_key());
        let new = NewBundle {
            manifest: &manifest,
            signature: &serde_json::to_string(&envelope).unwrap(),
            files: &files,
        };
        policies.upload(&ben, new).await.unwrap();
        assert!(
            policies
                .activate(&ben, bundle.digest())
                .await
                .unwrap()
                .waits
        );
        assert!(
            !policies
                .activate(&cora, bundle.digest())
                .await
                .unwrap()
                .waits
        );
        bundle.digest().to_owned()
    }

    /// Brings rules into force without anybody's act or record.
    pub(crate) async fn under(&self, rules: &str) {
        let rows = self.rows_of(rules);
        assert!(self.store.write(rows).await.unwrap());
    }

    /// The rows that bring rules into force.
    pub(crate) fn rows_of(&self, rules: &str) -> Vec<StateWrite> {
        let key = signing_key();
        let (manifest, files, bundle) = self.bundle(rules);
        let (by, at) = (UserId::from_bits(7), self.clock.now());
        let row = StoredBundle {
            digest: bundle.digest().to_owned(),
            envelope: Envelope::sign(&bundle.statement(), &key),
            manifest,
            files,
            by,
            at,
            impact: None,
        };
        let state = PolicyState {
            keys: vec![RegisteredKey {
                public_key: key.public().text(),
                fingerprint: key.public().fingerprint(),
                at,
                by,
            }],
            active: Some(ActiveBundle {
                digest: row.digest.clone(),
                version: 1,
                previous: None,
                at,
                by,
                approver: by.to_string(),
            }),
            ..PolicyState::default()
        };
        let place = |sk: &str| StateKey {
            pk: format!("{}#policy", self.workspace.id),
            sk: sk.to_owned(),
        };
        vec![
            StateWrite::create(place("state"), serde_json::to_value(&state).unwrap()),
            StateWrite::create(place(&row.digest), serde_json::to_value(&row).unwrap()),
        ]
    }
}
