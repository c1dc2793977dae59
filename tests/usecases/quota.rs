//! As many actions wait for approvals as people could read in time, whoever asks at once.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::governed_run::{HOLD_QUOTA, HOLDS_PER_PROJECT, HOLDS_PER_PROPOSER};
use counterfoil_core::ids::{ActionId, RunId};
use counterfoil_core::ports::{Clock as _, State as _, StateKey, StateWrite};
use counterfoil_core::records::Records;
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::usecases::{
    Glass, GovernedRuns, IncidentActed, IncidentError, Incidents, ProposeRepair, RepairPorts,
    Waiting,
};
use serde_json::json;

use super::governed::action;
use super::incidents::{ignore, incidents};
use super::machine::jitter::Jitter;
use super::world::World;

/// What became of a proposal: it waits, or by which rule it was denied.
type Came = Result<ActionState, String>;
type Proposing<'a> = Pin<Box<dyn Future<Output = Came> + 'a>>;

/// A world in which some customers got nothing, so many of all that it is no mass drift.
async fn world(differing: u32) -> (World, Vec<String>) {
    let world = World::new().await;
    for n in 1..differing {
        world.add_user(&format!("u1{n}"), &format!("cus_1{n}"), false);
    }
    for n in 100..300 {
        world.add_user(&format!("u{n}"), &format!("cus_{n}"), true);
    }
    world.scan().await;
    let found = world.incidents().await.into_iter();
    let ids: Vec<String> = found.map(|it| it.id.to_string()).collect();
    assert_eq!(ids.len(), usize::try_from(differing).unwrap());
    (world, ids)
}

/// Other actions of the repair key that wait, as rows of an earlier build say so.
async fn others_wait(world: &World, count: usize) {
    let proposer = world.repair_key.principal().account();
    waits_for(world, count, &proposer).await;
}

async fn waits_for(world: &World, count: usize, proposer: &str) {
    let records = Records::of(world.store.as_ref(), &world.ann);
    let now = world.clock.now();
    for n in 0..u128::try_from(count).unwrap() {
        let row = Waiting {
            id: ActionId::new(now, n),
            run: RunId::new(now, n),
            proposer: proposer.to_owned(),
            sameness: n.to_string(),
            expires_at: now.plus(Duration::from_hours(72)),
            held: true,
            repair: true,
        };
        let write = records.create(&row).unwrap();
        assert!(world.store.write(vec![write]).await.unwrap());
    }
}

async fn waiting(world: &World) -> Vec<Waiting> {
    let records = Records::of(world.store.as_ref(), &world.ann);
    let rows = records.list::<Waiting>().await.unwrap().into_iter();
    rows.map(|row| row.value).collect()
}

async fn repair(propose: &ProposeRepair, world: &World, incident: &str) -> Action {
    let proposed = propose.propose(&world.repair_key, incident, Some("support asked"), false);
    Box::pin(proposed).await.unwrap().action
}

fn came(action: &Action) -> Came {
    match action.state {
        ActionState::Denied => Err(action.rule.clone()),
        state => Ok(state),
    }
}

fn counted(world: &World, effect: &str) -> usize {
    let decisions = world.facts("run.decision").into_iter();
    let of = |it: &Json| it.get("effect").and_then(Json::as_str) == Some(effect);
    decisions.filter(of).count()
}

#[tokio::test]
async fn eight_at_once_take_no_more_than_the_one_place_that_is_left() {
    for seed in 0..8 {
        let (world, found) = world(6).await;
        let run = world.open_run().await;
        others_wait(&world, HOLDS_PER_PROPOSER - 1).await;
        let seed = Arc::new(AtomicU64::new(seed));
        let jitter = || {
            Arc::new(Jitter {
                port: world.store.clone(),
                seed: seed.clone(),
            })
        };
        let propose = ProposeRepair {
            ports: RepairPorts {
                evidence: jitter(),
                state: jitter(),
                ..world.ports()
            },
        };
        let people = Incidents {
            evidence: jitter(),
            state: jitter(),
            ..incidents(&world)
        };
        let runs = GovernedRuns {
            evidence: jitter(),
            state: jitter(),
            ..world.governed()
        };
        let (world, propose, people, runs) = (&world, &propose, &people, &runs);
        let mut all: Vec<Proposing<'_>> = Vec::new();
        for id in &found[..3] {
            all.push(Box::pin(
                async move { came(&repair(propose, world, id).await) },
            ));
        }
        for id in &found[3..] {
            all.push(Box::pin(async move {
                let act = ignore(world, 7);
                match people.act(&world.repair_key, id, "k1", &act).await {
                    Ok(IncidentActed::Held(held)) => came(&held.value),
                    Err(IncidentError::Denied(judgement)) => Err(judgement.rule),
                    other => panic!("{other:?}"),
                }
            }));
        }
        for target in ["invoice-1", "invoice-2"] {
            let (run, new) = (&run, action("refund.create", target));
            all.push(Box::pin(async move {
                let proposed = runs.propose(&world.repair_key, run, &new).await;
                came(&proposed.unwrap().action.value)
            }));
        }
        let all = futures::future::join_all(all).await;
        let held = all.iter().filter(|it| **it == Ok(ActionState::Held));
        assert_eq!(held.count(), 1, "{all:?}");
        let full = Err(HOLD_QUOTA.to_owned());
        let denied = all.iter().filter(|it| **it == full);
        assert_eq!(denied.count(), 7, "{all:?}");
        assert_eq!(waiting(world).await.len(), HOLDS_PER_PROPOSER);
        let recorded = (counted(world, "REQUIRE"), counted(world, "DENY"));
        assert_eq!(recorded, (1, 7), "each leaves its record");
    }
}

