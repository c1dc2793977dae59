//! What is written when something changed, failed, or was not answered.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::{State as _, StateWrite};
use counterfoil_core::records::Records;
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::usecases::ActionError;
use counterfoil_testkit::memory::ApplyFault;

use super::meanwhile::votes;
use super::{approve, proposed, vote};
use crate::world::World;

#[tokio::test]
async fn a_row_that_changed_since_the_approval_is_left_alone() {
    let (world, action) = proposed().await;
    world.set_row("u1", true);
    assert_eq!(
        approve(&world, &world.ben, &action).await.unwrap(),
        ActionState::Stale
    );
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.count("repair.started"), 0);
}

#[tokio::test]
async fn a_row_that_changes_in_the_last_moment_is_left_alone() {
    let (world, action) = proposed().await;
    world.app.fail_next(ApplyFault::Overtaken);
    assert_eq!(
        approve(&world, &world.ben, &action).await.unwrap(),
        ActionState::Stale
    );
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.count("repair.failed"), 1);
}

#[tokio::test]
async fn a_lost_reply_to_commit_is_settled_by_reading_the_row() {
    for (fault, state, updates, code) in [
        (ApplyFault::LostReply, ActionState::Verified, 1, None),
        (
            ApplyFault::LostCommit,
            ActionState::Failed,
            0,
            Some("not-applied"),
        ),
        (
            ApplyFault::Unreachable,
            ActionState::Failed,
            0,
            Some("database-unavailable"),
        ),
    ] {
        let (world, action) = proposed().await;
        world.app.fail_next(fault);
        assert_eq!(
            approve(&world, &world.ben, &action).await.unwrap(),
            state,
            "{fault:?}"
        );
        assert_eq!(world.app.updates(), updates, "{fault:?}");
        let results = world.count("repair.executed") + world.count("repair.failed");
        assert_eq!(results, 1, "{fault:?}");
        let failed = world.facts("repair.failed").pop();
        let said = failed.as_ref().and_then(|it| it.get("code")?.as_str());
        assert_eq!(said, code, "{fault:?}");
    }
}

/// What was written is in the record, and so is that it does not hold: the difference is open again.
#[tokio::test]
async fn a_repair_that_somebody_takes_back_before_it_is_looked_at_is_a_mismatch() {
    let (world, action) = proposed().await;
    world.app.fail_next(ApplyFault::ThenUnreadable);
    let state = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Executed);
    world.app.unreadable(false);
    world.set_row("u1", false);
    world.clock.advance(Duration::from_mins(4));
    assert_eq!(world.sweep().sweep().await.unwrap().finished, 1);
    let verified = world.facts("repair.verified").pop().unwrap();
    let result = verified.get("result").and_then(Json::as_str);
    assert_eq!(result, Some("mismatch"));
    assert_eq!(world.count("incident.resolved"), 0);
    assert_eq!(world.incident().await.state, IncidentState::Open);
    assert_eq!(world.app.updates(), 1);
    assert_eq!(world.count("run.open"), world.count("run.close"));
}

/// What became of the UPDATE is known, whoever looks at the incident in that moment.
#[tokio::test]
async fn a_failure_is_recorded_though_a_scan_sees_the_incident_meanwhile() {
    let (world, action) = proposed().await;
    let records = Records::of(world.store.as_ref(), &world.ann);
    let id = action.binding.resource.to_string();
    let incident = records.get::<Incident>(&id).await.unwrap().unwrap();
    let seen = records.replace(incident.version, &incident.value).unwrap();
    let votes = votes(&world, Kind::RepairFailed, vec![seen]);
    world.app.fail_next(ApplyFault::LostCommit);
    let yes = vote(&action, VoteKind::Approve, "checked the invoice");
    let after = Box::pin(votes.vote(&world.ben, &action.id.to_string(), &yes)).await;
    assert_eq!(after.unwrap().action.value.state, ActionState::Failed);
    assert_eq!(world.count("repair.failed"), 1);
    assert_eq!(world.incident().await.state, IncidentState::Open);
}

