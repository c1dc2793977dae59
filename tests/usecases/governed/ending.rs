//! Runs whose caller never came back.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::governed_run::{OpenRun, Report, RunState};
use counterfoil_core::ids::RunId;
use counterfoil_core::ports::{Clock as _, State as _};
use counterfoil_core::records::Records;
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::usecases::{ActionError, Completion, ReadActions, RunError};

use super::super::world::World;

const DAY: Duration = Duration::from_hours(24);

async fn state(world: &World, run: &str) -> RunState {
    let found = world.governed().get(&world.repair_key, run).await;
    found.unwrap().value.state
}

/// What the sweep reads: it looks at no run that has ended.
async fn open(world: &World) -> Vec<String> {
    let records = Records::of(world.store.as_ref(), &world.repair_key);
    let rows = records.list::<OpenRun>().await.unwrap();
    rows.iter().map(|row| row.value.id.to_string()).collect()
}

#[tokio::test]
async fn what_the_sweep_reads_is_the_runs_that_are_open() {
    let world = World::new().await;
    world.register().await;
    let mut runs = [
        world.open_run().await,
        world.open_run().await,
        world.open_run().await,
    ];
    runs.sort();
    assert_eq!(open(&world).await, runs);
    let [completed, left, idle] = runs;
    let (runs, completion) = (world.governed(), Completion::default());
    let done = runs.complete(&world.repair_key, &completed, &completion);
    assert_eq!(done.await.unwrap().value.state, RunState::Completed);
    assert_eq!(open(&world).await, [left.clone(), idle.clone()]);
    world.act(&left, "mail.send", "ticket-1").await;
    world.clock.advance(DAY);
    let swept = world.sweep_runs().sweep().await.unwrap();
    assert_eq!((swept.aborted, swept.ended, swept.failed.len()), (1, 1, 0));
    assert_eq!(open(&world).await, Vec::<String>::new());
    assert_eq!(state(&world, &idle).await, RunState::Expired);
}

