//! Whatever does not fit is refused with its reason, and nothing changes.

use counterfoil_core::governed_run::{FlowKind, HOLD_QUOTA, Report, RunState};
use counterfoil_core::policy::Effect;
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::usecases::{ActionError, Completion, RunError};

use super::super::world::World;
use super::{action, done, flow, hash};

#[tokio::test]
async fn a_reading_key_opens_no_run_and_acts_in_none() {
    let world = World::new().await;
    let runs = world.governed();
    let opened = runs.open(&world.read_key, flow(FlowKind::Governed)).await;
    assert!(matches!(opened, Err(RunError::MissingCapability)));
    let run = world.open_run().await;
    let new = action("mail.send", "ticket-1");
    let proposed = runs.propose(&world.read_key, &run, &new).await;
    assert!(matches!(proposed, Err(RunError::MissingCapability)));
    assert_eq!(world.count("run.decision"), 0);
}

/// A key acts in its own runs, and another key of the same project and person is another one.
#[tokio::test]
async fn another_key_of_the_project_acts_in_no_run_that_is_not_its_own() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let action = world.act(&run, "mail.send", "ticket-1").await.value;
    let other = world.another_key().await;
    let (runs, votes, id) = (world.governed(), world.vote(), action.id.to_string());
    let before = world.kinds();
    let new = super::action("mail.send", "ticket-2");
    let completed = runs.complete(&other, &run, &Completion::default()).await;
    let report = done(&action, Report::Executed);
    for refused in [
        runs.propose(&other, &run, &new).await.map(drop),
        runs.report(&other, &id, &report).await.map(drop),
        completed.map(drop),
    ] {
        assert!(
            matches!(refused, Err(RunError::MissingCapability)),
            "{refused:?}"
        );
    }
    let begun = Box::pin(votes.execute(&other, &id, Some(&action.digest))).await;
    assert!(
        matches!(begun, Err(ActionError::MissingCapability)),
        "{begun:?}"
    );
    let withdrawn = votes.cancel(&other, &id).await;
    assert!(
        matches!(withdrawn, Err(ActionError::MissingCapability)),
        "{withdrawn:?}"
    );
    assert_eq!(world.kinds(), before);
    world.report(&action, Report::Executed).await.unwrap();
}

#[tokio::test]
async fn a_run_and_an_action_of_another_project_are_as_if_there_were_none() {
    let world = World::new().await;
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    let stranger = world.another_project().await;
    let runs = world.governed();
    let before = world.kinds().len();
    let new = action("mail.send", "ticket-1");
    let refused = [
        runs.get(&stranger, &run).await.map(drop),
        runs.propose(&stranger, &run, &new).await.map(drop),
        runs.complete(&stranger, &run, &Completion::default())
            .await
            .map(drop),
        runs.report(
            &stranger,
            &held.id.to_string(),
            &done(&held, Report::Executed),
        )
        .await
        .map(drop),
        runs.decision(&stranger, &held.decision.to_string())
            .await
            .map(drop),
        runs.get(&world.repair_key, "run_x").await.map(drop),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(RunError::NotFound)), "{refused:?}");
    }
    let voted = world.answer(&stranger, &held, VoteKind::Approve).await;
    assert!(matches!(voted, Err(ActionError::NotFound)), "{voted:?}");
    assert_eq!(world.kinds().len(), before);
}

#[tokio::test]
async fn what_is_held_is_not_reported_and_what_was_reported_is_not_reported_again() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    let early = world.report(&held, Report::Executed).await;
    assert!(matches!(
        early,
        Err(RunError::WrongState(ActionState::Held))
    ));
    world
        .answer(&world.ben, &held, VoteKind::Approve)
        .await
        .unwrap();
    world.report(&held, Report::Failed).await.unwrap();
    let twice = world.report(&held, Report::Executed).await;
    assert!(matches!(
        twice,
        Err(RunError::WrongState(ActionState::Failed))
    ));
    assert_eq!(world.count("run.action"), 1);
}

#[tokio::test]
async fn a_result_with_the_digest_of_another_action_changes_nothing() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let one = world.act(&run, "mail.send", "ticket-1").await.value;
    let other = world.act(&run, "mail.send", "ticket-2").await.value;
    let runs = world.governed();
    let refused = runs
        .report(
            &world.repair_key,
            &one.id.to_string(),
            &done(&other, Report::Executed),
        )
        .await;
    assert!(matches!(refused, Err(RunError::OtherDigest)), "{refused:?}");
    assert_eq!(world.count("run.action"), 0);
    world.report(&one, Report::Executed).await.unwrap();
}

