//! What happens to an incident while its ignore waits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ids::ActionId;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::{Clock, PortError, State, StateKey, StateWrite, Stored};
use counterfoil_core::reconcile::Symbol;
use counterfoil_core::records::Records;
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::usecases::{
    IncidentAct, IncidentActed, IncidentError, RepairPorts, SWEEP_AFTER, SweepRepairs, Voted,
    Waiting,
};
use counterfoil_testkit::memory::MemStore;
use futures::future::BoxFuture;

use super::super::erasure::bench::Bench;
use super::super::incidents::{ignore, incidents};
use super::super::repairs::meanwhile::{frozen, votes};
use super::{asked, held, last, set, waiting, waits};

/// Approved is what was shown: another difference, none at all, or terms that are over, are not.
#[tokio::test]
async fn what_has_changed_since_the_proposal_is_stale() {
    for change in ["resolved", "another", "over", "frozen"] {
        let bench = Box::pin(Bench::new()).await;
        let world = &bench.world;
        world.scan().await;
        let id = world.incident().await.id.to_string();
        let hours = if change == "over" { 1 } else { 24 };
        let act = IncidentAct::Ignore {
            until: world.clock.now().plus(Duration::from_hours(hours)),
            reason: "given by hand to a friend".to_owned(),
        };
        let people = incidents(world);
        let acted = people.act(&world.repair_key, &id, "k1", &act);
        let action = held(Box::pin(acted).await);
        match change {
            "resolved" => {
                world.set_row("u1", true);
                world.scan().await;
            }
            "another" => {
                let records = Records::of(world.store.as_ref(), &world.ann);
                let found = records.get::<Incident>(&id);
                let found = found.await.unwrap().unwrap();
                let mut other = found.value;
                other.finding.actual = Symbol::name("another");
                let mut write = records.replace(found.version, &other).unwrap();
                write.cites = found.evidence;
                assert!(world.store.write(vec![write]).await.unwrap());
            }
            "over" => world.clock.advance(Duration::from_hours(2)),
            _ => set(world, |project| project.frozen = true).await,
        }
        let before = world.incident().await;
        let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
        assert_eq!(state.unwrap(), ActionState::Stale, "{change}");
        match change {
            "frozen" => assert_eq!(last(world, "rule"), "base.forbid.frozen"),
            "over" => assert_eq!(last(world, "rule"), "base.forbid.ignore-form"),
            _ => {
                let seen = world.facts("observation.recorded").pop().unwrap();
                let said = |name| seen.get(name).and_then(Json::as_str);
                assert_eq!(said("topic"), Some("action.given_up"));
                assert_eq!(said("code"), Some("changed-since-approval"));
            }
        }
        assert_eq!(world.incident().await, before, "{change}");
        assert_eq!(world.count("incident.ignored"), 0);
        assert_eq!(waits(world).await, 0);
        assert_eq!(world.count("run.open"), world.count("run.close"));
        bench.verifies().await;
    }
}

/// An emergency stop that was acknowledged stops what was judged a moment before it.
#[tokio::test]
async fn nothing_is_ignored_in_a_project_that_is_frozen_meanwhile() {
    let (world, action) = waiting().await;
    let votes = votes(&world, Kind::IncidentIgnored, vec![frozen(&world).await]);
    let yes = Voted {
        kind: VoteKind::Approve,
        digest: &action.digest,
        reason: "checked the invoice",
        version: None,
    };
    let after = Box::pin(votes.vote(&world.ben, &action.id.to_string(), &yes)).await;
    assert_eq!(after.unwrap().action.value.state, ActionState::Stale);
    assert_eq!(last(&world, "rule"), "base.forbid.frozen");
    assert_eq!(world.incident().await.state, IncidentState::Open);
    assert_eq!(world.count("incident.ignored"), 0);
}

