//! An UPDATE that may have been sent, and a row that nobody can read back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::governed_run::RunState;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::{AppDatabase, AppInspector, AppRepairer, PortError, PortErrorKind};
use counterfoil_core::records::{Records, Unfinished};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::repair::{Action, ActionState, OUTCOME_UNKNOWN, VoteKind};
use counterfoil_core::usecases::{
    ActionError, NewRepair, RepairPorts, RunError, SweepRepairs, Swept, VoteOnAction,
};
use counterfoil_testkit::memory::{ApplyFault, MemDatabases};

use super::super::world::World;
use super::{approve, proposed, vote};

const HOUR: Duration = Duration::from_hours(1);

/// A database that lets the repair role in so many times more.
pub(crate) struct Leaving {
    database: MemDatabases,
    left: AtomicUsize,
}

impl Leaving {
    pub(crate) fn after(world: &World, times: usize) -> Arc<Self> {
        Arc::new(Self {
            database: MemDatabases(world.app.clone()),
            left: AtomicUsize::new(times),
        })
    }

    pub(crate) fn is_back(&self) {
        self.left.store(usize::MAX, Ordering::SeqCst);
    }

    pub(crate) fn ports(self: &Arc<Self>, world: &World) -> RepairPorts {
        RepairPorts {
            databases: self.clone(),
            ..world.ports()
        }
    }

    pub(crate) async fn swept(self: &Arc<Self>, world: &World) -> Swept {
        let ports = self.ports(world);
        Box::pin(SweepRepairs { ports }.sweep()).await.unwrap()
    }
}

#[async_trait]
impl AppDatabase for Leaving {
    async fn inspect(&self, url: &Redacted<String>) -> Result<Box<dyn AppInspector>, PortError> {
        self.database.inspect(url).await
    }

    async fn repair(&self, url: &Redacted<String>) -> Result<Box<dyn AppRepairer>, PortError> {
        let one_less = |left: usize| left.checked_sub(1);
        let before = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        match before {
            Ok(_) => self.database.repair(url).await,
            Err(_) => Err(PortError::new(PortErrorKind::Refused, "signing in")),
        }
    }
}

/// Approves an action whose UPDATE gets no answer, from a database that nobody gets into afterwards.
pub(crate) async fn begun(world: &World, action: &Action, fault: ApplyFault) -> Arc<Leaving> {
    let database = Leaving::after(world, 1);
    world.app.fail_next(fault);
    let ports = database.ports(world);
    let yes = vote(action, VoteKind::Approve, "checked the invoice");
    let (votes, id) = (VoteOnAction { ports }, action.id.to_string());
    let voted = Box::pin(votes.vote(&world.ben, &id, &yes)).await;
    assert!(matches!(voted, Err(ActionError::Unsettled(_))), "{voted:?}");
    assert_eq!(now(world, action).await.state, ActionState::Executing);
    database
}

pub(crate) async fn now(world: &World, action: &Action) -> Action {
    let records = Records::of(world.store.as_ref(), &world.ann);
    let found = records.get::<Action>(&action.id.to_string()).await.unwrap();
    found.unwrap().value
}

async fn unfinished(world: &World) -> Vec<Unfinished> {
    let records = Records::of(world.store.as_ref(), &world.ann);
    let all = records.list::<Unfinished>().await.unwrap();
    all.into_iter().map(|row| row.value).collect()
}

/// The sweep fails at it twice and gives it up after a day.
async fn given_up(world: &World, action: &Action, database: &Arc<Leaving>) {
    for later in [HOUR, 22 * HOUR] {
        world.clock.advance(later);
        let swept = database.swept(world).await;
        assert_eq!((swept.finished, swept.failed.len()), (0, 1));
        assert_eq!(now(world, action).await.state, ActionState::Executing);
    }
    world.clock.advance(HOUR);
    let swept = database.swept(world).await;
    assert_eq!((swept.finished, swept.failed.len()), (1, 0));
    let ended = now(world, action).await;
    assert_eq!(ended.state, ActionState::Failed);
    assert_eq!(ended.failure.as_deref(), Some(OUTCOME_UNKNOWN));
    assert_eq!(unfinished(world).await, []);
    // It is over: nothing is sent for it again, whoever asks.
    let id = action.id.to_string();
    let again = Box::pin(world.vote().execute(&world.ben, &id, Some(&action.digest))).await;
    assert!(
        matches!(&again, Err(ActionError::WrongState { state }) if state == "failed"),
        "{again:?}"
    );
    world.clock.advance(HOUR);
    let swept = world.sweep().sweep().await.unwrap();
    assert_eq!((swept.finished, swept.failed.len()), (0, 0));
}

fn said(facts: &Json, name: &str) -> Option<String> {
    facts.get(name).and_then(Json::as_str).map(str::to_owned)
}

