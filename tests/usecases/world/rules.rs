//! A workspace under rules of its own, as if two owners had brought them in.

use std::collections::BTreeMap;

use counterfoil_core::bundles::{ActiveBundle, PolicyState, RegisteredKey, StoredBundle};
use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::ids::UserId;
use counterfoil_core::ports::{Clock, State, StateKey, StateWrite};
use counterfoil_policy::bundle::{Bundle, Envelope, SigningKey};
use counterfoil_policy::schema_digest;
use serde_json::json;

use super::World;

const PERMIT: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n";

impl World {
    /// Brings rules into force, beside one that permits what the baseline does.
    pub(crate) async fn under(&self, rules: &str) {
        let rows = self.rows_of(rules);
        assert!(self.store.write(rows).await.unwrap());
    }

    /// The rows that bring rules into force.
    pub(crate) fn rows_of(&self, rules: &str) -> Vec<StateWrite> {
        let key = SigningKey::from_seed(&[1; 32]);
        let text = format!("{PERMIT}{rules}\n");
        let entry = json!({
            "path": "policies/a.cedar", "size": text.len(), "sha256": digest_string(text.as_bytes()),
        });
        let manifest = json!({
            "schema": "counterfoil.policy-bundle/v1", "layer": "workspace",
            "workspace": self.workspace.id.to_string(), "version": 1,
            "cedar": {"lang": "4.5", "engine": ">=4.14,<5"}, "schema_sha256": schema_digest(),
            "files": [entry], "created_at": "2026-11-01T00:00:00Z",
            "created_by": "somebody", "summary": "",
        })
        .to_string();
        let files = BTreeMap::from([("policies/a.cedar".to_owned(), text)]);
        let bundle = Bundle::read(manifest.as_bytes(), files.clone()).unwrap();
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
