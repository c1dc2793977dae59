//! Scans of what has changed: they find what a scan of everything finds, as long as Stripe's events
//! name who has changed.

use std::time::Duration;

use counterfoil_core::billing::Status;
use counterfoil_core::ports::{Clock, Objects, PortErrorKind, State};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::run::{Instead, Pruned, Run, RunResult, RunStep};
use counterfoil_core::scan::{ScanWork, last_complete};
use counterfoil_core::webhook::{Event, Hint};

use super::faulty::{Death, dying};
use super::{CUSTOMERS, deliver, digests, one_walk, open_incidents, runs, small, works, world};
use crate::world::{WEBHOOK_SECRET, World, customer, subscription};

const HOUR: Duration = Duration::from_hours(1);

/// Stripe tells that a customer has changed, now.
fn event(world: &World, customer: &str) {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    world.billing.add_event(Event {
        id: format!("evt_{number}"),
        kind: "customer.subscription.updated".to_owned(),
        created: Some(world.clock.now()),
        livemode: Some(true),
        account: None,
        thin: false,
        hint: Hint::Customer(customer.to_owned()),
    });
}

/// The subscription ends; returns the customer.
fn cancel(world: &World, number: i64) -> String {
    let id = format!("cus_n{number}");
    let mut ended = subscription(&format!("sub_n{number}"), &id);
    ended.status = Status::Canceled;
    world.billing.add_subscription(ended);
    id
}

fn join(world: &World, number: i64, granted: bool) {
    let (user, id) = (format!("n{number}"), format!("cus_n{number}"));
    let now = world.clock.now().as_secs();
    let mut one = customer(&id, &user);
    one.created = now;
    world.billing.add_customer(one);
    let mut sold = subscription(&format!("sub_n{number}"), &id);
    sold.created = now;
    world.billing.add_subscription(sold);
    world.set_row(&user, granted);
    event(world, &id);
}

fn delete(world: &World, number: i64) {
    let id = cancel(world, number);
    let mut gone = customer(&id, &format!("n{number}"));
    gone.deleted = true;
    world.billing.add_customer(gone);
    event(world, &id);
}

/// Everything that may happen to a shop in two hours.
fn live(world: &World, dice: &mut u64, next: &mut i64) {
    let mut roll = |sides: u64| {
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        i64::try_from(*dice % sides).unwrap()
    };
    for _ in 0..4 {
        let who = roll(u64::try_from(CUSTOMERS).unwrap());
        match roll(5) {
            0 => event(world, &cancel(world, who)),
            1 => {
                let id = format!("cus_n{who}");
                let again = subscription(&format!("sub_again{who}"), &id);
                world.billing.add_subscription(again);
                event(world, &id);
            }
            2 => delete(world, who),
            3 => {
                join(world, *next, roll(2) == 0);
                *next += 1;
            }
            // The app changes by itself, and Stripe knows nothing of it.
            _ => world.set_row(&format!("n{who}"), roll(2) == 0),
        }
    }
}

/// One tick of the schedule, and the scan that it starts; its run.
async fn scan(world: &World, dice: u64) -> Run {
    let started = small(world).scan_due().await.unwrap().remove(0).1.unwrap();
    let id = started.expect("a scan is due").run;
    deliver(world, &small(world), None, dice).await;
    let found = runs(world).await.into_iter().find(|run| run.id == id);
    found.unwrap()
}

fn instead(run: &Run) -> Option<Instead> {
    run.basis.as_ref().unwrap().instead
}

#[tokio::test]
async fn after_any_changes_in_many_rounds_it_finds_what_a_walk_through_everything_finds() {
    for seed in 1..6 {
        let world = world().await;
        let first = scan(&world, 0).await;
        assert_eq!((first.since(), instead(&first)), (None, None));
        let (mut dice, mut next) = (u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15), 100);
        let mut before = first;
        for round in 0..8 {
            live(&world, &mut dice, &mut next);
            world.clock.advance(HOUR * 2);
            let (expected, count) = one_walk(&world).await;
            let run = scan(&world, seed + round).await;
            let what = format!("seed {seed}, round {round}");
            assert_eq!(run.result, Some(RunResult::Complete), "{what}");
            let since = run.since().expect(&what);
            assert_eq!(
                (since.run, since.as_of),
                (before.id, before.as_of),
                "{what}"
            );
            assert!(since.changed < 20, "{what}: {}", since.changed);
            assert_eq!(run.counts.findings, u64::try_from(count).unwrap(), "{what}");
            assert_eq!(digests(&world).last(), Some(&expected), "{what}");
            before = run;
        }
        assert_eq!(before.read_since(), runs(&world).await[0].as_of);
        assert_eq!(works(&world).await, 0);
    }
}