/// One question about an incident at a time; the same one again is the one that waits.
#[tokio::test]
async fn the_same_ignore_waits_once_and_another_one_of_the_incident_is_refused() {
    let (world, action) = waiting().await;
    let again = held(asked(&world, &world.repair_key, "k2").await);
    assert_eq!(again.id, action.id);
    let id = world.incident().await.id.to_string();
    let longer = ignore(&world, 8);
    let people = incidents(&world);
    let other = people.act(&world.repair_key, &id, "k3", &longer).await;
    assert!(matches!(other, Err(IncidentError::Waits(it)) if it == action.id));
    assert_eq!(world.count("run.decision"), 1);
    assert_eq!(waits(&world).await, 1);
    // Whoever needs nobody does not wait for it, and it is stale then.
    let done = people.act(&world.ann, &id, "k4", &longer).await;
    assert!(matches!(done, Ok(IncidentActed::Done(_))), "{done:?}");
    let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Stale);
}

/// A repair may be proposed meanwhile. What it is about is not open any more, and it goes on.
#[tokio::test]
async fn an_ignore_that_waits_keeps_nobody_from_repairing() {
    let (world, action) = waiting().await;
    let id = world.incident().await.id.to_string();
    let (propose, why) = (world.propose(), Some("support asked"));
    let repair = propose.propose(&world.repair_key, &id, why, true).await;
    let repair = repair.unwrap().action;
    assert_eq!(repair.state, ActionState::Held);
    let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Stale);
    assert_eq!(world.incident().await.state, IncidentState::Repairing);
    let state = world.answer(&world.ben, &repair, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Verified);
}

/// What a machine asks for fills no more places than its repairs do.
#[tokio::test]
async fn ignores_count_among_what_waits_for_people() {
    let (world, action) = waiting().await;
    let records = Records::of(world.store.as_ref(), &world.ann);
    let row = records.list::<Waiting>().await.unwrap().remove(0).value;
    for n in 0..50_u128 {
        let other = Waiting {
            id: ActionId::from_bits(n),
            sameness: n.to_string(),
            ..row.clone()
        };
        let write = records.create(&other).unwrap();
        assert!(world.store.write(vec![write]).await.unwrap());
    }
    let (votes, id) = (world.vote(), action.id.to_string());
    votes.cancel(&world.repair_key, &id).await.unwrap();
    let full = asked(&world, &world.repair_key, "k2").await;
    assert!(
        matches!(&full, Err(IncidentError::Denied(it)) if it.rule == "hold-quota"),
        "{full:?}"
    );
    assert_eq!(last(&world, "rule"), "hold-quota");
}

/// Somebody else carries an ignore out between the sweep's look and its work.
struct Overtaken {
    port: Arc<MemStore>,
    act: Mutex<Option<BoxFuture<'static, ()>>>,
}

#[async_trait]
impl State for Overtaken {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        self.port.get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.port.list(pk, prefix).await
    }

    /// The sweep notes what it is about to work on.
    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        let act = self.act.lock().unwrap().take();
        if let Some(act) = act {
            act.await;
        }
        self.port.write(writes).await
    }
}

/// It is over then: there is nothing to compare, and nothing fails because a side cannot be read.
#[tokio::test]
async fn the_sweep_leaves_an_ignore_alone_that_somebody_else_carried_out_meanwhile() {
    let (world, action) = waiting().await;
    world.store.appends_left(Some(1));
    let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Approved);
    world.store.appends_left(None);
    world.clock.advance(SWEEP_AFTER);
    world.app.unreadable(true);
    let (votes, ben) = (world.vote(), world.ben.clone());
    let done = async move {
        let (id, digest) = (action.id.to_string(), action.digest.as_str());
        let done = Box::pin(votes.execute(&ben, &id, Some(digest))).await;
        assert_eq!(done.unwrap().value.state, ActionState::Executed);
    };
    let state = Overtaken {
        port: world.store.clone(),
        act: Mutex::new(Some(Box::pin(done))),
    };
    let sweep = SweepRepairs {
        ports: RepairPorts {
            state: Arc::new(state),
            ..world.ports()
        },
    };
    let swept = Box::pin(sweep.sweep()).await.unwrap();
    assert!(swept.failed.is_empty(), "{swept:?}");
    assert_eq!(world.incident().await.state, IncidentState::Ignored);
    assert_eq!(world.count("repair.verified"), 0);
}