#[tokio::test]
async fn machines_do_not_vote_and_nobody_approves_another_digest() {
    let world = World::new().await;
    let run = world.open_run().await;
    let held = world.act(&run, "refund.create", "invoice-1").await.value;
    let before = world.count("run.decision");
    let machine = world
        .answer(&world.repair_key, &held, VoteKind::Approve)
        .await;
    assert!(
        matches!(machine, Err(ActionError::Denied(_))),
        "{machine:?}"
    );
    let mut other = held.clone();
    other.digest = hash('0');
    let blind = world.answer(&world.ben, &other, VoteKind::Approve).await;
    assert!(matches!(blind, Err(ActionError::Denied(_))), "{blind:?}");
    assert_eq!(world.count("run.decision"), before + 2);
    assert_eq!(world.count("run.resolution"), 0);
}

#[tokio::test]
async fn a_run_is_not_completed_while_actions_are_open_and_names_them() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let open = world.act(&run, "mail.send", "ticket-1").await.value;
    let refused = world.complete_run(&run).await;
    let Err(RunError::OpenActions { count, actions }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((count, actions), (1, vec![open.id]));
    assert_eq!(world.count("run.close"), 0);
    world.report(&open, Report::Failed).await.unwrap();
    world.complete_run(&run).await.unwrap();
}

#[tokio::test]
async fn an_ended_run_takes_no_action_no_vote_and_no_second_end() {
    let world = World::new().await;
    let run = world.open_run().await;
    world.complete_run(&run).await.unwrap();
    let again = world.complete_run(&run).await;
    assert!(
        matches!(again, Err(RunError::Ended(RunState::Completed))),
        "{again:?}"
    );
    let new = action("mail.send", "ticket-1");
    let late = world
        .governed()
        .propose(&world.repair_key, &run, &new)
        .await;
    assert!(
        matches!(late, Err(RunError::Ended(RunState::Completed))),
        "{late:?}"
    );
}

#[tokio::test]
async fn a_deterministic_run_that_ends_with_another_artifact_is_recorded_as_failed() {
    let world = World::new().await;
    let runs = world.governed();
    let mut bad = flow(FlowKind::Deterministic);
    bad.artifact = None;
    let refused = runs.open(&world.repair_key, bad).await;
    let Err(RunError::Invalid(invalid)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(invalid.field, "/artifact_sha256");
    let opened = runs.open(&world.repair_key, flow(FlowKind::Deterministic));
    let run = opened.await.unwrap().value.id.to_string();
    let completion = Completion {
        artifact: Some(hash('c')),
        output: None,
    };
    let ended = runs
        .complete(&world.repair_key, &run, &completion)
        .await
        .unwrap();
    assert_eq!(ended.value.state, RunState::Failed);
    let close = world.facts("run.close").pop().unwrap();
    let text = |name: &str| {
        close
            .get(name)
            .and_then(|it| it.as_str())
            .map(str::to_owned)
    };
    assert_eq!(text("status").as_deref(), Some("failed"));
    assert_eq!(text("code").as_deref(), Some("artifact_mismatch"));
    assert_eq!(text("artifact"), Some(hash('c')));
}

#[tokio::test]
async fn the_fifty_first_action_that_would_wait_is_denied_and_recorded() {
    let world = World::new().await;
    let run = world.open_run().await;
    for n in 0..50 {
        let held = world
            .act(&run, "refund.create", &format!("invoice-{n}"))
            .await;
        assert_eq!(held.value.state, ActionState::Held);
    }
    let over = world.act(&run, "refund.create", "invoice-50").await.value;
    assert_eq!(
        (over.effect, over.rule.as_str()),
        (Effect::Deny, HOLD_QUOTA)
    );
    assert_eq!(world.count("run.decision"), 51);
    let waits = world.act(&run, "refund.create", "invoice-7").await.value;
    assert_eq!(
        waits.state,
        ActionState::Held,
        "the same proposal still waits"
    );
}

#[tokio::test]
async fn a_step_out_of_order_is_refused_with_its_field() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let mut new = action("mail.send", "ticket-1");
    new.seq = Some(0);
    let runs = world.governed();
    runs.propose(&world.repair_key, &run, &new).await.unwrap();
    let twice = runs.propose(&world.repair_key, &run, &new).await;
    let Err(RunError::Invalid(invalid)) = twice else {
        panic!("{twice:?}")
    };
    assert_eq!(invalid.field, "/seq");
}
