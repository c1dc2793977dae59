//! Break-glass: what an owner can do when nobody else answers, and what stays impossible.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::ids::{ActionId, ProjectId};
use counterfoil_core::ports::{Clock as _, State as _, StateKey, StateWrite, StoredPart};
use counterfoil_core::records::{Directory, OverrideUse, Versioned};
use counterfoil_core::repair::{Action, ActionState};
use counterfoil_core::tenancy::{Role, TenantCtx};
use counterfoil_core::usecases::{
    ActionError, Glass, OVERDUE_TOPIC, OverdueReviews, ReadActions, SWEEP_AFTER, SweepRepairs,
};

use super::erasure::faults::{Plan, faulty};
use super::repairs::approve;
use super::repairs::standing::{broken, needing};
use super::world::World;

const REASON: &str = "nobody else answers and they are locked out";

/// A world with a repair that waits for a person.
async fn held() -> (World, Action) {
    let world = World::new().await;
    world.scan().await;
    let action = propose(&world, true).await;
    assert_eq!(action.state, ActionState::Held);
    (world, action)
}

async fn propose(world: &World, at_once: bool) -> Action {
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), at_once);
    proposed.await.unwrap().action
}

async fn break_glass(
    world: &World,
    who: &TenantCtx,
    action: &Action,
    (reason, ticket): (&str, &str),
) -> Result<Versioned<Action>, ActionError> {
    let glass = Glass {
        digest: &action.digest,
        reason,
        ticket,
        version: 1,
    };
    Box::pin(world.break_glass(who, action, &glass)).await
}

fn rule(world: &World) -> String {
    let last = world.facts("run.decision").pop().unwrap();
    last.get("rule").and_then(Json::as_str).unwrap().to_owned()
}

#[tokio::test]
async fn an_owner_replaces_the_missing_approval_and_the_record_says_so_for_ever() {
    let (world, action) = held().await;
    let owner = world.sign_in("Ben").await;
    let done = break_glass(&world, &owner, &action, (REASON, "OPS-1042"));
    let done = done.await.unwrap().value;
    assert_eq!(done.state, ActionState::Verified);
    assert!(world.granted("u1"));
    assert_eq!(world.app.updates(), 1);

    let resolution = world.facts("run.resolution").pop().unwrap();
    assert_eq!(resolution.get("override"), Some(&Json::Bool(true)));
    assert_eq!(rule(&world), "break-glass");
    let decision = world.facts("run.decision").pop().unwrap();
    let replaced = decision.get("override").unwrap();
    assert_eq!(
        replaced.get("skipped_approvals").and_then(Json::as_uint),
        Some(1)
    );
    assert_eq!(
        replaced.get("ticket").and_then(Json::as_str),
        Some("OPS-1042")
    );
    let closed = world.facts("run.close").pop().unwrap();
    assert_eq!(closed.get("overrides").and_then(Json::as_uint), Some(1));
}

/// What was approved was not skipped.
#[tokio::test]
async fn the_record_says_how_many_approvals_were_missing() {
    let world = World::new().await;
    world.under(&needing("repair.execute", 2)).await;
    world.scan().await;
    let action = propose(&world, true).await;
    let state = approve(&world, &world.ann, &action).await.unwrap();
    assert_eq!((state, action.approvals), (ActionState::Held, 2));
    let owner = world.sign_in("Ben").await;
    let done = broken(&world.vote(), &owner, &action, 2).await.unwrap();
    let done = world.vote().carry_out(&owner, done).await.unwrap();
    assert_eq!(done.action.value.state, ActionState::Verified);
    let decision = world.facts("run.decision").pop().unwrap();
    let replaced = decision.get("override").unwrap();
    let skipped = replaced.get("skipped_approvals").and_then(Json::as_uint);
    assert_eq!(skipped, Some(1));
}

