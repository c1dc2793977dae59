//! Seals: only over what recomputes.

mod alarms;
mod faulty;
mod rotation;
mod segments;
mod steps;
mod truth;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::object;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::ports::{
    Archive, Batch, Clock, EvidenceAppend, EvidenceRead, RefusalCause, SealStore,
};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{ClockFault, SealError, SealStream, Sealing};

use super::world::World;
use faulty::{Ends, Fault, Faulty, Step};
use truth::{is_sound, locked_notes, verdict};

const DAY: Duration = Duration::from_hours(24);

fn size(world: &World) -> u64 {
    u64::try_from(world.kinds().len()).unwrap()
}

/// A sealed stream that has grown since.
async fn grown() -> World {
    let world = World::new().await;
    world.sealer().seal(world.stream()).await.unwrap();
    world.clock.advance(Duration::from_mins(1));
    world.scan().await;
    world
}

#[tokio::test]
async fn a_stream_that_grew_is_sealed_once() {
    let world = World::new().await;
    world.scan().await;
    let first = Sealing::Sealed { size: size(&world) };
    assert_eq!(world.sealer().seal(world.stream()).await.unwrap(), first);
    assert_eq!(
        world.sealer().seal(world.stream()).await.unwrap(),
        Sealing::NothingNew
    );
    world.clock.advance(Duration::from_secs(1));
    world.scan().await;
    let second = Sealing::Sealed { size: size(&world) };
    assert_eq!(world.sealer().seal(world.stream()).await.unwrap(), second);
    is_sound(&world, world.stream(), "grown").await;
    let nobody = Hash::new([9; 32]);
    assert_eq!(
        world.sealer().seal(nobody).await.unwrap(),
        Sealing::NothingNew
    );
}

#[tokio::test]
async fn an_open_stream_gets_a_heartbeat_a_day_and_a_closed_one_none() {
    let world = World::new().await;
    let (sealer, stream) = (world.sealer(), world.stream());
    sealer.seal(stream).await.unwrap();
    world
        .clock
        .advance(DAY.checked_sub(Duration::from_secs(1)).unwrap());
    assert_eq!(sealer.seal(stream).await.unwrap(), Sealing::NothingNew);
    world.clock.advance(Duration::from_secs(1));
    let size = size(&world);
    assert_eq!(sealer.seal(stream).await.unwrap(), Sealing::Sealed { size });
    assert_eq!(sealer.seal(stream).await.unwrap(), Sealing::NothingNew);
    let seals = world.store.all(stream).await.unwrap();
    assert_eq!(seals.len(), 2);
    assert_eq!(seals[0].size, seals[1].size);
    assert_eq!(seals[1].at - seals[0].at, 86_400_000);
    let verdict = verdict(&world, stream, &[world.seal_key().await]).await;
    assert!(verdict.is_accepted(), "{}", verdict.first_line());

    let facts = object([("reason", "the end".into())]);
    let close = Batch::of([Draft::new(Kind::StreamClose, facts)]);
    world.store.append(stream, close).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let closed = Sealing::Sealed { size: size + 1 };
    assert_eq!(sealer.seal(stream).await.unwrap(), closed);
    world.clock.advance(DAY + DAY);
    assert_eq!(sealer.seal(stream).await.unwrap(), Sealing::NothingNew);
}

#[tokio::test]
async fn who_needs_a_seal_after_a_time_gets_one_of_the_same_size() {
    let world = World::new().await;
    let (sealer, stream) = (world.sealer(), world.stream());
    sealer.seal(stream).await.unwrap();
    let first = world.store.last(stream).await.unwrap().unwrap();
    let at = Timestamp::from_millis(first.at);
    assert_eq!(
        sealer.seal_since(stream, at).await.unwrap(),
        Sealing::NothingNew
    );
    world.clock.advance(Duration::from_secs(5));
    let since = at.plus(Duration::from_secs(2));
    assert_eq!(
        sealer.seal_since(stream, since).await.unwrap(),
        Sealing::Sealed { size: first.size }
    );
}

