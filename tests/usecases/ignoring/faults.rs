//! Lost answers, and what is erased.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::{Clock, EvidenceAppend};
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::usecases::{EraseError, IncidentAct, Incidents, VoteOnAction, Voted};

use super::super::erasure::bench::{Bench, CANARY, request};
use super::super::erasure::faults::{Plan, faulty};
use super::super::incidents::{ignore, incidents};
use super::super::repairs::standing::needing;
use super::super::world::World;
use super::{held, now, waits};

/// Each append of the proposal, of the vote and of the execution is lost once: not sent, or answered by
/// nobody. The same request, or the sweep, ends it, and it happens once.
#[tokio::test]
async fn an_answer_that_is_lost_at_any_step_ignores_the_incident_once() {
    for happens in [false, true] {
        for step in 0..3 {
            let bench = Box::pin(Bench::new()).await;
            let world = &bench.world;
            world.scan().await;
            let plan = Plan::new(step, happens);
            let evidence: Arc<dyn EvidenceAppend> = world.store.clone();
            let evidence: Arc<dyn EvidenceAppend> = faulty(evidence, &plan);
            let people = Incidents {
                evidence: evidence.clone(),
                ..incidents(world)
            };
            let id = world.incident().await.id.to_string();
            let act = ignore(world, 7);
            let mut acted = Box::pin(people.act(&world.repair_key, &id, "k1", &act)).await;
            if acted.is_err() {
                acted = Box::pin(people.act(&world.repair_key, &id, "k1", &act)).await;
            }
            let action = held(acted);
            let mut votes: VoteOnAction = world.vote();
            votes.ports.evidence = evidence;
            let vote = Voted {
                kind: VoteKind::Approve,
                digest: &action.digest,
                reason: "they are a friend of the house",
                version: None,
            };
            let place = action.id.to_string();
            for _ in 0..2 {
                if Box::pin(votes.vote(&world.ben, &place, &vote))
                    .await
                    .is_ok()
                {
                    break;
                }
            }
            assert!(plan.struck() || step > 2, "step {step} was lost");
            world.clock.advance(Duration::from_mins(4));
            Box::pin(world.sweep().sweep()).await.unwrap();
            assert_eq!(now(world, &action).await.state, ActionState::Executed);
            assert_eq!(world.incident().await.state, IncidentState::Ignored);
            for (kind, count) in [("incident.ignored", 1), ("run.resolution", 1)] {
                assert_eq!(world.count(kind), count, "{kind} at {step}, {happens}");
            }
            assert_eq!(waits(world).await, 0);
            bench.verifies().await;
        }
    }
}

/// Ignoring asks for no fresh sign-in, so the sweep carries it out however long the outage was.
#[tokio::test]
async fn what_a_person_asked_to_ignore_is_carried_out_after_a_long_outage() {
    let world = World::new().await;
    world.under(&needing("incident.ignore", 1)).await;
    world.scan().await;
    let id = world.incident().await.id.to_string();
    let act = ignore(&world, 7);
    let people = incidents(&world);
    let action = held(Box::pin(people.act(&world.ann, &id, "k1", &act)).await);
    world.store.appends_left(Some(1));
    let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Approved);
    world.store.appends_left(None);
    world.clock.advance(Duration::from_mins(16));
    let swept = Box::pin(world.sweep().sweep()).await.unwrap();
    assert_eq!(swept.finished, 1);
    assert_eq!(now(&world, &action).await.state, ActionState::Executed);
    assert_eq!(world.incident().await.state, IncidentState::Ignored);
}

/// The words of whoever asked go with the customer; what waits for people keeps an erasure waiting.
#[tokio::test]
async fn the_words_of_an_ignore_are_erased_with_its_customer() {
    let bench = Box::pin(Bench::new()).await;
    let world = &bench.world;
    world.scan().await;
    let id = world.incident().await.id.to_string();
    let act = IncidentAct::Ignore {
        until: world.clock.now().plus(Duration::from_hours(24)),
        reason: "Zebedee pays by bank transfer".to_owned(),
    };
    let people = incidents(world);
    let acted = people.act(&world.repair_key, &id, "k1", &act);
    let action = held(Box::pin(acted).await);
    let facts = format!("{:?}", world.facts("run.decision"));
    assert!(!facts.contains("Zebedee"), "words are no facts");
    let (erase, request) = (bench.erase(), request());
    let early = erase.customer(&bench.admin, CANARY, &request);
    assert!(matches!(early.await, Err(EraseError::OpenActions)));
    let state = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Executed);
    assert!(bench.everything().contains("Zebedee"));
    let erased = erase.customer(&bench.admin, CANARY, &request);
    erased.await.unwrap();
    assert!(!bench.everything().contains("Zebedee"));
    assert!(now(world, &action).await.is_erased());
    bench.verifies().await;
}
