//! People who are not any more what they were when they decided.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ports::State as _;
use counterfoil_core::records::Versioned;
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::tenancy::{Role, TenantCtx};
use counterfoil_core::usecases::{ActionError, Glass, SWEEP_AFTER, SweepRepairs, VoteOnAction};

use super::super::world::World;
use super::keys::revoke;
use super::meanwhile::{demoted, votes};
use super::{approve, proposed};

const REASON: &str = "nobody else answers and they are locked out";

pub(crate) async fn broken(
    votes: &VoteOnAction,
    owner: &TenantCtx,
    action: &Action,
    version: u64,
) -> Result<Versioned<Action>, ActionError> {
    let glass = Glass {
        digest: &action.digest,
        reason: REASON,
        ticket: "OPS-1042",
        version,
    };
    let id = action.id.to_string();
    Box::pin(votes.override_approvals(owner, &id, &glass, &|| {})).await
}

async fn demote(world: &World, who: &TenantCtx) {
    let write = demoted(&world.store, who).await;
    assert!(world.store.write(vec![write]).await.unwrap());
}

pub(super) fn rule(world: &World) -> String {
    let last = world.facts("run.decision").pop().unwrap();
    last.get("rule").and_then(Json::as_str).unwrap().to_owned()
}

/// docs/incidents.md: a broken glass counts while whoever broke it is an owner.
#[tokio::test]
async fn what_somebody_broke_the_glass_for_who_is_no_owner_any_more_is_not_carried_out() {
    let (world, action) = proposed().await;
    let owner = world.sign_in("Ben").await;
    let votes = world.vote();
    let approved = broken(&votes, &owner, &action, 1).await.unwrap();
    assert_eq!(approved.value.state, ActionState::Approved);
    demote(&world, &owner).await;
    world.clock.advance(SWEEP_AFTER);
    let sweep = SweepRepairs { ports: votes.ports };
    assert_eq!(sweep.sweep().await.unwrap().finished, 1);
    assert_eq!(rule(&world), "base.require.machine-live");
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.count("run.open"), world.count("run.close"));
}

#[tokio::test]
async fn an_action_of_a_run_does_not_begin_by_the_word_of_a_former_owner() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    let owner = world.sign_in("Ben").await;
    let approved = broken(&world.vote(), &owner, &held, 1).await.unwrap();
    assert_eq!(approved.value.state, ActionState::Approved);
    demote(&world, &owner).await;
    let (votes, id) = (world.vote(), held.id.to_string());
    let begun = Box::pin(votes.execute(&world.repair_key, &id, Some(&held.digest))).await;
    assert_eq!(begun.unwrap().value.state, ActionState::Stale);
}

#[tokio::test]
async fn an_owner_who_is_demoted_in_the_same_moment_breaks_no_glass() {
    let (world, action) = proposed().await;
    let owner = world.sign_in("Ben").await;
    let writes = vec![demoted(&world.store, &owner).await];
    let votes = votes(&world, Kind::RunResolution, writes);
    // Again with the sign-in of an owner, who is none any more.
    for _ in 0..2 {
        let refused = broken(&votes, &owner, &action, 1).await;
        assert!(matches!(refused, Err(ActionError::Changed)), "{refused:?}");
    }
    assert_eq!(world.count("run.resolution"), 0);
    assert!(world.unreviewed().await.is_empty());
}

pub(crate) fn needing(kind: &str, approvals: u8) -> String {
    format!(
        "@id(\"ws.require.more\") @why(\"more people\") @role(\"approver\")\nforbid (principal, action == CF::Action::\"{kind}\", resource) unless {{ context.base.approvals.count >= {approvals} }};\n"
    )
}

/// docs/incidents.md: an action has its approvals once as many people as it needs may still approve it.
#[tokio::test]
async fn an_approval_of_somebody_who_was_demoted_is_not_one_of_those_that_it_waits_for() {
    let world = World::new().await;
    world.join("Dora", Role::Approver).await;
    world.under(&needing("repair.execute", 2)).await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), true);
    let action = proposed.await.unwrap().action;
    let first = approve(&world, &world.ann, &action).await.unwrap();
    assert_eq!(first, ActionState::Held);
    demote(&world, &world.ann).await;
    let second = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!(second, ActionState::Held, "one of two");
    let dora = world.sign_in("Dora").await;
    let third = approve(&world, &dora, &action).await.unwrap();
    assert_eq!((third, world.app.updates()), (ActionState::Verified, 1));
}

/// A no is one more answer to what the entries had answered.
#[tokio::test]
async fn a_run_counts_once_what_was_answered_and_then_rejected() {
    let world = World::new().await;
    world.register().await;
    world.under(&needing("run.action", 2)).await;
    let run = world.open_run().await;
    let other = world.act(&run, "refund.create", "invoice-2").await.value;
    let action = world.act(&run, "refund.create", "invoice-1").await.value;
    for who in [&world.ben, &world.ann] {
        let state = world.answer(who, &action, VoteKind::Approve).await;
        assert_eq!(state.unwrap(), ActionState::Held);
        if who.principal() == world.ben.principal() {
            revoke(&world, who).await;
        }
    }
    let ben = world.sign_in("Ben").await;
    let state = world.answer(&ben, &action, VoteKind::Reject).await;
    assert_eq!(state.unwrap(), ActionState::Rejected);
    let found = world.governed().get(&world.repair_key, &run).await;
    let tally = found.unwrap().value.tally;
    assert_eq!((tally.require, tally.unresolved), (2, 1), "{other:?}");
}

/// docs/incidents.md: the sweep begins what was approved; what a person proposed in live for a quarter of
/// an hour, and then it waits for one who has just signed in.
#[tokio::test]
async fn what_a_person_proposed_in_live_waits_for_a_person_after_a_long_outage() {
    for (outage, begins) in [(SWEEP_AFTER, true), (Duration::from_mins(16), false)] {
        let world = World::new().await;
        world.under(&needing("repair.execute", 1)).await;
        world.scan().await;
        let incident = world.incident().await.id.to_string();
        let propose = world.propose();
        let proposed = propose.propose(&world.ann, &incident, Some("support asked"), true);
        let action = proposed.await.unwrap().action;
        world.app.unreadable(true);
        let state = approve(&world, &world.ben, &action).await.unwrap();
        assert_eq!(state, ActionState::Approved);
        world.app.unreadable(false);
        world.clock.advance(outage);
        let before = world.kinds().len();
        let swept = world.sweep().sweep().await.unwrap();
        assert_eq!(swept.finished, usize::from(begins), "{outage:?}");
        if !begins {
            assert_eq!(world.kinds().len(), before);
            let (votes, id) = (world.vote(), action.id.to_string());
            let done = Box::pin(votes.execute(&world.ann, &id, Some(&action.digest))).await;
            assert_eq!(done.unwrap().value.state, ActionState::Verified);
        }
        assert_eq!(world.app.updates(), 1);
    }
}
