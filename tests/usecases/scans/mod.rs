//! Scans by many workers: whatever happens to them, the findings are those of one undisturbed walk.

mod faulty;
mod incremental;
mod schedule;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::cell::Cell;
use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::{Clock, PortErrorKind, ScanRequest, StoredPart};
use counterfoil_core::reconcile::findings;
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::run::{Run, RunResult, RunStep};
use counterfoil_core::scan::{Due, SHARDS_AT_ONCE, ScanWork};
use counterfoil_core::usecases::{ScanLimits, Scans, Sources, look_at_all};

use self::faulty::{Death, dying};
use super::world::{NOW, World, artifact, customer, subscription};

/// Customers of the account; every third of them lacks what they paid for.
const CUSTOMERS: i64 = 45;

/// A small account that is cut into many pages, shards, files and second looks.
async fn world() -> World {
    let world = World::new().await;
    world.billing.page_of(3);
    for number in 0..CUSTOMERS {
        let (user, id) = (format!("n{number}"), format!("cus_n{number}"));
        let mut one = customer(&id, &user);
        // Some were created in the same second.
        one.created = NOW - 86_400 * (number / 2 + 1);
        world.billing.add_customer(one);
        let mut sold = subscription(&format!("sub_n{number}"), &id);
        sold.created = NOW - 86_400 * (number / 3 + 1);
        world.billing.add_subscription(sold);
        world.set_row(&user, number % 3 != 0);
    }
    world
}

fn small(world: &World) -> Scans {
    Scans {
        limits: ScanLimits {
            objects: 7,
            row_bytes: 700,
            again: 4,
            // The account is so small that reading everything costs less.
            changed: 20,
            ..ScanLimits::default()
        },
        ..world.scans()
    }
}

/// What happens to messages.
struct Queue {
    waiting: Vec<(ScanRequest, Duration)>,
    dice: u64,
    disorder: bool,
}