#[tokio::test]
async fn nothing_is_signed_over_an_entry_that_was_changed() {
    let world = grown().await;
    let before = locked_notes(&world, world.stream()).await;
    world.store.tamper(world.stream(), size(&world) - 1);
    let refused = world.sealer().seal(world.stream()).await.unwrap_err();
    assert!(matches!(refused, SealError::Mismatch(_)), "{refused:?}");
    assert_eq!(locked_notes(&world, world.stream()).await, before);
    assert_eq!(
        world.store.all(world.stream()).await.unwrap().len(),
        before.len()
    );
}

#[tokio::test]
async fn an_entry_that_is_gone_stops_the_sealer() {
    for back in 1..=3 {
        let world = grown().await;
        world.store.remove(world.stream(), size(&world) - back);
        let refused = world.sealer().seal(world.stream()).await.unwrap_err();
        assert!(matches!(refused, SealError::Mismatch(_)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_last_seal_that_is_not_what_its_note_says_stops_the_sealer() {
    let changes: [fn(&mut counterfoil_core::ports::SealedState); 4] = [
        |last| last.size -= 1,
        |last| last.at += 1,
        |last| last.leaf = Hash::ZERO,
        |last| last.note = last.note.replace("at 1", "at 2"),
    ];
    for (case, change) in changes.into_iter().enumerate() {
        let world = grown().await;
        world.store.tamper_seal(world.stream(), change);
        let refused = world.sealer().seal(world.stream()).await.unwrap_err();
        // An earlier `last` also leaves the copy in locked storage ahead of it.
        let seen = matches!(refused, SealError::Mismatch(_) | SealError::Rollback);
        assert!(seen, "{case}: {refused:?}");
    }
}

#[tokio::test]
async fn a_refusal_stays_until_everything_is_what_locked_storage_holds() {
    let world = grown().await;
    let (sealer, stream) = (world.sealer(), world.stream());
    let last = size(&world) - 1;
    world.store.tamper(stream, last);
    sealer.seal(stream).await.unwrap_err();
    // Nobody lifts it while it is true, and it stays when it no longer is.
    sealer.recheck(stream).await.unwrap_err();
    world.store.tamper(stream, last);
    let refused = sealer.seal(stream).await.unwrap_err();
    assert!(
        matches!(refused, SealError::Refused(RefusalCause::SealerMismatch)),
        "{refused:?}"
    );
    assert_eq!(refused.cause(), Some(RefusalCause::SealerMismatch));
    let found = sealer.recheck(stream).await.unwrap();
    assert_eq!(found.size, last + 1);
    assert!(found.sealed > 0);
    sealer.seal(stream).await.unwrap();
    is_sound(&world, stream, "lifted").await;
}

#[tokio::test]
async fn a_change_under_an_older_seal_keeps_the_stream_refused() {
    let world = grown().await;
    let (sealer, stream) = (world.sealer(), world.stream());
    // The consumer of the table's stream reports it; the recomputation does not look that far back.
    world.store.tamper(stream, 1);
    let now = world.clock.now();
    let cause = RefusalCause::ItemChanged;
    world.store.refuse(stream, cause, now).await.unwrap();
    let refused = sealer.seal(stream).await.unwrap_err();
    assert!(
        matches!(refused, SealError::Refused(RefusalCause::ItemChanged)),
        "{refused:?}"
    );
    let differs = sealer.recheck(stream).await.unwrap_err();
    let SealError::Mismatch(fault) = &differs else {
        panic!("{differs:?}");
    };
    assert!(fault.to_string().contains("entry 1 "), "{fault}");
    sealer.seal(stream).await.unwrap_err();
}

#[tokio::test]
async fn each_way_in_which_a_clock_can_be_wrong_stops_the_sealer_and_ends_with_it() {
    let world = grown().await;
    let (sealer, stream) = (world.sealer(), world.stream());
    let clock_fault = |refused: Result<Sealing, SealError>| match refused {
        Err(SealError::Clock(fault)) => fault,
        other => panic!("{other:?}"),
    };
    world.store.store_ahead(Duration::from_secs(6));
    assert_eq!(
        clock_fault(sealer.seal(stream).await),
        ClockFault::NotThatOfTheStore
    );
    world.store.store_ahead(Duration::from_secs(5));
    let head = world.store.head(stream).await.unwrap().unwrap();

    world.clock.turn_back(Duration::from_hours(1));
    assert_eq!(
        clock_fault(sealer.seal(stream).await),
        ClockFault::BehindStoredTimes
    );
    // A head without the floor that the last seal raised.
    let mut lower = head.clone();
    (lower.floor, lower.at) = (0, 0);
    world.store.set_head(lower);
    assert_eq!(
        clock_fault(sealer.seal(stream).await),
        ClockFault::NotPastTheLastSeal
    );
    world.store.set_head(head);
    world.clock.advance(Duration::from_hours(1));
    sealer.seal(stream).await.unwrap();
    is_sound(&world, stream, "the clock is right again").await;
}

#[tokio::test]
async fn a_head_that_is_shorter_than_the_last_seal_stops_the_sealer() {
    let world = World::new().await;
    let (sealer, stream) = (world.sealer(), world.stream());
    let early = world.store.head(stream).await.unwrap().unwrap();
    world.clock.advance(Duration::from_mins(1));
    world.scan().await;
    sealer.seal(stream).await.unwrap();
    world.store.set_head(early);
    world.clock.advance(Duration::from_mins(1));
    let refused = sealer.seal(stream).await.unwrap_err();
    assert!(matches!(refused, SealError::Rollback), "{refused:?}");
}

#[tokio::test]
async fn locked_storage_that_is_ahead_of_the_table_stops_the_sealer() {
    let world = World::new().await;
    world.sealer().seal(world.stream()).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let newer = format!(
        "seal/{}/{:016}/{:016}.note",
        world.stream(),
        99_u64,
        u64::MAX >> 12
    );
    world
        .archive
        .put_once(&newer, b"newer".to_vec())
        .await
        .unwrap();
    world.scan().await;
    let refused = world.sealer().seal(world.stream()).await.unwrap_err();
    assert!(matches!(refused, SealError::Rollback), "{refused:?}");
}

#[tokio::test]
async fn another_copy_in_locked_storage_stops_the_sealer() {
    // A note in the place of the last seal, and a segment in the place of the next one.
    for segment in [false, true] {
        let world = grown().await;
        let (sealer, stream) = (world.sealer(), world.stream());
        let last = world.store.last(stream).await.unwrap().unwrap();
        let key = if segment {
            let end = size(&world);
            format!("seg/{stream}/{:016}-{end:016}.jsonl", last.size)
        } else {
            format!("seal/{stream}/{:016}/{:016}.note", last.size, last.at)
        };
        world.archive.overwrite(&key, b"something else");
        let refused = sealer.seal(stream).await.unwrap_err();
        let SealError::Equivocation { key: named } = &refused else {
            panic!("{refused:?}");
        };
        assert_eq!(*named, key);
        let still = sealer.seal(stream).await.unwrap_err();
        assert_eq!(still.cause(), Some(RefusalCause::Equivocation));
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_lock_gets_nothing() {
    let world = World::new().await;
    world.archive.unlock();
    let refused = world.sealer().seal(world.stream()).await.unwrap_err();
    assert!(matches!(refused, SealError::Unlocked), "{refused:?}");
    assert!(world.store.all(world.stream()).await.unwrap().is_empty());
    let kept = world.archive.keys_after("", "").await.unwrap();
    assert!(kept.is_empty(), "{kept:?}");
}

/// A clock that every look moves on, as work does.
struct Working {
    world: counterfoil_testkit::memory::SetClock,
    looks: AtomicU32,
}

impl Clock for Working {
    fn now(&self) -> Timestamp {
        let looks = self.looks.fetch_add(1, Ordering::SeqCst);
        // The first looks are about the clock itself; then each chunk takes its time.
        let passed = looks.saturating_sub(3);
        self.world
            .now()
            .plus(Duration::from_secs(u64::from(passed)))
    }
}

fn working(world: &World) -> Arc<Working> {
    Arc::new(Working {
        world: world.clock.clone(),
        looks: AtomicU32::new(0),
    })
}

/// Twelve hundred entries that are not sealed yet.
async fn backlog(world: &World) {
    let target = object([("id", "x".into()), ("type", "sample".into())]);
    let facts = object([
        ("result", "ok".into()),
        ("target", target),
        ("topic", "probe.backlog".into()),
    ]);
    for _ in 0..30 {
        let drafts = (0..40).map(|_| Draft::new(Kind::ObservationRecorded, facts.clone()));
        let batch = Batch::of(drafts);
        world.store.append(world.stream(), batch).await.unwrap();
    }
    world.clock.advance(Duration::from_mins(1));
}

#[tokio::test]
async fn a_backlog_is_worked_off_over_several_runs() {
    let world = World::new().await;
    let stream = world.stream();
    world.sealer().seal(stream).await.unwrap();
    backlog(&world).await;
    let mut sizes = Vec::new();
    loop {
        let sealer = SealStream {
            clock: working(&world),
            budget: Duration::from_millis(500),
            ..world.sealer()
        };
        match sealer.seal(stream).await.unwrap() {
            Sealing::Continues { size } => sizes.push(size),
            Sealing::Sealed { size: sealed } => {
                assert_eq!(sealed, size(&world));
                break;
            }
            Sealing::NothingNew => panic!("there is something"),
        }
        assert!(sizes.len() < 20, "{sizes:?}");
        world.clock.advance(Duration::from_mins(1));
    }
    assert!(sizes.len() >= 3, "{sizes:?}");
    assert!(sizes.is_sorted(), "{sizes:?}");
    is_sound(&world, stream, "backlog").await;
}

#[tokio::test]
async fn a_place_that_could_not_be_kept_costs_time_only() {
    for happened in [false, true] {
        for ends in [Ends::Error, Ends::Death] {
            let world = World::new().await;
            let stream = world.stream();
            backlog(&world).await;
            let fault = Fault {
                step: Step::KeepProgress,
                happened,
                ends,
            };
            let ports = Faulty::new(&world, fault);
            let sealer = SealStream {
                seals: ports.clone(),
                budget: Duration::ZERO,
                clock: working(&world),
                ..world.sealer()
            };
            tokio::select! {
                biased;
                result = sealer.seal(stream) => {
                    assert!(matches!(result, Err(SealError::Port(_))), "{result:?}");
                }
                () = ports.reached.notified() => {}
            }
            assert!(ports.happened(), "{fault:?}");
            world.clock.advance(Duration::from_mins(1));
            world.sealer().seal(stream).await.unwrap();
            is_sound(&world, stream, &format!("{fault:?}")).await;
        }
    }
}

#[tokio::test]
async fn a_place_that_is_not_what_is_stored_is_not_gone_on_from() {
    let world = grown().await;
    let stream = world.stream();
    let last = world.store.last(stream).await.unwrap().unwrap();
    let place = counterfoil_core::ports::SealProgress {
        base: Some(last.seal_hash),
        size: last.size + 1,
        leaf: Hash::ZERO,
        frontier: {
            let mut tree = last.frontier.clone();
            tree.push(Hash::ZERO);
            tree
        },
        rotated: false,
    };
    world.store.keep_progress(stream, &place).await.unwrap();
    let refused = world.sealer().seal(stream).await.unwrap_err();
    assert!(matches!(refused, SealError::Mismatch(_)), "{refused:?}");

    // One that belongs to an older seal is no place at all.
    let world = grown().await;
    let other = counterfoil_core::ports::SealProgress {
        base: None,
        ..place
    };
    world
        .store
        .keep_progress(world.stream(), &other)
        .await
        .unwrap();
    world.sealer().seal(world.stream()).await.unwrap();
    is_sound(&world, world.stream(), "an old place").await;
}
