//! The saga of a repair.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::policy::Effect;
use counterfoil_core::ports::{Clock, State, StateKey, StateWrite, StoredPart};
use counterfoil_core::reconcile::FindingKind;
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::repair::{Action, ActionState, HOUR_MAX, Pace, VoteKind};
use counterfoil_core::tenancy::{Role, TenantCtx};
use counterfoil_core::usecases::{ActionError, Voted};
use counterfoil_testkit::memory::ApplyFault;

use super::world::{World, customer};

/// A world with one open incident and its repair proposed by Ann, executing on approval.
async fn proposed() -> (World, Action) {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let proposed = world
        .propose()
        .propose(&world.repair_key, &incident, Some("support asked"), true)
        .await
        .unwrap();
    (world, proposed.action)
}

fn vote<'a>(action: &'a Action, kind: VoteKind, reason: &'a str) -> Voted<'a> {
    Voted {
        kind,
        digest: &action.digest,
        reason,
        version: None,
    }
}

async fn approve(
    world: &World,
    who: &TenantCtx,
    action: &Action,
) -> Result<ActionState, ActionError> {
    let vote = vote(action, VoteKind::Approve, "checked the invoice");
    let (votes, id) = (world.vote(), action.id.to_string());
    let after = Box::pin(votes.vote(who, &id, &vote)).await?;
    Ok(after.value.state)
}

#[tokio::test]
async fn an_approved_repair_changes_one_row_and_is_verified() {
    let (world, action) = proposed().await;
    assert_eq!(action.state, ActionState::Held);
    assert!(!world.granted("u1"));
    assert_eq!(
        approve(&world, &world.ben, &action).await.unwrap(),
        ActionState::Verified
    );
    assert!(world.granted("u1"));
    assert_eq!(world.app.updates(), 1);
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
    let kinds = world.kinds();
    let told = [
        "run.open",
        "run.decision",
        "run.close",
        "run.open",
        "run.resolution",
        "run.decision",
        "repair.started",
        "repair.executed",
        "repair.verified",
        "incident.resolved",
        "run.close",
    ];
    assert!(kinds.ends_with(&told.map(str::to_owned)), "{kinds:?}");
}

/// Days may lie between proposal and approval (docs/incidents.md).
#[tokio::test]
async fn what_stripe_does_not_promise_any_more_is_not_repaired_although_it_was_approved() {
    let (world, action) = proposed().await;
    world.billing.cancel_all("cus_1");
    let state = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Stale);
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.count("repair.started"), 0);
    assert_eq!(world.incident().await.state, IncidentState::Open);
}

#[tokio::test]
async fn nothing_is_repaired_while_a_side_cannot_be_read() {
    let (world, action) = proposed().await;
    world.app.unreadable(true);
    approve(&world, &world.ben, &action).await.unwrap_err();
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.count("repair.started"), 0);
}

#[tokio::test]
async fn proposal_and_execution_both_say_whom_where_what_and_why() {
    let (world, action) = proposed().await;
    approve(&world, &world.ben, &action).await.unwrap();
    let decisions: Vec<Json> = world
        .store
        .stream(world.stream())
        .into_iter()
        .filter_map(|entry| {
            let header = Json::parse(&entry.header).unwrap();
            let decided = header.get("kind").unwrap().as_str() == Some("run.decision");
            match entry.subject {
                Some(StoredPart::Present { bytes, .. }) if decided => {
                    Some(Json::parse(&bytes).unwrap())
                }
                _ => None,
            }
        })
        .collect();
    let [proposed, executed] = decisions.as_slice() else {
        panic!("{decisions:?}")
    };
    assert_eq!(proposed, executed);
    let text = |name: &str| executed.get(name).and_then(Json::as_str).unwrap();
    assert_eq!(text("customer"), "cus_1");
    assert_eq!(text("table"), "public.app_users");
    assert_eq!(text("comment"), "support asked");
    let key = executed.get("key").and_then(|key| key.get("value"));
    assert_eq!(key.and_then(Json::as_str), Some("u1"));
    let difference = executed.get("difference").unwrap();
    for name in ["promised", "granted", "kind", "at_risk"] {
        assert!(difference.get(name).is_some(), "{name}: {difference:?}");
    }
}

