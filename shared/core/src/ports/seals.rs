//! The sealer's side of the store (evidence-format section 19).

use async_trait::async_trait;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::seal::SealKey;
use counterfoil_evidence::stream::Head;
use counterfoil_evidence::tree::Frontier;

use super::PortError;
use crate::time::Timestamp;

/// The newest committed seal of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedState {
    /// The signed note.
    pub note: String,
    /// Hash of the reduced note.
    pub seal_hash: Hash,
    /// Sealed size.
    pub size: u64,
    /// Time of sealing, ms.
    pub at: u64,
    /// Leaf of entry `size - 1`.
    pub leaf: Hash,
    /// Tree state at `size`.
    pub frontier: Frontier,
}

/// How far a recomputation came that ran out of time. It is a place to go on from, not a promise:
/// the comparison with the head at the end decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealProgress {
    /// Hash of the seal it began after; `None` when it began with the first entry.
    pub base: Option<Hash>,
    /// Number of entries checked.
    pub size: u64,
    /// Leaf of entry `size - 1`.
    pub leaf: Hash,
    /// Tree state at `size`.
    pub frontier: Frontier,
    /// Whether a `key.rotate` lies between the base and `size`.
    pub rotated: bool,
}

/// Why a stream is not sealed. One cause, one runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalCause {
    /// The stored bytes do not give the stored head, or the last seal is not what it was.
    SealerMismatch,
    /// The stream is shorter than its last seal, or locked storage holds a newer seal.
    Rollback,
    /// Locked storage holds other bytes under a name that is ours.
    Equivocation,
    /// Somebody changed or removed a stored entry.
    ItemChanged,
    /// The clock did not progress, or is not the one of the store.
    Clock,
    /// The bucket does not keep what it is given.
    Unlocked,
    /// No key that this sealer has may seal the stream.
    NoKey,
}

impl RefusalCause {
    /// Every cause.
    pub const ALL: &'static [Self] = &[
        Self::SealerMismatch,
        Self::Rollback,
        Self::Equivocation,
        Self::ItemChanged,
        Self::Clock,
        Self::Unlocked,
        Self::NoKey,
    ];

    /// The name in logs, evidence and the seals table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SealerMismatch => "E_SEALER_MISMATCH",
            Self::Rollback => "E_ROLLBACK",
            Self::Equivocation => "E_EQUIVOCATION",
            Self::ItemChanged => "item_changed",
            Self::Clock => "clock",
            Self::Unlocked => "bucket_unlocked",
            Self::NoKey => "no_key",
        }
    }

    /// The cause with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.name() == name)
    }

    /// The page that says what to do.
    pub const fn runbook(self) -> &'static str {
        match self {
            Self::SealerMismatch => "docs/runbooks/sealer-mismatch.md",
            Self::Rollback => "docs/runbooks/rollback.md",
            Self::Equivocation => "docs/runbooks/equivocation.md",
            Self::ItemChanged => "docs/runbooks/item-changed.md",
            Self::Clock => "docs/runbooks/clock.md",
            Self::Unlocked => "docs/runbooks/bucket-unlocked.md",
            Self::NoKey => "docs/runbooks/key-rotation.md",
        }
    }

    /// Whether the refusal is about the stream and stays until an operator lifts it; the others are
    /// about the sealer and end with their cause.
    pub const fn stays(self) -> bool {
        matches!(
            self,
            Self::SealerMismatch | Self::Rollback | Self::Equivocation | Self::ItemChanged
        )
    }
}

/// Where a run of the sealer begins, read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealStart {
    /// The newest committed seal; `None` before the first one.
    pub last: Option<SealedState>,
    /// Where an earlier run stopped.
    pub progress: Option<SealProgress>,
    /// Why the stream is refused until further notice.
    pub refused: Option<RefusalCause>,
    /// How often the stream was ever refused; [`SealStore::lift`] names it.
    pub refusals: u64,
    /// The store's own time when it answered, whole seconds; `None` when it does not say.
    pub store_time: Option<Timestamp>,
}

/// How committing a seal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealCommit {
    /// The note is the stream's newest seal.
    Committed,
    /// Another seal was committed first: ours must be discarded.
    Lost,
}

/// The seals table and the floor of the head.
#[async_trait]
pub trait SealStore: Send + Sync {
    /// The newest committed seal, strongly consistent; `None` before the first one.
    async fn last(&self, stream: Hash) -> Result<Option<SealedState>, PortError>;

    /// The newest seal with everything else that a run of the sealer begins with, strongly
    /// consistent.
    async fn start(&self, stream: Hash) -> Result<SealStart, PortError>;

    /// Keeps the place of a run that ran out of time. The last writer wins, and a lost one costs
    /// time only.
    async fn keep_progress(&self, stream: Hash, progress: &SealProgress) -> Result<(), PortError>;

    /// Refuses the stream until [`SealStore::lift`]; the first cause stays. Each call counts, also
    /// where the stream is refused already: what somebody looks at now may be older than this.
    async fn refuse(
        &self,
        stream: Hash,
        cause: RefusalCause,
        at: Timestamp,
    ) -> Result<(), PortError>;

    /// Ends a refusal, if there is one and the stream was refused exactly `refusals` times; `false`
    /// when it was refused again since that was read.
    async fn lift(&self, stream: Hash, refusals: u64, at: Timestamp) -> Result<bool, PortError>;

    /// Raises the floor of the head to `at` if that is above it and not before the newest entry;
    /// returns the head as it is then, or `None` when the condition failed (start again).
    async fn raise_floor(&self, stream: Hash, at: u64) -> Result<Option<Head>, PortError>;

    /// Commits a seal on top of `previous` (`None` for the first). A lost reply is settled inside.
    async fn commit(
        &self,
        stream: Hash,
        previous: Option<Hash>,
        sealed: &SealedState,
    ) -> Result<SealCommit, PortError>;

    /// Committed seals after one of this size and time, oldest first: at most a page of them, and
    /// none only when there are no more.
    async fn after(&self, stream: Hash, size: u64, at: u64) -> Result<Vec<SealedState>, PortError>;

    /// Every committed seal of a stream, oldest first.
    async fn all(&self, stream: Hash) -> Result<Vec<SealedState>, PortError>;
}

/// Signs seals, and nothing else.
#[async_trait]
pub trait SealSigner: Send + Sync {
    /// The public key.
    async fn key(&self) -> Result<SealKey, PortError>;

    /// An ECDSA P-256 signature with SHA-256 over `body`, DER.
    async fn sign(&self, body: &[u8]) -> Result<Vec<u8>, PortError>;
}
