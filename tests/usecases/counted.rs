//! Which approvals count when a repair is carried out, and what taking one back asks for.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::policy::{APPROVER_ROLE, APPROVER_SINCE};
use counterfoil_core::ports::{Clock as _, State, StateWrite};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::repair::{Action, ActionState, HOUR_MAX, Pace, VoteKind};
use counterfoil_core::tenancy::{Role, TenantCtx};
use counterfoil_core::usecases::{
    ActionError, ReadActions, RepairPorts, SweepRepairs, VoteOnAction, Voted, Waiting,
};

use super::machine::jitter::Jitter;
use super::world::World;

/// A world with a repair that waits for a person.
async fn proposed(execute_on_approval: bool) -> (World, Action) {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let (propose, why) = (world.propose(), Some("support asked"));
    let proposed = propose.propose(&world.repair_key, &incident, why, execute_on_approval);
    let action = proposed.await.unwrap().action;
    assert_eq!(action.state, ActionState::Held);
    (world, action)
}

async fn start(world: &World, who: &TenantCtx, action: &Action) -> ActionState {
    let (votes, id) = (world.vote(), action.id.to_string());
    let after = Box::pin(votes.execute(who, &id, Some(&action.digest))).await;
    after.unwrap().value.state
}

fn rule(world: &World) -> String {
    let last = world.facts("run.decision").pop().unwrap();
    last.get("rule").and_then(Json::as_str).unwrap().to_owned()
}

async fn undo(world: &World, who: &TenantCtx, action: &Action) -> Result<Action, ActionError> {
    let (propose, id) = (world.propose(), action.id.to_string());
    let proposed = propose.undo(who, &id, Some("it was mapped wrongly"), false);
    Ok(proposed.await?.action)
}

/// Rules can ask for a higher role by the time of the execution than they did when people approved.
#[tokio::test]
async fn an_approval_of_a_role_that_the_rules_in_force_do_not_take_counts_no_more() {
    let (world, action) = proposed(false).await;
    world
        .answer(&world.ann, &action, VoteKind::Approve)
        .await
        .unwrap();
    let owners = "@id(\"ws.require.owner\") @why(\"an owner looks\") @role(\"owner\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource) unless { context.base.approvals.count >= 1 };\n";
    world.under(owners).await;
    let state = start(&world, &world.repair_key, &action).await;
    assert_eq!(state, ActionState::Stale);
    assert_eq!(rule(&world), "base.require.machine-live");
    assert_eq!(world.app.updates(), 0);
}

/// Somebody who is let in after the proposal is no second person.
#[tokio::test]
async fn whoever_came_after_the_proposal_approves_nothing() {
    let (world, action) = proposed(true).await;
    world.clock.advance(Duration::from_mins(1));
    world.join("Dan", Role::Approver).await;
    let dan = world.sign_in("Dan").await;
    let voted = world.answer(&dan, &action, VoteKind::Approve).await;
    assert!(matches!(voted, Err(ActionError::Denied(_))), "{voted:?}");
    assert_eq!(rule(&world), APPROVER_SINCE);
    assert_eq!(world.count("run.resolution"), 0);
    // They may say no.
    let voted = world.answer(&dan, &action, VoteKind::Reject).await;
    assert_eq!(voted.unwrap(), ActionState::Rejected);
}

