//! Ports of a worker that dies at one durable step: before it, or after it has happened.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, Objects, PortError, PortErrorKind, ScanRequest,
    ScanRequests, State, StateKey, StateWrite, Stored, WrappedKey, WrappedKeys,
};
use counterfoil_core::usecases::Scans;

/// Lets `left` durable steps through; at the next one the worker dies, and everything that it still
/// tries fails, until somebody else takes over.
pub(super) struct Death {
    left: AtomicU32,
    happens: bool,
    dead: AtomicBool,
    died: AtomicBool,
}

impl Death {
    pub(super) fn after(left: u32, happens: bool) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicU32::new(left),
            happens,
            dead: AtomicBool::new(false),
            died: AtomicBool::new(false),
        })
    }

    /// Whether there was such a step at all.
    pub(super) fn happened(&self) -> bool {
        self.died.load(Ordering::SeqCst)
    }

    /// Another worker takes over.
    pub(super) fn revive(&self) {
        self.dead.store(false, Ordering::SeqCst);
    }

    fn error(&self) -> PortError {
        let kind = if self.happens {
            PortErrorKind::OutcomeUnknown
        } else {
            PortErrorKind::Unavailable
        };
        PortError::new(kind, "a planned death")
    }

    async fn step<T>(&self, doing: impl Future<Output = T> + Send) -> Result<T, PortError> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(self.error());
        }
        let left = self.left.load(Ordering::SeqCst);
        self.left.store(left.wrapping_sub(1), Ordering::SeqCst);
        if left != 0 {
            return Ok(doing.await);
        }
        self.dead.store(true, Ordering::SeqCst);
        self.died.store(true, Ordering::SeqCst);
        if self.happens {
            doing.await;
        }
        Err(self.error())
    }
}

struct Dying<T: ?Sized> {
    of: Arc<T>,
    death: Arc<Death>,
}

/// The same use case, whose every durable step may be its last.
pub(super) fn dying(mut scans: Scans, death: &Arc<Death>) -> Scans {
    fn wrap<T: ?Sized>(of: &Arc<T>, death: &Arc<Death>) -> Arc<Dying<T>> {
        Arc::new(Dying {
            of: of.clone(),
            death: death.clone(),
        })
    }
    let reconcile = &mut scans.reconcile;
    reconcile.evidence = wrap(&reconcile.evidence, death);
    reconcile.state = wrap(&reconcile.state, death);
    reconcile.objects = wrap(&reconcile.objects, death);
    reconcile.vault.wrapped = wrap(&reconcile.vault.wrapped, death);
    scans.requests = wrap(&scans.requests, death);
    scans
}

#[async_trait]
impl EvidenceAppend for Dying<dyn EvidenceAppend> {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        match self.death.step(self.of.append(stream, batch)).await {
            Ok(done) => done,
            Err(error) if self.death.happens => Err(AppendError::OutcomeUnknown(error)),
            Err(error) => Err(AppendError::Unavailable(error)),
        }
    }
}

#[async_trait]
impl State for Dying<dyn State> {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        self.of.get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.of.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        self.death.step(self.of.write(writes)).await?
    }
}

#[async_trait]
impl Objects for Dying<dyn Objects> {
    async fn put(&self, key: &str, bytes: Vec<u8>, kind: &str) -> Result<(), PortError> {
        self.death.step(self.of.put(key, bytes, kind)).await?
    }

    async fn put_stream(
        &self,
        key: &str,
        content: &mut (dyn Read + Send),
        bytes: u64,
        kind: &str,
    ) -> Result<(), PortError> {
        let put = self.of.put_stream(key, content, bytes, kind);
        self.death.step(put).await?
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.of.get(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        self.death.step(self.of.delete(key)).await?
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, PortError> {
        self.of.keys(prefix).await
    }

    async fn link(&self, key: &str, name: &str, valid: Duration) -> Result<String, PortError> {
        self.of.link(key, name, valid).await
    }
}

#[async_trait]
impl WrappedKeys for Dying<dyn WrappedKeys> {
    async fn put(&self, owner: &str, name: &str, wrapped: &[u8]) -> Result<bool, PortError> {
        self.death.step(self.of.put(owner, name, wrapped)).await?
    }

    async fn get(&self, owner: &str, name: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.of.get(owner, name).await
    }

    async fn replace(
        &self,
        owner: &str,
        name: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, PortError> {
        let replaced = self.of.replace(owner, name, old, new);
        self.death.step(replaced).await?
    }

    async fn list(&self, owner: &str, after: &str) -> Result<Vec<WrappedKey>, PortError> {
        self.of.list(owner, after).await
    }

    async fn shred(&self, owner: &str, name: &str) -> Result<(), PortError> {
        self.death.step(self.of.shred(owner, name)).await?
    }
}

#[async_trait]
impl ScanRequests for Dying<dyn ScanRequests> {
    async fn send(&self, request: &ScanRequest, delay: Duration) -> Result<(), PortError> {
        self.death.step(self.of.send(request, delay)).await?
    }
}
