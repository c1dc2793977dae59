//! Scans begin when their project's schedule says so, and a schedule that costs too much is refused.

use std::time::Duration;

use counterfoil_core::ports::State;
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::run::{Run, RunCounts, RunResult};
use counterfoil_core::scan::{Due, ScanSchedule};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{KeepSchedule, ScheduleError};

use super::faulty::{Death, dying};
use super::{deliver, runs, small, world};
use crate::world::World;

const HOUR: Duration = Duration::from_hours(1);

fn keep(world: &World) -> KeepSchedule {
    KeepSchedule {
        evidence: world.store.clone(),
        state: world.store.clone(),
        clock: std::sync::Arc::new(world.clock.clone()),
        random: world.retention().random,
        rate: 10,
    }
}

/// One tick of the schedule; whether it started a scan.
async fn tick(world: &World) -> bool {
    let started = small(world).scan_due().await.unwrap().remove(0).1.unwrap();
    started.is_some()
}

async fn complete(world: &World) {
    deliver(world, &small(world), None, 0).await;
}

const fn every(full_every_hours: u64) -> ScanSchedule {
    ScanSchedule {
        full_every_hours,
        incremental_every_hours: None,
        transactions: 0,
    }
}

/// The last scan, as if the account had so many customers.
async fn measured(world: &World, customers: u64) {
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let mut run = records.list::<Run>().await.unwrap().remove(0);
    run.value.counts = RunCounts {
        customers,
        subscriptions: customers * 77 / 100,
        ..RunCounts::default()
    };
    let write = records.replace(run.version, &run.value).unwrap();
    assert!(world.store.write(vec![write]).await.unwrap());
}

#[tokio::test]
async fn ticks_start_only_what_is_due() {
    let world = world().await;
    assert!(tick(&world).await, "never scanned");
    assert!(!tick(&world).await, "one is at work");
    complete(&world).await;
    let mut started = 0;
    for _ in 0..47 {
        world.clock.advance(HOUR);
        if tick(&world).await {
            started += 1;
            complete(&world).await;
        }
    }
    assert_eq!(started, 23, "one every two hours");
    let full = |run: &Run| run.since().is_none();
    assert_eq!(runs(&world).await.iter().filter(|run| full(run)).count(), 1);
}

#[tokio::test]
async fn a_scan_that_could_not_read_everything_is_tried_again_and_ever_less_often() {
    let world = world().await;
    world.app.unreadable(true);
    let mut tried = Vec::new();
    for hour in 0..24 {
        if tick(&world).await {
            tried.push(hour);
            complete(&world).await;
        }
        world.clock.advance(HOUR);
    }
    assert_eq!(tried, [0, 1, 3, 7, 15, 23]);
    assert_eq!(runs(&world).await[0].result, Some(RunResult::Partial));
    world.app.unreadable(false);
    world.clock.advance(HOUR * 8);
    assert!(tick(&world).await);
    complete(&world).await;
    world.clock.advance(HOUR);
    assert!(!tick(&world).await);
    world.clock.advance(HOUR);
    assert!(tick(&world).await, "as often as before");
}

#[tokio::test]
async fn nothing_of_stripe_is_read_while_the_app_cannot_be() {
    let world = world().await;
    world.app.grant_write("public.app_users");
    assert!(tick(&world).await);
    complete(&world).await;
    let run = &runs(&world).await[0];
    assert_eq!(run.result, Some(RunResult::Partial));
    assert_eq!(run.unread.clone().unwrap().what, "app");
    assert_eq!(world.billing.pages_read(), 0);
}

#[tokio::test]
async fn who_asks_for_a_scan_gets_one_whatever_is_due() {
    let world = world().await;
    assert!(tick(&world).await);
    complete(&world).await;
    small(&world)
        .scan_all(Due::Full)
        .await
        .unwrap()
        .remove(0)
        .1
        .unwrap();
    complete(&world).await;
    assert_eq!(runs(&world).await.len(), 2);
}

#[tokio::test]
async fn a_changed_schedule_is_followed_and_recorded() {
    let world = world().await;
    // A person signs in for settings.
    let ben = world.sign_in("Ben").await;
    assert!(tick(&world).await);
    complete(&world).await;
    let keep = keep(&world);
    let before = keep.read(&ben).await.unwrap();
    assert_eq!(
        (before.setting.version, before.setting.value),
        (0, ScanSchedule::default())
    );
    assert_eq!(before.allowed, 5_000);
    let after = keep.change(&ben, every(12), 0).await.unwrap();
    assert_eq!((after.setting.version, after.setting.value), (1, every(12)));
    assert_eq!(keep.read(&ben).await.unwrap(), after);
    assert_eq!(
        world.facts("config.changed").len(),
        2,
        "the project, the setting"
    );
    world.clock.advance(HOUR * 11);
    assert!(!tick(&world).await);
    world.clock.advance(HOUR);
    assert!(tick(&world).await);
    let stale = keep.change(&ben, every(13), 0).await;
    assert!(matches!(stale, Err(ScheduleError::Changed)), "{stale:?}");
}