/// A rule asks for owners: the approval of anybody else is refused, and the record says why without
/// saying that a rule did.
#[tokio::test]
async fn an_approval_of_a_lower_role_than_the_action_asks_for_is_refused_on_the_record() {
    let world = World::new().await;
    let owners = "@id(\"ws.require.owner\") @why(\"an owner looks\") @role(\"owner\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource) unless { context.base.approvals.count >= 1 };\n";
    world.under(owners).await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let (propose, why) = (world.propose(), Some("support asked"));
    let proposed = propose.propose(&world.repair_key, &incident, why, true);
    let action = proposed.await.unwrap().action;
    let voted = world.answer(&world.ann, &action, VoteKind::Approve).await;
    let Err(ActionError::Denied(judgement)) = voted else {
        panic!("{voted:?}")
    };
    assert_eq!(judgement.rule, APPROVER_ROLE);
    assert!(judgement.reason.contains("owner"), "{}", judgement.reason);
    let refused = world.facts("run.decision").pop().unwrap();
    let text = |of: &Json, name: &str| of.get(name).and_then(Json::as_str).unwrap().to_owned();
    assert_eq!(text(&refused, "action"), "approval.give");
    assert_eq!(text(&refused, "effect"), "DENY");
    assert_eq!(text(&refused, "rule"), APPROVER_ROLE);
    let Some(Json::Array(layers)) = refused.get("layers") else {
        panic!("{refused:?}")
    };
    let said: Vec<String> = layers.iter().map(|layer| text(layer, "effect")).collect();
    assert_eq!(said, ["ALLOW", "ALLOW"], "what the rules said");
    assert_eq!(world.count("run.resolution"), 0);
    let voted = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(voted.unwrap(), ActionState::Verified);
}

/// Whoever proposed something and has left has it carried out no more.
#[tokio::test]
async fn what_somebody_proposed_who_has_left_since_is_not_carried_out() {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let ann = world.sign_in("Ann").await;
    let (propose, why) = (world.propose(), Some("support asked"));
    let proposed = propose.propose(&ann, &incident, why, false);
    let action = proposed.await.unwrap().action;
    assert_eq!(action.state, ActionState::Allowed);
    let person = ann.principal().person().unwrap();
    let row = Directory::member_key(world.workspace.id, person);
    let gone = vec![StateWrite::delete(row)];
    assert!(world.store.write(gone).await.unwrap());
    let ben = world.sign_in("Ben").await;
    assert_eq!(start(&world, &ben, &action).await, ActionState::Stale);
    assert_eq!(rule(&world), "default-deny");
    assert_eq!(world.app.updates(), 0);
}

/// Who had it carried out, on whose approvals, and what they confirmed.
#[tokio::test]
async fn the_record_names_who_had_it_carried_out_and_what_they_were_shown() {
    let (world, action) = proposed(false).await;
    world
        .answer(&world.ben, &action, VoteKind::Approve)
        .await
        .unwrap();
    let ann = world.sign_in("Ann").await;
    assert_eq!(start(&world, &ann, &action).await, ActionState::Verified);
    let decided = world.facts("run.decision").pop().unwrap();
    let text = |of: &Json, name: &str| of.get(name).and_then(Json::as_str).unwrap().to_owned();
    let by = decided.get("triggered_by").unwrap();
    assert_eq!(text(by, "id"), ann.principal().id());
    let confirmed = decided.get("confirmation").unwrap();
    assert_eq!(text(confirmed, "action_digest"), action.digest);
    assert!(confirmed.get("auth_time").is_some());
    let Some(Json::Array(considered)) = decided.get("approvals_considered") else {
        panic!("{decided:?}")
    };
    assert_eq!(considered.len(), 1);
    assert_eq!(text(&considered[0], "role"), "owner");
    // The vote was judged, and says by what.
    let vote = world.facts("run.resolution").pop().unwrap();
    let judged = vote.get("judged").unwrap();
    assert_eq!(text(judged, "rule"), "base.permit.approve");
    assert!(judged.get("request").is_some());
}

/// A person's own repair needs nobody else; taking back what the customer was promised does.
#[tokio::test]
async fn taking_back_what_was_promised_needs_another_person() {
    let (world, action) = proposed(true).await;
    world
        .answer(&world.ben, &action, VoteKind::Approve)
        .await
        .unwrap();
    let ann = world.sign_in("Ann").await;
    let back = undo(&world, &ann, &action).await.unwrap();
    assert_eq!(
        (back.state, back.rule.as_str()),
        (ActionState::Held, "base.require.undo-kept")
    );
    let told = world.facts("run.decision").pop().unwrap();
    assert_eq!(
        told.get("undo_of").and_then(Json::as_str),
        Some(action.id.to_string().as_str())
    );
    world
        .answer(&world.ben, &back, VoteKind::Approve)
        .await
        .unwrap();
    let ann = world.sign_in("Ann").await;
    assert_eq!(start(&world, &ann, &back).await, ActionState::Verified);
    assert!(!world.granted("u1"));

    // And what took something back is not taken back itself: the incident is there again.
    let twice = undo(&world, &ann, &back).await;
    let Err(ActionError::WrongState { state }) = twice else {
        panic!("{twice:?}")
    };
    assert!(state.contains("took another back"), "{state}");
}

