//! Legal holds: what they stop, who sets them, how a workspace is held.

use std::time::Duration;

use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::hold::HoldState;
use counterfoil_core::ports::{EvidenceRead, HoldTarget};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::repair::Action;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{EraseError, HoldError, LegalHolds, NewHold, Released};

use super::bench::{ALL, Bench, CANARY, request};
use crate::repairs::meanwhile::{before, demoted, writing};

async fn actions(bench: &Bench) -> Vec<Action> {
    let ctx = Directory::system(&bench.world.project, "test");
    let records = Records::of(bench.world.store.as_ref(), &ctx);
    let all = records.list::<Action>().await.unwrap();
    all.into_iter().map(|action| action.value).collect()
}

#[tokio::test]
async fn a_hold_stops_an_erasure_with_its_reason_until_two_owners_release_it() {
    let bench = Bench::repaired().await;
    let id = bench.hold(ALL).await;
    let refused = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await;
    let Err(EraseError::Held { hold, reason }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (hold, reason.as_str()),
        (id.clone(), "litigation against the shop")
    );
    assert_eq!(bench.world.count("redact"), 0);
    assert!(bench.everything().contains(CANARY));

    let held = bench.release(&bench.owner, &id).await.unwrap();
    assert!(matches!(held, Released::Held(_)));
    let again = bench.release(&bench.owner, &id).await.unwrap();
    assert!(matches!(again, Released::Held(_)), "one person is not two");
    for ctx in [&bench.auditor, &bench.admin, &bench.world.repair_key] {
        let refused = bench.release(ctx, &id).await;
        assert!(matches!(refused, Err(HoldError::Denied(_))), "{refused:?}");
    }
    let refused = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await;
    assert!(matches!(refused, Err(EraseError::Held { .. })));
    let done = bench.release(&bench.second, &id).await.unwrap();
    let Released::Done(hold) = done else {
        panic!("{done:?}");
    };
    assert_eq!(hold.value.state, HoldState::Released);
    let again = bench.release(&bench.second, &id).await.unwrap();
    assert!(matches!(again, Released::Done(_)), "over is over");
    bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await
        .unwrap();
    bench.verifies().await;
}

#[tokio::test]
async fn a_hold_keeps_what_it_covers_and_nothing_else() {
    for (target, kept) in [(0, true), (1, true), (2, false), (3, false)] {
        let bench = Bench::repaired().await;
        let actions = actions(&bench).await;
        let [ours, other] = &actions[..] else {
            panic!("two repairs");
        };
        let run = ours.follow_up.unwrap().to_string();
        let seq = {
            let entries = bench.world.store.run(bench.world.stream(), &run).await;
            entries.unwrap()[0].seq
        };
        let of_run = |run: String| HoldTarget::Run { run };
        let target = match target {
            0 => of_run(run.clone()),
            1 => HoldTarget::Range {
                from: seq,
                to: seq + 1,
            },
            2 => of_run(other.follow_up.unwrap().to_string()),
            _ => HoldTarget::Range { from: 0, to: 1 },
        };
        let name = format!("{target:?}");
        bench.hold(target).await;
        let erased = bench.erase().run(&bench.admin, &run, &request()).await;
        assert_eq!(
            matches!(erased, Err(EraseError::Held { .. })),
            kept,
            "{name}"
        );
        assert_eq!(erased.is_ok(), !kept, "{name}: {erased:?}");
        bench.verifies().await;
    }
}

#[tokio::test]
async fn who_may_set_a_hold_and_who_may_not() {
    let bench = Bench::new().await;
    let world = &bench.world;
    let new = |key: &str| NewHold {
        idempotency_key: key.to_owned(),
        workspace: false,
        target: ALL,
        reason: "litigation against the shop".to_owned(),
    };
    let may: [(&TenantCtx, bool); 8] = [
        (&bench.owner, true),
        (&bench.admin, true),
        (&bench.auditor, true),
        (&bench.viewer, false),
        (&world.ann, false),
        // An approver key of an owner: for this a person signs in.
        (&world.ben, false),
        // Machines never do, whoever owns them.
        (&world.repair_key, false),
        (&world.read_key, false),
    ];
    for (number, (ctx, may)) in may.into_iter().enumerate() {
        let set = bench.holds().set(ctx, &new(&number.to_string())).await;
        assert_eq!(set.is_ok(), may, "{ctx:?}: {set:?}");
        if !may {
            assert!(matches!(set, Err(HoldError::Denied(_))));
        }
    }
    assert_eq!(bench.holds().list(&bench.viewer).await.unwrap().len(), 3);
    let stranger = world.another_project().await;
    assert!(bench.holds().list(&stranger).await.unwrap().is_empty());
    bench.verifies().await;
}

