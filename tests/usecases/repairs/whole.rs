//! A repair from its proposal to its end.

use counterfoil_core::evidence::json::Json;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::policy::Effect;
use counterfoil_core::ports::StoredPart;
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::usecases::{ActionError, SWEEP_AFTER, SweepRepairs};

use super::super::world::World;
use super::{approve, proposed, vote};

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
async fn nothing_is_repaired_while_a_side_cannot_be_read_and_the_vote_counts() {
    let (world, action) = proposed().await;
    world.app.unreadable(true);
    // Whoever voted is not told that nothing happened: their vote is in the record.
    let state = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Approved);
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.count("run.resolution"), 1);
    assert_eq!(world.count("repair.started"), 0);
    // The sweep begins it when both sides answer again.
    world.app.unreadable(false);
    world.clock.advance(SWEEP_AFTER);
    let ports = world.ports();
    let swept = Box::pin(SweepRepairs { ports }.sweep()).await.unwrap();
    assert_eq!((swept.finished, world.app.updates()), (1, 1));
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