/// docs/evidence-format.md, section 9: an effect whose outcome is not known gets no result entry.
#[tokio::test]
async fn what_nobody_can_read_back_for_a_day_ends_as_not_known() {
    for (fault, updates) in [(ApplyFault::LostReply, 1), (ApplyFault::LostCommit, 0)] {
        let (world, action) = proposed().await;
        let database = begun(&world, &action, fault).await;
        let before = world.kinds().len();
        given_up(&world, &action, &database).await;
        assert_eq!(
            world.kinds_since(before),
            ["observation.recorded", "run.close"],
            "{fault:?}"
        );
        let told = world.facts("observation.recorded").pop().unwrap();
        assert_eq!(
            said(&told, "topic").as_deref(),
            Some("action.outcome_unknown")
        );
        assert_eq!(said(&told, "code").as_deref(), Some(OUTCOME_UNKNOWN));
        let target = told.get("target").unwrap();
        assert_eq!(said(target, "id"), Some(action.id.to_string()));
        let close = world.facts("run.close").pop().unwrap();
        assert_eq!(said(&close, "status").as_deref(), Some("aborted"));
        assert_eq!(world.incident().await.state, IncidentState::Open);
        assert_eq!(world.app.updates(), updates, "{fault:?}");

        // What the row holds, the next scan sees.
        world.scan().await;
        let state = if updates == 1 {
            IncidentState::Resolved
        } else {
            IncidentState::Open
        };
        assert_eq!(world.incident().await.state, state, "{fault:?}");
    }
}

#[tokio::test]
async fn a_difference_that_is_left_is_repaired_by_another_action() {
    let (world, action) = proposed().await;
    let database = begun(&world, &action, ApplyFault::LostCommit).await;
    given_up(&world, &action, &database).await;
    let (propose, incident) = (world.propose(), world.incident().await.id.to_string());
    let again = propose
        .propose(
            &world.repair_key,
            &incident,
            Some("the row is as it was"),
            true,
        )
        .await
        .unwrap()
        .action;
    let state = approve(&world, &world.ben, &again).await.unwrap();
    assert_eq!((state, world.app.updates()), (ActionState::Verified, 1));
}

#[tokio::test]
async fn a_row_that_can_be_read_again_within_the_day_says_what_happened() {
    for (fault, state) in [
        (ApplyFault::LostReply, ActionState::Verified),
        (ApplyFault::LostCommit, ActionState::Failed),
    ] {
        let (world, action) = proposed().await;
        let database = begun(&world, &action, fault).await;
        for _ in 0..2 {
            world.clock.advance(11 * HOUR);
            assert_eq!(database.swept(&world).await.failed.len(), 1);
        }
        database.is_back();
        world.clock.advance(HOUR);
        assert_eq!(database.swept(&world).await.finished, 1);
        let ended = now(&world, &action).await;
        assert_eq!(ended.state, state, "{fault:?}");
        assert_ne!(ended.failure.as_deref(), Some(OUTCOME_UNKNOWN));
        let results = world.count("repair.executed") + world.count("repair.failed");
        assert_eq!((results, world.count("observation.recorded")), (1, 0));
        assert_eq!(unfinished(&world).await, []);
    }
}

/// Also where the day is over: as long as nothing was given up, the row is asked first. And a sweep that was
/// away for a day gives nothing up that it has tried once.
#[tokio::test]
async fn one_attempt_is_not_enough_to_give_up() {
    let (world, action) = proposed().await;
    let database = begun(&world, &action, ApplyFault::LostReply).await;
    world.clock.advance(48 * HOUR);
    assert_eq!(database.swept(&world).await.failed.len(), 1);
    assert_eq!(now(&world, &action).await.state, ActionState::Executing);
    database.is_back();
    world.clock.advance(HOUR);
    assert_eq!(database.swept(&world).await.finished, 1);
    assert_eq!(now(&world, &action).await.state, ActionState::Verified);
}

/// A repair of a governed run that the world's owner has approved, and which got no answer.
pub(crate) async fn begun_in_run(fault: ApplyFault) -> (World, String, Action, Arc<Leaving>) {
    let world = World::new().await;
    world.scan().await;
    let run = world.open_run().await;
    let new = NewRepair {
        incident: world.incident().await.id.to_string(),
        reason: Some("the flow found it".to_owned()),
        execute_on_approval: true,
        seq: None,
    };
    let propose = world.propose();
    let proposed = propose.propose_in_run(&world.repair_key, &run, &new).await;
    let action = proposed.unwrap().action;
    let database = begun(&world, &action, fault).await;
    (world, run, action, database)
}

#[tokio::test]
async fn a_governed_run_goes_on_after_a_repair_of_which_nobody_knows() {
    let (world, run, action, database) = begun_in_run(ApplyFault::LostReply).await;
    let refused = world.complete_run(&run).await;
    assert!(matches!(
        refused,
        Err(RunError::OpenActions { count: 1, .. })
    ));
    let before = world.kinds().len();
    given_up(&world, &action, &database).await;
    assert_eq!(world.kinds_since(before), ["observation.recorded"]);
    let ended = world.complete_run(&run).await.unwrap();
    assert_eq!(ended.state, RunState::Completed);
    assert_eq!((ended.held, ended.in_hand, ended.repairs), (0, 0, 0));
    assert_eq!(ended.tally.unresolved, 0, "its decision was answered");
    assert_eq!(world.incident().await.state, IncidentState::Open);
    assert_eq!(world.app.updates(), 1);
}

/// Before the undo the promise held. Whether it still does, nobody knows.
#[tokio::test]
async fn an_undo_of_which_nobody_knows_leaves_its_incident_open() {
    let (world, action) = proposed().await;
    let state = approve(&world, &world.ben, &action).await;
    assert_eq!(state.unwrap(), ActionState::Verified);
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
    let (propose, id) = (world.propose(), action.id.to_string());
    let back = propose.undo(&world.repair_key, &id, Some("it was mapped wrongly"), true);
    let back = back.await.unwrap().action;
    let database = begun(&world, &back, ApplyFault::LostCommit).await;
    given_up(&world, &back, &database).await;
    assert_eq!(world.incident().await.state, IncidentState::Open);
    assert_eq!(world.app.updates(), 1);
    world.scan().await;
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
}
