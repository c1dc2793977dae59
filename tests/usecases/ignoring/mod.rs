//! Ignores that people have to approve: held, voted on, carried out, and what becomes of them when
//! something has changed meanwhile.

mod faults;
mod meanwhile;

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::{State, StateWrite};
use counterfoil_core::records::{Directory, Project, Records};
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{
    ActionError, Glass, IncidentActed, IncidentError, ReadActions, Waiting,
};

use super::erasure::bench::Bench;
use super::incidents::{ignore, incidents};
use super::world::World;

const FOUR_EYES: &str = "@id(\"ws.require.four-eyes-live\") @why(\"every change in live needs a second person\") @role(\"approver\")\nforbid (principal is CF::User, action in [CF::Action::\"repair.execute\", CF::Action::\"incident.ignore\"], resource)\nwhen { context.base.scope.environment == \"live\" }\nunless { context.base.approvals.count >= 1 };\n";

fn held(acted: Result<IncidentActed, IncidentError>) -> Action {
    match acted {
        Ok(IncidentActed::Held(action)) => action.value,
        other => panic!("{other:?}"),
    }
}

async fn asked(world: &World, who: &TenantCtx, key: &str) -> Result<IncidentActed, IncidentError> {
    let id = world.incident().await.id.to_string();
    let act = ignore(world, 7);
    Box::pin(incidents(world).act(who, &id, key, &act)).await
}

/// A world with an ignore that a key of a live project asked for.
async fn waiting() -> (World, Action) {
    let world = World::new().await;
    world.scan().await;
    let action = held(asked(&world, &world.repair_key, "k1").await);
    (world, action)
}

fn last(world: &World, name: &str) -> String {
    let facts = world.facts("run.decision").pop().unwrap();
    facts.get(name).and_then(Json::as_str).unwrap().to_owned()
}

async fn now(world: &World, action: &Action) -> Action {
    let ports = world.ports();
    let read = ReadActions { ports };
    let found = read.get(&world.ann, &action.id.to_string()).await;
    found.unwrap().value
}

async fn waits(world: &World) -> usize {
    let records = Records::of(world.store.as_ref(), &world.ann);
    records.list::<Waiting>().await.unwrap().len()
}

async fn set(world: &World, change: impl Fn(&mut Project)) {
    let directory = Directory::of(world.store.as_ref());
    let found = directory.project(world.project.id).await.unwrap().unwrap();
    let mut after = found.value;
    change(&mut after);
    let row = serde_json::to_value(&after).unwrap();
    let key = Directory::project_key(after.id);
    let write = StateWrite::replace(key, found.version, row);
    assert!(world.store.write(vec![write]).await.unwrap());
}
/// The whole record of one that was approved: two runs, a decision in each, and what they cite.
#[tokio::test]
async fn an_ignore_of_a_machine_in_live_waits_for_a_person_and_is_then_carried_out() {
    let bench = Box::pin(Bench::new()).await;
    let world = &bench.world;
    world.scan().await;
    let before = world.incident().await;
    let action = held(asked(world, &world.repair_key, "k1").await);
    assert_eq!(action.state, ActionState::Held);
    assert_eq!(action.binding.kind, "incident.ignore");
    assert_eq!(action.rule, "base.require.machine-live");
    assert_eq!(world.incident().await.state, before.state);
    assert_eq!(world.count("incident.ignored"), 0);
    assert_eq!(last(world, "action_hash"), action.digest);
    let decided = world.facts("run.decision").pop().unwrap();
    assert!(decided.get("hold").is_some());
    let inbox = world.inbox(&world.ann).await;
    assert_eq!(inbox.len(), 1);
    let plan = inbox[0].value.ignore().unwrap();
    assert_eq!(plan.at_risk, before.finding.at_risk);

    // Whoever has made the key may approve; the key may not.
    let own = world.answer(&world.repair_key, &action, VoteKind::Approve);
    assert!(matches!(own.await, Err(ActionError::Denied(_))));
    let state = world.answer(&world.ann, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Executed);
    let ignored = world.incident().await;
    assert_eq!(ignored.state, IncidentState::Ignored);
    let terms = ignored.ignored.unwrap();
    assert_eq!(terms.until, plan.until);
    assert_eq!(terms.by, world.repair_key.principal().id());
    assert_eq!(waits(world).await, 0);

    assert_eq!(last(world, "phase"), "execute");
    assert_eq!(last(world, "action_hash"), action.digest);
    let entry = world.facts("incident.ignored").pop().unwrap();
    assert!(entry.get("decision").is_some() && entry.get("until").is_some());
    assert_eq!(world.count("run.open"), world.count("run.close"));
    assert_eq!(
        world.kinds().split_off(world.kinds().len() - 5),
        [
            "run.open",
            "run.resolution",
            "run.decision",
            "incident.ignored",
            "run.close"
        ]
    );
    bench.verifies().await;

    // It comes back at its end, as every other does.
    world.clock.advance(Duration::from_hours(24 * 7));
    world.scan().await;
    assert_eq!(world.incident().await.state, IncidentState::Open);
}

