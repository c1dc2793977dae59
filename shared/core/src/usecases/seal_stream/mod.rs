//! Sealing a stream (evidence-format section 19): recompute everything from the stored bytes, and
//! only then let the key sign.

mod error;
mod keys;
mod publish;
mod recheck;
mod recompute;
mod rotate;

pub use error::{ClockFault, SealError};
pub use recheck::Rechecked;
pub use rotate::{RotateError, RotateKey, Rotated};

use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::seal::SealBody;
use counterfoil_evidence::stream::Head;

use crate::ports::{
    Archive, Clock, EvidenceRead, SealCommit, SealSigner, SealStart, SealStore, SealedState,
};
use crate::time::Timestamp;
use keys::{InForce, Keys};
use recompute::{Base, Recomputed};

/// How far a time in the store may be ahead of the clock before the sealer refuses.
const SKEW: Duration = Duration::from_mins(2);
/// How far the clock may be from that of the store.
const STORE_SKEW: Duration = Duration::from_secs(5);
/// How old the last seal of an open stream may become.
const HEARTBEAT: Duration = Duration::from_hours(24);
/// Attempts against other sealers and against writers before the run gives up until the next one.
const ATTEMPTS: u32 = 5;

/// Entries of one object of a segment in locked storage, at most: some 10 MB of header lines.
pub const SEGMENT: u64 = 20_000;

/// What sealing did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealing {
    /// The stream does not exist, or neither grew nor needs a heartbeat.
    NothingNew,
    /// A new seal of this size.
    Sealed {
        /// Number of entries under the seal.
        size: u64,
    },
    /// Time ran out while entries were recomputed or copied; the next run goes on after this many.
    Continues {
        /// Number of entries checked, or copied.
        size: u64,
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
    /// The key that is being retired, while streams are handed over to `signer`.
    pub retiring: Option<Arc<dyn SealSigner>>,
    /// The locked bucket.
    pub archive: Arc<dyn Archive>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What the origin line starts with; ends in `/s/`.
    pub origin_prefix: String,
    /// How long a run may recompute or copy one stream before it keeps its place and stops.
    pub budget: Duration,
    /// Entries of one object of a segment, at most: [`SEGMENT`], and fewer in tests. 0 counts as 1.
    pub segment: u64,
}

impl std::fmt::Debug for SealStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealStream")
            .field("origin_prefix", &self.origin_prefix)
            .finish_non_exhaustive()
    }
}

impl SealStream {
    /// Seals `stream` if it has grown since its last seal, or if that seal is a day old and the
    /// stream is open.
    ///
    /// # Errors
    /// A refusal that concerns the stream is remembered: it is refused until an operator lifts it.
    pub async fn seal(&self, stream: Hash) -> Result<Sealing, SealError> {
        self.seal_since(stream, Timestamp::from_millis(0)).await
    }

    /// The same, and also seals when the last seal is older than `since`: an export of a period
    /// needs a seal that is not before the period's end.
    ///
    /// # Errors
    /// As [`SealStream::seal`].
    pub async fn seal_since(&self, stream: Hash, since: Timestamp) -> Result<Sealing, SealError> {
        let result = self.attempts(stream, since).await;
        if let Err(refused) = &result
            && let Some(cause) = refused.cause().filter(|cause| cause.stays())
            && !matches!(refused, SealError::Refused(_))
        {
            // The refusal itself is what matters; not to remember it only means to find it again.
            let _ = self.seals.refuse(stream, cause, self.clock.now()).await;
        }
        result
    }

    async fn attempts(&self, stream: Hash, since: Timestamp) -> Result<Sealing, SealError> {
        if !self.archive.locks().await? {
            return Err(SealError::Unlocked);
        }
        let keys = self.keys().await?;
        let deadline = self.clock.now().plus(self.budget);
        for _ in 0..ATTEMPTS {
            if let Some(done) = self.attempt(stream, &keys, since, deadline).await? {
                return Ok(done);
            }
        }
        Err(SealError::Busy)
    }

