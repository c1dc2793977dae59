//! The sealer's side of the store (evidence-format section 19).

use async_trait::async_trait;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::seal::SealKey;
use counterfoil_evidence::stream::Head;
use counterfoil_evidence::tree::Frontier;

use super::PortError;

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
