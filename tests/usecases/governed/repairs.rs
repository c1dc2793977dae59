//! Repairs as actions of a governed run: everything about them is in that run, and it counts there.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::governed_run::{GovernedRun, RunState};
use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::State;
use counterfoil_core::records::Records;
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::usecases::{ActionError, Glass, NewAction, NewRepair, RunError};

use super::super::world::World;
use super::action as action_of;

/// A run of the repair key with the repair of the world's incident in it.
async fn proposed(execute_on_approval: bool) -> (World, String, Action) {
    let world = World::new().await;
    world.scan().await;
    let run = world.open_run().await;
    let action = propose(&world, &run, execute_on_approval).await.unwrap();
    (world, run, action)
}

async fn propose(
    world: &World,
    run: &str,
    execute_on_approval: bool,
) -> Result<Action, ActionError> {
    let new = NewRepair {
        incident: world.incident().await.id.to_string(),
        reason: Some("the flow found it".to_owned()),
        execute_on_approval,
        seq: None,
    };
    let propose = world.propose();
    let proposed = propose.propose_in_run(&world.repair_key, run, &new).await?;
    Ok(proposed.action)
}

async fn run_now(world: &World, run: &str) -> GovernedRun {
    let found = world.governed().get(&world.repair_key, run).await;
    found.unwrap().value
}

/// Whether the run's own counts are those that its entries give: the writer refuses any other.
async fn completes(world: &World, run: &str) -> Json {
    let ended = world.complete_run(run).await.unwrap();
    assert_eq!(ended.state, RunState::Completed);
    assert_eq!((ended.held, ended.in_hand, ended.repairs), (0, 0, 0));
    world.facts("run.close").pop().unwrap()
}

fn count(close: &Json, name: &str) -> u64 {
    close.get(name).and_then(Json::as_uint).unwrap()
}

#[tokio::test]
async fn a_repair_is_held_approved_carried_out_and_verified_in_the_open_run() {
    let (world, run, action) = proposed(true).await;
    assert_eq!(action.state, ActionState::Held);
    assert_eq!(action.binding.run.to_string(), run);
    let refused = world.complete_run(&run).await;
    assert!(matches!(
        refused,
        Err(RunError::OpenActions { count: 1, .. })
    ));
    let before = world.kinds().len();
    let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Verified);
    assert!(world.granted("u1"));
    let close = completes(&world, &run).await;
    assert_eq!(
        ["decisions", "require", "unresolved"].map(|name| count(&close, name)),
        [1, 1, 0]
    );
    let kinds = world.kinds_since(before);
    assert_eq!(
        kinds,
        [
            "run.resolution",
            "repair.started",
            "repair.executed",
            "repair.verified",
            "incident.resolved",
            "run.close"
        ]
    );
    // What is begun cites the decision of the run, and says that it was judged again.
    let started = world.facts("repair.started").pop().unwrap();
    let resolution = world.facts("run.resolution").pop().unwrap();
    assert_eq!(started.get("decision"), resolution.get("decision"));
    let revalidated = started.get("revalidated").unwrap();
    let rule = revalidated.get("rule").and_then(Json::as_str).unwrap();
    assert!(rule.starts_with("base.permit."), "{rule}");
}

#[tokio::test]
async fn a_no_gives_the_incident_back_and_the_run_goes_on() {
    let (world, run, action) = proposed(true).await;
    let state = world.answer(&world.ben, &action, VoteKind::Reject).await;
    assert_eq!(state.unwrap(), ActionState::Rejected);
    assert_eq!(world.incident().await.state, IncidentState::Open);
    let again = propose(&world, &run, true).await.unwrap();
    let state = world.answer(&world.ben, &again, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Verified);
    let close = completes(&world, &run).await;
    assert_eq!(count(&close, "decisions"), 2);
    assert_eq!(world.app.updates(), 1);
}

#[tokio::test]
async fn what_was_approved_and_is_withdrawn_ends_in_the_run() {
    let (world, run, action) = proposed(false).await;
    let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Approved);
    let (votes, id) = (world.vote(), action.id.to_string());
    let ended = votes.cancel(&world.repair_key, &id).await.unwrap().value;
    assert_eq!(ended.state, ActionState::Cancelled);
    assert_eq!(world.incident().await.state, IncidentState::Open);
    let failed = world.facts("repair.failed").pop().unwrap();
    assert_eq!(failed.get("code").and_then(Json::as_str), Some("withdrawn"));
    completes(&world, &run).await;
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn a_repair_that_is_not_owed_any_more_goes_stale_in_the_run() {
    let (world, run, action) = proposed(true).await;
    world.billing.cancel_all("cus_1");
    let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Stale);
    completes(&world, &run).await;
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn a_repair_that_the_rules_deny_by_then_is_a_further_decision_of_the_run() {
    let (world, run, action) = proposed(true).await;
    world.freeze(true).await;
    let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Stale);
    let denied = world.facts("run.decision").pop().unwrap();
    assert_eq!(
        denied.get("rule").and_then(Json::as_str),
        Some("base.forbid.frozen")
    );
    let close = completes(&world, &run).await;
    assert_eq!(["require", "deny"].map(|name| count(&close, name)), [1, 1]);
    assert_eq!(world.app.updates(), 0);
}

