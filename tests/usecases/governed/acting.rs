//! What an agent does in a run, and what people answer.

use std::collections::BTreeMap;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::governed_run::{FlowActions, FlowKind, Registered, Report, RunState};
use counterfoil_core::policy::Effect;
use counterfoil_core::ports::State;
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::usecases::{ActionError, Preview, RunError};

use super::super::world::World;
use super::{action, flow};

#[tokio::test]
async fn a_harmless_action_is_allowed_done_and_told() {
    let world = World::new().await;
    world.register().await;
    let before = world.kinds().len();
    let run = world.open_run().await;
    let allowed = world.act(&run, "mail.send", "ticket-1").await.value;
    assert_eq!(
        (allowed.state, allowed.effect),
        (ActionState::Allowed, Effect::Allow)
    );
    let state = world.report(&allowed, Report::Executed).await.unwrap();
    assert_eq!(state, ActionState::Executed);
    let ended = world.complete_run(&run).await.unwrap();
    assert_eq!(ended.state, RunState::Completed);
    let kinds = world.kinds_since(before);
    assert_eq!(
        kinds,
        ["run.open", "run.decision", "run.action", "run.close"]
    );
    let done = world.facts("run.action").pop().unwrap();
    let decided = world.facts("run.decision").pop().unwrap();
    assert_eq!(done.get("action_hash"), decided.get("action_hash"));
}

/// Whoever opens a run names its flow: another one's registration makes nothing harmless.
#[tokio::test]
async fn what_one_flow_registered_as_destructive_waits_in_runs_of_every_flow() {
    let world = World::new().await;
    world.register().await;
    let sandbox = FlowActions {
        actions: BTreeMap::from([
            (
                "refund.create".to_owned(),
                Registered { destructive: false },
            ),
            ("mail.send".to_owned(), Registered { destructive: false }),
        ]),
        ..FlowActions::none("sandbox")
    };
    let ctx = Directory::system(&world.project, "test");
    let row = Records::of(world.store.as_ref(), &ctx).create(&sandbox);
    assert!(world.store.write(vec![row.unwrap()]).await.unwrap());
    let mut new = flow(FlowKind::Governed);
    new.flow.id = "sandbox".to_owned();
    let opened = world.governed().open(&world.repair_key, new).await;
    let run = opened.unwrap().value.id.to_string();
    let refund = world.act(&run, "refund.create", "invoice-1").await.value;
    assert_eq!(refund.state, ActionState::Held, "{}", refund.rule);
    let mail = world.act(&run, "mail.send", "ticket-1").await.value;
    assert_eq!(mail.state, ActionState::Allowed);
}

#[tokio::test]
async fn a_destructive_action_waits_in_the_inbox_of_repairs_and_its_votes_are_in_the_open_run() {
    let world = World::new().await;
    world.register().await;
    let before = world.kinds().len();
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    assert_eq!((held.state, held.approvals), (ActionState::Held, 1));
    let inbox = world.inbox(&world.ben).await;
    assert_eq!(inbox.len(), 1);
    assert_eq!(inbox[0].value.id, held.id);
    let state = world.answer(&world.ben, &held, VoteKind::Approve).await;
    assert_eq!(state.unwrap(), ActionState::Approved);
    assert!(world.inbox(&world.ben).await.is_empty());
    world.report(&held, Report::Executed).await.unwrap();
    world.complete_run(&run).await.unwrap();
    let kinds = world.kinds_since(before);
    let told = [
        "run.open",
        "run.decision",
        "run.resolution",
        "run.action",
        "run.close",
    ];
    assert_eq!(kinds, told);
    let close = world.facts("run.close").pop().unwrap();
    let count = |name: &str| close.get(name).and_then(Json::as_uint).unwrap();
    assert_eq!(["decisions", "require", "unresolved"].map(count), [1, 1, 0]);
}

#[tokio::test]
async fn a_kind_that_nobody_registered_counts_as_destructive() {
    let world = World::new().await;
    let run = world.open_run().await;
    let held = world.act(&run, "mail.send", "ticket-1").await.value;
    assert_eq!(held.state, ActionState::Held);
    assert_eq!(held.rule, "base.require.machine-destructive");
}

#[tokio::test]
async fn a_no_and_a_withdrawal_end_an_action_and_the_run_can_be_completed() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let first = world.act(&run, "refund.create", "invoice-1").await.value;
    let state = world.answer(&world.ben, &first, VoteKind::Reject).await;
    assert_eq!(state.unwrap(), ActionState::Rejected);
    let second = world.act(&run, "refund.create", "invoice-2").await.value;
    let id = second.id.to_string();
    let withdrawn = world.vote().cancel(&world.repair_key, &id).await.unwrap();
    assert_eq!(withdrawn.value.state, ActionState::Cancelled);
    let ended = world.complete_run(&run).await.unwrap();
    assert_eq!((ended.tally.require, ended.tally.unresolved), (2, 0));
    let approvers: Vec<_> = world
        .facts("run.resolution")
        .iter()
        .map(|facts| {
            facts
                .get("approver")
                .and_then(Json::as_str)
                .unwrap()
                .to_owned()
        })
        .collect();
    assert!(approvers[0].starts_with("usr_"), "{approvers:?}");
    assert_eq!(approvers[1], "system:cancel");
}

