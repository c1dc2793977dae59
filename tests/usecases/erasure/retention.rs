//! Snapshots past their window, the setting, and what comes first where rules collide.

use std::time::Duration;

use counterfoil_core::erasure::ErasureState;
use counterfoil_core::ports::{Clock, HoldTarget};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::run::Run;
use counterfoil_core::usecases::{EraseError, RetentionChange, RetentionError};

use super::bench::{ALL, Bench, CANARY, request};

const DAY: Duration = Duration::from_hours(24);

async fn run(bench: &Bench) -> Run {
    let ctx = Directory::system(&bench.world.project, "test");
    let records = Records::of(bench.world.store.as_ref(), &ctx);
    let mut runs = records.list::<Run>().await.unwrap();
    runs.remove(0).value
}

fn snapshots(bench: &Bench) -> usize {
    let keys = bench.world.objects.all_keys();
    keys.iter()
        .filter(|key| key.starts_with("snapshots/"))
        .count()
}

/// A world with one finished scan that is `days` old.
async fn aged(days: u32) -> Bench {
    let bench = Bench::new().await;
    bench.world.first_look().await.unwrap();
    let as_of = run(&bench).await.as_of;
    bench.world.deliver_scans().await;
    let now = bench.world.clock.now();
    let left = (DAY * days).checked_sub(now.since(as_of)).unwrap();
    bench.world.clock.advance(left);
    bench
}

#[tokio::test]
async fn snapshots_are_there_on_day_89_and_gone_on_day_90() {
    for (days, kept) in [(89, true), (90, false), (91, false)] {
        let bench = aged(days).await;
        let found = run(&bench).await;
        let before = snapshots(&bench);
        assert!(before > 0);
        let setting = bench.retention().read(&bench.viewer).await.unwrap().value;
        let now = bench.world.clock.now();
        // Readers ask this, however late the deletion is.
        assert_eq!(setting.keeps(&found, now), kept, "day {days}");
        let done = bench.retention().enforce().await.unwrap();
        assert_eq!(done.pruned, u64::from(!kept), "day {days}");
        assert_eq!(
            snapshots(&bench),
            if kept { before } else { 0 },
            "day {days}"
        );
        assert_eq!(bench.world.count("snapshot.pruned"), usize::from(!kept));
        if !kept {
            let text = bench.everything();
            for look in &found.looks {
                let cited = text.matches(&look.digest).count();
                assert!(
                    cited >= 2,
                    "the record carries the digest, and run.close keeps it"
                );
            }
        }
        let again = bench.retention().enforce().await.unwrap();
        assert_eq!((again.pruned, again.objects), (0, 0), "once");
        bench.verifies().await;
    }
}

#[tokio::test]
async fn a_deletion_that_failed_is_tried_again_by_the_next_pass() {
    let bench = aged(90).await;
    bench.world.objects.refuse_deletions(true);
    assert!(bench.retention().enforce().await.is_err());
    assert!(snapshots(&bench) > 0);
    let setting = bench.retention().read(&bench.viewer).await.unwrap().value;
    let now = bench.world.clock.now();
    assert!(
        !setting.keeps(&run(&bench).await, now),
        "nobody reads it any more"
    );
    bench.world.objects.refuse_deletions(false);
    bench.retention().enforce().await.unwrap();
    assert_eq!(snapshots(&bench), 0);
    assert_eq!(bench.world.count("snapshot.pruned"), 1, "recorded once");
}

