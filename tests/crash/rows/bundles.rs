//! Bundles of a workspace, signed, and stored behind the API's back.

use std::collections::BTreeMap;

use counterfoil_core::bundles::{
    ActiveBundle, PolicyState, RegisteredKey, StoredBundle, StoredLine,
};
use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::ports::{Clock as _, State as _, StateKey, StateWrite};
use counterfoil_policy::bundle::{Bundle, Envelope, SigningKey};
use counterfoil_policy::schema_digest;
use serde_json::{Value, json};

use super::super::office::Office;
use super::super::stage::number;

const PLAIN: &str = "@id(\"ws.permit.all\") @why(\"the baseline applies\")
permit (principal, action, resource);
";
/// A repair of a machine waits for an hour, not for three days.
const SOON: &str = "@id(\"ws.require.soon\") @why(\"a repair is looked at soon\") @role(\"approver\") @hold(\"1h\")
forbid (principal, action == CF::Action::\"repair.execute\", resource)
unless { context.base.approvals.count >= 1 };
";

fn place(office: &Office, sk: &str) -> StateKey {
    StateKey {
        pk: format!("{}#policy", office.workspace.id),
        sk: sk.to_owned(),
    }
}

/// What is in force in the workspace, and the version of the row that says so.
pub(super) async fn state(office: &Office) -> (PolicyState, Option<u64>) {
    let boot = &office.stage.boot;
    let state = boot.state().unwrap();
    let found = state.get(&place(office, "state")).await.unwrap();
    found.map_or_else(Default::default, |row| {
        let state = serde_json::from_value(row.doc).unwrap();
        (state, Some(row.version))
    })
}

/// Stores a bundle that may follow the one in force, by Ben, who has a key that signs; its digest.
pub(super) async fn store(office: &Office) -> String {
    let (mut after, version) = state(office).await;
    let number = after.active_version() + 1;
    let stored = bundle(office, PLAIN, number, after.active_digest());
    let (by, at) = (stored.by, stored.at);
    let line = StoredLine {
        version: number,
        at,
        by,
    };
    after.keys = keys(office);
    after.stored.insert(stored.digest.clone(), line);
    write(office, &after, version, &stored).await;
    stored.digest
}

/// Lets repairs of machines wait for an hour from here on.
pub(super) async fn hold_short(office: &Office) {
    let (mut after, version) = state(office).await;
    if after.active.is_some() {
        return;
    }
    let stored = bundle(office, &format!("{PLAIN}{SOON}"), 1, None);
    after.keys = keys(office);
    after.active = Some(ActiveBundle {
        digest: stored.digest.clone(),
        version: 1,
        previous: None,
        at: stored.at,
        by: stored.by,
        approver: office.people[0].to_string(),
    });
    write(office, &after, version, &stored).await;
}

async fn write(office: &Office, after: &PolicyState, version: Option<u64>, stored: &StoredBundle) {
    let key = place(office, "state");
    let doc = json!(after);
    let state = match version {
        None => StateWrite::create(key, doc),
        Some(version) => StateWrite::replace(key, version, doc),
    };
    let row = StateWrite::create(place(office, &stored.digest), json!(stored));
    let boot = &office.stage.boot;
    let written = boot.state().unwrap().write(vec![state, row]).await;
    assert!(written.unwrap());
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn keys(office: &Office) -> Vec<RegisteredKey> {
    vec![RegisteredKey {
        public_key: key().public().text(),
        fingerprint: key().public().fingerprint(),
        at: office.time.clock().now(),
        by: office.people[1],
    }]
}

fn bundle(office: &Office, rules: &str, version: u64, previous: Option<&str>) -> StoredBundle {
    let files = BTreeMap::from([("policies/a.cedar".to_owned(), rules.to_owned())]);
    let entries = files.iter().map(|(path, text)| {
        json!({"path": path, "size": text.len(), "sha256": digest_string(text.as_bytes())})
    });
    let entries: Vec<Value> = entries.collect();
    let mut manifest = json!({
        "schema": "counterfoil.policy-bundle/v1", "layer": "workspace",
        "workspace": office.workspace.id.to_string(), "version": version,
        "cedar": {"lang": "4.5", "engine": ">=4.14,<5"}, "schema_sha256": schema_digest(),
        "files": entries, "created_at": "2026-11-01T00:00:00Z", "created_by": "somebody", "summary": format!("number {}", number()),
    });
    if let Some(previous) = previous {
        manifest["previous"] = json!(previous);
    }
    let manifest = manifest.to_string();
    let bundle = Bundle::read(manifest.as_bytes(), files.clone()).unwrap();
    StoredBundle {
        digest: bundle.digest().to_owned(),
        envelope: Envelope::sign(&bundle.statement(), &key()),
        manifest,
        files,
        by: office.people[1],
        at: office.time.clock().now(),
        impact: None,
    }
}
