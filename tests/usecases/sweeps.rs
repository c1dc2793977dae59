//! The sweep has little time and meets actions that fail, that are slow, and that kill it. None of
//! them keeps another one waiting.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::ids::ActionId;
use counterfoil_core::incident::Incident;
use counterfoil_core::ports::{
    AppDatabase, AppInspector, AppRepairer, PortError, State, StateKey, StateWrite, Stored,
};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{RepairPorts, SWEEP_AFTER, SweepRepairs, Voted};
use counterfoil_testkit::memory::{MemDatabases, SetClock};

use super::world::World;

/// A world with this many repairs that were approved while the app's database was away.
async fn stranded(count: usize) -> (World, Vec<ActionId>) {
    let world = World::new().await;
    for place in 1..count {
        world.add_user(&format!("late{place}"), &format!("cus_late{place}"), false);
        world.add_user(&format!("well{place}"), &format!("cus_well{place}"), true);
    }
    world.scan().await;
    let mut all = Vec::new();
    for incident in world.incidents().await {
        all.push(approved(&world, &world.repair_key, &world.ben, &incident).await);
    }
    assert_eq!(all.len(), count);
    world.clock.advance(SWEEP_AFTER);
    all.sort_unstable();
    (world, all)
}

async fn proposed(world: &World, who: &TenantCtx, incident: &Incident) -> Action {
    let (propose, id) = (world.propose(), incident.id.to_string());
    let proposed = propose.propose(who, &id, Some("support asked"), true);
    proposed.await.unwrap().action
}

async fn approved(
    world: &World,
    by: &TenantCtx,
    other: &TenantCtx,
    incident: &Incident,
) -> ActionId {
    let action = proposed(world, by, incident).await;
    let vote = Voted {
        kind: VoteKind::Approve,
        digest: &action.digest,
        reason: "checked the invoice",
        version: None,
    };
    world.app.unreadable(true);
    let (votes, id) = (world.vote(), action.id.to_string());
    Box::pin(votes.vote(other, &id, &vote)).await.unwrap();
    world.app.unreadable(false);
    action.id
}

async fn in_state(world: &World, state: ActionState) -> Vec<ActionId> {
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let mut all = records.list::<Action>().await.unwrap();
    all.retain(|action| action.value.state == state);
    all.into_iter().map(|action| action.value.id).collect()
}

/// Takes away the incident of an action: nothing about it can be read any more.
async fn break_one(world: &World, action: ActionId) {
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let action = records.get::<Action>(&action.to_string()).await.unwrap();
    let incident = action.unwrap().value.binding.resource.to_string();
    let gone = StateWrite::delete(records.key::<Incident>(&incident));
    assert!(world.store.write(vec![gone]).await.unwrap());
}

#[tokio::test]
async fn a_repair_that_cannot_be_settled_stops_no_other() {
    let (world, actions) = stranded(3).await;
    break_one(&world, actions[0]).await;
    let swept = world.sweep().sweep().await.unwrap();
    assert_eq!((swept.finished, swept.left), (2, 0));
    let failed: Vec<_> = swept
        .failed
        .iter()
        .map(|it| (it.project, it.action))
        .collect();
    assert_eq!(failed, [(world.project.id, Some(actions[0]))]);
    assert_eq!(in_state(&world, ActionState::Verified).await, actions[1..]);
    assert_eq!(world.app.updates(), 2);
}

/// A database that does something to whoever opens it.
struct Opened<F>(MemDatabases, F);

#[async_trait]
impl<F: Fn() -> bool + Send + Sync> AppDatabase for Opened<F> {
    async fn inspect(&self, url: &Redacted<String>) -> Result<Box<dyn AppInspector>, PortError> {
        if !(self.1)() {
            std::future::pending::<()>().await;
        }
        self.0.inspect(url).await
    }

    async fn repair(&self, url: &Redacted<String>) -> Result<Box<dyn AppRepairer>, PortError> {
        self.0.repair(url).await
    }
}

fn sweeping(world: &World, opened: impl Fn() -> bool + Send + Sync + 'static) -> SweepRepairs {
    let databases = Arc::new(Opened(MemDatabases(world.app.clone()), opened));
    SweepRepairs {
        ports: RepairPorts {
            databases,
            ..world.ports()
        },
    }
}