#[tokio::test]
async fn the_proposer_cannot_approve_and_the_refusal_is_recorded() {
    // What no subscription ever backed waits for a second person, also when a person asks.
    let world = World::new().await;
    world.billing.add_customer(customer("cus_4", "u4"));
    world.set_row("u4", true);
    world.scan().await;
    let mut incidents = world.incidents().await.into_iter();
    let unbacked = incidents.find(|it| it.finding.kind == FindingKind::AccessWithoutPayment);
    let id = unbacked.unwrap().id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.ann, &id, Some("support asked"), true);
    let action = proposed.await.unwrap().action;
    assert_eq!(action.rule, "base.require.revoke-unbacked");
    let before = world.count("run.decision");
    let refused = approve(&world, &world.ann, &action).await.unwrap_err();
    let ActionError::Denied(judgement) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(judgement.rule, "base.forbid.proposer-approves");
    assert_eq!(world.count("run.decision"), before + 1);
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn a_plain_key_cannot_approve_and_a_reading_key_cannot_propose() {
    let (world, action) = proposed().await;
    let refused = approve(&world, &world.repair_key, &action)
        .await
        .unwrap_err();
    assert!(matches!(refused, ActionError::Denied(j) if j.rule == "base.forbid.machine-approves"));
    let incident = world.incident().await.id.to_string();
    let refused = world
        .propose()
        .propose(&world.read_key, &incident, None, true)
        .await;
    assert!(matches!(refused, Err(ActionError::MissingCapability)));
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn an_approval_of_something_else_is_refused() {
    let (world, action) = proposed().await;
    let other = Voted {
        kind: VoteKind::Approve,
        digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        reason: "looks fine to me",
        version: None,
    };
    let refused = world
        .vote()
        .vote(&world.ben, &action.id.to_string(), &other)
        .await
        .unwrap_err();
    assert!(matches!(refused, ActionError::Denied(j) if j.rule == "base.forbid.approval-form"));
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn one_rejection_ends_it_and_a_later_approval_changes_nothing() {
    let (world, action) = proposed().await;
    let no = vote(&action, VoteKind::Reject, "special deal with them");
    let after = world
        .vote()
        .vote(&world.ben, &action.id.to_string(), &no)
        .await
        .unwrap();
    assert_eq!(after.value.state, ActionState::Rejected);
    assert_eq!(world.incident().await.state, IncidentState::Open);
    assert!(approve(&world, &world.ben, &action).await.is_err());
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn an_approval_sent_twice_executes_once() {
    let (world, action) = proposed().await;
    approve(&world, &world.ben, &action).await.unwrap();
    assert!(approve(&world, &world.ben, &action).await.is_err());
    assert_eq!(world.app.updates(), 1);
    assert_eq!(world.count("repair.started"), 1);
}

#[tokio::test]
async fn a_hold_that_nobody_approved_in_time_is_a_refusal() {
    let (world, action) = proposed().await;
    world.clock.advance(Duration::from_hours(73));
    let late = approve(&world, &world.ben, &action).await.unwrap_err();
    assert!(matches!(late, ActionError::Expired));
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.incident().await.state, IncidentState::Open);
}

#[tokio::test]
async fn a_row_that_changed_since_the_approval_is_left_alone() {
    let (world, action) = proposed().await;
    world.set_row("u1", true);
    assert_eq!(
        approve(&world, &world.ben, &action).await.unwrap(),
        ActionState::Stale
    );
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.count("repair.started"), 0);
}

#[tokio::test]
async fn a_row_that_changes_in_the_last_moment_is_left_alone() {
    let (world, action) = proposed().await;
    world.app.fail_next(ApplyFault::Overtaken);
    assert_eq!(
        approve(&world, &world.ben, &action).await.unwrap(),
        ActionState::Stale
    );
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.count("repair.failed"), 1);
}