/// What may be done and is not needed any more: no result has to be made up for it.
#[tokio::test]
async fn what_was_allowed_or_approved_is_withdrawn_until_somebody_begins() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let allowed = world.act(&run, "mail.send", "ticket-1").await.value;
    let approved = world.act(&run, "refund.create", "invoice-1").await.value;
    let begun = world.act(&run, "mail.send", "ticket-2").await.value;
    world
        .answer(&world.ben, &approved, VoteKind::Approve)
        .await
        .unwrap();
    let votes = world.vote();
    let id = begun.id.to_string();
    Box::pin(votes.execute(&world.repair_key, &id, None))
        .await
        .unwrap();
    let before = world.kinds().len();
    for (who, action) in [(&world.repair_key, &allowed), (&world.ben, &approved)] {
        let id = action.id.to_string();
        let withdrawn = Box::pin(votes.cancel(who, &id)).await.unwrap();
        assert_eq!(withdrawn.value.state, ActionState::Cancelled);
        let told = world.facts("run.action").pop().unwrap();
        let text = |name: &str| told.get(name).and_then(Json::as_str).unwrap().to_owned();
        assert_eq!(
            (text("status"), text("code"), text("action_hash")),
            (
                "failed".to_owned(),
                "withdrawn".to_owned(),
                action.digest.clone()
            )
        );
        // Nothing more happens to it.
        let late = world.report(action, Report::Executed).await;
        assert!(
            matches!(late, Err(RunError::WrongState(ActionState::Cancelled))),
            "{late:?}"
        );
        let late = Box::pin(votes.execute(&world.repair_key, &id, None)).await;
        assert!(
            matches!(late, Err(ActionError::WrongState { .. })),
            "{late:?}"
        );
        let twice = Box::pin(votes.cancel(who, &id)).await;
        assert!(
            matches!(twice, Err(ActionError::WrongState { .. })),
            "{twice:?}"
        );
    }
    assert_eq!(world.kinds_since(before), ["run.action", "run.action"]);
    // Whoever has begun may be in the middle of it.
    let late = Box::pin(votes.cancel(&world.ben, &id)).await;
    assert!(
        matches!(late, Err(ActionError::WrongState { .. })),
        "{late:?}"
    );
    let open = world.complete_run(&run).await;
    assert!(
        matches!(open, Err(RunError::OpenActions { count: 1, .. })),
        "{open:?}"
    );
    world.report(&begun, Report::Executed).await.unwrap();
    let ended = world.complete_run(&run).await.unwrap();
    assert_eq!((ended.state, ended.in_hand), (RunState::Completed, 0));
    let tally = ended.tally;
    assert_eq!((tally.allow, tally.require, tally.unresolved), (2, 1, 0));
}

/// Somebody else's key withdraws nothing.
#[tokio::test]
async fn only_its_proposer_and_people_who_approve_withdraw_what_may_be_done() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let allowed = world.act(&run, "mail.send", "ticket-1").await.value;
    let (votes, id) = (world.vote(), allowed.id.to_string());
    let before = world.kinds().len();
    let refused = votes.cancel(&world.read_key, &id).await;
    assert!(
        matches!(refused, Err(ActionError::MissingCapability)),
        "{refused:?}"
    );
    assert_eq!(world.kinds().len(), before);
    world.report(&allowed, Report::Executed).await.unwrap();
}

#[tokio::test]
async fn the_same_proposal_waits_once_and_another_one_beside_it() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let first = world.act(&run, "refund.create", "invoice-1").await.value;
    let decisions = world.count("run.decision");
    let again = world.act(&run, "refund.create", "invoice-1").await.value;
    assert_eq!(again.id, first.id);
    assert_eq!(world.count("run.decision"), decisions);
    let other = world.act(&run, "refund.create", "invoice-2").await.value;
    assert_ne!(other.id, first.id);
    world
        .answer(&world.ben, &first, VoteKind::Reject)
        .await
        .unwrap();
    let anew = world.act(&run, "refund.create", "invoice-1").await.value;
    assert_ne!(anew.id, first.id);
}

#[tokio::test]
async fn a_preview_says_what_would_be_decided_and_is_no_evidence() {
    let world = World::new().await;
    world.register().await;
    let before = world.kinds().len();
    let preview = Preview {
        flow: "refunds".to_owned(),
        work: action("refund.create", "invoice-1").work,
    };
    let runs = world.governed();
    let said = runs.preview(&world.repair_key, &preview).await.unwrap();
    assert!(said.preview && said.run.is_none() && said.act.is_none());
    assert_eq!((said.effect, said.approvals), (Effect::Require, 1));
    assert_eq!(world.kinds().len(), before);
    let id = said.id.to_string();
    let read = runs.decision(&world.read_key, &id).await.unwrap();
    assert_eq!(read.value, said);
}

#[tokio::test]
async fn a_decision_is_found_by_its_id() {
    let world = World::new().await;
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    let id = held.decision.to_string();
    let found = world
        .governed()
        .decision(&world.read_key, &id)
        .await
        .unwrap();
    assert_eq!(found.value.act, Some(held.id));
    assert_eq!(found.value.effect, Effect::Require);
    let cited = world.facts("run.decision").pop().unwrap();
    assert_eq!(
        cited.get("decision").and_then(Json::as_str),
        Some(id.as_str())
    );
}

#[tokio::test]
async fn proposals_at_the_same_time_are_all_counted() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let acts = tokio::join!(
        world.act(&run, "mail.send", "ticket-1"),
        world.act(&run, "mail.send", "ticket-2"),
        world.act(&run, "mail.send", "ticket-3"),
        world.act(&run, "mail.send", "ticket-4"),
    );
    for act in [acts.0, acts.1, acts.2, acts.3] {
        assert_eq!(act.value.state, ActionState::Allowed);
    }
    let found = world.governed().get(&world.repair_key, &run).await.unwrap();
    assert_eq!((found.value.tally.allow, found.value.in_hand), (4, 4));
}
