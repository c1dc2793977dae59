//! A segment may be several objects: what is copied is bounded, resumed, and never wrong.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{Archive, PortError, PutOnce, RefusalCause, SealStore};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{SealError, SealStream, Sealing};
use counterfoil_testkit::memory::{MemArchive, MemStore};

use super::faulty::{Ends, Fault, Faulty, Step};
use super::truth::is_sound;
use super::{backlog, size, working};
use crate::world::World;

/// Entries of an object in these tests.
const SMALL: u64 = 250;

/// A sealed stream with twelve hundred entries since, and a sealer of small objects.
async fn behind() -> (World, SealStream) {
    let world = World::new().await;
    world.sealer().seal(world.stream()).await.unwrap();
    backlog(&world).await;
    let sealer = SealStream {
        segment: SMALL,
        ..world.sealer()
    };
    (world, sealer)
}

async fn ranges(world: &World) -> Vec<(u64, u64)> {
    let prefix = format!("seg/{}/", world.stream());
    let keys = world.archive.keys_after(&prefix, "").await.unwrap();
    let range = |key: &String| {
        let name = key.strip_prefix(&prefix).unwrap();
        let name = name.strip_suffix(".jsonl").unwrap();
        let (from, to) = name.split_once('-').unwrap();
        (from.parse().unwrap(), to.parse().unwrap())
    };
    keys.iter().map(range).collect()
}

/// Seals until the process ends at its first copy: the seal is committed, no copy is there.
async fn dies_before_the_copies(world: &World, sealer: &SealStream) {
    let fault = Fault {
        step: Step::PutSegment,
        happened: false,
        ends: Ends::Death,
    };
    let ports = Faulty::new(world, fault);
    let dying = SealStream {
        archive: ports.clone(),
        ..sealer.clone()
    };
    tokio::select! {
        biased;
        result = dying.seal(world.stream()) => panic!("{result:?}"),
        () = ports.reached.notified() => {}
    }
}

#[tokio::test]
async fn a_long_segment_is_several_objects_in_a_row() {
    let (world, sealer) = behind().await;
    let before = ranges(&world).await.len();
    let end = size(&world);
    let sealed = sealer.seal(world.stream()).await.unwrap();
    assert_eq!(sealed, Sealing::Sealed { size: end });
    let ranges = ranges(&world).await;
    assert_eq!(ranges.len() - before, 5, "{ranges:?}");
    let mut next = 0;
    for (from, to) in ranges {
        assert_eq!(from, next);
        assert!(to > from && to - from <= SMALL);
        next = to;
    }
    assert_eq!(next, end);
    is_sound(&world, world.stream(), "long").await;
    let found = sealer.recheck(world.stream()).await.unwrap();
    assert_eq!((found.sealed, found.size), (end, end));
}

#[tokio::test]
async fn copying_goes_on_where_time_ran_out() {
    let (world, sealer) = behind().await;
    dies_before_the_copies(&world, &sealer).await;
    let mut copied = vec![ranges(&world).await.len()];
    loop {
        let hasty = SealStream {
            clock: working(&world),
            budget: Duration::ZERO,
            ..sealer.clone()
        };
        match hasty.seal(world.stream()).await.unwrap() {
            Sealing::Continues { size } => {
                let (_, to) = *ranges(&world).await.last().unwrap();
                assert_eq!(size, to);
            }
            done => {
                assert_eq!(done, Sealing::NothingNew, "it was committed before");
                break;
            }
        }
        copied.push(ranges(&world).await.len());
        assert!(copied.len() < 9, "{copied:?}");
    }
    assert!(
        copied.windows(2).all(|pair| pair[0] < pair[1]),
        "{copied:?}"
    );
    assert!(copied.len() > 2, "time ran out more than once: {copied:?}");
    is_sound(&world, world.stream(), "hasty").await;
}

#[tokio::test]
async fn nothing_is_locked_that_the_seal_is_not_about() {
    // The first object, one between, the last one.
    for at in [20, 600, 1_190] {
        let (world, sealer) = behind().await;
        dies_before_the_copies(&world, &sealer).await;
        world.store.tamper(world.stream(), at);
        let refused = sealer.seal(world.stream()).await.unwrap_err();
        assert_eq!(refused.cause(), Some(RefusalCause::SealerMismatch), "{at}");
        let ranges = ranges(&world).await;
        assert!(ranges.iter().all(|(_, to)| *to <= at), "{at}: {ranges:?}");
        // Once it is what it was, everything goes on.
        world.store.tamper(world.stream(), at);
        sealer.recheck(world.stream()).await.unwrap();
        is_sound(&world, world.stream(), &format!("entry {at}")).await;
    }
}

#[tokio::test]
async fn another_object_in_the_row_stops_the_sealer() {
    for index in 0..5 {
        let (world, sealer) = behind().await;
        let stream = world.stream();
        let start = world.store.last(stream).await.unwrap().unwrap().size;
        let from = start + index * SMALL;
        let to = size(&world).min(from + SMALL);
        let key = format!("seg/{stream}/{from:016}-{to:016}.jsonl");
        world.archive.overwrite(&key, b"something else\n");
        let refused = sealer.seal(stream).await.unwrap_err();
        let SealError::Equivocation { key: named } = &refused else {
            panic!("{refused:?}");
        };
        assert_eq!(*named, key);
    }
}

/// A locked bucket: while a comparison reads from it, somebody changes another entry, and the
/// change is reported.
struct Meanwhile {
    archive: Arc<MemArchive>,
    store: Arc<MemStore>,
    stream: Hash,
}

#[async_trait]
impl Archive for Meanwhile {
    async fn locks(&self) -> Result<bool, PortError> {
        self.archive.locks().await
    }

    async fn put_once(&self, key: &str, bytes: Vec<u8>) -> Result<PutOnce, PortError> {
        self.archive.put_once(key, bytes).await
    }

    async fn keys_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, PortError> {
        self.archive.keys_after(prefix, after).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        if key.starts_with("seg/") {
            let at = Timestamp::from_millis(1);
            let cause = RefusalCause::ItemChanged;
            self.store.refuse(self.stream, cause, at).await?;
        }
        self.archive.get(key).await
    }
}

#[tokio::test]
async fn a_refusal_is_not_lifted_over_one_that_came_meanwhile() {
    let world = World::new().await;
    let (sealer, stream) = (world.sealer(), world.stream());
    sealer.seal(stream).await.unwrap();
    let refuse = RefusalCause::ItemChanged;
    let now = Timestamp::from_millis(1);
    world.store.refuse(stream, refuse, now).await.unwrap();
    let disturbed = SealStream {
        archive: Arc::new(Meanwhile {
            archive: world.archive.clone(),
            store: world.store.clone(),
            stream,
        }),
        ..sealer.clone()
    };
    let again = disturbed.recheck(stream).await.unwrap_err();
    assert!(matches!(again, SealError::RefusedAgain), "{again:?}");
    let still = sealer.seal(stream).await.unwrap_err();
    assert!(matches!(still, SealError::Refused(_)), "{still:?}");
    sealer.recheck(stream).await.unwrap();
    sealer.seal(stream).await.unwrap();
}