/// What nobody pays for any more may be taken back by whoever may repair.
#[tokio::test]
async fn taking_back_what_is_not_promised_any_more_is_a_repair_like_any_other() {
    let (world, action) = proposed(true).await;
    world
        .answer(&world.ben, &action, VoteKind::Approve)
        .await
        .unwrap();
    world.billing.cancel_all("cus_1");
    let ann = world.sign_in("Ann").await;
    let back = undo(&world, &ann, &action).await.unwrap();
    assert_eq!(back.state, ActionState::Allowed, "{}", back.rule);
    // They pay again before it is done: it is judged by what is true then.
    world
        .billing
        .add_subscription(crate::world::subscription("sub_9", "cus_1"));
    assert_eq!(start(&world, &ann, &back).await, ActionState::Stale);
    assert_eq!(rule(&world), "base.require.undo-kept");
    assert!(world.granted("u1"));
}

#[tokio::test]
async fn what_waits_is_found_by_its_own_rows_and_they_go_with_it() {
    let (world, _) = proposed(true).await;
    let waiting = async || {
        let records = Records::of(world.store.as_ref(), &world.ben);
        records.list::<Waiting>().await.unwrap().len()
    };
    assert_eq!(waiting().await, 1);
    world.clock.advance(Duration::from_hours(73));
    let ports = world.ports();
    let swept = Box::pin(SweepRepairs { ports }.sweep()).await.unwrap();
    assert_eq!(swept.finished, 1);
    assert_eq!(waiting().await, 0);
}

/// Eight are begun at once where an hour has seven places left: the limit is in the transaction.
#[tokio::test]
async fn eight_at_once_take_no_more_than_the_seven_places_that_are_left() {
    let world = World::new().await;
    for n in 10..17 {
        world.add_user(&format!("u{n}"), &format!("cus_{n}"), false);
    }
    // So many are right that eight are no mass drift.
    for n in 100..300 {
        world.add_user(&format!("u{n}"), &format!("cus_{n}"), true);
    }
    world.scan().await;
    let records = Records::of(world.store.as_ref(), &world.ben);
    let mut pace = Pace::default();
    for _ in 0..HOUR_MAX - 7 {
        pace = pace.with(world.clock.now());
    }
    let write = records.create(&pace).unwrap();
    assert!(world.store.write(vec![write]).await.unwrap());
    let mut actions = Vec::new();
    for incident in world.incidents().await {
        let (propose, id) = (world.propose(), incident.id.to_string());
        let proposed = propose.propose(&world.repair_key, &id, Some("support asked"), true);
        actions.push(proposed.await.unwrap().action);
    }
    assert_eq!(actions.len(), 8);
    let seed = Arc::new(AtomicU64::new(8));
    let votes = VoteOnAction {
        ports: RepairPorts {
            evidence: Arc::new(Jitter {
                port: world.store.clone(),
                seed: seed.clone(),
            }),
            state: Arc::new(Jitter {
                port: world.store.clone(),
                seed,
            }),
            ..world.ports()
        },
    };
    let approved = actions.iter().map(async |action| {
        let voted = Voted {
            kind: VoteKind::Approve,
            digest: &action.digest,
            reason: "checked the invoice",
            version: None,
        };
        let id = action.id.to_string();
        let after = Box::pin(votes.vote(&world.ben, &id, &voted)).await;
        after.map(|after| after.action.value.state)
    });
    let came = futures::future::join_all(approved).await;
    let verified = came
        .iter()
        .filter(|it| matches!(it, Ok(ActionState::Verified)));
    assert_eq!((verified.count(), world.app.updates()), (7, 7), "{came:?}");
    let stale = came
        .iter()
        .filter(|it| matches!(it, Ok(ActionState::Stale)));
    assert_eq!(stale.count(), 1, "{came:?}");
    assert_eq!(rule(&world), "base.forbid.blast-hour");
}