impl Queue {
    fn roll(&mut self, sides: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        usize::try_from(self.dice % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }
}

/// Delivers every message, in any order and some of them twice, and again after a failure.
async fn deliver(world: &World, scans: &Scans, death: Option<&Arc<Death>>, dice: u64) -> u32 {
    let mut queue = Queue {
        waiting: Vec::new(),
        dice: dice.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        disorder: dice > 0,
    };
    let mut handled = 0;
    loop {
        queue.waiting.extend(world.mail.take_scans());
        if queue.waiting.is_empty() {
            return handled;
        }
        handled += 1;
        assert!(handled < 5_000, "the scan does not end");
        let at = if queue.disorder {
            queue.roll(queue.waiting.len())
        } else {
            0
        };
        let (request, delay) = queue.waiting.remove(at);
        if queue.disorder && queue.roll(5) == 0 {
            queue.waiting.push((request, Duration::ZERO));
        }
        world.clock.advance(delay);
        if let Some(death) = death {
            death.revive();
        }
        if scans.handle(&request).await.is_err() {
            queue.waiting.push((request, Duration::ZERO));
        }
    }
}

async fn runs(world: &World) -> Vec<Run> {
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let runs = records.list::<Run>().await.unwrap().into_iter();
    runs.map(|run| run.value).collect()
}

async fn works(world: &World) -> usize {
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    records.list::<ScanWork>().await.unwrap().len()
}

/// Digests of the findings of every run that was closed with some.
fn digests(world: &World) -> Vec<String> {
    let mut digests = Vec::new();
    for entry in world.store.stream(world.stream()) {
        let Some(StoredPart::Present { bytes, .. }) = entry.facts else {
            continue;
        };
        let facts = Json::parse(&bytes).unwrap();
        for file in facts
            .get("outputs")
            .and_then(Json::as_array)
            .unwrap_or_default()
        {
            let text = |name: &str| file.get(name).and_then(Json::as_str).unwrap().to_owned();
            if text("ref").starts_with("findings/") {
                digests.push(text("hash"));
            }
        }
    }
    digests
}

/// The digest of what one walk through both sides finds.
async fn one_walk(world: &World) -> (String, usize) {
    let ctx = Directory::system(&world.project, "test");
    let records = Records::of(world.store.as_ref(), &ctx);
    let key = world.vault.pseudonym_key(&records, &ctx, &world.project);
    let key = key.await.unwrap();
    let (billing, app) = (Box::new(world.billing.clone()), Box::new(world.app.clone()));
    let sources = Sources::new(billing, app, artifact().clone(), true)
        .await
        .unwrap();
    let outcome = look_at_all(&sources, world.clock.now()).await.unwrap();
    let name = |subject: &str| findings::pseudonym(&key, subject);
    let lines = findings::lines(&outcome.findings, name).unwrap();
    (digest_string(&lines), outcome.findings.len())
}

async fn open_incidents(world: &World) -> usize {
    let open = |incident: &Incident| incident.state == IncidentState::Open;
    world.incidents().await.iter().filter(|it| open(it)).count()
}

#[tokio::test]
async fn many_workers_find_what_one_walk_finds() {
    let world = world().await;
    let (expected, count) = one_walk(&world).await;
    assert_eq!(count, 16, "u1 and every third of the others");
    let scans = small(&world);
    scans.scan_all(Due::Full).await.unwrap();
    let handled = deliver(&world, &scans, None, 0).await;
    assert!(handled > 20, "{handled} messages");
    assert_eq!(digests(&world), [expected]);
    assert_eq!(open_incidents(&world).await, count);
    assert_eq!(works(&world).await, 0, "its record is gone");
    let run = &runs(&world).await[0];
    assert_eq!(run.result, Some(RunResult::Complete));
    assert_eq!(run.looks.len(), 1, "one index");
    assert_eq!(run.counts.customers, u64::try_from(CUSTOMERS).unwrap() + 2);
}

#[tokio::test]
async fn no_worker_holds_more_shards_of_a_list_than_may_be_read_at_once() {
    let world = world().await;
    let scans = small(&world);
    scans.scan_all(Due::Full).await.unwrap();
    let mut most = 0;
    let mut waiting = world.mail.take_scans();
    while !waiting.is_empty() {
        let (request, _) = waiting.remove(0);
        if matches!(request, ScanRequest::Confirm { .. }) {
            break;
        }
        scans.handle(&request).await.unwrap();
        waiting.extend(world.mail.take_scans());
        let ctx = Directory::system(&world.project, "test");
        let records = Records::of(world.store.as_ref(), &ctx);
        for work in records.list::<ScanWork>().await.unwrap() {
            let open: Vec<_> = work.value.open_shards().collect();
            most = most.max(open.len());
        }
    }
    assert!(most > 3, "it was split");
    assert!(most <= 3 * SHARDS_AT_ONCE);
}

#[tokio::test]
async fn messages_in_any_order_and_twice_change_nothing() {
    let undisturbed = world().await;
    let expected = one_walk(&undisturbed).await.0;
    for dice in 1..25 {
        let world = world().await;
        let scans = small(&world);
        scans.scan_all(Due::Full).await.unwrap();
        deliver(&world, &scans, None, dice).await;
        assert_eq!(
            digests(&world),
            std::slice::from_ref(&expected),
            "dice {dice}"
        );
        assert_eq!(world.count("run.close"), 1);
        assert_eq!(open_incidents(&world).await, 16);
        assert_eq!(works(&world).await, 0);
    }
}

#[tokio::test]
async fn a_worker_that_dies_at_any_durable_step_changes_nothing() {
    let expected = one_walk(&world().await).await.0;
    let mut steps = [0_u32; 2];
    for happens in [false, true] {
        for step in 0.. {
            let world = world().await;
            let death = Death::after(step, happens);
            let scans = dying(small(&world), &death);
            let started = scans.scan_all(Due::Full).await.unwrap().remove(0).1;
            death.revive();
            if started.is_err() {
                // Whoever opened it is dead, and nobody may have heard of it: the next schedule
                // finds it silent.
                deliver(&world, &scans, Some(&death), 0).await;
                world.clock.advance(Duration::from_hours(1));
                scans
                    .scan_all(Due::Full)
                    .await
                    .unwrap()
                    .remove(0)
                    .1
                    .unwrap();
            }
            deliver(&world, &scans, Some(&death), u64::from(step)).await;
            let what = format!("step {step}, happens: {happens}");
            let digests = digests(&world);
            assert!(digests.iter().all(|digest| *digest == expected), "{what}");
            assert!(!digests.is_empty(), "{what}");
            for run in runs(&world).await {
                assert_eq!(run.step, RunStep::Done, "{what}");
                assert_eq!(run.result, Some(RunResult::Complete), "{what}");
            }
            assert_eq!(open_incidents(&world).await, 16, "{what}");
            assert_eq!(works(&world).await, 0, "{what}");
            if !death.happened() {
                break;
            }
            steps[usize::from(happens)] = step + 1;
        }
    }
    assert!(steps.iter().all(|count| *count > 100), "{steps:?}");
}

#[tokio::test]
async fn a_worker_hands_over_before_its_time_is_up_and_the_next_one_goes_on() {
    let world = world().await;
    let expected = one_walk(&world).await.0;
    let mut scans = small(&world);
    // No time at all: each worker reads one page.
    scans.limits.hand_over = Duration::ZERO;
    scans.scan_all(Due::Full).await.unwrap();
    let handled = deliver(&world, &scans, None, 0).await;
    assert!(handled > 35, "{handled} messages for 32 pages of three");
    assert_eq!(digests(&world), [expected]);
}

#[tokio::test]
async fn pages_that_fail_and_recover_change_nothing() {
    let world = world().await;
    let expected = one_walk(&world).await.0;
    let scans = small(&world);
    scans.scan_all(Due::Full).await.unwrap();
    let mut waiting = world.mail.take_scans();
    // Both lists and the invoices are asked while subscriptions break off.
    world.billing.break_after(Some(6));
    for (request, _) in std::mem::take(&mut waiting) {
        scans.handle(&request).await.unwrap();
    }
    world.billing.break_after(None);
    deliver(&world, &scans, None, 3).await;
    assert_eq!(digests(&world), [expected]);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_closes_the_scan_as_partial_and_says_which() {
    let world = world().await;
    world.billing.break_after(Some(6));
    let scans = small(&world);
    scans.scan_all(Due::Full).await.unwrap();
    deliver(&world, &scans, None, 0).await;
    let run = &runs(&world).await[0];
    assert_eq!(run.result, Some(RunResult::Partial));
    let unread = run.unread.clone().unwrap();
    assert_eq!(unread.what, "subscriptions");
    let range = unread.range.unwrap();
    assert!(range.from < range.to);
    assert!(world.incidents().await.is_empty());
    assert_eq!(works(&world).await, 0);
    let closed = world.facts("run.close");
    let told = closed[0].get("unread").unwrap();
    assert_eq!(
        told.get("what").and_then(Json::as_str),
        Some("subscriptions")
    );
    assert_eq!(
        told.get("to").and_then(Json::as_uint),
        u64::try_from(range.to).ok()
    );
}

#[tokio::test]
async fn a_table_that_cannot_be_read_closes_the_scan_as_partial() {
    let world = world().await;
    world.app.unreadable(true);
    let scans = small(&world);
    scans.scan_all(Due::Full).await.unwrap();
    deliver(&world, &scans, None, 0).await;
    let run = &runs(&world).await[0];
    assert_eq!(run.result, Some(RunResult::Partial));
    assert_eq!(run.unread.clone().unwrap().what, "app");
    assert!(world.incidents().await.is_empty());
}

#[tokio::test]
async fn prices_that_cannot_be_read_are_not_taken_for_the_app() {
    let world = world().await;
    world.billing.break_catalog(Some(PortErrorKind::Refused));
    let scans = small(&world);
    scans.scan_all(Due::Full).await.unwrap();
    deliver(&world, &scans, None, 0).await;
    let run = &runs(&world).await[0];
    assert_eq!(run.result, Some(RunResult::Partial));
    assert_eq!(run.unread.clone().unwrap().what, "stripe");
}

#[tokio::test]
async fn what_recovers_within_the_grace_is_no_incident_whichever_second_look_sees_it() {
    let world = world().await;
    let scans = small(&world);
    scans.scan_all(Due::Full).await.unwrap();
    let mut waiting = world.mail.take_scans();
    while let Some((request, delay)) = waiting.pop() {
        if delay > Duration::ZERO {
            world.mail_again(&request, delay).await;
            break;
        }
        scans.handle(&request).await.unwrap();
        waiting.extend(world.mail.take_scans());
    }
    for number in (0..CUSTOMERS).filter(|number| number % 3 == 0) {
        world.set_row(&format!("n{number}"), true);
    }
    deliver(&world, &scans, None, 7).await;
    assert_eq!(open_incidents(&world).await, 1, "u1 alone");
}

#[tokio::test]
async fn a_scan_that_nobody_works_on_is_given_up_in_the_end() {
    let world = world().await;
    let scans = small(&world);
    scans.scan_all(Due::Full).await.unwrap();
    for _ in 0..4 {
        // Every message is lost.
        world.mail.take_scans();
        world.clock.advance(Duration::from_hours(1));
        scans.scan_all(Due::Full).await.unwrap();
    }
    let runs = runs(&world).await;
    assert_eq!(runs[0].result, Some(RunResult::Aborted));
    assert_eq!(runs[0].unread.clone().unwrap().what, "customers");
    assert!(world.incidents().await.is_empty());
}

#[tokio::test]
async fn no_file_of_a_scan_survives_its_pruning_and_no_key_either() {
    let world = world().await;
    let scans = small(&world);
    scans.scan_all(Due::Full).await.unwrap();
    deliver(&world, &scans, None, 5).await;
    // Disorder has left files that no index names.
    let kept = |world: &World| {
        let keys = world.objects.all_keys().into_iter();
        keys.filter(|key| key.starts_with("snapshots/")).count()
    };
    assert!(kept(&world) > 10, "{}", kept(&world));
    world.clock.advance(Duration::from_hours(24 * 91));
    world.retention().enforce().await.unwrap();
    assert_eq!(kept(&world), 0);
    assert!(
        runs(&world)
            .await
            .iter()
            .all(|run| run.pruned.is_some_and(|it| it.gone))
    );
    let row = Cell::Text("n0".to_owned());
    assert!(world.app.cell(&row, "plan").is_some());
}
