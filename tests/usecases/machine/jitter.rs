//! Ports that let other requests go first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, PortError, State, StateKey, StateWrite, Stored,
};

/// Lets other requests go first, for some turns that differ from call to call.
pub(crate) struct Jitter<T> {
    pub(crate) port: Arc<T>,
    pub(crate) seed: Arc<AtomicU64>,
}

impl<T> Jitter<T> {
    async fn pause(&self) {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let seed = self.seed.fetch_add(step, Ordering::SeqCst);
        let turns = (seed ^ (seed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 62;
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl<T: EvidenceAppend> EvidenceAppend for Jitter<T> {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        self.pause().await;
        let done = self.port.append(stream, batch).await;
        self.pause().await;
        done
    }
}

#[async_trait]
impl<T: State> State for Jitter<T> {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        self.pause().await;
        self.port.get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.pause().await;
        self.port.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        self.pause().await;
        self.port.write(writes).await
    }
}
