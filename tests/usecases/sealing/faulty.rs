//! The sealer's ports with one fault at one call: an error before or after it took effect, the end of
//! the process there, or a pause in which somebody else moves.

use std::sync::{Arc, Mutex};

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::seal::SealKey;
use counterfoil_core::evidence::stream::Head;
use counterfoil_core::ports::{
    Archive, EvidenceRead, Holds, PortError, PortErrorKind, PutOnce, RefusalCause, SealCommit,
    SealProgress, SealSigner, SealStart, SealStore, SealedState, StoredEntry,
};
use counterfoil_core::time::Timestamp;
use counterfoil_testkit::memory::{MemArchive, MemSigner, MemStore};
use tokio::sync::Notify;

use crate::world::World;

/// A call of the sealer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Locks,
    Start,
    ListCopies,
    GetCopy,
    Head,
    Entries,
    RaiseFloor,
    KeepProgress,
    Sign,
    Commit,
    PutSegment,
    PutSeal,
}

impl Step {
    /// The calls that leave something behind.
    pub(super) const DURABLE: [Self; 6] = [
        Self::RaiseFloor,
        Self::KeepProgress,
        Self::Sign,
        Self::Commit,
        Self::PutSegment,
        Self::PutSeal,
    ];
    /// The calls that only look.
    pub(super) const READS: [Self; 6] = [
        Self::Locks,
        Self::Start,
        Self::ListCopies,
        Self::GetCopy,
        Self::Head,
        Self::Entries,
    ];
}

/// What happens at the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// The call answers with an error; the process goes on.
    Error,
    /// The process ends there.
    Death,
    /// The call waits for [`Faulty::go_on`], then goes on as if nothing had been.
    Pause,
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) step: Step,
    /// Whether the call took effect before.
    pub(super) happened: bool,
    pub(super) ends: Ends,
}

/// The ports of one sealer process.
pub(super) struct Faulty {
    store: Arc<MemStore>,
    archive: Arc<MemArchive>,
    signer: Arc<MemSigner>,
    fault: Mutex<Option<Fault>>,
    /// Told when the fault is reached.
    pub(super) reached: Notify,
    released: Notify,
}

impl Faulty {
    pub(super) fn new(world: &World, fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            store: world.store.clone(),
            archive: world.archive.clone(),
            signer: world.signer.clone(),
            fault: Mutex::new(Some(fault)),
            reached: Notify::new(),
            released: Notify::new(),
        })
    }

    /// Whether the fault was reached.
    pub(super) fn happened(&self) -> bool {
        self.fault.lock().unwrap().is_none()
    }

    /// Ends the pause.
    pub(super) fn go_on(&self) {
        self.released.notify_one();
    }

    async fn call<T>(
        &self,
        step: Step,
        call: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        let mine = {
            let mut fault = self.fault.lock().unwrap();
            fault.take_if(|fault| fault.step == step)
        };
        let Some(fault) = mine else {
            return call.await;
        };
        let done = if fault.happened {
            Some(call.await)
        } else {
            None
        };
        self.reached.notify_one();
        match (fault.ends, done) {
            (Ends::Error, done) => {
                let kind = match done {
                    Some(_) => PortErrorKind::OutcomeUnknown,
                    None => PortErrorKind::Unavailable,
                };
                Err(PortError::new(kind, format!("{step:?}")))
            }
            (Ends::Death, _) => std::future::pending().await,
            (Ends::Pause, Some(done)) => {
                self.released.notified().await;
                done
            }
            // The call itself was dropped, so pauses are planned after it only.
            (Ends::Pause, None) => panic!("a pause is after the call"),
        }
    }
}

#[async_trait::async_trait]
impl EvidenceRead for Faulty {
    async fn head(&self, stream: Hash) -> Result<Option<Head>, PortError> {
        self.call(Step::Head, self.store.head(stream)).await
    }

    async fn entries(
        &self,
        stream: Hash,
        from: u64,
        to: u64,
    ) -> Result<Vec<StoredEntry>, PortError> {
        let read = self.store.entries(stream, from, to);
        self.call(Step::Entries, read).await
    }

    async fn run(&self, stream: Hash, run: &str) -> Result<Vec<StoredEntry>, PortError> {
        self.store.run(stream, run).await
    }

    async fn nodes(&self, stream: Hash, seqs: &[u64]) -> Result<Vec<StoredEntry>, PortError> {
        self.store.nodes(stream, seqs).await
    }

    async fn by_subject(&self, stream: Hash, pseudonym: &str) -> Result<Vec<u64>, PortError> {
        self.store.by_subject(stream, pseudonym).await
    }

    async fn holds(&self, stream: Hash) -> Result<Holds, PortError> {
        self.store.holds(stream).await
    }
}

#[async_trait::async_trait]
impl SealStore for Faulty {
    async fn last(&self, stream: Hash) -> Result<Option<SealedState>, PortError> {
        self.store.last(stream).await
    }

    async fn start(&self, stream: Hash) -> Result<SealStart, PortError> {
        self.call(Step::Start, self.store.start(stream)).await
    }

    async fn keep_progress(&self, stream: Hash, place: &SealProgress) -> Result<(), PortError> {
        let kept = self.store.keep_progress(stream, place);
        self.call(Step::KeepProgress, kept).await
    }

    async fn refuse(
        &self,
        stream: Hash,
        cause: RefusalCause,
        at: Timestamp,
    ) -> Result<(), PortError> {
        self.store.refuse(stream, cause, at).await
    }

    async fn lift(&self, stream: Hash, refusals: u64, at: Timestamp) -> Result<bool, PortError> {
        self.store.lift(stream, refusals, at).await
    }

    async fn raise_floor(&self, stream: Hash, at: u64) -> Result<Option<Head>, PortError> {
        let raised = self.store.raise_floor(stream, at);
        self.call(Step::RaiseFloor, raised).await
    }

    async fn commit(
        &self,
        stream: Hash,
        previous: Option<Hash>,
        sealed: &SealedState,
    ) -> Result<SealCommit, PortError> {
        let committed = self.store.commit(stream, previous, sealed);
        self.call(Step::Commit, committed).await
    }

    async fn after(&self, stream: Hash, size: u64, at: u64) -> Result<Vec<SealedState>, PortError> {
        self.store.after(stream, size, at).await
    }

    async fn all(&self, stream: Hash) -> Result<Vec<SealedState>, PortError> {
        self.store.all(stream).await
    }
}

#[async_trait::async_trait]
impl Archive for Faulty {
    async fn locks(&self) -> Result<bool, PortError> {
        self.call(Step::Locks, self.archive.locks()).await
    }

    async fn put_once(&self, key: &str, bytes: Vec<u8>) -> Result<PutOnce, PortError> {
        let step = if key.starts_with("seg/") {
            Step::PutSegment
        } else {
            Step::PutSeal
        };
        self.call(step, self.archive.put_once(key, bytes)).await
    }

    async fn keys_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, PortError> {
        let listed = self.archive.keys_after(prefix, after);
        self.call(Step::ListCopies, listed).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.call(Step::GetCopy, self.archive.get(key)).await
    }
}

#[async_trait::async_trait]
impl SealSigner for Faulty {
    async fn key(&self) -> Result<SealKey, PortError> {
        self.signer.key().await
    }

    async fn sign(&self, body: &[u8]) -> Result<Vec<u8>, PortError> {
        self.call(Step::Sign, self.signer.sign(body)).await
    }
}
