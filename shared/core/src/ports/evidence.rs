//! Appending to and reading from evidence streams (evidence-format section 18).

use async_trait::async_trait;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::stream::{Draft, DraftError, Head};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Expect, PortError, StateKey, StateWrite};

/// Names one durable entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRef {
    /// Stream id, hex64.
    pub stream: String,
    /// Position in the stream.
    pub seq: u64,
    /// Leaf hash, hex64.
    pub leaf: String,
}

/// Entries and the state changes that belong to them: all of it happens, or none. At most 100 items:
/// 1, 2 per entry, 1 per run, 1 per state change or check, 1 per redaction, 1 for the register of holds.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Entries in order.
    pub drafts: Vec<Draft>,
    /// State changes, each with its own condition; a change cites an entry by its index in `drafts`.
    pub state: Vec<StateWrite>,
    /// What must hold for documents that do not change; each another one than those of `state`.
    pub checks: Vec<StateCheck>,
    /// Parts that `redact` entries of this batch remove.
    pub redactions: Vec<Redaction>,
    /// What must hold for, or becomes of, the stream's register of legal holds.
    pub holds: Option<HoldsWrite>,
}

/// A condition on a document that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCheck {
    /// Which document.
    pub key: StateKey,
    /// Its condition.
    pub expect: Expect,
}

/// A `subject` that a `redact` entry of the same batch removes, with its salt and its place in the
/// index of subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redaction {
    /// Index of the `redact` entry in [`Batch::drafts`].
    pub draft: usize,
    /// `seq` of the entry whose part goes.
    pub seq: u64,
    /// The part is gone already (reason `lost`): the condition is that it does not exist.
    pub lost: bool,
}

/// The active legal holds of a stream (evidence-format section 18: item `holds`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    /// 0 where nothing was ever held, plus 1 with every change.
    pub version: u64,
    /// The active ones, in the order in which they were set.
    pub active: Vec<ActiveHold>,
}

/// One active legal hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveHold {
    /// Its id.
    pub hold: String,
    /// What it keeps.
    pub target: HoldTarget,
}

/// What a legal hold keeps (evidence-format section 6, `hold.set`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum HoldTarget {
    /// Every entry; `all` is `true`.
    All {
        /// Always `true`.
        all: bool,
    },
    /// The entries of one run.
    Run {
        /// The run's id.
        run: String,
    },
    /// The entries `from..to`.
    Range {
        /// First `seq`.
        from: u64,
        /// First `seq` after it.
        to: u64,
    },
}

impl HoldTarget {
    /// Whether the entry at `seq`, of this run, is kept.
    pub fn keeps(&self, seq: u64, in_run: Option<&str>) -> bool {
        match self {
            Self::All { .. } => true,
            Self::Run { run } => in_run == Some(run.as_str()),
            Self::Range { from, to } => (*from..*to).contains(&seq),
        }
    }
}

/// The register's part in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldsWrite {
    /// The register still has this version.
    Unchanged(u64),
    /// The register had the version before this one's, and becomes this.
    Replace(Holds),
}