#[tokio::test]
async fn a_run_that_was_left_with_something_in_hand_is_aborted_and_an_idle_one_expires() {
    let world = World::new().await;
    world.register().await;
    let (idle, left) = (world.open_run().await, world.open_run().await);
    world.act(&left, "mail.send", "ticket-1").await;
    world
        .clock
        .advance(DAY.saturating_sub(Duration::from_secs(1)));
    let early = world.sweep_runs().sweep().await.unwrap();
    assert_eq!((early.aborted, early.ended), (0, 0));
    world.clock.advance(Duration::from_secs(1));
    let swept = world.sweep_runs().sweep().await.unwrap();
    assert_eq!((swept.aborted, swept.ended, swept.failed.len()), (1, 1, 0));
    assert_eq!(state(&world, &idle).await, RunState::Expired);
    assert_eq!(state(&world, &left).await, RunState::Aborted);
    let statuses: Vec<_> = world
        .facts("run.close")
        .iter()
        .map(|facts| {
            facts
                .get("status")
                .and_then(Json::as_str)
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(statuses.len(), 2);
    let again = world.sweep_runs().sweep().await.unwrap();
    assert_eq!((again.aborted, again.ended), (0, 0));
    assert_eq!(world.count("run.close"), 2);
}

#[tokio::test]
async fn a_held_action_expires_as_a_refusal_and_then_the_run_does() {
    let world = World::new().await;
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    world.clock.advance(3 * DAY);
    let swept = world.sweep_runs().sweep().await.unwrap();
    assert_eq!((swept.expired, swept.ended), (1, 0), "{swept:?}");
    let resolution = world.facts("run.resolution").pop().unwrap();
    let text = |name: &str| {
        resolution
            .get(name)
            .and_then(Json::as_str)
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (text("approver"), text("effect")),
        ("system:expiry".to_owned(), "DENY".to_owned())
    );
    let late = world.answer(&world.ben, &held, VoteKind::Approve).await;
    assert!(matches!(late, Err(ActionError::Denied(_))), "{late:?}");
    world.clock.advance(DAY);
    let swept = world.sweep_runs().sweep().await.unwrap();
    assert_eq!((swept.expired, swept.ended), (0, 1), "{swept:?}");
    assert_eq!(state(&world, &run).await, RunState::Expired);
}

#[tokio::test]
async fn a_vote_after_the_hold_is_over_ends_it_before_the_sweep_does() {
    let world = World::new().await;
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    world.clock.advance(3 * DAY);
    let late = world.answer(&world.ben, &held, VoteKind::Approve).await;
    assert!(matches!(late, Err(ActionError::Expired)), "{late:?}");
    let read = world.vote().ports;
    let read = ReadActions { ports: read };
    let found = read.get(&world.ben, &held.id.to_string()).await.unwrap();
    assert_eq!(found.value.state, ActionState::Expired);
    let swept = world.sweep_runs().sweep().await.unwrap();
    assert_eq!(swept.expired, 0);
    world.complete_run(&run).await.unwrap();
}

#[tokio::test]
async fn what_was_in_hand_of_an_aborted_run_is_not_reported_any_more() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let left = world.act(&run, "mail.send", "ticket-1").await.value;
    world.clock.advance(DAY);
    world.sweep_runs().sweep().await.unwrap();
    let late = world.report(&left, Report::Executed).await;
    assert!(
        matches!(late, Err(RunError::Ended(RunState::Aborted))),
        "{late:?}"
    );
    let close = world.facts("run.close").pop().unwrap();
    assert_eq!(close.get("unreported").and_then(Json::as_uint), Some(1));
}

/// Where an action is, as whoever asks for it is told, and why.
async fn told(world: &World, action: &Action) -> (ActionState, Option<String>) {
    let read = ReadActions {
        ports: world.ports(),
    };
    let found = read.get(&world.repair_key, &action.id.to_string()).await;
    let found = found.unwrap().value;
    (found.state, found.failure)
}

/// docs/runs.md: nobody is told to do what no record can hold any more.
#[tokio::test]
async fn what_is_left_of_a_run_that_has_ended_reads_as_over_and_what_was_begun_as_unknown() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let allowed = world.act(&run, "mail.send", "ticket-1").await.value;
    let approved = world.act(&run, "refund.create", "invoice-1").await.value;
    let said = world.answer(&world.ben, &approved, VoteKind::Approve).await;
    assert_eq!(said.unwrap(), ActionState::Approved);
    let begun = world.act(&run, "mail.send", "ticket-2").await.value;
    let votes = world.vote();
    let id = begun.id.to_string();
    Box::pin(votes.execute(&world.repair_key, &id, None))
        .await
        .unwrap();
    for (action, state) in [
        (&allowed, ActionState::Allowed),
        (&approved, ActionState::Approved),
        (&begun, ActionState::Executing),
    ] {
        assert_eq!(told(&world, action).await, (state, None));
    }
    world.clock.advance(DAY);
    assert_eq!(world.sweep_runs().sweep().await.unwrap().aborted, 1);
    let ended = (ActionState::Expired, Some("run-ended".to_owned()));
    assert_eq!(told(&world, &allowed).await, ended);
    assert_eq!(told(&world, &approved).await, ended);
    let unknown = (ActionState::Failed, Some("outcome-unknown".to_owned()));
    assert_eq!(told(&world, &begun).await, unknown);
    // The record says that nothing is known of the three, and nothing of any of them.
    let close = world.facts("run.close").pop().unwrap();
    assert_eq!(close.get("unreported").and_then(Json::as_uint), Some(3));
    assert_eq!(world.count("run.action"), 0);
}

#[tokio::test]
async fn what_cannot_be_begun_any_more_reads_as_expired_and_what_was_done_in_time_is_still_told() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let left = world.act(&run, "mail.send", "ticket-1").await.value;
    for day in 0..4 {
        assert_eq!(told(&world, &left).await, (ActionState::Allowed, None));
        world
            .clock
            .advance(DAY.saturating_sub(Duration::from_hours(1)));
        let target = format!("ticket-of-{day}");
        let other = world.act(&run, "mail.send", &target).await.value;
        world.report(&other, Report::Executed).await.unwrap();
    }
    assert_eq!(told(&world, &left).await, (ActionState::Expired, None));
    let late = world.report(&left, Report::Executed).await;
    assert_eq!(late.unwrap(), ActionState::Executed);
    assert_eq!(told(&world, &left).await, (ActionState::Executed, None));
    world.complete_run(&run).await.unwrap();
}

/// Without a run there is nothing to end, and the row would be read for ever.
#[tokio::test]
async fn a_row_of_an_open_run_that_is_not_there_goes_after_a_day() {
    let world = World::new().await;
    let run = world.open_run().await;
    let stray = RunId::new(world.clock.now(), 7);
    let records = Records::of(world.store.as_ref(), &world.repair_key);
    let row = records.create(&OpenRun { id: stray }).unwrap();
    assert!(world.store.write(vec![row]).await.unwrap());
    let mut both = vec![run, stray.to_string()];
    both.sort();
    world
        .clock
        .advance(DAY.saturating_sub(Duration::from_secs(1)));
    world.sweep_runs().sweep().await.unwrap();
    assert_eq!(open(&world).await, both);
    world.clock.advance(Duration::from_secs(1));
    let swept = world.sweep_runs().sweep().await.unwrap();
    assert_eq!((swept.ended, swept.failed.len()), (1, 0), "{swept:?}");
    assert_eq!(open(&world).await, Vec::<String>::new());
}
