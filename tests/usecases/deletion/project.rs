//! The end of one project: who, when, and what stops it.

use std::time::Duration;

use counterfoil_core::auth::{AuthError, authenticate_key};
use counterfoil_core::deletion::DELAY;
use counterfoil_core::ports::Clock;
use counterfoil_core::tenancy::Capability;
use counterfoil_core::usecases::{CarriedOut, DeletionError, DeletionOf, NotSecond};

use super::bench::{Bench, REASON, denied};
use crate::erasure::bench::ALL;

#[tokio::test]
async fn two_people_and_seven_days_end_a_project_and_nothing_else() {
    let bench = Bench::full().await;
    let world = &bench.shop.world;
    let by = world.ben.principal();
    let owner = by.person().unwrap();
    let key = world
        .create
        .api_key(&world.project, by, Capability::Read, owner, None)
        .await
        .unwrap();
    let present = || authenticate_key(world.store.as_ref(), key.reveal(), world.clock.now());
    let proposed = bench.propose().await.unwrap().now;
    assert_eq!(proposed.value.reason, REASON);
    let confirmed = bench.confirm().await.unwrap().now;
    let due = confirmed.value.confirmed.unwrap().due_at;
    assert_eq!(due, world.clock.now().plus(DELAY));

    bench.later(DELAY.checked_sub(Duration::from_secs(1)).unwrap());
    assert_eq!(bench.carry_out().await, CarriedOut::default(), "not yet");
    assert!(bench.reaches().await.is_ok(), "everything works on");
    assert!(present().await.is_ok());
    let partitions = bench.partitions("ws_").len();
    bench.later(Duration::from_secs(1));
    assert_eq!(bench.carry_out().await.deleted, 1);
    assert!(matches!(bench.reaches().await, Err(AuthError::NotFound)));
    assert!(matches!(present().await, Err(AuthError::Unauthenticated)));
    bench.to_the_end().await;

    let own = format!("{}#{}", world.workspace.id, world.project.id);
    assert_eq!(bench.partitions(&own), Vec::<String>::new());
    assert!(partitions > 10, "there was something to delete");
    assert_eq!(bench.objects(), Vec::<String>::new());
    let dump = world.store.dump();
    assert!(!dump.contains(REASON), "nobody's words are left");
    let left = bench.left().await.remove(0).value;
    assert_eq!(left.scope, bench.project());
    assert!(
        left.keys > 4 && left.objects > 0 && left.rows > 10 && left.parts > 4,
        "{left:?}"
    );

    let kinds = bench.kinds(&world.project.stream);
    let ends = kinds.iter().filter(|kind| *kind == "project.deleted");
    assert_eq!(ends.count(), 1);
    assert_eq!(bench.subjects(&world.project.stream), 0);
    bench.stream_verifies(&world.project.stream).await;
    for other in [&bench.sibling, &bench.foreign.1] {
        let own = format!("{}#{}", other.workspace, other.id);
        assert!(!bench.partitions(&own).is_empty());
        assert!(!bench.kinds(&other.stream).contains(&"redact".to_owned()));
    }
}