#[tokio::test]
async fn it_reads_nobody_whom_no_event_names_and_the_next_full_scan_does() {
    let world = world().await;
    let first = scan(&world, 0).await;
    // No event: what Stripe says of this one is not asked for again.
    cancel(&world, 1);
    world.clock.advance(HOUR * 2);
    let second = scan(&world, 0).await;
    assert_eq!(second.since().unwrap().changed, 0);
    assert_eq!(second.counts.findings, first.counts.findings);
    world.clock.advance(HOUR * 24 * 7);
    let (expected, count) = one_walk(&world).await;
    let full = scan(&world, 0).await;
    assert_eq!((full.since(), instead(&full)), (None, None));
    assert_eq!(full.counts.findings, u64::try_from(count).unwrap());
    assert_eq!(full.counts.findings, first.counts.findings + 1);
    assert_eq!(digests(&world).last(), Some(&expected));
}

#[tokio::test]
async fn an_event_that_is_listed_late_is_not_missed() {
    let world = world().await;
    scan(&world, 0).await;
    let changed = cancel(&world, 1);
    let at = world.clock.now();
    world.clock.advance(HOUR * 2);
    scan(&world, 0).await;
    // It was made ten minutes before that scan, and can be read since.
    world.billing.add_event(Event {
        id: "evt_late".to_owned(),
        kind: "customer.subscription.deleted".to_owned(),
        created: Some(at.plus(HOUR + HOUR / 6 * 5)),
        livemode: Some(true),
        account: None,
        thin: false,
        hint: Hint::Customer(changed),
    });
    world.clock.advance(HOUR * 2);
    let run = scan(&world, 0).await;
    assert_eq!(run.since().unwrap().changed, 1);
    assert_eq!(digests(&world).last(), Some(&one_walk(&world).await.0));
}

#[tokio::test]
async fn a_worker_that_dies_at_any_durable_step_changes_nothing() {
    for happens in [false, true] {
        for step in 0.. {
            let world = world().await;
            scan(&world, 0).await;
            let (mut dice, mut next) = (77, 100);
            live(&world, &mut dice, &mut next);
            world.clock.advance(HOUR * 2);
            let expected = one_walk(&world).await.0;
            let death = Death::after(step, happens);
            let scans = dying(small(&world), &death);
            let started = scans.scan_due().await.unwrap().remove(0).1;
            death.revive();
            if started.is_err() {
                deliver(&world, &scans, Some(&death), 0).await;
                world.clock.advance(HOUR);
                drop(scans.scan_due().await.unwrap().remove(0).1.unwrap());
            }
            deliver(&world, &scans, Some(&death), u64::from(step)).await;
            let what = format!("step {step}, happens: {happens}");
            for run in runs(&world).await {
                assert_eq!(run.step, RunStep::Done, "{what}");
                assert_eq!(run.result, Some(RunResult::Complete), "{what}");
            }
            assert_eq!(digests(&world).last(), Some(&expected), "{what}");
            assert_eq!(works(&world).await, 0, "{what}");
            if !death.happened() {
                assert!(step > 15, "{what}");
                break;
            }
        }
    }
}

async fn edit(world: &World, change: impl Fn(&mut Run)) {
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    for mut run in records.list::<Run>().await.unwrap() {
        change(&mut run.value);
        let write = records.replace(run.version, &run.value).unwrap();
        assert!(world.store.write(vec![write]).await.unwrap());
    }
}

