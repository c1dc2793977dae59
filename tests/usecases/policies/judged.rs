//! Decisions by a workspace's own rules, and by what is left when those cannot be asked.

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ports::{State, StateKey, StateWrite};
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::AdminError;
use serde_json::json;

use super::desk::{Desk, PERMIT, key};
use crate::tenants::bench::READING;

fn with(rule: &str) -> String {
    format!("{PERMIT}{rule}\n")
}

const NO_KEYS: &str = "@id(\"ws.forbid.keys\") @why(\"no keys here\")\nforbid (principal, action == CF::Action::\"key.create\", resource);";
/// Cedar goes on without a policy that fails: this forbid would let everything pass.
const FAILS: &str = "@id(\"ws.forbid.fails\") @why(\"it cannot be evaluated\")\nforbid (principal, action == CF::Action::\"key.create\", resource) when { context.base.auth_age_s + 9223372036854775807 > 9223372036854775806 };";

/// Ann makes an API key: the rule that refused it.
async fn refused(desk: &Desk, who: &str) -> Option<String> {
    match desk.bench.make_key(who, &READING).await {
        Ok(_) => None,
        Err(AdminError::Denied {
            judgement,
            decision: Some(_),
        }) => Some(judgement.rule),
        Err(other) => panic!("{other:?}"),
    }
}

/// The facts of the last decision.
fn last(desk: &Desk) -> Json {
    let entries = desk.bench.entries().into_iter().rev();
    let mut decisions = entries.filter(|(kind, _)| *kind == Kind::RunDecision);
    decisions.next().unwrap().1
}

#[tokio::test]
async fn a_decision_is_judged_by_the_bundle_in_force_and_names_it() {
    let desk = Desk::new().await;
    assert_eq!(refused(&desk, "ann").await, None);
    let digest = desk.in_force(&with(NO_KEYS), 1, None).await;
    assert_eq!(refused(&desk, "ann").await.unwrap(), "ws.forbid.keys");
    let facts = last(&desk);
    assert_eq!(
        facts.get("policy").and_then(Json::as_str),
        Some(digest.as_str())
    );
    desk.in_force(PERMIT, 2, Some(&digest)).await;
    assert_eq!(refused(&desk, "ann").await, None);
}

#[tokio::test]
async fn a_bundle_that_permits_all_opens_nothing_that_the_baseline_forbids() {
    let desk = Desk::new().await;
    desk.bench.join("vic", Role::Viewer).await;
    desk.in_force(PERMIT, 1, None).await;
    let rule = refused(&desk, "vic").await.unwrap();
    assert!(
        rule.starts_with("base.") || rule == "default-deny",
        "{rule}"
    );
}

#[tokio::test]
async fn a_forbid_that_fails_denies() {
    let desk = Desk::new().await;
    // A sign-in of some seconds ago makes the sum overflow.
    desk.in_force(&with(FAILS), 1, None).await;
    let ctx = desk.ctx("ann").await;
    desk.bench.later(std::time::Duration::from_mins(1));
    let made = desk.bench.keys().make(&ctx, &READING, None).await;
    match made.map(drop) {
        Err(AdminError::Denied { judgement, .. }) => assert_eq!(judgement.rule, "engine-error"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_revoked_bundle_denies_and_two_people_start_it_again() {
    let desk = Desk::new().await;
    let digest = desk.in_force(PERMIT, 1, None).await;
    desk.revoke("ben", &digest).await.unwrap();
    assert_eq!(refused(&desk, "ann").await.unwrap(), "bundle-revoked");
    let facts = last(&desk);
    assert_eq!(facts.get("effect").and_then(Json::as_str), Some("DENY"));
    assert!(desk.register("ann", 2, None).await.is_err());
    desk.in_force(PERMIT, 2, Some(&digest)).await;
    assert_eq!(refused(&desk, "ann").await, None);
}

#[tokio::test]
async fn a_bundle_whose_row_was_altered_denies_and_that_is_recorded() {
    let desk = Desk::new().await;
    let digest = desk.in_force(&with(NO_KEYS), 1, None).await;
    let store = desk.bench.store.as_ref();
    let row = |sk: &str| StateKey {
        pk: format!("{}#policy", desk.bench.workspace.id),
        sk: sk.to_owned(),
    };
    // Another key makes a process verify again.
    let mut state = store.get(&row("state")).await.unwrap().unwrap();
    let mut keys = state.doc["keys"].as_array().unwrap().clone();
    let mut other = keys[0].clone();
    other["public_key"] = json!(key(9).public().text());
    keys.push(other);
    state.doc["keys"] = json!(keys);
    let mut bundle = store.get(&row(&digest)).await.unwrap().unwrap();
    bundle.doc["files"]["policies/a.cedar"] = json!(PERMIT);
    for found in [state, bundle] {
        let write = StateWrite::replace(found.key, found.version, found.doc);
        assert!(store.write(vec![write]).await.unwrap());
    }
    let before = desk.bench.count(Kind::RunDecision);
    assert_eq!(refused(&desk, "ann").await.unwrap(), "bundle-unverified");
    assert_eq!(desk.bench.count(Kind::RunDecision), before + 1);
    let facts = last(&desk);
    assert_eq!(
        facts.get("rule").and_then(Json::as_str),
        Some("bundle-unverified")
    );
}

#[tokio::test]
async fn a_state_that_nobody_can_read_denies_and_that_is_recorded() {
    let desk = Desk::new().await;
    desk.in_force(PERMIT, 1, None).await;
    let store = desk.bench.store.as_ref();
    let place = StateKey {
        pk: format!("{}#policy", desk.bench.workspace.id),
        sk: "state".to_owned(),
    };
    let found = store.get(&place).await.unwrap().unwrap();
    let write = StateWrite::replace(place, found.version, json!({ "keys": 7 }));
    assert!(store.write(vec![write]).await.unwrap());
    assert_eq!(refused(&desk, "ann").await.unwrap(), "bundle-unverified");
}

#[tokio::test]
async fn a_candidate_in_shadow_stands_in_the_decision_and_changes_nothing() {
    let desk = Desk::new().await;
    let first = desk.in_force(PERMIT, 1, None).await;
    let candidate = desk.stored(&with(NO_KEYS), 2, Some(&first)).await;
    let ctx = desk.ctx("ann").await;
    let policies = desk.policies();
    policies.shadow(&ctx, &candidate, true).await.unwrap();
    assert_eq!(refused(&desk, "ann").await, None);
    let facts = last(&desk);
    let shadow = facts.get("shadow").unwrap();
    let text = |name: &str| shadow.get(name).and_then(Json::as_str);
    assert_eq!(text("bundle"), Some(candidate.as_str()));
    assert_eq!(text("effect"), Some("DENY"));
}

#[tokio::test]
async fn what_was_decided_is_judged_again_as_it_was_stored() {
    let desk = Desk::new().await;
    assert_eq!(refused(&desk, "ann").await, None);
    desk.bench.later(std::time::Duration::from_secs(1));
    let digest = desk.stored(&with(NO_KEYS), 1, None).await;
    let ctx = desk.ctx("ann").await;
    let policies = desk.policies();
    let asked = policies.impact(&ctx, &digest, (None, None), None).await;
    let (report, _) = asked.unwrap();
    assert_eq!(report.not_comparable, 0);
    assert_eq!(report.impact.flipped, 1);
    assert_eq!(report.impact.flips[0].action, "key.create");
    assert_eq!(report.impact.flips[0].after.rules, ["ws.forbid.keys"]);
}