#[tokio::test]
async fn an_owner_who_just_signed_in_proposes_and_nobody_else() {
    let bench = Bench::new().await;
    let shop = &bench.shop;
    let delete = bench.delete();
    let propose = async |ctx| delete.propose(DeletionOf::Project(ctx), REASON, None).await;
    for (who, rule) in [
        (&shop.admin, "default-deny"),
        (&shop.viewer, "default-deny"),
        (&shop.world.ben, "base.forbid.approver-key"),
        (&shop.world.repair_key, "base.forbid.machine-admin"),
    ] {
        let refused = propose(who).await;
        match &refused {
            Err(DeletionError::Denied {
                judgement,
                decision,
            }) => {
                assert!(decision.is_some(), "recorded");
                if rule != "default-deny" {
                    assert_eq!(judgement.rule, rule);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    bench.later(Duration::from_secs(301));
    denied(propose(&shop.owner).await, "base.forbid.stale-login-admin");
    assert_eq!(shop.world.count("run.decision"), 5, "each is recorded");
    // Whether one may comes before what one sent.
    let bad = |ctx| delete.propose(DeletionOf::Project(ctx), "short", None);
    assert!(matches!(
        bad(&shop.admin).await,
        Err(DeletionError::Denied { .. })
    ));
    let owner = shop.fresh(&shop.owner).await;
    assert!(matches!(
        bad(&owner).await,
        Err(DeletionError::Invalid {
            field: "/reason",
            ..
        })
    ));
    assert!(
        bench
            .delete()
            .find(DeletionOf::Project(&owner))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn another_admin_or_owner_confirms_it_and_not_whoever_proposed_it() {
    let bench = Bench::new().await;
    let shop = &bench.shop;
    let none = bench.confirm().await;
    assert!(
        matches!(none, Err(DeletionError::WrongState(_))),
        "{none:?}"
    );
    let version = bench.propose().await.unwrap().now.version;
    let twice = bench.propose().await;
    assert!(
        matches!(twice, Err(DeletionError::WrongState(_))),
        "{twice:?}"
    );
    let delete = bench.delete();
    let confirm = async |ctx, seen| delete.confirm(DeletionOf::Project(ctx), seen, None).await;
    let own = confirm(&shop.owner, None).await;
    assert!(
        matches!(own, Err(DeletionError::NotSecond(NotSecond::Own))),
        "{own:?}"
    );
    for who in [
        &shop.viewer,
        &shop.auditor,
        &shop.world.ann,
        &shop.world.ben,
    ] {
        let refused = confirm(who, None).await;
        assert!(
            matches!(refused, Err(DeletionError::Denied { .. })),
            "{refused:?}"
        );
    }
    let other = confirm(&shop.admin, Some(version + 1)).await;
    assert!(
        matches!(other, Err(DeletionError::Precondition)),
        "{other:?}"
    );
    confirm(&shop.admin, Some(version)).await.unwrap();
    let again = confirm(&shop.second, None).await;
    assert!(
        matches!(again, Err(DeletionError::WrongState(_))),
        "{again:?}"
    );
    assert_eq!(shop.world.count("run.resolution"), 1);
    bench.stream_verifies(&shop.world.project.stream).await;
}

#[tokio::test]
async fn a_proposal_that_nobody_confirms_lapses_and_may_be_made_again() {
    let bench = Bench::new().await;
    bench.propose().await.unwrap();
    bench.later(Duration::from_hours(72));
    let late = bench.confirm().await;
    assert!(
        matches!(late, Err(DeletionError::WrongState(_))),
        "{late:?}"
    );
    bench.later(DELAY);
    // Somebody may propose it anew before the duty comes by, or after.
    bench.propose().await.unwrap();
    bench.later(Duration::from_hours(72));
    let rows = || bench.partitions("ws_").into_iter();
    let rows = || rows().filter(|name| name.ends_with("#deletion")).count();
    assert_eq!(rows(), 1);
    assert_eq!(bench.carry_out().await, CarriedOut::default());
    assert_eq!(rows(), 0, "its words are gone");
    let changed = bench.shop.world.facts("config.changed");
    let lapsed = changed.last().unwrap().get("deletion");
    assert_eq!(lapsed, Some(&"lapsed".into()));
    bench.propose().await.unwrap();
    bench.confirm().await.unwrap();
}

#[tokio::test]
async fn an_admin_withdraws_it_at_any_time_before_it_is_carried_out() {
    let bench = Bench::new().await;
    let shop = &bench.shop;
    bench.due().await;
    let delete = bench.delete();
    let withdraw = async |ctx, seen| delete.withdraw(DeletionOf::Project(ctx), seen).await;
    let refused = withdraw(&shop.viewer, None).await;
    assert!(
        matches!(refused, Err(DeletionError::Denied { .. })),
        "{refused:?}"
    );
    denied(
        withdraw(&shop.world.ben, None).await,
        "base.forbid.approver-key",
    );
    let stale = withdraw(&shop.admin, Some(1)).await;
    assert!(
        matches!(stale, Err(DeletionError::Precondition)),
        "{stale:?}"
    );
    withdraw(&shop.admin, Some(2)).await.unwrap();
    let again = withdraw(&shop.admin, None).await;
    assert!(
        matches!(again, Err(DeletionError::WrongState(_))),
        "{again:?}"
    );
    assert_eq!(bench.carry_out().await, CarriedOut::default());
    assert!(bench.reaches().await.is_ok());
}

#[tokio::test]
async fn a_legal_hold_refuses_every_step_and_only_puts_the_last_one_off() {
    let bench = Bench::new().await;
    let shop = &bench.shop;
    let world = &shop.world;
    let hold = shop.hold(ALL).await;
    let held = bench.propose().await;
    assert!(matches!(held, Err(DeletionError::Held { .. })), "{held:?}");
    let release = async |hold: &str| {
        shop.release(&shop.owner, hold).await.unwrap();
        shop.release(&shop.second, hold).await.unwrap();
    };
    release(&hold).await;
    bench.propose().await.unwrap();
    bench.later(Duration::from_mins(1));
    let hold = set(&bench, "second").await;
    let held = bench.confirm().await;
    let Err(DeletionError::Held { hold: by, .. }) = held else {
        panic!("{held:?}");
    };
    assert_eq!(by, hold);
    release(&hold).await;
    bench.confirm().await.unwrap();
    let hold = set(&bench, "third").await;
    bench.later(DELAY);
    for _ in 0..3 {
        let out = bench.carry_out().await;
        assert_eq!((out.deleted, out.put_off), (0, 1));
        bench.later(Duration::from_hours(1));
    }
    let denials = world.facts("run.decision").into_iter();
    let denials = denials.filter(|facts| facts.canonical().windows(6).any(|it| it == b"\"DENY\""));
    assert_eq!(
        denials.count(),
        3,
        "one for each step, and one while it waits"
    );
    assert!(bench.reaches().await.is_ok());
    release(&hold).await;
    assert_eq!(bench.carry_out().await.deleted, 1, "put off, not lost");
    bench.to_the_end().await;
    bench.stream_verifies(&world.project.stream).await;
}

async fn set(bench: &Bench, key: &str) -> String {
    let new = counterfoil_core::usecases::NewHold {
        idempotency_key: key.to_owned(),
        workspace: false,
        target: ALL,
        reason: "litigation against the shop".to_owned(),
    };
    let set = bench.shop.holds().set(&bench.shop.admin, &new).await;
    set.unwrap().value.id.to_string()
}

#[tokio::test]
async fn who_is_alone_confirms_a_day_later() {
    let bench = Bench::new().await;
    let world = &bench.shop.world;
    let (workspace, project) = &bench.foreign;
    let alone = async || {
        let id = project.id.to_string();
        let caller = world.presence("Ben").await;
        caller
            .project(world.store.as_ref(), Some(&id))
            .await
            .unwrap()
    };
    let delete = bench.delete();
    let ctx = alone().await;
    delete
        .propose(DeletionOf::Project(&ctx), REASON, None)
        .await
        .unwrap();
    bench.later(Duration::from_hours(23));
    let early = delete
        .confirm(DeletionOf::Project(&alone().await), None, None)
        .await;
    assert!(
        matches!(early, Err(DeletionError::NotSecond(NotSecond::TooSoon))),
        "{early:?}"
    );
    bench.later(Duration::from_hours(1));
    delete
        .confirm(DeletionOf::Project(&alone().await), None, None)
        .await
        .unwrap();
    bench.later(DELAY);
    assert_eq!(bench.carry_out().await.deleted, 1);
    bench.to_the_end().await;
    bench.stream_verifies(&project.stream).await;
    assert!(
        !bench
            .partitions(&format!("{}#member", workspace.id))
            .is_empty()
    );
}