/// Nobody holds the run any more. Its repair ends first, and gives its incident back.
#[tokio::test]
async fn a_run_that_is_left_is_ended_after_its_repair() {
    let (world, run, _) = proposed(true).await;
    world.clock.advance(Duration::from_hours(36 * 24));
    let swept = world.sweep_runs().sweep().await.unwrap();
    assert_eq!(swept.ended + swept.aborted, 0);
    assert_eq!(run_now(&world, &run).await.state, RunState::Open);
    let finished = Box::pin(world.sweep().sweep()).await.unwrap();
    assert_eq!(finished.finished, 1);
    assert_eq!(world.incident().await.state, IncidentState::Open);
    let swept = world.sweep_runs().sweep().await.unwrap();
    assert_eq!((swept.ended, swept.aborted), (1, 0));
    assert_eq!(run_now(&world, &run).await.state, RunState::Expired);
}

/// Nothing is recorded in a run that has ended, whoever ended it meanwhile.
#[tokio::test]
async fn a_repair_whose_run_has_ended_is_neither_approved_nor_begun() {
    let (world, run, action) = proposed(true).await;
    let records = Records::of(world.store.as_ref(), &world.ben);
    let found = records.get::<GovernedRun>(&run).await.unwrap().unwrap();
    let ended = GovernedRun {
        state: RunState::Aborted,
        ..found.value
    };
    let write = records.replace(found.version, &ended).unwrap();
    assert!(world.store.write(vec![write]).await.unwrap());
    let before = world.kinds();
    let late = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert!(
        matches!(late, Err(ActionError::WrongState { .. })),
        "{late:?}"
    );
    assert_eq!((world.kinds(), world.app.updates()), (before, 0));
}

#[tokio::test]
async fn an_incident_that_is_not_there_is_named_as_the_mistake() {
    let (world, run, _) = proposed(true).await;
    for incident in ["inc_01ARZ3NDEKTSV4RRFFQ69G5FAV", "no id"] {
        let new = NewRepair {
            incident: incident.to_owned(),
            reason: None,
            execute_on_approval: true,
            seq: None,
        };
        let propose = world.propose();
        let refused = propose.propose_in_run(&world.repair_key, &run, &new).await;
        assert!(
            matches!(&refused, Err(ActionError::Invalid(it)) if it.field == "/resource"),
            "{refused:?}"
        );
    }
    // What is being repaired already is not proposed twice.
    let twice = propose(&world, &run, true).await;
    assert!(matches!(twice, Err(ActionError::WrongState { .. })));
    assert_eq!(run_now(&world, &run).await.tally.decisions(), 1);
}

#[tokio::test]
async fn an_owner_breaks_the_glass_for_a_repair_of_a_run() {
    let (world, run, action) = proposed(true).await;
    let owner = world.sign_in("Ben").await;
    let glass = Glass {
        digest: &action.digest,
        reason: "nobody else answers and they are locked out",
        ticket: "OPS-7",
        version: 1,
    };
    let done = Box::pin(world.break_glass(&owner, &action, &glass)).await;
    assert_eq!(done.unwrap().value.state, ActionState::Verified);
    let close = completes(&world, &run).await;
    assert_eq!(
        ["require", "allow", "overrides", "unresolved"].map(|name| count(&close, name)),
        [1, 1, 1, 0]
    );
    assert_eq!(world.app.updates(), 1);
}

/// Steps are counted by proposals: what was judged a second time is no step of the caller's.
#[tokio::test]
async fn the_number_of_a_step_counts_what_was_proposed_and_not_what_was_decided() {
    let (world, run, action) = proposed(true).await;
    world.freeze(true).await;
    let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Stale);
    world.freeze(false).await;
    assert_eq!(run_now(&world, &run).await.tally.decisions(), 2);
    let new = |seq| NewAction {
        seq: Some(seq),
        ..action_of("mail.send", "ticket-1")
    };
    let runs = world.governed();
    let second = runs.propose(&world.repair_key, &run, &new(2)).await;
    assert!(
        matches!(&second, Err(RunError::Invalid(it)) if it.field == "/seq"),
        "{second:?}"
    );
    let first = runs.propose(&world.repair_key, &run, &new(1)).await;
    assert!(!first.unwrap().known);
}

/// The limit of a run binds every run, not a scan's alone.
#[tokio::test]
async fn a_run_takes_no_more_repairs_than_the_mapping_says() {
    let world = World::new().await;
    world.scan().await;
    let run = world.open_run().await;
    let records = Records::of(world.store.as_ref(), &world.ben);
    let found = records.get::<GovernedRun>(&run).await.unwrap().unwrap();
    let full = GovernedRun {
        repairs_taken: 50,
        ..found.value
    };
    let write = records.replace(found.version, &full).unwrap();
    assert!(world.store.write(vec![write]).await.unwrap());
    let action = propose(&world, &run, true).await.unwrap();
    assert_eq!(action.state, ActionState::Denied);
    assert_eq!(action.rule, "base.forbid.blast-run");
    completes(&world, &run).await;
}

#[tokio::test]
async fn each_repair_of_a_run_takes_one_of_its_places() {
    let (world, run, _) = proposed(true).await;
    assert_eq!(run_now(&world, &run).await.repairs_taken, 1);
}
