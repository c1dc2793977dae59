//! The ports as one process sees them: each call takes time, and may fail, happen anyway, or happen
//! later.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::seal::SealKey;
use counterfoil_core::evidence::stream::Head;
use counterfoil_core::ports::{
    AppendError, Archive, Batch, Clock, EntryRef, EvidenceAppend, EvidenceRead, Holds, PortError,
    PortErrorKind, PutOnce, Random, RefusalCause, SealCommit, SealProgress, SealSigner, SealStart,
    SealStore, SealedState, StoredEntry,
};
use counterfoil_core::time::Timestamp;
use counterfoil_testkit::http_faults::Effect;
use counterfoil_testkit::memory::{MemArchive, MemSigner, MemStore, SeededRandom, SetClock};
use futures::future::BoxFuture;

use super::time::Time;

/// When the simulation begins.
const START: u64 = 1_795_392_000_000;
/// Every so manieth call fails, and pauses.
const FAILS: u64 = 40;
const PAUSES: u64 = 150;
/// A pause: longer than the ten minutes for which a token is remembered.
const PAUSE: (u64, u64) = (10 * 60_000, 20 * 60_000);

/// What everybody shares.
pub(super) struct World {
    pub(super) time: Time,
    pub(super) store: MemStore,
    pub(super) archive: MemArchive,
    pub(super) signer: MemSigner,
    clock: SetClock,
    random: SeededRandom,
}

impl World {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        let clock = SetClock::at(Timestamp::from_millis(START));
        Arc::new(Self {
            time: Time::default(),
            store: MemStore::new(clock.clone()),
            archive: MemArchive::default(),
            signer: MemSigner::from_seed(7),
            clock,
            random: SeededRandom::new(seed),
        })
    }

    /// A number below `limit`.
    pub(super) fn draw(&self, limit: u64) -> u64 {
        u64::try_from(self.random.bits128() % u128::from(limit)).unwrap()
    }

    fn between(&self, (least, most): (u64, u64)) -> u64 {
        least + self.draw(most - least)
    }

    fn now(&self, ahead: i64) -> Timestamp {
        let now = START + self.time.now();
        Timestamp::from_millis(now.checked_add_signed(ahead).unwrap())
    }

    /// Sets the clock that stamps entries: the writer's own.
    fn stamp_with(&self, ahead: i64) {
        let (to, now) = (self.now(ahead), self.clock.now());
        self.clock.advance(to.since(now));
        self.clock.turn_back(now.since(to));
    }
}

/// What happens to one call of a process, in a table of all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planned {
    /// So many calls are left before it.
    pub(super) call: u64,
    pub(super) effect: Effect,
    /// When a late one takes effect, ms.
    pub(super) late: u64,
    /// Whether the process ends there.
    pub(super) fatal: bool,
}

/// What befalls a process.
#[derive(Clone)]
pub(super) enum Luck {
    /// Nothing.
    Good,
    /// Calls fail and pause by chance.
    Bad,
    /// One call fails; what is still planned is counted here.
    One(Arc<Mutex<Option<Planned>>>),
}

/// One process: its clock is so many milliseconds ahead.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) world: Arc<World>,
    pub(super) ahead: i64,
    pub(super) luck: Luck,
    pub(super) dead: Arc<AtomicBool>,
}

impl Clock for Process {
    fn now(&self) -> Timestamp {
        self.world.now(self.ahead)
    }
}

fn lost(kind: PortErrorKind) -> PortError {
    PortError::new(kind, "a simulated call")
}

impl Process {
    async fn latency(&self) {
        let pauses = matches!(self.luck, Luck::Bad) && self.world.draw(PAUSES) == 0;
        let ms = if pauses { PAUSE } else { (1, 40) };
        self.world.time.sleep(self.world.between(ms)).await;
    }