#[tokio::test]
async fn everything_is_read_and_the_run_says_why_where_there_is_nothing_to_go_on_from() {
    async fn then(change: impl AsyncFn(&World)) -> (Option<Instead>, String) {
        let world = world().await;
        scan(&world, 0).await;
        event(&world, &cancel(&world, 1));
        world.clock.advance(HOUR * 2);
        change(&world).await;
        let (expected, _) = one_walk(&world).await;
        let run = scan(&world, 3).await;
        assert_eq!((run.since(), run.read_since()), (None, run.as_of));
        assert_eq!(digests(&world).last(), Some(&expected));
        let said = world.facts("run.close").last().unwrap().clone();
        let said = said.get("full_because").and_then(|it| it.as_str());
        // And the next scan goes on from this one.
        world.clock.advance(HOUR * 2);
        assert_eq!(scan(&world, 0).await.since().map(|it| it.run), Some(run.id));
        (instead(&run), said.unwrap_or_default().to_owned())
    }
    let pruned = then(async |world| {
        let pruned = Pruned {
            at: world.clock.now(),
            gone: false,
            again: false,
        };
        edit(world, |run| run.pruned = Some(pruned)).await;
    });
    let said = (Some(Instead::BaselineGone), "baseline-gone".to_owned());
    assert_eq!(pruned.await, said);
    let lost = then(async |world| {
        for key in world.objects.all_keys() {
            world.objects.delete(&key).await.unwrap();
        }
    });
    let said = (Some(Instead::BaselineGone), "baseline-gone".to_owned());
    assert_eq!(lost.await, said);
    let unreadable = then(async |world| {
        edit(world, |run| {
            if let Some(basis) = &mut run.basis {
                basis.reader = "0.0.1".to_owned();
            }
        })
        .await;
    });
    let said = (Some(Instead::OtherReader), "other-reader".to_owned());
    assert_eq!(unreadable.await, said);
    let other = then(async |world| {
        let other = counterfoil_core::ids::SecretId::from_bits(5);
        edit(world, |run| {
            if let Some(basis) = &mut run.basis {
                basis.key = other;
            }
        })
        .await;
    });
    let said = (Some(Instead::OtherKey), "other-key".to_owned());
    assert_eq!(other.await, said);
    let crowd = then(async |world| {
        for number in 0..30 {
            event(world, &format!("cus_n{number}"));
        }
        world.clock.advance(HOUR);
    });
    let said = (Some(Instead::TooManyChanges), "too-many-changes".to_owned());
    assert_eq!(crowd.await, said);
}

#[tokio::test]
async fn where_events_cannot_be_listed_the_run_is_partial_and_says_so() {
    let world = world().await;
    scan(&world, 0).await;
    world.clock.advance(HOUR * 2);
    world.billing.break_events(Some(PortErrorKind::Unavailable));
    let run = scan(&world, 0).await;
    assert_eq!(run.result, Some(RunResult::Partial));
    assert_eq!(run.unread.unwrap().what, "events");
    world.billing.break_events(None);
    event(&world, &cancel(&world, 1));
    world.clock.advance(HOUR);
    let again = scan(&world, 0).await;
    let complete = runs(&world).await;
    assert_eq!(last_complete(&complete).unwrap().id, again.id);
    assert_eq!(again.since().unwrap().run, complete[0].id);
    assert_eq!(digests(&world).last(), Some(&one_walk(&world).await.0));
}

#[tokio::test]
async fn a_key_that_may_not_list_events_reads_everything_once_a_day() {
    let world = world().await;
    scan(&world, 0).await;
    world.billing.break_events(Some(PortErrorKind::Refused));
    for _ in 0..72 {
        world.clock.advance(HOUR);
        small(&world).scan_due().await.unwrap().remove(0).1.unwrap();
        deliver(&world, &small(&world), None, 0).await;
    }
    let (mut full, mut partial) = (0, 0);
    for run in runs(&world).await.into_iter().skip(1) {
        if run.result == Some(RunResult::Complete) {
            assert_eq!(instead(&run), Some(Instead::EventsRefused));
            full += 1;
        } else {
            assert_eq!(run.unread.unwrap().what, "events");
            partial += 1;
        }
    }
    assert_eq!((full, partial), (2, 15), "three days, five trials each");
}

#[tokio::test]
async fn what_was_read_before_one_customer_failed_is_kept() {
    let world = world().await;
    scan(&world, 0).await;
    for number in 0..9 {
        event(&world, &format!("cus_n{number}"));
    }
    world.clock.advance(HOUR * 2);
    world.billing.break_customer(Some("cus_n7"));
    let scans = small(&world);
    let started = scans.scan_due().await.unwrap().remove(0).1.unwrap();
    let (request, _) = world.mail.take_scans().remove(0);
    scans.handle(&request).await.unwrap();
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let id = started.unwrap().run.to_string();
    let work = records.get::<ScanWork>(&id).await.unwrap().unwrap().value;
    let refresh = work.refresh.unwrap();
    assert_eq!((refresh.read, refresh.failures), (7, 1));
    world.billing.break_customer(None);
    deliver(&world, &scans, None, 0).await;
    assert_eq!(digests(&world).last(), Some(&one_walk(&world).await.0));
}