#[tokio::test]
async fn a_lost_reply_to_commit_is_settled_by_reading_the_row() {
    for (fault, state, updates) in [
        (ApplyFault::LostReply, ActionState::Verified, 1),
        (ApplyFault::LostCommit, ActionState::Failed, 0),
        (ApplyFault::Unreachable, ActionState::Failed, 0),
    ] {
        let (world, action) = proposed().await;
        world.app.fail_next(fault);
        assert_eq!(
            approve(&world, &world.ben, &action).await.unwrap(),
            state,
            "{fault:?}"
        );
        assert_eq!(world.app.updates(), updates, "{fault:?}");
        let results = world.count("repair.executed") + world.count("repair.failed");
        assert_eq!(results, 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_repair_whose_check_afterwards_was_not_possible_is_verified_by_the_sweep() {
    let (world, action) = proposed().await;
    world.app.fail_next(ApplyFault::ThenUnreadable);
    assert_eq!(
        approve(&world, &world.ben, &action).await.unwrap(),
        ActionState::Executed
    );
    world.app.unreadable(false);
    assert_eq!(
        world.sweep().sweep().await.unwrap().finished,
        0,
        "the sweep must wait for the worker"
    );
    world.clock.advance(Duration::from_mins(4));
    assert_eq!(world.sweep().sweep().await.unwrap().finished, 1);
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
    assert_eq!(world.app.updates(), 1);
    assert_eq!(world.count("run.open"), world.count("run.close"));
}

#[tokio::test]
async fn without_evidence_there_is_no_update() {
    let (world, action) = proposed().await;
    world.store.appends_left(Some(0));
    let refused = approve(&world, &world.ben, &action).await.unwrap_err();
    assert!(matches!(refused, ActionError::Evidence(_)));
    assert_eq!(world.app.updates(), 0);
    assert!(!world.granted("u1"));
}

#[tokio::test]
async fn what_a_scan_proposes_waits_for_a_person() {
    let world = World::new().await;
    world.scan().await;
    let (project, run, incident) = world.mail.take_proposals().remove(0);
    // The run is over by now: its id is no credential any more.
    let late = world
        .propose()
        .propose_for_run(project, run, &incident.to_string())
        .await;
    assert!(matches!(late, Err(ActionError::WrongState { .. })));
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn in_a_read_only_project_a_proposal_is_denied_and_recorded() {
    let world = World::read_only().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let proposed = world
        .propose()
        .propose(&world.repair_key, &incident, Some("support asked"), true)
        .await
        .unwrap();
    assert_eq!(proposed.action.effect, Effect::Deny);
    assert_eq!(proposed.action.rule, "base.forbid.repairs-off");
    assert_eq!(world.count("run.decision"), 1);
    assert_eq!(world.incident().await.state, IncidentState::Open);
    assert!(approve(&world, &world.ben, &proposed.action).await.is_err());
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn an_action_of_another_project_is_absent() {
    let (world, action) = proposed().await;
    let stranger = world.another_project().await;
    let id = action.id.to_string();
    for id in [
        id.as_str(),
        "act_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "no id at all",
    ] {
        let refused = world
            .vote()
            .execute(&stranger, id, Some(&action.digest))
            .await
            .unwrap_err();
        assert!(
            matches!(refused, ActionError::NotFound),
            "{id}: {refused:?}"
        );
        let refused = world
            .vote()
            .vote(
                &stranger,
                id,
                &vote(&action, VoteKind::Approve, "please do this"),
            )
            .await;
        assert!(matches!(refused, Err(ActionError::NotFound)), "{id}");
    }
}

#[tokio::test]
async fn a_proposer_may_withdraw_and_a_stranger_to_the_action_may_not() {
    let (world, action) = proposed().await;
    let id = action.id.to_string();
    let refused = world.vote().cancel(&world.read_key, &id).await;
    assert!(matches!(refused, Err(ActionError::MissingCapability)));
    let after = world.vote().cancel(&world.ann, &id).await.unwrap();
    assert_eq!(after.value.state, ActionState::Cancelled);
    assert!(approve(&world, &world.ben, &action).await.is_err());
    assert_eq!(world.incident().await.state, IncidentState::Open);
    assert_eq!(world.count("run.open"), world.count("run.close"));
    assert_eq!(world.app.updates(), 0);
}

/// Proposes to take back what an action wrote.
async fn undo(world: &World, who: &TenantCtx, action: &Action) -> Result<Action, ActionError> {
    let (propose, id) = (world.propose(), action.id.to_string());
    let proposed = propose.undo(who, &id, Some("it was mapped wrongly"), true);
    Ok(proposed.await?.action)
}

#[tokio::test]
async fn an_undo_is_a_new_action_that_writes_what_was_there_before() {
    let (world, action) = proposed().await;
    approve(&world, &world.ben, &action).await.unwrap();
    assert!(world.granted("u1"));
    let back = undo(&world, &world.repair_key, &action).await.unwrap();
    assert_eq!(back.state, ActionState::Held);
    assert_eq!(back.undo.unwrap().of, action.id);
    assert_ne!(back.digest, action.digest);
    let state = approve(&world, &world.ben, &back).await.unwrap();
    assert_eq!(state, ActionState::Verified);
    assert!(!world.granted("u1"));
    assert_eq!(world.app.updates(), 2);
    // Stripe still promises it, so the difference is open again.
    assert_eq!(world.incident().await.state, IncidentState::Open);
    let facts = world.facts("run.decision");
    let change = facts.last().unwrap().get("request").unwrap().get("context");
    let change = change.unwrap().get("change").unwrap();
    assert_eq!(
        change.get("direction").and_then(Json::as_str),
        Some("revoke")
    );
}

#[tokio::test]
async fn an_undo_of_what_was_changed_since_writes_nothing() {
    let (world, action) = proposed().await;
    approve(&world, &world.ben, &action).await.unwrap();
    let back = undo(&world, &world.repair_key, &action).await.unwrap();
    world.set_row("u1", false);
    let state = approve(&world, &world.ben, &back).await.unwrap();
    assert_eq!(state, ActionState::Stale);
    assert_eq!(world.app.updates(), 1);
    let is = world.incident().await.state;
    assert_eq!(is, IncidentState::Resolved, "as it was before");
}

#[tokio::test]
async fn what_was_not_executed_cannot_be_undone() {
    let (world, action) = proposed().await;
    let refused = undo(&world, &world.repair_key, &action).await;
    assert!(matches!(refused, Err(ActionError::WrongState { .. })));
    let refused = undo(&world, &world.read_key, &action).await;
    assert!(matches!(refused, Err(ActionError::MissingCapability)));
}

/// Limits of an hour bind everybody: the fifty-first repair is refused, also after its approval.
#[tokio::test]
async fn the_fifty_first_repair_of_an_hour_is_not_begun() {
    let (world, action) = proposed().await;
    let begun = || world.facts("run.decision").pop().unwrap();
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let mut pace = Pace::default();
    for _ in 0..HOUR_MAX {
        pace = pace.with(world.clock.now());
    }
    let write = records.create(&pace).unwrap();
    assert!(world.store.write(vec![write]).await.unwrap());
    let state = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Stale);
    assert_eq!(world.app.updates(), 0);
    let rule = begun()
        .get("rule")
        .and_then(Json::as_str)
        .map(str::to_owned);
    assert_eq!(rule.as_deref(), Some("base.forbid.blast-hour"));

    // An hour later there is room again.
    world.clock.advance(Duration::from_hours(1));
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let again = propose.propose(&world.repair_key, &incident, Some("support asked"), true);
    let again = again.await.unwrap().action;
    let state = approve(&world, &world.ben, &again).await.unwrap();
    assert_eq!(state, ActionState::Verified);
}

/// An action that was approved and that somebody starts later.
async fn approved() -> (World, Action) {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), false);
    let action = proposed.await.unwrap().action;
    let state = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Approved);
    (world, action)
}

async fn start(world: &World, action: &Action) -> (ActionState, String) {
    let (votes, id) = (world.vote(), action.id.to_string());
    let after = Box::pin(votes.execute(&world.repair_key, &id, Some(&action.digest))).await;
    let last = world.facts("run.decision").pop().unwrap();
    let rule = last.get("rule").and_then(Json::as_str).unwrap().to_owned();
    (after.unwrap().value.state, rule)
}

/// Approvals count while those who gave them still could.
#[tokio::test]
async fn an_approval_of_somebody_who_lost_the_role_counts_no_more() {
    let (world, action) = approved().await;
    let ben = world.ben.principal().person().unwrap();
    let directory = Directory::of(world.store.as_ref());
    let member = directory
        .member(world.workspace.id, ben)
        .await
        .unwrap()
        .unwrap();
    let mut after = member.value;
    after.role = Role::Viewer;
    let doc = serde_json::to_value(&after).unwrap();
    let key = Directory::member_key(world.workspace.id, ben);
    let mut write = StateWrite::replace(key, member.version, doc);
    write.cites = member.evidence;
    assert!(world.store.write(vec![write]).await.unwrap());
    let (state, rule) = start(&world, &action).await;
    assert_eq!(state, ActionState::Stale);
    assert_eq!(rule, "base.require.machine-live");
    assert_eq!(world.app.updates(), 0);
}

/// The rules that count are those in force when it is carried out.
#[tokio::test]
async fn an_approval_under_other_rules_is_judged_by_those_in_force() {
    let (world, action) = approved().await;
    // A row that nobody can read says nothing: not that there are no rules.
    let key = StateKey {
        pk: format!("{}#policy", world.workspace.id),
        sk: "state".to_owned(),
    };
    let write = StateWrite::create(key, serde_json::json!({ "active": 7 }));
    assert!(world.store.write(vec![write]).await.unwrap());
    let (state, rule) = start(&world, &action).await;
    assert_eq!(state, ActionState::Stale);
    assert_eq!(rule, "bundle-unverified");
    assert_eq!(world.app.updates(), 0);
}

/// A person's own repair in live takes a sign-in of the last 15 minutes, and waits for one.
#[tokio::test]
async fn a_sign_in_that_is_too_old_ends_no_action() {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let ann = world.sign_in("Ann").await;
    let propose = world.propose();
    let proposed = propose.propose(&ann, &incident, Some("support asked"), false);
    let action = proposed.await.unwrap().action;
    assert_eq!(action.state, ActionState::Allowed);
    world.clock.advance(Duration::from_mins(16));
    let (votes, id) = (world.vote(), action.id.to_string());
    for who in [&ann, &world.repair_key] {
        let refused = Box::pin(votes.execute(who, &id, Some(&action.digest))).await;
        let Err(ActionError::Denied(judged)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(judged.rule, "base.forbid.stale-login-live");
        // A machine cannot sign in again.
        assert_eq!(
            judged.fresh_within_s.is_some(),
            who.principal().person().is_some()
        );
    }
    assert_eq!(world.app.updates(), 0);
    let ann = world.sign_in("Ann").await;
    let after = Box::pin(votes.execute(&ann, &id, Some(&action.digest)))
        .await
        .unwrap();
    assert_eq!(after.value.state, ActionState::Verified);
}