    /// What becomes of a call, and how late; `None` when nothing is wrong.
    fn fault(&self) -> Option<(Effect, u64)> {
        match &self.luck {
            Luck::Good => None,
            Luck::Bad => {
                let effects = [Effect::Never, Effect::Now, Effect::Later];
                let draw = usize::try_from(self.world.draw(3 * FAILS)).unwrap();
                let effect = effects.get(draw)?;
                Some((*effect, self.world.between((1, PAUSE.1))))
            }
            Luck::One(planned) => {
                let mut planned = planned.lock().unwrap();
                let next = planned.as_mut()?;
                if next.call > 0 {
                    next.call -= 1;
                    return None;
                }
                let next = planned.take()?;
                self.dead.store(next.fatal, Ordering::SeqCst);
                Some((next.effect, next.late))
            }
        }
    }

    /// A read, there and back.
    async fn read<T: Send>(
        &self,
        read: impl for<'a> FnOnce(&'a World) -> BoxFuture<'a, Result<T, PortError>> + Send,
    ) -> Result<T, PortError> {
        self.latency().await;
        self.world.stamp_with(0);
        let found = read(&self.world).await?;
        let fault = self.fault();
        self.latency().await;
        match fault {
            None => Ok(found),
            Some(_) => Err(lost(PortErrorKind::Unavailable)),
        }
    }

    /// A write, there and back. When it fails, it is not known whether it took or takes place.
    async fn write<T: Send + 'static>(
        &self,
        write: impl for<'a> FnOnce(&'a World) -> BoxFuture<'a, Result<T, PortError>> + Send + 'static,
    ) -> Result<T, PortError> {
        self.latency().await;
        let fault = self.fault();
        let mut done = None;
        match fault {
            None | Some((Effect::Now, _)) => {
                self.world.stamp_with(0);
                done = Some(write(&self.world).await?);
            }
            Some((Effect::Never, _)) => {}
            Some((Effect::Later, late)) => {
                let world = Arc::clone(&self.world);
                self.world.time.spawn(async move {
                    world.time.sleep(late).await;
                    world.stamp_with(0);
                    // Nobody waits for the answer any more.
                    drop(write(&world).await);
                });
            }
        }
        self.latency().await;
        let unknown = lost(PortErrorKind::OutcomeUnknown);
        done.filter(|_| fault.is_none()).ok_or(unknown)
    }
}

#[async_trait]
impl EvidenceAppend for Process {
    /// A late request is the one that was built on the head of its time, with the times of its time:
    /// it fails when that head has moved.
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        self.latency().await;
        let fault = self.fault();
        let store = &self.world.store;
        let mut done = None;
        match fault {
            None | Some((Effect::Now, _)) => {
                self.world.stamp_with(self.ahead);
                done = Some(store.append(stream, batch).await?);
            }
            Some((Effect::Never, _)) => {}
            Some((Effect::Later, late)) => {
                let built_on = store.head(stream).await.unwrap();
                let (world, ahead) = (Arc::clone(&self.world), self.ahead);
                self.world.time.spawn(async move {
                    world.time.sleep(late).await;
                    if world.store.head(stream).await.unwrap() == built_on {
                        world.stamp_with(ahead - i64::try_from(late).unwrap());
                        drop(world.store.append(stream, batch).await);
                    }
                });
            }
        }
        self.latency().await;
        let unknown = lost(PortErrorKind::OutcomeUnknown);
        done.filter(|_| fault.is_none())
            .ok_or(AppendError::OutcomeUnknown(unknown))
    }
}

#[async_trait]
impl EvidenceRead for Process {
    async fn head(&self, stream: Hash) -> Result<Option<Head>, PortError> {
        self.read(move |world| world.store.head(stream)).await
    }

    async fn entries(
        &self,
        stream: Hash,
        from: u64,
        to: u64,
    ) -> Result<Vec<StoredEntry>, PortError> {
        self.read(move |world| world.store.entries(stream, from, to))
            .await
    }