#[tokio::test]
async fn the_same_request_sets_one_hold() {
    let bench = Bench::new().await;
    let first = bench.hold(ALL).await;
    let second = bench.hold(ALL).await;
    assert_eq!(first, second);
    assert_eq!(bench.world.count("hold.set"), 1);
    let other = NewHold {
        idempotency_key: format!("{ALL:?}"),
        workspace: false,
        target: ALL,
        reason: "another litigation altogether".to_owned(),
    };
    let refused = bench.holds().set(&bench.admin, &other).await;
    assert!(matches!(refused, Err(HoldError::KeyReused)), "{refused:?}");
}

#[tokio::test]
async fn bad_holds_are_refused_by_field() {
    let bench = Bench::new().await;
    let good = NewHold {
        idempotency_key: "k".to_owned(),
        workspace: false,
        target: ALL,
        reason: "litigation against the shop".to_owned(),
    };
    let set = async |change: &dyn Fn(&mut NewHold)| {
        let mut new = good.clone();
        change(&mut new);
        match bench.holds().set(&bench.admin, &new).await {
            Err(HoldError::Invalid { field, .. }) => field.to_owned(),
            Err(HoldError::NotFound) => "not found".to_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(set(&|new| new.reason = "short".to_owned()).await, "/reason");
    assert_eq!(set(&|new| new.reason = "x".repeat(1_001)).await, "/reason");
    let range = |from, to| HoldTarget::Range { from, to };
    assert_eq!(set(&|new| new.target = range(3, 3)).await, "/target/to");
    assert_eq!(
        set(&|new| new.target = range(0, 1 << 60)).await,
        "/target/to"
    );
    let not_all = HoldTarget::All { all: false };
    assert_eq!(
        set(&|new| new.target = not_all.clone()).await,
        "/target/all"
    );
    let in_workspace = |new: &mut NewHold| {
        new.workspace = true;
        new.target = HoldTarget::Range { from: 0, to: 1 };
    };
    assert_eq!(set(&in_workspace).await, "/target");
    let run = HoldTarget::Run {
        run: "run_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
    };
    assert_eq!(set(&|new| new.target = run.clone()).await, "not found");
    assert_eq!(bench.world.count("hold.set"), 0);
}

#[tokio::test]
async fn a_held_workspace_holds_all_its_projects_also_later_ones() {
    let bench = Bench::repaired().await;
    let world = &bench.world;
    let elsewhere = world.another_project().await;
    let new = NewHold {
        idempotency_key: "w".to_owned(),
        workspace: true,
        target: ALL,
        reason: "litigation against the company".to_owned(),
    };
    let hold = bench.holds().set(&bench.admin, &new).await.unwrap();
    assert_eq!(hold.value.state, HoldState::Active);
    let id = hold.value.id.to_string();
    let later = world.another_project().await;
    let directory = Directory::of(world.store.as_ref());
    let mut streams = vec![world.workspace.stream.parse().unwrap(), world.stream()];
    for ctx in [&elsewhere, &later] {
        let project = directory.project(ctx.project()).await.unwrap().unwrap();
        streams.push(project.value.stream_id().unwrap());
    }
    for stream in &streams {
        let holds = world.store.holds(*stream).await.unwrap();
        let ids: Vec<_> = holds.active.iter().map(|it| it.hold.clone()).collect();
        assert_eq!(ids, std::slice::from_ref(&id), "held in {stream}");
        let verdict = bench.verdict_of(*stream).await;
        assert!(verdict.is_accepted(), "{:?}", verdict.result);
    }
    let refused = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await;
    assert!(matches!(refused, Err(EraseError::Held { .. })));
    // Everybody of the workspace sees it.
    assert_eq!(bench.holds().list(&elsewhere).await.unwrap().len(), 1);

    bench.release(&bench.owner, &id).await.unwrap();
    let done = bench.release(&bench.second, &id).await.unwrap();
    assert!(matches!(&done, Released::Done(hold) if hold.value.state == HoldState::Released));
    for stream in &streams {
        let holds = world.store.holds(*stream).await.unwrap();
        assert!(holds.active.is_empty(), "released in {stream}");
        let verdict = bench.verdict_of(*stream).await;
        assert!(verdict.is_accepted(), "{:?}", verdict.result);
    }
}

#[tokio::test]
async fn a_half_set_and_a_half_released_workspace_go_on() {
    for left in 0..6 {
        let bench = Bench::new().await;
        let world = &bench.world;
        world.another_project().await;
        let new = NewHold {
            idempotency_key: "w".to_owned(),
            workspace: true,
            target: ALL,
            reason: "litigation against the company".to_owned(),
        };
        world.store.appends_left(Some(left));
        let broken = bench.holds().set(&bench.admin, &new).await;
        world.store.appends_left(None);
        assert_eq!(broken.is_err(), left < 4, "{left}: {broken:?}");
        if left > 0 && left % 2 == 0 {
            bench.holds().finish().await.unwrap();
        }
        let hold = bench.holds().set(&bench.admin, &new).await.unwrap();
        assert_eq!(hold.value.state, HoldState::Active);
        let id = hold.value.id.to_string();
        bench.release(&bench.owner, &id).await.unwrap();
        world.store.appends_left(Some(left));
        let broken = bench.release(&bench.second, &id).await;
        world.store.appends_left(None);
        assert_eq!(broken.is_err(), left < 3, "{left}: {broken:?}");
        bench.holds().finish().await.unwrap();
        let done = bench.release(&bench.second, &id).await.unwrap();
        assert!(matches!(&done, Released::Done(it) if it.value.state == HoldState::Released));
        for stream in [world.workspace.stream.parse().unwrap(), world.stream()] {
            assert!(world.store.holds(stream).await.unwrap().active.is_empty());
            let verdict = bench.verdict_of(stream).await;
            assert!(verdict.is_accepted(), "{left}: {:?}", verdict.result);
        }
        assert_eq!(world.count("hold.set"), 1, "{left}");
        assert_eq!(world.count("hold.release"), 1, "{left}");
    }
}

#[tokio::test]
async fn a_proposed_release_ends_after_three_days() {
    let bench = Bench::new().await;
    let id = bench.hold(ALL).await;
    bench.release(&bench.owner, &id).await.unwrap();
    bench.world.clock.advance(Duration::from_hours(72));
    let late = bench.release(&bench.second, &id).await.unwrap();
    assert!(matches!(late, Released::Held(_)), "proposed anew");
    let done = bench.release(&bench.owner, &id).await.unwrap();
    assert!(matches!(done, Released::Done(_)));
    bench.verifies().await;
}

#[tokio::test]
async fn lost_parts_are_declared_also_under_a_hold_and_only_when_they_are_gone() {
    let bench = Bench::repaired().await;
    let world = &bench.world;
    bench.hold(ALL).await;
    let (seq, _) = bench.subjects()[0].clone();
    let there = bench.lost().declare(&bench.admin, seq).await;
    assert!(matches!(there, Err(EraseError::NotLost)), "{there:?}");
    let denied = bench.lost().declare(&bench.viewer, seq).await;
    assert!(matches!(denied, Err(EraseError::Denied(_))), "{denied:?}");
    let none = bench.lost().declare(&bench.admin, 0).await;
    assert!(matches!(none, Err(EraseError::NotLost)), "{none:?}");
    let beyond = bench.lost().declare(&bench.admin, 1 << 40).await;
    assert!(matches!(beyond, Err(EraseError::NotFound)), "{beyond:?}");
    bench.verifies().await;

    world.store.lose(world.stream(), seq);
    let lost = bench.lost().declare(&bench.admin, seq).await.unwrap();
    assert!(lost.under_hold, "an alarm");
    let again = bench.lost().declare(&bench.admin, seq).await;
    assert!(matches!(again, Err(EraseError::NotLost)), "{again:?}");
    // Exportable again, and the verdict says what happened under the hold.
    let verdict = bench.verdict_of(world.stream()).await;
    assert!(verdict.is_accepted(), "{:?}", verdict.result);
    let text = format!("{verdict:?}").to_lowercase();
    assert!(text.contains("violated"), "{text}");
}

/// Whoever proposed the release must be one who may in the moment in which it happens.
#[tokio::test]
async fn a_hold_stays_whose_release_was_proposed_by_somebody_demoted_meanwhile() {
    let bench = Bench::new().await;
    let id = bench.hold(ALL).await;
    bench.release(&bench.owner, &id).await.unwrap();
    let write = demoted(&bench.world.store, &bench.owner).await;
    let act = writing(&bench.world, vec![write]);
    let holds = LegalHolds {
        evidence: before(&bench.world, Kind::HoldRelease, act),
        ..bench.holds()
    };
    let second = bench.fresh(&bench.second).await;
    let lost = holds.release(&second, &id).await;
    assert!(matches!(lost, Err(HoldError::Changed)), "{lost:?}");
    assert_eq!(bench.world.count("hold.release"), 0);
}