#[tokio::test]
async fn a_repair_whose_check_afterwards_was_not_possible_is_verified_by_the_sweep() {
    let (world, action) = proposed().await;
    world.app.fail_next(ApplyFault::ThenUnreadable);
    assert_eq!(
        approve(&world, &world.ben, &action).await.unwrap(),
        ActionState::Executed
    );
    world.app.unreadable(false);
    assert_eq!(
        world.sweep().sweep().await.unwrap().finished,
        0,
        "the sweep must wait for the worker"
    );
    world.clock.advance(Duration::from_mins(4));
    assert_eq!(world.sweep().sweep().await.unwrap().finished, 1);
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
    assert_eq!(world.app.updates(), 1);
    assert_eq!(world.count("run.open"), world.count("run.close"));
}

/// What is recorded as carried out is told as that, whatever keeps both sides from being looked at then.
#[tokio::test]
async fn a_repair_whose_incident_cannot_be_read_afterwards_is_told_as_executed() {
    let (world, action) = proposed().await;
    let records = Records::of(world.store.as_ref(), &world.ann);
    let key = records.key::<Incident>(&action.binding.resource.to_string());
    let found = world.store.get(&key).await.unwrap().unwrap();
    let broken = StateWrite::replace(key.clone(), found.version, serde_json::json!({ "id": 7 }));
    let votes = votes(&world, Kind::RepairExecuted, vec![broken]);
    let yes = vote(&action, VoteKind::Approve, "checked the invoice");
    let after = Box::pin(votes.vote(&world.ben, &action.id.to_string(), &yes)).await;
    assert_eq!(after.unwrap().action.value.state, ActionState::Executed);
    let mended = StateWrite::replace(key, found.version + 1, found.doc);
    assert!(world.store.write(vec![mended]).await.unwrap());
    world.clock.advance(Duration::from_mins(4));
    assert_eq!(world.sweep().sweep().await.unwrap().finished, 1);
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
    assert_eq!(world.app.updates(), 1);
    assert_eq!(world.count("run.open"), world.count("run.close"));
}

/// A refusal counts once it is recorded: until then nobody knows it, and nothing is as it would be after it.
#[tokio::test]
async fn a_denial_that_cannot_be_recorded_is_no_answer_and_nothing_happened() {
    let world = World::read_only().await;
    world.scan().await;
    let incident = world.incident().await;
    let id = incident.id.to_string();
    let (propose, before) = (world.propose(), world.kinds().len());
    let asked = async || {
        let proposed = propose.propose(&world.repair_key, &id, Some("support asked"), true);
        proposed.await
    };
    world.store.appends_left(Some(0));
    let lost = asked().await;
    assert!(matches!(lost, Err(ActionError::Evidence(_))), "{lost:?}");
    let records = Records::of(world.store.as_ref(), &world.ben);
    assert!(records.list::<Action>().await.unwrap().is_empty());
    assert_eq!(world.incident().await.state, incident.state);
    assert_eq!(world.kinds().len(), before);
    world.store.appends_left(None);
    assert_eq!(asked().await.unwrap().action.state, ActionState::Denied);

    let (world, action) = proposed().await;
    let before = world.kinds().len();
    world.store.appends_left(Some(0));
    // A key that speaks for nobody does not approve.
    let refused = approve(&world, &world.repair_key, &action).await;
    assert!(
        matches!(refused, Err(ActionError::Evidence(_))),
        "{refused:?}"
    );
    world.store.appends_left(None);
    assert_eq!(world.kinds().len(), before);
    let refused = approve(&world, &world.repair_key, &action).await;
    assert!(
        matches!(refused, Err(ActionError::Denied(_))),
        "{refused:?}"
    );
    assert_eq!(world.kinds().len(), before + 3);
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn without_evidence_there_is_no_update() {
    let (world, action) = proposed().await;
    world.store.appends_left(Some(0));
    let refused = approve(&world, &world.ben, &action).await.unwrap_err();
    assert!(matches!(refused, ActionError::Evidence(_)));
    assert_eq!(world.app.updates(), 0);
    assert!(!world.granted("u1"));
}