#[tokio::test]
async fn what_an_owner_broke_the_glass_for_and_nobody_began_the_sweep_carries_out() {
    for at_once in [true, false] {
        let world = World::new().await;
        world.scan().await;
        let action = propose(&world, at_once).await;
        let owner = world.sign_in("Ben").await;
        let glass = Glass {
            digest: &action.digest,
            reason: REASON,
            ticket: "OPS-1042",
            version: 1,
        };
        let (votes, id) = (world.vote(), action.id.to_string());
        let broken = Box::pin(votes.override_approvals(&owner, &id, &glass, &|| {})).await;
        assert_eq!(broken.unwrap().value.state, ActionState::Approved);
        world.clock.advance(SWEEP_AFTER);
        let sweep = SweepRepairs { ports: votes.ports };
        assert_eq!(sweep.sweep().await.unwrap().finished, 1, "{at_once}");
        assert!(world.granted("u1"));
        assert_eq!(world.app.updates(), 1);
        assert_eq!(rule(&world), "break-glass");
    }
}

/// What is recorded is told as that: nobody may read that nothing was done.
#[tokio::test]
async fn a_glass_that_is_broken_is_told_as_broken_where_the_project_cannot_be_read_then() {
    let (world, action) = held().await;
    let owner = world.sign_in("Ben").await;
    let approved = broken(&world.vote(), &owner, &action, 1).await.unwrap();
    let key = Directory::project_key(world.project.id);
    let found = world.store.get(&key).await.unwrap().unwrap();
    let unread = StateWrite::replace(key.clone(), found.version, serde_json::json!({ "id": 7 }));
    assert!(world.store.write(vec![unread]).await.unwrap());
    let told = world.vote().carry_out(&owner, approved).await.unwrap();
    assert_eq!(told.action.value.state, ActionState::Approved);
    assert!(told.not_begun.is_some());
    let mended = StateWrite::replace(key, found.version + 1, found.doc);
    assert!(world.store.write(vec![mended]).await.unwrap());
    world.clock.advance(SWEEP_AFTER);
    let sweep = SweepRepairs {
        ports: world.ports(),
    };
    assert_eq!(sweep.sweep().await.unwrap().finished, 1);
    assert_eq!(world.app.updates(), 1);
}

#[tokio::test]
async fn whoever_may_not_or_does_not_say_why_is_refused_and_that_is_recorded() {
    let (world, action) = held().await;
    let owner = world.sign_in("Ben").await;
    let approver = world.sign_in("Ann").await;
    for (who, said, by) in [
        (&owner, ("too short", "OPS-1"), "base.forbid.override-form"),
        (
            &owner,
            (REASON, "it is in my head"),
            "base.forbid.override-form",
        ),
        (&approver, (REASON, "OPS-1"), "default-deny"),
        (&world.ben, (REASON, "OPS-1"), "base.forbid.approver-key"),
        (
            &world.repair_key,
            (REASON, "OPS-1"),
            "base.forbid.machine-admin",
        ),
    ] {
        let refused = break_glass(&world, who, &action, said).await;
        assert!(
            matches!(refused, Err(ActionError::Denied(_))),
            "{refused:?}"
        );
        assert_eq!(rule(&world), by);
    }
    world.clock.advance(Duration::from_mins(6));
    let stale = break_glass(&world, &owner, &action, (REASON, "OPS-1")).await;
    assert!(
        matches!(stale, Err(ActionError::Denied(judged)) if judged.fresh_within_s == Some(300))
    );
    assert_eq!(world.app.updates(), 0);
}

/// The glass replaces approvals and nothing else.
#[tokio::test]
async fn what_policy_denies_stays_denied() {
    let (world, action) = held().await;
    let owner = world.sign_in("Ben").await;
    // The row was changed since: nothing is written.
    world.billing.cancel_all("cus_1");
    let done = break_glass(&world, &owner, &action, (REASON, "OPS-1")).await;
    assert_eq!(done.unwrap().value.state, ActionState::Stale);
    assert_eq!(world.app.updates(), 0);
    // What is not held cannot be overridden.
    let ended = world.vote().ports;
    let ended = ReadActions { ports: ended };
    let ended = ended.get(&owner, &action.id.to_string()).await.unwrap();
    let glass = Glass {
        digest: &action.digest,
        reason: REASON,
        ticket: "OPS-1",
        version: ended.version,
    };
    let again = Box::pin(world.break_glass(&owner, &action, &glass)).await;
    assert!(matches!(again, Err(ActionError::Denied(_))), "{again:?}");
    assert_eq!(rule(&world), "base.forbid.not-held");
}

