//! What counts when it is carried out: limits, roles, rules and sign-ins of that moment.

use std::time::Duration;

use counterfoil_core::auth::authenticate_person;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::ports::{Clock, State, StateKey, StateWrite};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::repair::{Action, ActionState, HOUR_MAX, Pace};
use counterfoil_core::tenancy::{Role, TenantCtx};
use counterfoil_core::usecases::ActionError;

use super::super::world::{World, login};
use super::{approve, proposed};

/// Limits of an hour bind everybody: the fifty-first repair is refused, also after its approval.
#[tokio::test]
async fn the_fifty_first_repair_of_an_hour_is_not_begun() {
    let (world, action) = proposed().await;
    let begun = || world.facts("run.decision").pop().unwrap();
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let mut pace = Pace::default();
    for _ in 0..HOUR_MAX {
        pace = pace.with(world.clock.now());
    }
    let write = records.create(&pace).unwrap();
    assert!(world.store.write(vec![write]).await.unwrap());
    let state = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Stale);
    assert_eq!(world.app.updates(), 0);
    let rule = begun()
        .get("rule")
        .and_then(Json::as_str)
        .map(str::to_owned);
    assert_eq!(rule.as_deref(), Some("base.forbid.blast-hour"));

    // An hour later there is room again.
    world.clock.advance(Duration::from_hours(1));
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let again = propose.propose(&world.repair_key, &incident, Some("support asked"), true);
    let again = again.await.unwrap().action;
    let state = approve(&world, &world.ben, &again).await.unwrap();
    assert_eq!(state, ActionState::Verified);
}

/// An action that was approved and that somebody starts later.
async fn approved() -> (World, Action) {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), false);
    let action = proposed.await.unwrap().action;
    let state = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Approved);
    (world, action)
}

async fn start(world: &World, action: &Action) -> (ActionState, String) {
    let (votes, id) = (world.vote(), action.id.to_string());
    let after = Box::pin(votes.execute(&world.repair_key, &id, Some(&action.digest))).await;
    let last = world.facts("run.decision").pop().unwrap();
    let rule = last.get("rule").and_then(Json::as_str).unwrap().to_owned();
    (after.unwrap().value.state, rule)
}

/// Approvals count while those who gave them still could.
#[tokio::test]
async fn an_approval_of_somebody_who_lost_the_role_counts_no_more() {
    let (world, action) = approved().await;
    let ben = world.ben.principal().person().unwrap();
    let directory = Directory::of(world.store.as_ref());
    let member = directory
        .member(world.workspace.id, ben)
        .await
        .unwrap()
        .unwrap();
    let mut after = member.value;
    after.role = Role::Viewer;
    let doc = serde_json::to_value(&after).unwrap();
    let key = Directory::member_key(world.workspace.id, ben);
    let mut write = StateWrite::replace(key, member.version, doc);
    write.cites = member.evidence;
    assert!(world.store.write(vec![write]).await.unwrap());
    let (state, rule) = start(&world, &action).await;
    assert_eq!(state, ActionState::Stale);
    assert_eq!(rule, "base.require.machine-live");
    assert_eq!(world.app.updates(), 0);
}

/// The rules that count are those in force when it is carried out.
#[tokio::test]
async fn an_approval_under_other_rules_is_judged_by_those_in_force() {
    let (world, action) = approved().await;
    // A row that nobody can read says nothing: not that there are no rules.
    let key = StateKey {
        pk: format!("{}#policy", world.workspace.id),
        sk: "state".to_owned(),
    };
    let write = StateWrite::create(key, serde_json::json!({ "active": 7 }));
    assert!(world.store.write(vec![write]).await.unwrap());
    let (state, rule) = start(&world, &action).await;
    assert_eq!(state, ActionState::Stale);
    assert_eq!(rule, "bundle-unverified");
    assert_eq!(world.app.updates(), 0);
}

/// A person's own repair, which nobody else has to approve.
async fn own() -> (World, TenantCtx, Action) {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let ann = world.sign_in("Ann").await;
    let propose = world.propose();
    let proposed = propose.propose(&ann, &incident, Some("support asked"), false);
    let action = proposed.await.unwrap().action;
    assert_eq!(action.state, ActionState::Allowed);
    (world, ann, action)
}