#[tokio::test]
async fn what_is_over_ends_before_anything_slow_is_begun() {
    let world = World::new().await;
    world.add_user("late", "cus_late", false);
    world.scan().await;
    let [first, second] = world.incidents().await.try_into().unwrap();
    let over = proposed(&world, &world.repair_key, &first).await.id;
    world.clock.advance(Duration::from_hours(71));
    let due = approved(&world, &world.repair_key, &world.ben, &second).await;
    world.clock.advance(Duration::from_hours(1));
    let world = Arc::new(world);
    let ended = Arc::new(Mutex::new(Vec::new()));
    let (seen, watched) = (ended.clone(), world.clone());
    let sweep = sweeping(&world, move || {
        seen.lock().unwrap().push(watched.count("run.resolution"));
        true
    });
    // One resolution is the vote.
    assert_eq!(world.count("run.resolution"), 1);
    assert_eq!(sweep.sweep().await.unwrap().finished, 2);
    assert_eq!(ended.lock().unwrap().first(), Some(&2));
    assert_eq!(in_state(&world, ActionState::Expired).await, [over]);
    assert_eq!(in_state(&world, ActionState::Verified).await, [due]);
}

#[tokio::test]
async fn a_sweep_that_runs_out_of_time_stops_and_the_next_one_begins_with_the_rest() {
    let (world, actions) = stranded(5).await;
    world.app.unreadable(true);
    let clock = world.clock.clone();
    let sweep = sweeping(&world, move || {
        clock.advance(Duration::from_secs(20));
        true
    });
    let mut tried = Vec::new();
    for _ in 0..3 {
        let swept = sweep.sweep().await.unwrap();
        let failed = swept.failed.iter().map(|failure| failure.action.unwrap());
        tried.push((failed.collect::<BTreeSet<_>>(), swept.left));
        world.clock.advance(Duration::from_secs(20));
    }
    let of = |places: std::ops::Range<usize>| -> BTreeSet<ActionId> {
        actions[places].iter().copied().collect()
    };
    // Those of the first two sweeps rest in the third one.
    assert_eq!(tried, [(of(0..2), 3), (of(2..4), 1), (of(4..5), 0)]);
    // Later the one whose attempt is longest ago comes first.
    world.clock.advance(Duration::from_mins(5));
    world.app.unreadable(false);
    let swept = sweep.sweep().await.unwrap();
    assert_eq!((swept.finished, swept.left), (1, 4));
    assert_eq!(in_state(&world, ActionState::Verified).await, actions[..1]);
}

#[tokio::test]
async fn an_action_that_kills_the_sweep_does_not_keep_the_others_waiting() {
    let (world, actions) = stranded(3).await;
    let dying = sweeping(&world, || false);
    let mut running = Box::pin(dying.sweep());
    let polled = running
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    drop(running);
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(world.sweep().sweep().await.unwrap().finished, 2);
    assert_eq!(in_state(&world, ActionState::Verified).await, actions[1..]);
    world.clock.advance(Duration::from_mins(5));
    assert_eq!(world.sweep().sweep().await.unwrap().finished, 1);
    assert_eq!(world.app.updates(), 3);
}

/// A table in which listing what waits takes a while.
struct Slow {
    inner: Arc<dyn State>,
    clock: SetClock,
    listed: Mutex<Vec<String>>,
}

#[async_trait]
impl State for Slow {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        self.inner.get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        if pk.ends_with("#waiting") {
            self.clock.advance(Duration::from_secs(10));
            self.listed.lock().unwrap().push(pk.to_owned());
        }
        self.inner.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        self.inner.write(writes).await
    }
}

#[tokio::test]
async fn projects_that_were_not_looked_at_come_first_the_next_time() {
    let world = World::new().await;
    world.another_project().await;
    world.another_project().await;
    let state = Arc::new(Slow {
        inner: world.store.clone(),
        clock: world.clock.clone(),
        listed: Mutex::default(),
    });
    let sweep = SweepRepairs {
        ports: RepairPorts {
            state: state.clone(),
            ..world.ports()
        },
    };
    let mut listed = Vec::new();
    for _ in 0..3 {
        assert_eq!(sweep.sweep().await.unwrap().projects_left, 1);
        listed.push(std::mem::take(&mut *state.listed.lock().unwrap()));
    }
    let [first, second, third] = listed.try_into().unwrap();
    let (a, b) = (&first[0], &first[1]);
    let c = &second[0];
    assert_eq!(BTreeSet::from([a, b, c]).len(), 3);
    assert_eq!(second, [c.clone(), a.clone()]);
    assert_eq!(third, [b.clone(), c.clone()]);
}