/// A check found it, and Stripe lists the event too late: the scan must not end it by what an earlier
/// scan has read.
#[tokio::test]
async fn whoever_has_an_incident_since_is_read_again() {
    let world = world().await;
    world.set_row("n1", false);
    cancel(&world, 1);
    scan(&world, 0).await;
    world.clock.advance(HOUR);
    world
        .billing
        .add_subscription(subscription("sub_n1", "cus_n1"));
    let check = world.check_of("cus_n1", "webhook");
    let before = open_incidents(&world).await;
    world.reconcile().handle(&check).await.unwrap();
    world.deliver_checks().await;
    assert_eq!(open_incidents(&world).await, before + 1);
    world.clock.advance(HOUR);
    let run = scan(&world, 0).await;
    assert_eq!(
        run.since().unwrap().changed,
        1,
        "and nobody whom only the baseline saw"
    );
    assert_eq!(open_incidents(&world).await, before + 1);
}

#[tokio::test]
async fn a_run_that_cannot_be_finished_keeps_no_scan_from_starting() {
    let world = world().await;
    scan(&world, 0).await;
    // A check that waits for its second look, and whose first one nobody can read any more.
    world.set_row("n1", false);
    let check = world.check_of("cus_n1", "webhook");
    let run = world.reconcile().handle(&check).await.unwrap().unwrap().run;
    let prefix = format!("snapshots/{}/{run}/", world.project.id);
    for key in world.objects.keys(&prefix).await.unwrap() {
        world.objects.delete(&key).await.unwrap();
    }
    let step = async || {
        let all = runs(&world).await;
        all.into_iter().find(|it| it.id == run).unwrap().step
    };
    let started = runs(&world).await.len();
    world.clock.advance(HOUR * 2);
    let told = small(&world).scan_due().await.unwrap().remove(0).1;
    assert!(told.is_err(), "it is not hushed up");
    assert_eq!(runs(&world).await.len(), started + 1, "and the scan begins");
    deliver(&world, &small(&world), None, 0).await;
    assert_eq!(step().await, RunStep::Confirming);
    world.clock.advance(HOUR * 24);
    small(&world).scan_due().await.unwrap().remove(0).1.unwrap();
    assert_eq!(step().await, RunStep::Done, "nobody tries for ever");
}

#[tokio::test]
async fn a_customer_who_changes_all_the_time_does_not_cost_more_than_everybody() {
    let world = world().await;
    scan(&world, 0).await;
    for _ in 0..90 {
        event(&world, "cus_n1");
    }
    world.clock.advance(HOUR * 2);
    let run = scan(&world, 0).await;
    assert_eq!(instead(&run), Some(Instead::TooManyChanges), "30 pages");
}

#[tokio::test]
async fn small_files_are_carried_over_as_one() {
    let world = world().await;
    scan(&world, 0).await;
    let mut most = 0;
    for round in 0..12 {
        event(&world, &format!("cus_n{round}"));
        world.clock.advance(HOUR * 2);
        let run = scan(&world, 0).await;
        assert_eq!(run.result, Some(RunResult::Complete));
        let prefix = format!("snapshots/{}/{}/", world.project.id, run.id);
        let files = world.objects.keys(&prefix).await.unwrap().len();
        if round == 0 {
            most = files + 4;
        }
        assert!(files <= most, "{files} files in round {round}");
    }
}

#[tokio::test]
async fn a_changed_catalogue_is_compared_with_soon() {
    let world = world().await;
    let keep = counterfoil_core::scan::ScanSchedule {
        incremental_every_hours: None,
        ..Default::default()
    };
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let write = records.create(&keep).unwrap();
    assert!(world.store.write(vec![write]).await.unwrap());
    scan(&world, 0).await;
    world.clock.advance(HOUR);
    let due = async || small(&world).scan_due().await.unwrap().remove(0).1.unwrap();
    assert!(due().await.is_none());
    let body = r#"{"id":"evt_price","type":"price.updated","livemode":true,"data":{"object":{}}}"#;
    let webhook = world.webhook();
    let taken = crate::webhooks::send(&world, &webhook, WEBHOOK_SECRET, body).await;
    taken.unwrap();
    world.clock.advance(HOUR * 3);
    let run = scan(&world, 0).await;
    assert!(run.since().is_some());
    world.clock.advance(HOUR);
    assert!(due().await.is_none(), "it was looked at");
}
