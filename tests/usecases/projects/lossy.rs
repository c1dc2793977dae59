//! Evidence whose answer is lost.

use std::sync::Arc;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, PortError, PortErrorKind,
};

/// Evidence whose answer is lost, after it was written or before.
pub(crate) struct Lossy {
    pub(crate) inner: Arc<dyn EvidenceAppend>,
    pub(crate) happens: bool,
}

#[async_trait]
impl EvidenceAppend for Lossy {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        if self.happens {
            self.inner.append(stream, batch).await?;
        }
        let kind = PortErrorKind::OutcomeUnknown;
        let lost = PortError::new(kind, "appending evidence");
        Err(AppendError::OutcomeUnknown(lost))
    }
}