#[tokio::test]
async fn nobody_reviews_their_own_use_and_an_overdue_review_keeps_the_glass_whole() {
    let (world, action) = held().await;
    let owner = world.sign_in("Ben").await;
    let done = break_glass(&world, &owner, &action, (REASON, "OPS-1"));
    assert_eq!(done.await.unwrap().value.state, ActionState::Verified);
    let (votes, id) = (world.vote(), action.id.to_string());
    let own = votes.review(&owner, &id, "it was right, I think").await;
    assert!(matches!(own, Err(ActionError::Denied(_))), "{own:?}");
    assert_eq!(rule(&world), "base.forbid.own-review");
    assert_eq!(world.count("observation.recorded"), 0);
    assert_eq!(votes.overdue(&owner).await.unwrap(), None);

    world.clock.advance(Duration::from_hours(7 * 24));
    world.set_row("u1", false);
    world.scan().await;
    let next = propose(&world, true).await;
    let owner = world.sign_in("Ben").await;
    let refused = break_glass(&world, &owner, &next, (REASON, "OPS-2")).await;
    assert!(
        matches!(refused, Err(ActionError::Denied(_))),
        "{refused:?}"
    );
    assert_eq!(rule(&world), "base.forbid.override-unreviewed");
    // Which one it waits for.
    let overdue = votes.overdue(&owner).await.unwrap().unwrap();
    assert_eq!((overdue.id, overdue.project), (action.id, world.project.id));
}

/// Somebody can find what they are to look at, and who looked at it stays to be read.
#[tokio::test]
async fn a_use_waits_for_its_review_in_the_inbox_until_another_person_has_looked_at_it() {
    let (world, action) = held().await;
    world.join("Dora", Role::Auditor).await;
    let read = ReadActions {
        ports: world.ports(),
    };
    assert_eq!(world.unreviewed().await, []);
    assert_eq!(read.used(&world.read_key, &action).await.unwrap(), None);
    let owner = world.sign_in("Ben").await;
    let done = break_glass(&world, &owner, &action, (REASON, "OPS-1"));
    let done = done.await.unwrap().value;
    let waits = world.unreviewed().await;
    let [(used, listed)] = waits.as_slice() else {
        panic!("{waits:?}")
    };
    assert_eq!((used.id, listed.value.id), (action.id, action.id));
    assert_eq!(Some(used.by), owner.principal().person());
    assert_eq!(used.reviewed, None);
    assert_eq!(
        used.reviewed_until(),
        used.at.plus(Duration::from_hours(7 * 24))
    );

    let auditor = world.sign_in("Dora").await;
    let (votes, id) = (world.vote(), action.id.to_string());
    let seen = votes.review(&auditor, &id, "the customer was locked out");
    seen.await.unwrap();
    assert_eq!(world.unreviewed().await, []);
    let used = read.used(&world.read_key, &done).await.unwrap().unwrap();
    let by = used.reviewed.map(|(person, _)| person);
    assert_eq!(by, auditor.principal().person());
}

/// The topic, target and position of every observation in the workspace's stream.
fn told(world: &World) -> Vec<(String, String)> {
    let stream = world.workspace.stream.parse().unwrap();
    let entries = world.store.stream(stream).into_iter();
    let facts = entries.map(|entry| match entry.facts {
        Some(StoredPart::Present { bytes, .. }) => Json::parse(&bytes).unwrap(),
        _ => panic!("facts are protected"),
    });
    let text = |json: Option<&Json>| json.and_then(Json::as_str).unwrap().to_owned();
    let observed = facts.filter(|facts| facts.get("topic").is_some());
    let observed = observed.map(|facts| {
        assert_eq!(text(facts.get("result")), "alarm");
        let target = facts.get("target").unwrap();
        (text(facts.get("topic")), text(target.get("id")))
    });
    observed.collect()
}

