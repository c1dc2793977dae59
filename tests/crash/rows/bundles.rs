//! Bundles of a workspace, signed, and stored behind the API's back.

use counterfoil_core::bundles::{PolicyState, RegisteredKey, StoredBundle, StoredLine};
use counterfoil_core::ports::{Clock as _, State as _, StateKey, StateWrite};
use counterfoil_policy::bundle::SigningKey;
use counterfoil_testkit::bundles::{self, PERMIT, Rules};
use serde_json::json;

use super::super::office::Office;
use super::super::stage::number;

/// A repair of a machine waits for an hour, not for three days.
const SOON: &str = "@id(\"ws.require.soon\") @why(\"a repair is looked at soon\") @role(\"approver\") @hold(\"1h\")
forbid (principal, action == CF::Action::\"repair.execute\", resource)
unless { context.base.approvals.count >= 1 };
";

fn place(office: &Office, row: &str) -> StateKey {
    bundles::place(office.workspace.id, row)
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
    let stored = bundle(office, PERMIT, number, after.active_digest());
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
    let stored = bundle(office, &format!("{PERMIT}{SOON}"), 1, None);
    after.keys = keys(office);
    let approver = office.people[0].to_string();
    after.active = Some(bundles::active(&stored, 1, &approver));
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
    let at = office.time.clock().now();
    vec![bundles::registered(&key(), office.people[1], at)]
}

fn bundle(office: &Office, rules: &str, version: u64, previous: Option<&str>) -> StoredBundle {
    let summary = format!("number {}", number());
    let rules = Rules::of(office.workspace.id, version, rules)
        .after(previous)
        .set("summary", summary.into());
    rules.stored(&key(), office.people[1], office.time.clock().now())
}
