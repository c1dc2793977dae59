//! Sealing a stream (evidence-format section 19): recompute everything from the stored bytes, and
//! only then let the key sign.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::code::Fault;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::seal::{self, SealBody};
use counterfoil_evidence::stream::Head;
use thiserror::Error;

use super::facts::segment_entry;
use crate::ports::{
    Archive, Clock, EvidenceRead, PortError, PutOnce, SealCommit, SealSigner, SealStore,
    SealedState,
};

/// How far a time in the store may be ahead of the clock before the sealer refuses.
const SKEW: Duration = Duration::from_mins(2);
/// Attempts against other sealers and against writers before the run gives up until the next one.
const ATTEMPTS: u32 = 5;
/// Entries that are read and checked at a time.
const CHUNK: u64 = 256;

/// What sealing did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealing {
    /// The stream does not exist, or has not grown since the last seal.
    NothingNew,
    /// A new seal of this size.
    Sealed {
        /// Number of entries under the seal.
        size: u64,
    },
}

/// Why a stream was not sealed. Everything but `Port` and `Busy` is an alarm.
#[derive(Debug, Error)]
pub enum SealError {
    /// A store or the key service did not answer; the next run goes on.
    #[error("a store or the key service did not answer")]
    Port(#[from] PortError),
    /// Writers or another sealer kept winning; the next run goes on.
    #[error("the stream was too busy to seal")]
    Busy,
    /// The stored bytes do not give the stored head. Nothing was signed.
    #[error("the stream does not recompute: nothing was signed")]
    Mismatch(#[source] Fault),
    /// The stream is shorter than its last seal, or locked storage holds a newer seal.
    #[error("the stream was rolled back: nothing was signed")]
    Rollback,
    /// Clock and stored times contradict each other.
    #[error("the clock did not progress or is wrong: nothing was signed")]
    Clock,
    /// Locked storage holds other bytes under this name.
    #[error("locked storage holds a different copy of {key}")]
    Equivocation {
        /// Object key.
        key: String,
    },
}

/// Seals streams and copies headers and seals to locked storage.
#[derive(Clone)]
pub struct SealStream {
    /// Stored entries.
    pub evidence: Arc<dyn EvidenceRead>,
    /// Seals and floors.
    pub seals: Arc<dyn SealStore>,
    /// The seal key.
    pub signer: Arc<dyn SealSigner>,
    /// The locked bucket.
    pub archive: Arc<dyn Archive>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What the origin line starts with; ends in `/s/`.
    pub origin_prefix: String,
}

impl std::fmt::Debug for SealStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealStream")
            .field("origin_prefix", &self.origin_prefix)
            .finish_non_exhaustive()
    }
}

impl SealStream {
    /// Seals `stream` if it has grown since its last seal.
    pub async fn seal(&self, stream: Hash) -> Result<Sealing, SealError> {
        for _ in 0..ATTEMPTS {
            let last = self.seals.last(stream).await?;
            if !self.is_newest(stream, last.as_ref()).await? {
                continue;
            }
            if let Some(last) = &last {
                self.publish_again(stream, last).await?;
            }
            let Some(head) = self.evidence.head(stream).await? else {
                return if last.is_some() {
                    Err(SealError::Rollback)
                } else {
                    Ok(Sealing::NothingNew)
                };
            };
            let start = last.as_ref().map_or(0, |last| last.size);
            if head.size < start {
                return Err(SealError::Rollback);
            }
            if head.size == start {
                return Ok(Sealing::NothingNew);
            }
            let time = self.time(&head, last.as_ref())?;
            let Some(head) = self.seals.raise_floor(stream, time).await? else {
                continue;
            };
            let sealed = self.sign(stream, last.as_ref(), &head, time).await?;
            let previous = last.as_ref().map(|last| last.seal_hash);
            if self.seals.commit(stream, previous, &sealed).await? == SealCommit::Lost {
                continue;
            }
            self.publish(stream, start, &sealed).await?;
            return Ok(Sealing::Sealed { size: sealed.size });
        }
        Err(SealError::Busy)
    }

    /// The last note must verify under our key, and locked storage must not be ahead of it; `false`
    /// when another sealer has moved on since it was read.
    async fn is_newest(&self, stream: Hash, last: Option<&SealedState>) -> Result<bool, SealError> {
        let mut ours = String::new();
        if let Some(last) = last {
            let key = self.signer.key().await?;
            seal::verify_note(&last.note, &self.origin(stream), &[key])
                .map_err(SealError::Mismatch)?;
            ours = seal_object(stream, last.size, last.at);
        }
        let newer = self
            .archive
            .keys_after(&format!("seal/{stream}/"), &ours)
            .await?;
        if newer.is_empty() {
            return Ok(true);
        }
        if self.seals.last(stream).await?.as_ref() == last {
            return Err(SealError::Rollback);
        }
        Ok(false)
    }

