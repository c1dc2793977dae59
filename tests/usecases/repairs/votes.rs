//! Who approves, rejects and withdraws.

use std::time::Duration;

use counterfoil_core::incident::IncidentState;
use counterfoil_core::reconcile::FindingKind;
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::usecases::{ActionError, Voted};

use super::super::world::{World, customer};
use super::{approve, proposed, vote};

#[tokio::test]
async fn the_proposer_cannot_approve_and_the_refusal_is_recorded() {
    // What no subscription ever backed waits for a second person, also when a person asks.
    let world = World::new().await;
    world.billing.add_customer(customer("cus_4", "u4"));
    world.set_row("u4", true);
    world.scan().await;
    let mut incidents = world.incidents().await.into_iter();
    let unbacked = incidents.find(|it| it.finding.kind == FindingKind::AccessWithoutPayment);
    let id = unbacked.unwrap().id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.ann, &id, Some("support asked"), true);
    let action = proposed.await.unwrap().action;
    assert_eq!(action.rule, "base.require.revoke-unbacked");
    let before = world.count("run.decision");
    let refused = approve(&world, &world.ann, &action).await.unwrap_err();
    let ActionError::Denied(judgement) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(judgement.rule, "base.forbid.proposer-approves");
    assert_eq!(world.count("run.decision"), before + 1);
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn a_plain_key_cannot_approve_and_a_reading_key_cannot_propose() {
    let (world, action) = proposed().await;
    let refused = approve(&world, &world.repair_key, &action)
        .await
        .unwrap_err();
    assert!(matches!(refused, ActionError::Denied(j) if j.rule == "base.forbid.machine-approves"));
    let incident = world.incident().await.id.to_string();
    let refused = world
        .propose()
        .propose(&world.read_key, &incident, None, true)
        .await;
    assert!(matches!(refused, Err(ActionError::MissingCapability)));
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn an_approval_of_something_else_is_refused() {
    let (world, action) = proposed().await;
    let other = Voted {
        kind: VoteKind::Approve,
        digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        reason: "looks fine to me",
        version: None,
    };
    let refused = world
        .vote()
        .vote(&world.ben, &action.id.to_string(), &other)
        .await
        .unwrap_err();
    assert!(matches!(refused, ActionError::Denied(j) if j.rule == "base.forbid.approval-form"));
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn one_rejection_ends_it_and_a_later_approval_changes_nothing() {
    let (world, action) = proposed().await;
    let no = vote(&action, VoteKind::Reject, "special deal with them");
    let after = world
        .vote()
        .vote(&world.ben, &action.id.to_string(), &no)
        .await
        .unwrap();
    assert_eq!(after.action.value.state, ActionState::Rejected);
    assert_eq!(world.incident().await.state, IncidentState::Open);
    assert!(approve(&world, &world.ben, &action).await.is_err());
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn an_approval_sent_twice_executes_once() {
    let (world, action) = proposed().await;
    approve(&world, &world.ben, &action).await.unwrap();
    assert!(approve(&world, &world.ben, &action).await.is_err());
    assert_eq!(world.app.updates(), 1);
    assert_eq!(world.count("repair.started"), 1);
}

#[tokio::test]
async fn a_hold_that_nobody_approved_in_time_is_a_refusal() {
    let (world, action) = proposed().await;
    world.clock.advance(Duration::from_hours(73));
    let late = approve(&world, &world.ben, &action).await.unwrap_err();
    assert!(matches!(late, ActionError::Expired));
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.incident().await.state, IncidentState::Open);
}

#[tokio::test]
async fn a_proposer_may_withdraw_and_a_stranger_to_the_action_may_not() {
    let (world, action) = proposed().await;
    let id = action.id.to_string();
    let refused = world.vote().cancel(&world.read_key, &id).await;
    assert!(matches!(refused, Err(ActionError::MissingCapability)));
    let after = world.vote().cancel(&world.ann, &id).await.unwrap();
    assert_eq!(after.value.state, ActionState::Cancelled);
    assert!(approve(&world, &world.ben, &action).await.is_err());
    assert_eq!(world.incident().await.state, IncidentState::Open);
    assert_eq!(world.count("run.open"), world.count("run.close"));
    assert_eq!(world.app.updates(), 0);
}
