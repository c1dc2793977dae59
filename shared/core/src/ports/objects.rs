//! The data bucket and the locked bucket.

use std::io::Read;
use std::time::Duration;

use async_trait::async_trait;

use super::PortError;

/// Objects of the data bucket: findings, artifacts, packages.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Stores `bytes` under `key`. Keys are content addressed or unique, so that writing again
    /// changes nothing. After success the object is durable.
    async fn put(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<(), PortError>;

    /// Stores `bytes` bytes that `content` yields, however many they are, in bounded memory. As
    /// [`Objects::put`]: durable after success; after an error the key may hold nothing, or all of it.
    ///
    /// # Errors
    /// `Corrupt` when `content` yields another number of bytes; then nothing is stored.
    async fn put_stream(
        &self,
        key: &str,
        content: &mut (dyn Read + Send),
        bytes: u64,
        content_type: &str,
    ) -> Result<(), PortError>;

    /// The object, or `None`.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError>;

    /// Deletes an object; done also where there is none. After success it cannot be read any more.
    async fn delete(&self, key: &str) -> Result<(), PortError>;

    /// Keys that start with `prefix`, ascending; at most the first thousand.
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, PortError>;

    /// A GET link to exactly this object that ends after `valid`; `filename` is what a browser saves.
    async fn link(&self, key: &str, filename: &str, valid: Duration) -> Result<String, PortError>;
}

/// How a write-once put ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOnce {
    /// The object was stored, now or by an earlier attempt, with exactly these bytes.
    Stored,
    /// Other bytes lie under this key: an alarm.
    Different,
}

/// The Object Lock (COMPLIANCE) bucket.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Whether the bucket keeps what it is given: versions, and a default retention in COMPLIANCE
    /// mode. Nothing should be put where this is `false`.
    async fn locks(&self) -> Result<bool, PortError>;

    /// Stores `bytes` under `key` unless something is there (If-None-Match), and reads back what is.
    async fn put_once(&self, key: &str, bytes: Vec<u8>) -> Result<PutOnce, PortError>;

    /// Keys that start with `prefix` and come after `after` in byte order, ascending; at most the
    /// first thousand.
    async fn keys_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, PortError>;

    /// The object, or `None`.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError>;
}