    fn time(&self, head: &Head, last: Option<&SealedState>) -> Result<u64, SealError> {
        let now = self.clock.now();
        let time = now
            .as_millis()
            .max(head.at)
            .max(head.floor.saturating_add(1));
        let backwards = last.is_some_and(|last| time <= last.at);
        if backwards || time > now.plus(SKEW).as_millis() {
            return Err(SealError::Clock);
        }
        Ok(time)
    }

    async fn sign(
        &self,
        stream: Hash,
        last: Option<&SealedState>,
        head: &Head,
        at: u64,
    ) -> Result<SealedState, SealError> {
        let mut check = match last {
            Some(last) => {
                seal::SegmentCheck::after(stream, last.size, last.leaf, last.frontier.clone())
            }
            None => seal::SegmentCheck::from_genesis(stream),
        };
        let mut from = last.map_or(0, |last| last.size);
        while from < head.size {
            let to = head.size.min(from.saturating_add(CHUNK));
            for entry in self.evidence.entries(stream, from, to).await? {
                let entry = segment_entry(&entry);
                if let Some(run) = check.run_needed(&entry).map_err(SealError::Mismatch)? {
                    let earlier = self.evidence.run(stream, &run).await?;
                    let earlier: Vec<_> = earlier.iter().map(segment_entry).collect();
                    check
                        .know_run(&run, &earlier)
                        .map_err(SealError::Mismatch)?;
                }
                check.push(&entry).map_err(SealError::Mismatch)?;
            }
            from = to;
        }
        check.finish(head).map_err(SealError::Mismatch)?;
        let body = SealBody {
            origin: self.origin(stream),
            size: head.size,
            root: head.frontier.root(),
            at,
            head: head.prev,
            prev: last.map_or(Hash::ZERO, |last| last.seal_hash),
        };
        let key = self.signer.key().await?;
        let signature = self.signer.sign(&body.bytes()).await?;
        let note = seal::note(&body, &[(key.clone(), signature)]);
        let parsed = seal::verify_note(&note, &body.origin, &[key]).map_err(SealError::Mismatch)?;
        Ok(SealedState {
            seal_hash: parsed.seal_hash(),
            note,
            size: head.size,
            at,
            leaf: head.prev,
            frontier: head.frontier.clone(),
        })
    }

    /// Header lines of `from..to`, never rewritten.
    async fn copy_segment(&self, stream: Hash, from: u64, to: u64) -> Result<(), SealError> {
        let mut lines = Vec::new();
        for entry in self.evidence.entries(stream, from, to).await? {
            lines.extend_from_slice(&entry.header);
            lines.push(b'\n');
        }
        self.lock(format!("seg/{stream}/{from:016}-{to:016}.jsonl"), lines)
            .await
    }

    /// Copies a committed seal, and first the segment that it covers.
    async fn publish(
        &self,
        stream: Hash,
        from: u64,
        sealed: &SealedState,
    ) -> Result<(), SealError> {
        self.copy_segment(stream, from, sealed.size).await?;
        let key = seal_object(stream, sealed.size, sealed.at);
        self.lock(key, sealed.note.clone().into_bytes()).await
    }

    /// Copies the last seal if a crash after its commit left that out.
    async fn publish_again(&self, stream: Hash, last: &SealedState) -> Result<(), SealError> {
        let key = seal_object(stream, last.size, last.at);
        match self.archive.get(&key).await? {
            Some(copy) if copy == last.note.as_bytes() => Ok(()),
            Some(_) => Err(SealError::Equivocation { key }),
            None => {
                let seals = self.seals.all(stream).await?;
                let before = seals.iter().rev().find(|seal| seal.size < last.size);
                self.publish(stream, before.map_or(0, |seal| seal.size), last)
                    .await
            }
        }
    }

    async fn lock(&self, key: String, bytes: Vec<u8>) -> Result<(), SealError> {
        match self.archive.put_once(&key, bytes).await? {
            PutOnce::Stored => Ok(()),
            PutOnce::Different => Err(SealError::Equivocation { key }),
        }
    }

    fn origin(&self, stream: Hash) -> String {
        format!("{}{stream}", self.origin_prefix)
    }
}

fn seal_object(stream: Hash, size: u64, at: u64) -> String {
    format!("seal/{stream}/{size:016}/{at:016}.note")
}
