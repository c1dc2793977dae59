//! Policy bundles of a tenant's workspace.

use std::collections::BTreeMap;

use counterfoil_core::bundles::{PolicyState, RegisteredKey, StoredBundle, StoredLine};
use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::ids::UserId;
use counterfoil_core::ports::{State as _, StateKey, StateWrite};
use counterfoil_policy::bundle::{Bundle, Envelope, SigningKey};
use counterfoil_policy::schema_digest;
use serde_json::json;

use super::stage::{Stage, now};
use super::tenant::Tenant;

/// As every workspace starts.
const LOOSE: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")\npermit (principal, action, resource);\n";
const LOOSE_TESTS: &str = "[{\"name\": \"an owner makes a key\", \"principal\": \"User/owner\", \"action\": \"key.create\", \"resource\": \"Workspace/ws1\", \"want\": \"ALLOW\"}]";

/// A stored bundle of a tenant's workspace, behind the API's back; its digest.
pub(crate) async fn stored(stage: &Stage, tenant: &Tenant) -> String {
    let workspace = tenant.project.workspace;
    let key = SigningKey::from_seed(&[7; 32]);
    let files = BTreeMap::from([
        ("policies/rules.cedar".to_owned(), LOOSE.to_owned()),
        ("tests/rules.json".to_owned(), LOOSE_TESTS.to_owned()),
    ]);
    let entries = files.iter().map(|(path, text)| {
        json!({"path": path, "size": text.len(), "sha256": digest_string(text.as_bytes())})
    });
    let manifest = json!({
        "schema": "counterfoil.policy-bundle/v1", "layer": "workspace",
        "workspace": workspace.to_string(), "version": 1,
        "cedar": {"lang": "4.5", "engine": ">=4.14,<5"}, "schema_sha256": schema_digest(),
        "files": entries.collect::<Vec<_>>(), "created_at": "2026-11-01T00:00:00Z",
        "created_by": "somebody", "summary": "",
    })
    .to_string();
    let bundle = Bundle::read(manifest.as_bytes(), files.clone()).unwrap();
    let (by, at) = (UserId::from_bits(7), now());
    let row = StoredBundle {
        digest: bundle.digest().to_owned(),
        manifest,
        envelope: Envelope::sign(&bundle.statement(), &key),
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
        stored: BTreeMap::from([(row.digest.clone(), StoredLine { version: 1, at, by })]),
        ..PolicyState::default()
    };
    let place = |sk: &str| StateKey {
        pk: format!("{workspace}#policy"),
        sk: sk.to_owned(),
    };
    let rows = vec![
        StateWrite::create(place("state"), serde_json::to_value(&state).unwrap()),
        StateWrite::create(place(&row.digest), serde_json::to_value(&row).unwrap()),
    ];
    let written = stage.main.boot.state().unwrap().write(rows).await;
    assert!(written.unwrap());
    row.digest
}