#[tokio::test]
async fn a_review_that_is_overdue_rings_once_and_is_on_the_record() {
    let (world, action) = held().await;
    world.join("Dora", Role::Auditor).await;
    let owner = world.sign_in("Ben").await;
    let done = break_glass(&world, &owner, &action, (REASON, "OPS-1"));
    assert_eq!(done.await.unwrap().value.state, ActionState::Verified);
    let reviews = OverdueReviews {
        ports: world.ports(),
    };
    assert!(reviews.due().await.unwrap().is_empty());

    world.clock.advance(Duration::from_hours(7 * 24));
    let due = reviews.due().await.unwrap();
    let of: Vec<_> = due.iter().map(|it| (it.project(), it.action())).collect();
    assert_eq!(of, [(world.project.id, action.id)]);
    // It is looked for once an hour; whoever died before it was recorded is come back for.
    assert!(reviews.due().await.unwrap().is_empty());
    world.clock.advance(Duration::from_hours(1));
    let again = reviews.due().await.unwrap();
    assert_eq!(again.len(), 1);
    reviews.record(&again[0]).await.unwrap();
    reviews.record(&due[0]).await.unwrap();
    let entry = (OVERDUE_TOPIC.to_owned(), action.id.to_string());
    assert_eq!(told(&world), [entry]);
    world.clock.advance(Duration::from_hours(1));
    assert!(reviews.due().await.unwrap().is_empty());

    // It can still be reviewed, and the glass be broken again.
    let auditor = world.sign_in("Dora").await;
    let (votes, id) = (world.vote(), action.id.to_string());
    let seen = votes.review(&auditor, &id, "the customer was locked out");
    seen.await.unwrap();
    world.set_row("u1", false);
    world.scan().await;
    let next = propose(&world, true).await;
    let owner = world.sign_in("Ben").await;
    let done = break_glass(&world, &owner, &next, (REASON, "OPS-2"));
    assert_eq!(done.await.unwrap().value.state, ActionState::Verified);
}

/// Nobody would hear of what is recorded and not told: whoever dies in between has rung.
#[tokio::test]
async fn a_use_rings_before_it_is_recorded_also_where_the_answer_is_lost() {
    for happens in [false, true] {
        let (world, action) = held().await;
        let owner = world.sign_in("Ben").await;
        let mut votes = world.vote();
        votes.ports.evidence = faulty(votes.ports.evidence, &Plan::new(0, happens));
        let rung = AtomicU32::new(0);
        let ring = || {
            assert_eq!(world.count("run.resolution"), 0);
            rung.fetch_add(1, Ordering::SeqCst);
        };
        let glass = Glass {
            digest: &action.digest,
            reason: REASON,
            ticket: "OPS-1",
            version: 1,
        };
        let id = action.id.to_string();
        let lost = Box::pin(votes.override_approvals(&owner, &id, &glass, &ring)).await;
        assert!(lost.is_err(), "{lost:?}");
        assert_eq!(world.count("run.resolution"), usize::from(happens));
        assert_eq!(rung.load(Ordering::SeqCst), 1);
    }
}

/// With its project a use ends that nobody can review any more: it stops no other project of the workspace.
#[tokio::test]
async fn a_use_whose_project_is_deleted_blocks_no_other_one() {
    for deleted in [true, false] {
        let world = World::new().await;
        let project = if deleted {
            ProjectId::from_bits(7)
        } else {
            world.project.id
        };
        let used = OverrideUse {
            number: 1,
            id: ActionId::from_bits(7),
            project,
            by: world.ben.principal().person().unwrap(),
            at: world.clock.now(),
            reviewed: None,
            rung: None,
        };
        let key = StateKey {
            pk: format!("{}#override", world.workspace.id),
            sk: "0000000001".to_owned(),
        };
        let row = StateWrite::create(key, serde_json::to_value(&used).unwrap());
        assert!(world.store.write(vec![row]).await.unwrap());
        world.clock.advance(Duration::from_hours(8 * 24));
        let ports = world.ports();
        let due = OverdueReviews { ports }.due().await.unwrap();
        assert_eq!(due.len(), usize::from(!deleted));
        world.scan().await;
        let action = propose(&world, true).await;
        let owner = world.sign_in("Ben").await;
        let overdue = world.vote().overdue(&owner).await.unwrap();
        assert_eq!(overdue.is_some(), !deleted);
        let done = break_glass(&world, &owner, &action, (REASON, "OPS-2")).await;
        if deleted {
            assert_eq!(done.unwrap().value.state, ActionState::Verified);
        } else {
            assert!(done.is_err());
            assert_eq!(rule(&world), "base.forbid.override-unreviewed");
        }
    }
}