    async fn run(&self, stream: Hash, run: &str) -> Result<Vec<StoredEntry>, PortError> {
        let run = run.to_owned();
        self.read(move |world| Box::pin(async move { world.store.run(stream, &run).await }))
            .await
    }

    async fn nodes(&self, stream: Hash, seqs: &[u64]) -> Result<Vec<StoredEntry>, PortError> {
        let seqs = seqs.to_vec();
        self.read(move |world| Box::pin(async move { world.store.nodes(stream, &seqs).await }))
            .await
    }

    async fn by_subject(&self, stream: Hash, pseudonym: &str) -> Result<Vec<u64>, PortError> {
        let of = pseudonym.to_owned();
        self.read(move |world| Box::pin(async move { world.store.by_subject(stream, &of).await }))
            .await
    }

    async fn holds(&self, stream: Hash) -> Result<Holds, PortError> {
        self.read(move |world| world.store.holds(stream)).await
    }
}

#[async_trait]
impl SealStore for Process {
    async fn last(&self, stream: Hash) -> Result<Option<SealedState>, PortError> {
        self.read(move |world| world.store.last(stream)).await
    }

    async fn start(&self, stream: Hash) -> Result<SealStart, PortError> {
        self.read(move |world| world.store.start(stream)).await
    }

    async fn keep_progress(&self, stream: Hash, progress: &SealProgress) -> Result<(), PortError> {
        let kept = progress.clone();
        self.write(move |world| {
            Box::pin(async move { world.store.keep_progress(stream, &kept).await })
        })
        .await
    }

    async fn refuse(
        &self,
        stream: Hash,
        cause: RefusalCause,
        at: Timestamp,
    ) -> Result<(), PortError> {
        self.write(move |world| world.store.refuse(stream, cause, at))
            .await
    }

    async fn lift(&self, stream: Hash, refusals: u64, at: Timestamp) -> Result<bool, PortError> {
        self.write(move |world| world.store.lift(stream, refusals, at))
            .await
    }

    async fn raise_floor(&self, stream: Hash, at: u64) -> Result<Option<Head>, PortError> {
        self.write(move |world| world.store.raise_floor(stream, at))
            .await
    }

    async fn commit(
        &self,
        stream: Hash,
        previous: Option<Hash>,
        sealed: &SealedState,
    ) -> Result<SealCommit, PortError> {
        let seal = sealed.clone();
        self.write(move |world| {
            Box::pin(async move { world.store.commit(stream, previous, &seal).await })
        })
        .await
    }

    async fn after(&self, stream: Hash, size: u64, at: u64) -> Result<Vec<SealedState>, PortError> {
        self.read(move |world| world.store.after(stream, size, at))
            .await
    }

    async fn all(&self, stream: Hash) -> Result<Vec<SealedState>, PortError> {
        self.read(move |world| world.store.all(stream)).await
    }
}

#[async_trait]
impl SealSigner for Process {
    async fn key(&self) -> Result<SealKey, PortError> {
        self.read(move |world| world.signer.key()).await
    }

    async fn sign(&self, body: &[u8]) -> Result<Vec<u8>, PortError> {
        let body = body.to_vec();
        self.read(move |world| Box::pin(async move { world.signer.sign(&body).await }))
            .await
    }
}

#[async_trait]
impl Archive for Process {
    async fn locks(&self) -> Result<bool, PortError> {
        self.read(move |world| world.archive.locks()).await
    }

    async fn put_once(&self, key: &str, bytes: Vec<u8>) -> Result<PutOnce, PortError> {
        let key = key.to_owned();
        self.write(move |world| Box::pin(async move { world.archive.put_once(&key, bytes).await }))
            .await
    }

    async fn keys_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, PortError> {
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        self.read(move |world| {
            Box::pin(async move { world.archive.keys_after(&prefix, &after).await })
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        let key = key.to_owned();
        self.read(move |world| Box::pin(async move { world.archive.get(&key).await }))
            .await
    }
}
