//! Envelope encryption: KMS wraps data keys, the core seals with them.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::PortError;
use crate::redacted::Redacted;

/// A data key in clear, and as KMS wrapped it.
#[derive(Debug, Clone)]
pub struct DataKey {
    /// 32 bytes for AES-256-GCM.
    pub plain: Redacted<[u8; 32]>,
    /// What may be stored.
    pub wrapped: Vec<u8>,
}

/// The key service.
#[async_trait]
pub trait KeyWrapper: Send + Sync {
    /// A new data key bound to `context`.
    async fn generate(&self, context: &BTreeMap<String, String>) -> Result<DataKey, PortError>;

    /// Opens a wrapped key; refused when `context` is not the one it was made with.
    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &BTreeMap<String, String>,
    ) -> Result<Redacted<[u8; 32]>, PortError>;

    /// Wraps a data key anew under the newest key material, bound to `context` as before.
    async fn wrap(
        &self,
        plain: &Redacted<[u8; 32]>,
        context: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>, PortError>;
}

/// A wrapped key and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The name under its owner.
    pub name: String,
    /// What the key service made.
    pub wrapped: Vec<u8>,
}

/// The table of wrapped keys. It has no backup: deleting a row shreds everything sealed under it.
#[async_trait]
pub trait WrappedKeys: Send + Sync {
    /// Stores a wrapped key under a name that must be new; `Ok(false)` when it is taken.
    async fn put(&self, owner: &str, name: &str, wrapped: &[u8]) -> Result<bool, PortError>;

    /// The wrapped key, or `None` when it was never there or is shredded.
    async fn get(&self, owner: &str, name: &str) -> Result<Option<Vec<u8>>, PortError>;

    /// Puts `new` in the place of `old`; `Ok(false)` when the name holds something else or nothing:
    /// a key that was destroyed does not come back.
    async fn replace(
        &self,
        owner: &str,
        name: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, PortError>;

    /// The next keys of an owner whose names are greater than `after`, ascending by name. Empty only
    /// when none is left.
    async fn list(&self, owner: &str, after: &str) -> Result<Vec<WrappedKey>, PortError>;

    /// Destroys a wrapped key.
    async fn shred(&self, owner: &str, name: &str) -> Result<(), PortError>;
}