impl Batch {
    /// A batch of entries without state changes.
    pub fn of(drafts: impl IntoIterator<Item = Draft>) -> Self {
        Self {
            drafts: drafts.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Adds a state change.
    #[must_use]
    pub fn with(mut self, write: StateWrite) -> Self {
        self.state.push(write);
        self
    }

    /// Says what must hold for a document that does not change.
    #[must_use]
    pub fn provided(mut self, key: StateKey, expect: Expect) -> Self {
        self.checks.push(StateCheck { key, expect });
        self
    }

    /// Says what must hold for the register of legal holds.
    #[must_use]
    pub fn holds(mut self, write: HoldsWrite) -> Self {
        self.holds = Some(write);
        self
    }
}

/// Why a batch was not appended. Only [`AppendError::OutcomeUnknown`] leaves a doubt.
#[derive(Debug, Error)]
pub enum AppendError {
    /// The entries would not verify; nothing was written.
    #[error("the entry does not fit the stream")]
    Draft(#[source] DraftError),
    /// The condition of state change number `index` does not hold; no entry exists.
    #[error("the record has changed in the meantime")]
    StateChanged {
        /// Index in [`Batch::state`]; those of [`Batch::checks`] follow.
        index: usize,
    },
    /// The part of redaction number `index` is not as the redaction needs it: erased already, or,
    /// for reason `lost`, still there; no entry exists.
    #[error("the part to redact is not as expected")]
    PartChanged {
        /// Index in [`Batch::redactions`].
        index: usize,
    },
    /// A legal hold was set or released meanwhile; no entry exists.
    #[error("the legal holds have changed in the meantime")]
    HoldsChanged,
    /// The run of an entry is closed, or was opened before; no entry exists.
    #[error("run {run} is closed or was opened before")]
    RunConflict {
        /// The run's id.
        run: String,
    },
    /// Another worker has taken over the request that this is for; no entry exists.
    #[error("another worker does this request")]
    Overtaken,
    /// Other writers kept winning until the deadline; no entry exists.
    #[error("the evidence stream is busy")]
    Busy,
    /// The clock differs too much from the stream's; no entry exists.
    #[error("the clock is wrong or the stream is ahead of it")]
    Clock,
    /// The stream does not exist.
    #[error("no such evidence stream")]
    NoStream,
    /// Nothing was written.
    #[error("the evidence store did not accept the entry")]
    Unavailable(#[source] PortError),
    /// It could not be found out whether the entries were written.
    #[error("it is not known whether the entry was written")]
    OutcomeUnknown(#[source] PortError),
}

/// The one way to write evidence.
#[async_trait]
pub trait EvidenceAppend: Send + Sync {
    /// Appends a batch as one transaction: head, entries, parts, run counters and state.
    ///
    /// Conflicts with other writers are retried inside, on a new head, until a deadline. Lost
    /// replies are settled inside by reading back. A stream that does not exist is created when the
    /// first draft is its `genesis`. Returns one reference per draft, in order.
    ///
    /// # Errors
    /// See [`AppendError`]; after every error except `OutcomeUnknown` no entry of the batch exists.
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError>;
}

/// A part as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredPart {
    /// Payload and salt.
    Present {
        /// Canonical bytes.
        bytes: Vec<u8>,
        /// Salt of the commitment.
        salt: [u8; 32],
    },
    /// Erased; the number is the `seq` of the redact entry.
    Erased(u64),
}

/// An entry as stored: exact header bytes, the nodes it completed, its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// Position.
    pub seq: u64,
    /// Exact header bytes.
    pub header: Vec<u8>,
    /// Persisted nodes, level 0 first (evidence-format section 10).
    pub nodes: Vec<Hash>,
    /// `facts`; absent only if the store lost it.
    pub facts: Option<StoredPart>,
    /// `subject`, where the entry has one.
    pub subject: Option<StoredPart>,
}

/// Strongly consistent reads of evidence.
#[async_trait]
pub trait EvidenceRead: Send + Sync {
    /// The head of a stream, or `None` for a stream that does not exist.
    async fn head(&self, stream: Hash) -> Result<Option<Head>, PortError>;

    /// Entries `from..to` with their parts, ascending; fewer when the stream ends before `to`.
    async fn entries(
        &self,
        stream: Hash,
        from: u64,
        to: u64,
    ) -> Result<Vec<StoredEntry>, PortError>;

    /// Every entry of a run with its parts, ascending.
    async fn run(&self, stream: Hash, run: &str) -> Result<Vec<StoredEntry>, PortError>;

    /// The entries named, without parts, for the nodes of a proof; absent ones are left out.
    async fn nodes(&self, stream: Hash, seqs: &[u64]) -> Result<Vec<StoredEntry>, PortError>;

    /// The positions of entries whose `subject` is about this pseudonym and not erased, ascending.
    /// From an index that may lag by moments: an entry that was just written may be missing.
    async fn by_subject(&self, stream: Hash, pseudonym: &str) -> Result<Vec<u64>, PortError>;

    /// The register of legal holds of a stream; empty where nothing was ever held.
    async fn holds(&self, stream: Hash) -> Result<Holds, PortError>;
}
