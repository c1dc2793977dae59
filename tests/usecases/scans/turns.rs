//! Scans of one project never overlap: whoever comes second waits, or is told of the first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::ids::RunId;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::{Clock, PortError, ScanRequest, State, StateKey, StateWrite, Stored};
use counterfoil_core::run::{Run, RunStep};
use counterfoil_core::scan::Due;
use counterfoil_core::usecases::Scans;

use super::{deliver, open_incidents, runs, small, world};
use crate::world::World;

/// The message of a scan that somebody asks for.
fn asked(world: &World, bits: u128) -> (RunId, ScanRequest) {
    let run = RunId::new(world.clock.now(), bits);
    let project = world.project.id;
    (run, ScanRequest::Start { project, run })
}

/// Delivers everything; no two scans are ever at work.
async fn deliver_all(world: &World, scans: &Scans) {
    loop {
        let messages = world.mail.take_scans();
        if messages.is_empty() {
            return;
        }
        for (request, delay) in messages {
            world.clock.advance(delay);
            scans.handle(&request).await.unwrap();
            let at_work = |run: &&Run| run.step != RunStep::Done;
            let runs = runs(world).await;
            assert!(runs.iter().filter(at_work).count() <= 1, "two scans");
        }
    }
}

/// Opens one scan, and asks for another one while it reads.
async fn one_after_the_other(first_is_asked_for: bool) {
    let world = world().await;
    let scans = small(&world);
    if first_is_asked_for {
        let (_, start) = asked(&world, 1);
        scans.handle(&start).await.unwrap();
    } else {
        scans.scan_due().await.unwrap().remove(0).1.unwrap();
    }
    let first = runs(&world).await.remove(0);
    world.clock.advance(Duration::from_mins(1));
    let (second, start) = asked(&world, 2);
    let told = scans.handle(&start).await.unwrap();
    assert_eq!(told.run, first.id, "it says which one is at work");
    deliver_all(&world, &scans).await;
    let all = runs(&world).await;
    let ids: Vec<_> = all.iter().map(|run| run.id).collect();
    assert_eq!(ids, [first.id, second]);
    assert!(
        all[1].as_of >= all[0].touched_at,
        "it began after the first"
    );
    assert_eq!(open_incidents(&world).await, 16);
}

#[tokio::test]
async fn a_scan_that_is_asked_for_waits_for_the_schedules() {
    one_after_the_other(false).await;
}

#[tokio::test]
async fn of_two_scans_that_are_asked_for_the_later_one_waits() {
    one_after_the_other(true).await;
}

#[tokio::test]
async fn a_schedule_starts_no_scan_beside_one_that_was_asked_for() {
    let world = world().await;
    let scans = small(&world);
    let (first, start) = asked(&world, 1);
    scans.handle(&start).await.unwrap();
    assert!(
        scans
            .scan_due()
            .await
            .unwrap()
            .remove(0)
            .1
            .unwrap()
            .is_none()
    );
    let told = scans
        .scan_all(Due::Full)
        .await
        .unwrap()
        .remove(0)
        .1
        .unwrap();
    assert_eq!(told.run, first);
    assert_eq!(runs(&world).await.len(), 1);
}

/// What the waiting scan reads is what is true when its turn has come.
#[tokio::test]
async fn the_later_scan_has_the_last_word() {
    let world = world().await;
    let scans = small(&world);
    scans.scan_due().await.unwrap().remove(0).1.unwrap();
    let (second, start) = asked(&world, 2);
    scans.handle(&start).await.unwrap();
    // The first look of the first one is over, and the app catches up before the second scan reads.
    let mut later = Vec::new();
    while runs(&world)
        .await
        .iter()
        .all(|run| run.step != RunStep::Done)
    {
        for (request, delay) in world.mail.take_scans() {
            world.clock.advance(delay);
            if matches!(request, ScanRequest::Start { .. }) {
                later.push(request);
            } else {
                scans.handle(&request).await.unwrap();
            }
        }
    }
    assert_eq!(open_incidents(&world).await, 16);
    world.set_row("u1", true);
    for request in later {
        scans.handle(&request).await.unwrap();
    }
    deliver(&world, &scans, None, 0).await;
    let ended = world.incidents().await.into_iter();
    let ended = ended.filter(|it| it.state == IncidentState::Resolved);
    let by: Vec<_> = ended.map(|it| it.seen_by).collect();
    assert_eq!(by, [second]);
}

/// Answers once that nobody has the turn, as it was a moment ago.
struct AMomentAgo {
    of: Arc<dyn State>,
    told: AtomicBool,
}

#[async_trait]
impl State for AMomentAgo {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        let turn = key.sk.starts_with("scan-turn#");
        if turn && !self.told.swap(true, Ordering::SeqCst) {
            return Ok(None);
        }
        self.of.get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.of.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        self.of.write(writes).await
    }
}

#[tokio::test]
async fn of_two_workers_who_open_at_the_same_moment_one_opens() {
    let world = world().await;
    let mut scans = small(&world);
    let first = scans.scan_due().await.unwrap().remove(0).1.unwrap();
    scans.reconcile.state = Arc::new(AMomentAgo {
        of: scans.reconcile.state.clone(),
        told: AtomicBool::new(false),
    });
    world.clock.advance(Duration::from_secs(1));
    let (second, start) = asked(&world, 2);
    let told = scans.handle(&start).await.unwrap();
    assert_eq!(told.run, first.unwrap().run);
    assert_eq!(runs(&world).await.len(), 1);
    deliver_all(&world, &small(&world)).await;
    let ids: Vec<_> = runs(&world).await.iter().map(|run| run.id).collect();
    assert_eq!(ids.last(), Some(&second));
}
