//! What an agent does itself is judged again when the last person approves it, and when whoever does it
//! says that they begin.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::governed_run::Report;
use counterfoil_core::ports::Clock as _;
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{ActionError, Glass};

use super::super::repairs::meanwhile::{demoted, votes};
use super::super::world::World;

async fn held() -> (World, String, Action) {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    assert_eq!(held.state, ActionState::Held);
    (world, run, held)
}

fn glass(action: &Action) -> Glass<'_> {
    Glass {
        digest: &action.digest,
        reason: "nobody else answers and it cannot wait",
        ticket: "OPS-9",
        version: 1,
    }
}

async fn begin(
    world: &World,
    who: &TenantCtx,
    action: &Action,
) -> Result<ActionState, ActionError> {
    let (votes, id) = (world.vote(), action.id.to_string());
    let begun = Box::pin(votes.execute(who, &id, Some(&action.digest))).await?;
    Ok(begun.value.state)
}

fn rule(world: &World) -> String {
    let last = world.facts("run.decision").pop().unwrap();
    last.get("rule").and_then(Json::as_str).unwrap().to_owned()
}

#[tokio::test]
async fn an_approval_under_other_rules_leads_to_nothing() {
    let (world, run, held) = held().await;
    world.freeze(true).await;
    let state = world.answer(&world.ben, &held, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Stale);
    assert_eq!(rule(&world), "base.forbid.frozen");
    assert!(world.report(&held, Report::Executed).await.is_err());
    world.complete_run(&run).await.unwrap();
}

/// The sweep that closes it comes every quarter of an hour.
#[tokio::test]
async fn one_whose_time_is_over_is_no_answer_to_the_same_proposal() {
    let (world, run, held) = held().await;
    let same = world.act(&run, "refund.create", "invoice-1").await.value;
    assert_eq!(same.id, held.id);
    let left = held.binding.expires_at.since(world.clock.now());
    world.clock.advance(left);
    let new = world.act(&run, "refund.create", "invoice-1").await.value;
    assert_ne!(new.id, held.id);
    assert_eq!(new.state, ActionState::Held);
    assert!(new.binding.expires_at > held.binding.expires_at);
}

#[tokio::test]
async fn whoever_begins_is_the_only_one_and_it_is_judged_again() {
    let (world, run, held) = held().await;
    world
        .answer(&world.ben, &held, VoteKind::Approve)
        .await
        .unwrap();
    let state = begin(&world, &world.repair_key, &held).await;
    assert_eq!(state.unwrap(), ActionState::Executing);
    let twice = begin(&world, &world.repair_key, &held).await;
    assert!(matches!(twice, Err(ActionError::WrongState { .. })));
    let begun = world.facts("observation.recorded").pop().unwrap();
    assert_eq!(
        begun.get("topic").and_then(Json::as_str),
        Some("action.begun")
    );
    assert!(begun.get("revalidated").is_some());
    assert_eq!(world.app.updates(), 0);
    let state = world.report(&held, Report::Executed).await.unwrap();
    assert_eq!(state, ActionState::Executed);
    world.complete_run(&run).await.unwrap();
}

#[tokio::test]
async fn what_the_rules_deny_by_then_is_not_begun() {
    let (world, run, held) = held().await;
    world
        .answer(&world.ben, &held, VoteKind::Approve)
        .await
        .unwrap();
    world.freeze(true).await;
    let state = begin(&world, &world.repair_key, &held).await;
    assert_eq!(state.unwrap(), ActionState::Stale);
    assert_eq!(rule(&world), "base.forbid.frozen");
    world.complete_run(&run).await.unwrap();
}

#[tokio::test]
async fn another_digest_and_none_from_a_person_begin_nothing() {
    let (world, _, held) = held().await;
    world
        .answer(&world.ben, &held, VoteKind::Approve)
        .await
        .unwrap();
    let before = world.kinds().len();
    let (votes, id) = (world.vote(), held.id.to_string());
    let other = format!("sha256:{}", "0".repeat(64));
    for (who, digest) in [
        (&world.repair_key, Some(other.as_str())),
        (&world.ben, None),
    ] {
        let refused = Box::pin(votes.execute(who, &id, digest)).await;
        assert!(
            matches!(refused, Err(ActionError::OtherDigest)),
            "{refused:?}"
        );
    }
    assert_eq!(world.kinds().len(), before);
}