    /// One attempt; `None` when somebody else moved and everything has to be read again.
    async fn attempt(
        &self,
        stream: Hash,
        keys: &Keys,
        since: Timestamp,
        deadline: Timestamp,
    ) -> Result<Option<Sealing>, SealError> {
        let asked = self.clock.now();
        let start = self.seals.start(stream).await?;
        if let Some(cause) = start.refused {
            return Err(SealError::Refused(cause));
        }
        self.same_clock(asked, &start)?;
        let last = start.last;
        if !self.is_newest(stream, last.as_ref()).await? {
            return Ok(None);
        }
        let Some(head) = self.evidence.head(stream).await? else {
            return match last {
                Some(_) => Err(SealError::Rollback),
                None => Ok(Some(Sealing::NothingNew)),
            };
        };
        let in_force = self.in_force(stream, keys, last.as_ref()).await?;
        if let Some(last) = &last
            && let Some(size) = self.publish_again(stream, last, deadline).await?
        {
            return Ok(Some(Sealing::Continues { size }));
        }
        let sealed = last.as_ref().map_or(0, |last| last.size);
        if head.size < sealed {
            return Err(SealError::Rollback);
        }
        let mut base = Base::of(stream, last.as_ref(), start.progress);
        if base.size > head.size {
            base = Base::of(stream, last.as_ref(), None);
        }
        if head.size == sealed && !self.is_due(last.as_ref(), since) {
            return Ok(Some(Sealing::NothingNew));
        }
        if self.closed(stream, &mut base).await? {
            if head.size == sealed {
                return Ok(Some(Sealing::NothingNew));
            }
            if head.size > base.size {
                return Err(SealError::mismatch("an entry follows stream.close"));
            }
        }
        let time = self.time(&head, last.as_ref())?;
        let Some(head) = self.seals.raise_floor(stream, time).await? else {
            return Ok(None);
        };
        if head.size < base.size {
            return Err(SealError::Rollback);
        }
        let rotation = keys.rotation(in_force);
        let rotated = match self.recompute(&base, &head, rotation, deadline).await? {
            Recomputed::Agrees { rotated } => rotated,
            Recomputed::Stopped { size } => return Ok(Some(Sealing::Continues { size })),
        };
        let sealed = self
            .signed(keys, in_force, rotated, &head, last.as_ref(), time)
            .await?;
        let previous = last.as_ref().map(|last| last.seal_hash);
        if self.seals.commit(stream, previous, &sealed).await? == SealCommit::Lost {
            return Ok(None);
        }
        Ok(Some(
            match self
                .publish(stream, last.as_ref(), &sealed, deadline)
                .await?
            {
                Some(size) => Sealing::Continues { size },
                None => Sealing::Sealed { size: sealed.size },
            },
        ))
    }

    /// Whether a stream that did not grow gets a new seal.
    fn is_due(&self, last: Option<&SealedState>, since: Timestamp) -> bool {
        last.is_some_and(|last| {
            let at = Timestamp::from_millis(last.at);
            at < since || self.clock.now().since(at) >= HEARTBEAT
        })
    }

    /// The store answered between `asked` and now, however long that took.
    fn same_clock(&self, asked: Timestamp, start: &SealStart) -> Result<(), SealError> {
        let Some(store) = start.store_time else {
            return Ok(());
        };
        let behind = asked.since(store) > STORE_SKEW;
        let ahead = store.since(self.clock.now()) > STORE_SKEW;
        if behind || ahead {
            return Err(SealError::Clock(ClockFault::NotThatOfTheStore));
        }
        Ok(())
    }

    fn time(&self, head: &Head, last: Option<&SealedState>) -> Result<u64, SealError> {
        let now = self.clock.now();
        let time = now
            .as_millis()
            .max(head.at)
            .max(head.floor.saturating_add(1));
        if last.is_some_and(|last| time <= last.at) {
            return Err(SealError::Clock(ClockFault::NotPastTheLastSeal));
        }
        if time > now.plus(SKEW).as_millis() {
            return Err(SealError::Clock(ClockFault::BehindStoredTimes));
        }
        Ok(time)
    }

    async fn signed(
        &self,
        keys: &Keys,
        in_force: InForce,
        handover: bool,
        head: &Head,
        last: Option<&SealedState>,
        at: u64,
    ) -> Result<SealedState, SealError> {
        let body = SealBody {
            origin: self.origin(head.stream),
            size: head.size,
            root: head.frontier.root(),
            at,
            head: head.prev,
            prev: last.map_or(Hash::ZERO, |last| last.seal_hash),
        };
        let seal = self.sign(&body, keys, in_force, handover).await?;
        Ok(SealedState {
            seal_hash: seal.seal_hash(),
            note: seal.note,
            size: head.size,
            at,
            leaf: head.prev,
            frontier: head.frontier.clone(),
        })
    }

    fn origin(&self, stream: Hash) -> String {
        format!("{}{stream}", self.origin_prefix)
    }
}