/// What people have approved waits to be begun, and nobody has to read it any more.
#[tokio::test]
async fn what_is_approved_or_overridden_frees_its_place_and_stays_in_the_inbox() {
    let (world, found) = world(3).await;
    others_wait(&world, HOLDS_PER_PROPOSER - 1).await;
    let propose = world.propose();
    let first = repair(&propose, &world, &found[0]).await;
    assert_eq!(first.state, ActionState::Held);
    let full = repair(&propose, &world, &found[1]).await;
    assert_eq!(came(&full), Err(HOLD_QUOTA.to_owned()));

    let voted = world.answer(&world.ben, &first, VoteKind::Approve).await;
    assert_eq!(voted.unwrap(), ActionState::Approved);
    let second = repair(&propose, &world, &found[1]).await;
    assert_eq!(second.state, ActionState::Held);
    let full = repair(&propose, &world, &found[2]).await;
    assert_eq!(came(&full), Err(HOLD_QUOTA.to_owned()));

    let ben = world.sign_in("Ben").await;
    let glass = Glass {
        digest: &second.digest,
        reason: "nobody else is awake and the customer waits",
        ticket: "OPS-1",
        version: 1,
    };
    let (votes, id) = (world.vote(), second.id.to_string());
    let broken = Box::pin(votes.override_approvals(&ben, &id, &glass, &|| {})).await;
    assert_eq!(broken.unwrap().value.state, ActionState::Approved);
    let third = repair(&propose, &world, &found[2]).await;
    assert_eq!(third.state, ActionState::Held);

    let rows = waiting(&world).await;
    for (action, held) in [(&first, false), (&second, false), (&third, true)] {
        let row = rows.iter().find(|row| row.id == action.id);
        assert_eq!(row.map(|row| row.held), Some(held));
    }
}

/// What ended is not counted: neither after one proposal nor after many.
#[tokio::test]
async fn what_was_withdrawn_frees_its_place_and_is_forgotten() {
    let (world, found) = world(1).await;
    for _ in 0..=HOLDS_PER_PROPOSER {
        let held = repair(&world.propose(), &world, &found[0]).await;
        assert_eq!(held.state, ActionState::Held);
        let (votes, id) = (world.vote(), held.id.to_string());
        votes.cancel(&world.repair_key, &id).await.unwrap();
    }
    let row = world.store.get(&held(&world)).await.unwrap().unwrap();
    assert_eq!(row.doc["held"].as_object().unwrap().len(), 1);
}

/// The other rows of a transaction may be seen a moment later than the one that counts.
#[tokio::test]
async fn what_has_just_begun_to_wait_is_counted_before_its_own_rows_are_seen() {
    let (world, found) = world(1).await;
    let account = world.repair_key.principal().account();
    let now = world.clock.now();
    let ids = (0..50).map(|n| (ActionId::new(now, n).to_string(), json!(account)));
    let ids: serde_json::Map<String, serde_json::Value> = ids.collect();
    let row = StateWrite::create(held(&world), json!({ "held": ids }));
    assert!(world.store.write(vec![row]).await.unwrap());
    let full = repair(&world.propose(), &world, &found[0]).await;
    assert_eq!(came(&full), Err(HOLD_QUOTA.to_owned()));
}

/// The row that counts what waits.
fn held(world: &World) -> StateKey {
    StateKey {
        pk: format!("{}#{}#held", world.workspace.id, world.project.id),
        sk: "actions".to_owned(),
    }
}

/// docs/runs.md: a project has as many places as its approvers can look at, whoever takes them.
#[tokio::test]
async fn a_full_project_takes_nothing_from_whoever_has_nothing_waiting() {
    for (others, state) in [
        (HOLDS_PER_PROJECT - 1, ActionState::Held),
        (HOLDS_PER_PROJECT, ActionState::Denied),
    ] {
        let world = World::new().await;
        waits_for(&world, others, "key_of_somebody_else").await;
        let run = world.open_run().await;
        let action = world.act(&run, "refund.create", "invoice-1").await.value;
        assert_eq!(action.state, state);
        let full = action.rule == HOLD_QUOTA;
        assert_eq!(full, state == ActionState::Denied);
    }
}