#[tokio::test]
async fn an_owner_stands_in_for_the_missing_approval_and_the_result_cites_that() {
    let (world, run, held) = held().await;
    let owner = world.sign_in("Ben").await;
    let glass = glass(&held);
    let broken = Box::pin(world.break_glass(&owner, &held, &glass)).await;
    assert_eq!(broken.unwrap().value.state, ActionState::Approved);
    assert_eq!(rule(&world), "break-glass");
    let state = begin(&world, &world.repair_key, &held).await;
    assert_eq!(state.unwrap(), ActionState::Executing);
    world.report(&held, Report::Executed).await.unwrap();
    world.complete_run(&run).await.unwrap();
    let close = world.facts("run.close").pop().unwrap();
    let count = |name: &str| close.get(name).and_then(Json::as_uint).unwrap();
    assert_eq!(
        ["require", "allow", "overrides", "unresolved"].map(count),
        [1, 1, 1, 0]
    );
}

/// What is wrong with whoever begins takes nobody's approval away.
#[tokio::test]
async fn whoever_may_not_begin_leaves_the_action_approved() {
    let (world, run, held) = held().await;
    let approved = world.answer(&world.ben, &held, VoteKind::Approve).await;
    assert_eq!(approved.unwrap(), ActionState::Approved);
    world.under("@id(\"ws.forbid.one-factor\") @why(\"with a second factor\")\nforbid (principal, action == CF::Action::\"run.action\", resource) unless { context.base.mfa };\n").await;
    let by_key = begin(&world, &world.repair_key, &held).await;
    assert!(matches!(by_key, Err(ActionError::Denied(_))), "{by_key:?}");
    assert_eq!(rule(&world), "ws.forbid.one-factor");
    let by_ben = begin(&world, &world.ben, &held).await;
    assert_eq!(by_ben.unwrap(), ActionState::Executing);
    world.report(&held, Report::Executed).await.unwrap();
    world.complete_run(&run).await.unwrap();
}

/// Whoever is demoted while they break the glass stands in for nobody.
#[tokio::test]
async fn an_owner_who_is_demoted_meanwhile_stands_in_for_nobody() {
    let (world, run, held) = held().await;
    let owner = world.sign_in("Ben").await;
    let glass = glass(&held);
    let writes = vec![demoted(&world.store, &owner).await];
    let (votes, id) = (
        votes(&world, Kind::RunResolution, writes),
        held.id.to_string(),
    );
    let broken = Box::pin(votes.override_approvals(&owner, &id, &glass, &|| {})).await;
    assert!(matches!(broken, Err(ActionError::Changed)), "{broken:?}");
    let again = Box::pin(votes.override_approvals(&owner, &id, &glass, &|| {})).await;
    assert!(matches!(again, Err(ActionError::Changed)), "{again:?}");
    assert_eq!(world.count("run.resolution"), 0);
    let withdrawn = world.vote().cancel(&world.repair_key, &id).await.unwrap();
    assert_eq!(withdrawn.value.state, ActionState::Cancelled);
    world.complete_run(&run).await.unwrap();
}

/// Rules can ask for a higher role by the time that somebody begins than they did when people approved.
#[tokio::test]
async fn an_approval_of_a_role_that_the_rules_in_force_do_not_take_lets_nobody_begin() {
    let (world, run, held) = held().await;
    let yes = world.answer(&world.ann, &held, VoteKind::Approve).await;
    assert_eq!(yes.unwrap(), ActionState::Approved);
    world.under("@id(\"ws.require.owner\") @why(\"an owner looks\") @role(\"owner\")\nforbid (principal, action == CF::Action::\"run.action\", resource) unless { context.base.approvals.count >= 1 };\n").await;
    let state = begin(&world, &world.repair_key, &held).await;
    assert_eq!(state.unwrap(), ActionState::Stale);
    assert!(world.report(&held, Report::Executed).await.is_err());
    world.complete_run(&run).await.unwrap();
}

/// docs/runs.md: an action is begun before its time is over.
#[tokio::test]
async fn what_was_approved_is_not_begun_after_its_time() {
    let (world, run, held) = held().await;
    let yes = world.answer(&world.ben, &held, VoteKind::Approve).await;
    assert_eq!(yes.unwrap(), ActionState::Approved);
    world.clock.advance(Duration::from_hours(72));
    let late = begin(&world, &world.repair_key, &held).await;
    assert!(matches!(late, Err(ActionError::Expired)), "{late:?}");
    assert_eq!(world.count("observation.recorded"), 0, "nothing was begun");
    let told = world.facts("run.action").pop().unwrap();
    assert_eq!(told.get("code").and_then(Json::as_str), Some("expired"));
    world.complete_run(&run).await.unwrap();
}