#[tokio::test]
async fn a_review_in_time_rings_nothing() {
    let (world, action) = held().await;
    world.join("Dora", Role::Auditor).await;
    let owner = world.sign_in("Ben").await;
    let done = break_glass(&world, &owner, &action, (REASON, "OPS-1"));
    done.await.unwrap();
    let auditor = world.sign_in("Dora").await;
    let (votes, id) = (world.vote(), action.id.to_string());
    let seen = votes.review(&auditor, &id, "the customer was locked out");
    seen.await.unwrap();
    world.clock.advance(Duration::from_hours(8 * 24));
    let reviews = OverdueReviews {
        ports: world.ports(),
    };
    assert!(reviews.due().await.unwrap().is_empty());
    assert!(told(&world).is_empty());
}

/// What the rules deny with the glass broken is no use of it, and the action goes on waiting.
#[tokio::test]
async fn a_use_that_the_rules_refuse_leaves_the_action_as_it_was() {
    let (world, action) = held().await;
    let owner = world.sign_in("Ben").await;
    world.freeze(true).await;
    let refused = break_glass(&world, &owner, &action, (REASON, "OPS-1")).await;
    assert!(
        matches!(&refused, Err(ActionError::Denied(judged)) if judged.rule == "base.forbid.frozen"),
        "{refused:?}"
    );
    assert_eq!(world.count("run.resolution"), 0);
    world.freeze(false).await;
    let done = break_glass(&world, &owner, &action, (REASON, "OPS-1"));
    assert_eq!(done.await.unwrap().value.state, ActionState::Verified);
}

/// Three uses in thirty days, each acknowledged by somebody else.
#[tokio::test]
async fn a_fourth_use_is_refused_though_the_others_were_reviewed() {
    let (world, mut action) = held().await;
    world.join("Dora", Role::Auditor).await;
    let auditor = world.sign_in("Dora").await;
    for n in 1..=3 {
        let owner = world.sign_in("Ben").await;
        let done = break_glass(&world, &owner, &action, (REASON, "OPS-1"));
        assert_eq!(done.await.unwrap().value.state, ActionState::Verified);
        let (votes, id) = (world.vote(), action.id.to_string());
        let seen = votes.review(&auditor, &id, "the customer was locked out");
        seen.await.unwrap();
        assert_eq!(world.count("observation.recorded"), n);
        let twice = votes.review(&auditor, &id, "once more, to be sure").await;
        assert!(matches!(twice, Err(ActionError::WrongState { .. })));
        world.set_row("u1", false);
        world.scan().await;
        action = propose(&world, true).await;
    }
    let owner = world.sign_in("Ben").await;
    let refused = break_glass(&world, &owner, &action, (REASON, "OPS-1")).await;
    assert!(matches!(refused, Err(ActionError::Denied(_))));
    assert_eq!(rule(&world), "base.forbid.override-quota");
    assert_eq!(world.app.updates(), 3);
}

/// An owner stands in for others on what they were shown, and on nothing else.
#[tokio::test]
async fn a_glass_is_broken_for_the_version_and_the_digest_that_were_shown() {
    let (world, action) = held().await;
    let owner = world.sign_in("Ben").await;
    let (votes, id, before) = (world.vote(), action.id.to_string(), world.kinds());
    let other = format!("sha256:{}", "0".repeat(64));
    for (digest, version) in [(other.as_str(), 1), (action.digest.as_str(), 2)] {
        let glass = Glass {
            digest,
            reason: REASON,
            ticket: "OPS-1042",
            version,
        };
        let rang = AtomicU32::new(0);
        let ring = || {
            rang.fetch_add(1, Ordering::SeqCst);
        };
        let refused = Box::pin(votes.override_approvals(&owner, &id, &glass, &ring)).await;
        assert!(matches!(refused, Err(ActionError::Changed)), "{refused:?}");
        assert_eq!(rang.load(Ordering::SeqCst), 0);
    }
    assert_eq!(world.kinds(), before);
    assert!(world.unreviewed().await.is_empty());
}
