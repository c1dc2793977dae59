//! Copies in locked storage: what is there already, and what has to be put (section 19, steps 1, 7).

use counterfoil_evidence::hash::{self, Hash};
use counterfoil_evidence::tree::Frontier;

use super::{SealError, SealStream};
use crate::ports::{PutOnce, SealedState};

/// Entries that are copied at a time.
const CHUNK: u64 = 1_024;

impl SealStream {
    /// Whether locked storage holds nothing newer than `last`; `false` when another sealer has moved
    /// on since it was read.
    pub(super) async fn is_newest(
        &self,
        stream: Hash,
        last: Option<&SealedState>,
    ) -> Result<bool, SealError> {
        let ours = last.map_or_else(String::new, |last| seal_object(stream, last));
        let prefix = format!("seal/{stream}/");
        if self.archive.keys_after(&prefix, &ours).await?.is_empty() {
            return Ok(true);
        }
        if self.seals.last(stream).await?.as_ref() == last {
            return Err(SealError::Rollback);
        }
        Ok(false)
    }

    /// Copies the last seal if a crash after its commit left that out.
    pub(super) async fn publish_again(
        &self,
        stream: Hash,
        last: &SealedState,
    ) -> Result<(), SealError> {
        let key = seal_object(stream, last);
        match self.archive.get(&key).await? {
            Some(copy) if copy == last.note.as_bytes() => Ok(()),
            Some(_) => Err(SealError::Equivocation { key }),
            None => {
                let seals = self.seals.all(stream).await?;
                let before = seals.iter().rev().find(|seal| seal.size < last.size);
                self.publish(stream, before, last).await
            }
        }
    }

    /// Copies a committed seal, and first the segment that it covers.
    pub(super) async fn publish(
        &self,
        stream: Hash,
        before: Option<&SealedState>,
        sealed: &SealedState,
    ) -> Result<(), SealError> {
        if before.is_none_or(|before| before.size < sealed.size) {
            self.copy_segment(stream, before, sealed).await?;
        }
        let note = sealed.note.clone().into_bytes();
        self.lock(seal_object(stream, sealed), note).await
    }

    /// Header lines from `before` to `sealed`, never rewritten. They are read once more, so they are
    /// hashed once more: what is locked for years is what the seal is about.
    async fn copy_segment(
        &self,
        stream: Hash,
        before: Option<&SealedState>,
        sealed: &SealedState,
    ) -> Result<(), SealError> {
        let start = before.map_or(0, |before| before.size);
        let mut tree = before.map_or_else(Frontier::new, |before| before.frontier.clone());
        let mut lines = Vec::new();
        let mut from = start;
        while from < sealed.size {
            let to = sealed.size.min(from.saturating_add(CHUNK));
            for entry in self.evidence.entries(stream, from, to).await? {
                tree.push(hash::leaf(&entry.header));
                lines.extend_from_slice(&entry.header);
                lines.push(b'\n');
            }
            from = to;
        }
        if tree != sealed.frontier {
            return Err(SealError::mismatch(
                "entries changed after they were sealed and before they were copied",
            ));
        }
        let key = format!("seg/{stream}/{start:016}-{:016}.jsonl", sealed.size);
        self.lock(key, lines).await
    }

    async fn lock(&self, key: String, bytes: Vec<u8>) -> Result<(), SealError> {
        match self.archive.put_once(&key, bytes).await? {
            PutOnce::Stored => Ok(()),
            PutOnce::Different => Err(SealError::Equivocation { key }),
        }
    }
}

fn seal_object(stream: Hash, sealed: &SealedState) -> String {
    let SealedState { size, at, .. } = sealed;
    format!("seal/{stream}/{size:016}/{at:016}.note")
}