/// What was not approved is not begun, whoever asks for it, and nothing is recorded of that.
#[tokio::test]
async fn what_waits_for_approvals_is_not_carried_out_and_reading_keys_carry_out_nothing() {
    let (world, action) = proposed(false).await;
    let (votes, id) = (world.vote(), action.id.to_string());
    let before = world.kinds();
    for who in [&world.repair_key, &world.ben] {
        let early = Box::pin(votes.execute(who, &id, Some(&action.digest))).await;
        assert!(
            matches!(early, Err(ActionError::WrongState { .. })),
            "{early:?}"
        );
    }
    assert_eq!(world.kinds(), before);
    let approved = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(approved.unwrap(), ActionState::Approved);
    let before = world.kinds();
    let reading = Box::pin(votes.execute(&world.read_key, &id, Some(&action.digest))).await;
    assert!(
        matches!(reading, Err(ActionError::MissingCapability)),
        "{reading:?}"
    );
    assert_eq!((world.kinds(), world.app.updates()), (before, 0));
    let state = start(&world, &world.repair_key, &action).await;
    assert_eq!(state, ActionState::Verified);
}

/// Only what waits for approvals can hear a no: what was done stays done.
#[tokio::test]
async fn a_no_to_what_waits_for_nobody_any_more_changes_nothing() {
    let (world, action) = proposed(false).await;
    let yes = world.answer(&world.ben, &action, VoteKind::Approve).await;
    assert_eq!(yes.unwrap(), ActionState::Approved);
    for ended in [false, true] {
        if ended {
            let state = start(&world, &world.repair_key, &action).await;
            assert_eq!(state, ActionState::Verified);
        }
        let (before, incident) = (world.kinds(), world.incident().await);
        let no = world.answer(&world.ann, &action, VoteKind::Reject).await;
        assert!(matches!(no, Err(ActionError::WrongState { .. })), "{no:?}");
        assert_eq!(world.kinds(), before);
        assert_eq!(world.incident().await, incident);
    }
}

/// Each sweep ends what is its own: repairs here, what callers do with their runs.
#[tokio::test]
async fn a_sweep_ends_no_hold_that_is_the_other_ones() {
    let (world, repair) = proposed(true).await;
    let run = world.open_run().await;
    let other = world.act(&run, "refund.create", "invoice-1").await.value;
    world.clock.advance(Duration::from_hours(72));
    let before = world.kinds().len();
    let repairs = Box::pin(world.sweep().sweep()).await.unwrap();
    assert_eq!((repairs.finished, repairs.failed.len()), (1, 0));
    let ended = ["run.open", "run.resolution", "run.close"];
    assert_eq!(world.kinds_since(before), ended, "the repair alone");
    let runs = world.sweep_runs().sweep().await.unwrap();
    assert_eq!((runs.expired, runs.failed.len()), (1, 0));
    for action in [repair, other] {
        let read = ReadActions {
            ports: world.ports(),
        };
        let found = read.get(&world.ann, &action.id.to_string()).await.unwrap();
        assert_eq!(found.value.state, ActionState::Expired);
    }
}

#[tokio::test]
async fn the_sweep_of_runs_ends_no_repair() {
    let (world, repair) = proposed(true).await;
    world.clock.advance(Duration::from_hours(72));
    let before = world.kinds();
    let runs = world.sweep_runs().sweep().await.unwrap();
    assert_eq!((runs.expired, runs.failed.len()), (0, 0));
    assert_eq!(world.kinds(), before);
    let repairs = Box::pin(world.sweep().sweep()).await.unwrap();
    assert_eq!(repairs.finished, 1, "{repair:?}");
}