/// A person's own repair in live takes a sign-in of the last 15 minutes, and waits for one.
#[tokio::test]
async fn a_sign_in_that_is_too_old_ends_no_action() {
    let (world, ann, action) = own().await;
    world.clock.advance(Duration::from_mins(16));
    let (votes, id) = (world.vote(), action.id.to_string());
    for who in [&ann, &world.repair_key] {
        let refused = Box::pin(votes.execute(who, &id, Some(&action.digest))).await;
        let Err(ActionError::Denied(judged)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(judged.rule, "base.forbid.stale-login-live");
        // A machine cannot sign in again.
        assert_eq!(
            judged.fresh_within_s.is_some(),
            who.principal().person().is_some()
        );
    }
    assert_eq!(world.app.updates(), 0);
    let ann = world.sign_in("Ann").await;
    let after = Box::pin(votes.execute(&ann, &id, Some(&action.digest)))
        .await
        .unwrap();
    assert_eq!(after.value.state, ActionState::Verified);
}

/// docs/design/0005: what ends an action is asked in the name of whoever vouched for it.
#[tokio::test]
async fn what_is_not_owed_any_more_ends_by_that_and_not_by_the_old_sign_in_of_its_trigger() {
    let (world, ann, action) = own().await;
    world.clock.advance(Duration::from_mins(16));
    world.billing.cancel_all("cus_1");
    let (votes, id) = (world.vote(), action.id.to_string());
    let after = Box::pin(votes.execute(&ann, &id, Some(&action.digest))).await;
    assert_eq!(after.unwrap().value.state, ActionState::Stale);
    let said = world.facts("observation.recorded").pop().unwrap();
    let said = said.get("code").and_then(Json::as_str);
    assert_eq!(said, Some("changed-since-approval"));
    assert_eq!(world.app.updates(), 0);
}

/// A key is revoked because nobody knows who used it: what it proposed is carried out no more.
#[tokio::test]
async fn what_a_key_proposed_that_was_revoked_since_is_not_carried_out() {
    let (world, action) = proposed().await;
    let key = StateKey {
        pk: format!("{}#key", world.workspace.id),
        sk: world.repair_key.principal().id(),
    };
    let mut row = world.store.get(&key).await.unwrap().unwrap();
    row.doc["revoked_at"] = serde_json::to_value(world.clock.now()).unwrap();
    let write = StateWrite::replace(key, row.version, row.doc);
    assert!(world.store.write(vec![write]).await.unwrap());
    let state = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!((state, world.app.updates()), (ActionState::Stale, 0));
    let last = world.facts("run.decision").pop().unwrap();
    assert_eq!(
        last.get("rule").and_then(Json::as_str),
        Some("default-deny")
    );
}

/// What is wrong with whoever triggers it takes nobody's approval away.
#[tokio::test]
async fn a_trigger_that_the_rules_refuse_leaves_the_action_approved() {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), false);
    let action = proposed.await.unwrap().action;
    approve(&world, &world.ben, &action).await.unwrap();
    world.under("@id(\"ws.forbid.one-factor\") @why(\"with a second factor\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource) unless { context.base.mfa };\n").await;
    let (votes, id) = (world.vote(), action.id.to_string());
    let by_key = Box::pin(votes.execute(&world.repair_key, &id, Some(&action.digest))).await;
    assert!(matches!(by_key, Err(ActionError::Denied(_))), "{by_key:?}");
    let last = world.facts("run.decision").pop().unwrap();
    let rule = last.get("rule").and_then(Json::as_str);
    assert_eq!(rule, Some("ws.forbid.one-factor"));
    assert_eq!(world.app.updates(), 0);
    let by_ben = Box::pin(votes.execute(&world.ben, &id, Some(&action.digest))).await;
    assert_eq!(by_ben.unwrap().value.state, ActionState::Verified);
}

/// Ann, who signs in now without a second factor.
async fn with_one_factor(world: &World) -> TenantCtx {
    let mut login = login("Ann", world.clock.now());
    login.second_factor = false;
    let store = world.store.as_ref();
    let ann = authenticate_person(store, login).await.unwrap();
    let project = world.project.id.to_string();
    ann.project(store, Some(&project)).await.unwrap()
}

/// That an approval is older than a sign-in may be says nothing about whoever triggers it, and neither
/// does it that nobody had to approve.
#[tokio::test]
async fn a_trigger_without_a_second_factor_ends_nothing_that_was_approved_long_ago() {
    let one_factor = "@id(\"ws.forbid.one-factor\") @why(\"with a second factor\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource) unless { context.base.mfa };\n";
    let two_people = "@id(\"ws.require.two\") @why(\"another person looks\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource) unless { context.base.approvals.count >= 1 };\n";
    for rules in [one_factor.to_owned(), format!("{one_factor}{two_people}")] {
        let world = World::new().await;
        world.scan().await;
        world.under(&rules).await;
        let incident = world.incident().await.id.to_string();
        let ann = world.sign_in("Ann").await;
        let propose = world.propose();
        let proposed = propose.propose(&ann, &incident, Some("support asked"), false);
        let action = proposed.await.unwrap().action;
        let (votes, id) = (world.vote(), action.id.to_string());
        if action.state == ActionState::Held {
            approve(&world, &world.ben, &action).await.unwrap();
        }
        world.clock.advance(Duration::from_mins(16));
        let one = with_one_factor(&world).await;
        let refused = Box::pin(votes.execute(&one, &id, Some(&action.digest))).await;
        let Err(ActionError::Denied(judged)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(judged.rule, "ws.forbid.one-factor");
        let ann = world.sign_in("Ann").await;
        let after = Box::pin(votes.execute(&ann, &id, Some(&action.digest))).await;
        assert_eq!(after.unwrap().value.state, ActionState::Verified);
    }
}