#[tokio::test]
async fn a_schedule_that_costs_too_much_is_refused_and_what_is_said_to_fit_is_taken() {
    let world = world().await;
    // A person signs in for settings.
    let ben = world.sign_in("Ben").await;
    assert!(tick(&world).await);
    complete(&world).await;
    measured(&world, 100_000).await;
    let keep = keep(&world);
    let shown = keep.read(&ben).await.unwrap().measured.unwrap();
    assert_eq!(shown.full_scan.as_secs(), 198, "1979 requests, 10 a second");
    assert_eq!(shown.reads, 5 * 1_979 + 360 * 7, "a week, two hours");
    let too_dear = shown.too_dear.unwrap();
    assert_eq!(
        (too_dear.full_every, too_dear.incremental_every),
        (Some(720), None)
    );
    let refused = keep.change(&ben, every(24), 0).await;
    let Err(ScheduleError::TooDear(error)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((error.reads, error.allowed), (59_370, 5_000));
    assert_eq!(
        world.facts("config.changed").len(),
        1,
        "nothing was changed"
    );
    let fits = every(error.full_every.unwrap());
    let after = keep.change(&ben, fits, 0).await.unwrap();
    assert_eq!(after.measured.unwrap().too_dear, None);
    // Who sells more may read more.
    let busy = ScanSchedule {
        transactions: 240,
        ..every(24)
    };
    let after = keep.change(&ben, busy, 1).await.unwrap();
    assert_eq!((after.allowed, after.setting.version), (60_000, 2));
}

#[tokio::test]
async fn before_the_first_scan_only_less_frequent_scans_can_be_set() {
    let world = world().await;
    // A person signs in for settings.
    let ben = world.sign_in("Ben").await;
    let keep = keep(&world);
    assert_eq!(keep.read(&ben).await.unwrap().measured, None);
    let refused = keep.change(&ben, every(23), 0).await;
    assert!(
        matches!(refused, Err(ScheduleError::NotMeasured)),
        "{refused:?}"
    );
    keep.change(&ben, every(168), 0).await.unwrap();
}

#[tokio::test]
async fn who_may_not_change_settings_is_refused_and_that_is_recorded() {
    let world = world().await;
    // A person signs in for settings.
    let ben = world.sign_in("Ben").await;
    let keep = keep(&world);
    let before = world.count("run.decision");
    let nobody: [&TenantCtx; 2] = [&world.ann, &world.repair_key];
    for ctx in nobody {
        let refused = keep.change(ctx, every(168), 0).await;
        assert!(
            matches!(refused, Err(ScheduleError::Denied(_))),
            "{refused:?}"
        );
    }
    assert_eq!(world.count("run.decision"), before + 2);
    for wanted in [every(0), every(721)] {
        let refused = keep.change(&ben, wanted, 0).await;
        let Err(ScheduleError::Invalid { field, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(field, "/full_every_hours");
    }
    assert_eq!(keep.read(&ben).await.unwrap().setting.version, 0);
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_in_force_or_not_and_the_version_tells() {
    for happens in [false, true] {
        let world = world().await;
        // A person signs in for settings.
        let ben = world.sign_in("Ben").await;
        let death = Death::after(0, happens);
        let scans = dying(small(&world), &death);
        let dying = KeepSchedule {
            evidence: scans.reconcile.evidence,
            state: scans.reconcile.state,
            ..keep(&world)
        };
        let failed = dying.change(&ben, every(168), 0).await;
        assert!(
            matches!(failed, Err(ScheduleError::Evidence(_))),
            "{failed:?}"
        );
        let keep = keep(&world);
        let now = keep.read(&ben).await.unwrap().setting;
        assert_eq!(now.version, u64::from(happens));
        let expected = if happens {
            every(168)
        } else {
            ScanSchedule::default()
        };
        assert_eq!(now.value, expected);
        let again = keep.change(&ben, every(168), 0).await;
        assert_eq!(again.is_err(), happens, "{again:?}");
    }
}