/// Legal hold, then erasure, then retention.
#[tokio::test]
async fn the_order_where_rules_collide() {
    // (a hold is on, the window is over) -> (erasure works, retention works)
    for (held, over, erases, prunes) in [
        (true, true, false, false),
        (true, false, false, false),
        (false, true, true, true),
        (false, false, true, false),
    ] {
        let name = format!("held {held}, over {over}");
        let bench = aged(if over { 91 } else { 1 }).await;
        if held {
            bench.hold(ALL).await;
        }
        let done = bench.retention().enforce().await.unwrap();
        assert_eq!(done.pruned > 0, prunes, "{name}");
        assert_eq!(done.held > 0, held && over, "{name}");
        let erased = bench
            .erase()
            .customer(&bench.admin, CANARY, &request())
            .await;
        match erased {
            Ok(erased) => {
                assert!(erases, "{name}");
                assert_eq!(erased.erasure.state, ErasureState::Done, "{name}");
                assert_eq!(
                    snapshots(&bench),
                    0,
                    "an erasure does not wait for the window"
                );
            }
            Err(error) => {
                assert!(
                    !erases && matches!(error, EraseError::Held { .. }),
                    "{name}"
                );
                assert!(snapshots(&bench) > 0, "{name}");
            }
        }
        bench.verifies().await;
    }
}

#[tokio::test]
async fn a_hold_on_a_run_keeps_its_snapshots_only() {
    let bench = aged(91).await;
    let kept = run(&bench).await.id.to_string();
    let range = HoldTarget::Range { from: 0, to: 2 };
    bench.hold(range).await;
    bench.hold(HoldTarget::Run { run: kept }).await;
    let done = bench.retention().enforce().await.unwrap();
    assert_eq!((done.pruned, done.held), (0, 1));
    bench.world.first_look().await.unwrap();
    bench.world.deliver_scans().await;
    bench.world.clock.advance(DAY * 91);
    let done = bench.retention().enforce().await.unwrap();
    assert_eq!((done.pruned, done.held), (1, 1));
    bench.verifies().await;
}

#[tokio::test]
async fn keeping_less_takes_two_people_and_never_goes_below_the_floor() {
    let bench = Bench::new().await;
    let retention = bench.retention();
    for days in [0, 34, 91, 4_000] {
        let refused = retention.change(&bench.admin, days, None, 0).await;
        assert!(
            matches!(refused, Err(RetentionError::OutOfBounds)),
            "{days}"
        );
    }
    for ctx in [
        &bench.viewer,
        &bench.auditor,
        &bench.world.repair_key,
        &bench.world.ann,
    ] {
        let refused = retention.change(ctx, 40, None, 0).await;
        assert!(
            matches!(refused, Err(RetentionError::Denied(_))),
            "{refused:?}"
        );
    }
    let held = retention.change(&bench.admin, 40, None, 0).await.unwrap();
    let RetentionChange::Held(held) = held else {
        panic!("{held:?}");
    };
    assert_eq!(held.value.snapshot_days, 90);
    let again = retention
        .change(&bench.admin, 40, None, held.version)
        .await
        .unwrap();
    let RetentionChange::Held(again) = again else {
        panic!("one person is not two: {again:?}");
    };
    assert_eq!(again.version, held.version, "it waits already");
    let stale = retention.change(&bench.owner, 40, None, 7).await;
    assert!(matches!(stale, Err(RetentionError::Changed)), "{stale:?}");
    let done = retention
        .change(&bench.owner, 40, None, again.version)
        .await
        .unwrap();
    let RetentionChange::Done(done) = done else {
        panic!("{done:?}");
    };
    assert_eq!(done.value.snapshot_days, 40);
    // Keeping longer is one person's decision.
    let longer = retention
        .change(&bench.admin, 60, None, done.version)
        .await
        .unwrap();
    assert!(matches!(longer, RetentionChange::Done(_)), "{longer:?}");
    let stream = bench.world.workspace.stream.parse().unwrap();
    let verdict = bench.verdict_of(stream).await;
    assert!(verdict.is_accepted(), "{:?}", verdict.result);
}

#[tokio::test]
async fn a_shorter_window_is_enforced() {
    let bench = aged(41).await;
    assert_eq!(bench.retention().enforce().await.unwrap().pruned, 0);
    let held = bench
        .retention()
        .change(&bench.admin, 40, None, 0)
        .await
        .unwrap();
    let RetentionChange::Held(held) = held else {
        panic!("{held:?}");
    };
    bench
        .retention()
        .change(&bench.owner, 40, None, held.version)
        .await
        .unwrap();
    assert_eq!(bench.retention().enforce().await.unwrap().pruned, 1);
    assert_eq!(snapshots(&bench), 0);
}