#[tokio::test]
async fn where_two_people_are_asked_for_the_proposer_is_not_the_second_one() {
    let world = World::new().await;
    world.scan().await;
    world.under(FOUR_EYES).await;
    let ann = world.sign_in("Ann").await;
    let action = held(asked(&world, &ann, "k1").await);
    assert_eq!(action.rule, "ws.require.four-eyes-live");
    let own = world.answer(&ann, &action, VoteKind::Approve).await;
    assert!(matches!(own, Err(ActionError::Denied(_))), "{own:?}");
    assert_eq!(last(&world, "rule"), "base.forbid.proposer-approves");
    assert_eq!(world.incident().await.state, IncidentState::Open);
    let ben = world.sign_in("Ben").await;
    let state = world.answer(&ben, &action, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Executed);
    let ignored = world.incident().await.ignored.unwrap();
    assert_eq!(ignored.by, ann.principal().id());
}

#[tokio::test]
async fn what_is_rejected_withdrawn_or_not_approved_in_time_ignores_nothing() {
    for end in [
        ActionState::Rejected,
        ActionState::Cancelled,
        ActionState::Expired,
    ] {
        let bench = Box::pin(Bench::new()).await;
        let world = &bench.world;
        world.scan().await;
        let action = held(asked(world, &world.repair_key, "k1").await);
        match end {
            ActionState::Rejected => {
                let state = world.answer(&world.ben, &action, VoteKind::Reject).await;
                assert_eq!(state.unwrap(), end);
            }
            ActionState::Cancelled => {
                let (votes, id) = (world.vote(), action.id.to_string());
                votes.cancel(&world.repair_key, &id).await.unwrap();
            }
            _ => {
                world.clock.advance(Duration::from_hours(73));
                let swept = Box::pin(world.sweep().sweep()).await.unwrap();
                assert_eq!(swept.finished, 1);
            }
        }
        assert_eq!(now(world, &action).await.state, end);
        assert_eq!(world.incident().await.state, IncidentState::Open);
        assert_eq!(world.count("incident.ignored"), 0);
        assert_eq!(waits(world).await, 0);
        assert_eq!(world.count("run.open"), world.count("run.close"));
        // And may be asked for again.
        held(asked(world, &world.repair_key, "k2").await);
        bench.verifies().await;
    }
}

/// There is one question at a time about an incident, and it is its asker's until its time is over.
#[tokio::test]
async fn while_an_ignore_waits_another_key_is_told_which_and_afterwards_anybody_asks_anew() {
    let (world, action) = waiting().await;
    let other = world.another_key().await;
    let refused = asked(&world, &other, "k1").await;
    assert!(
        matches!(refused, Err(IncidentError::Waits(id)) if id == action.id),
        "{refused:?}"
    );
    assert_eq!(waits(&world).await, 1);
    world.clock.advance(Duration::from_hours(72));
    let anew = held(asked(&world, &other, "k2").await);
    assert_ne!(anew.id, action.id);
    assert_eq!(anew.proposer, *other.principal());
}

#[tokio::test]
async fn a_key_ignores_at_once_in_a_test_project() {
    let world = World::new().await;
    world.scan().await;
    set(&world, |project| project.livemode = false).await;
    let acted = asked(&world, &world.repair_key, "k1").await.unwrap();
    let IncidentActed::Done(incident) = acted else {
        panic!("{acted:?}")
    };
    assert_eq!(incident.value.state, IncidentState::Ignored);
    assert_eq!(last(&world, "rule"), "base.permit.key-operate");
    let kinds = world.kinds();
    assert_eq!(
        kinds[kinds.len() - 4..],
        ["run.open", "run.decision", "incident.ignored", "run.close"]
    );
    assert_eq!(waits(&world).await, 0);
}

#[tokio::test]
async fn an_owner_breaks_the_glass_for_an_ignore_and_it_shows_for_ever() {
    let bench = Box::pin(Bench::new()).await;
    let world = &bench.world;
    world.scan().await;
    let action = held(asked(world, &world.repair_key, "k1").await);
    let owner = world.sign_in("Ben").await;
    let glass = Glass {
        digest: &action.digest,
        reason: "nobody else answers tonight",
        ticket: "OPS-1",
        version: 1,
    };
    let (votes, id) = (world.vote(), action.id.to_string());
    let done = Box::pin(world.break_glass(&owner, &action, &glass)).await;
    assert_eq!(done.unwrap().value.state, ActionState::Executed);
    assert_eq!(world.incident().await.state, IncidentState::Ignored);
    assert_eq!(last(world, "rule"), "break-glass");
    let closed = world.facts("run.close").pop().unwrap();
    assert_eq!(closed.get("overrides").and_then(Json::as_uint), Some(1));
    bench.verifies().await;
    let auditor = world.sign_in("Ann").await;
    let own = votes.review(&auditor, &id, "it was right, I think").await;
    assert!(matches!(own, Err(ActionError::Denied(_))), "{own:?}");
    assert!(
        votes
            .review(&bench.auditor, &id, "it was right, I think")
            .await
            .is_ok()
    );
    // What was ignored is reopened, and no repair to take back.
    let undo = world.propose();
    let undo = undo.undo(&owner, &id, Some("it was wrong after all"), false);
    let Err(ActionError::WrongState { state }) = Box::pin(undo).await else {
        panic!("an ignore was undone")
    };
    assert!(state.contains("reopened"), "{state}");
}
