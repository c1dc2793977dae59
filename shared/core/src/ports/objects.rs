//! The data bucket and the locked bucket.

use std::time::Duration;

use async_trait::async_trait;

use super::PortError;

/// Objects of the data bucket: findings, artifacts, packages.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Stores `bytes` under `key`. Keys are content addressed or unique, so that writing again
    /// changes nothing. After success the object is durable.
    async fn put(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<(), PortError>;

    /// The object, or `None`.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError>;

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
    /// Stores `bytes` under `key` unless something is there (If-None-Match), and reads back what is.
    async fn put_once(&self, key: &str, bytes: Vec<u8>) -> Result<PutOnce, PortError>;

    /// Keys that start with `prefix` and come after `after` in byte order, ascending; at most the
    /// first thousand.
    async fn keys_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, PortError>;

    /// The object, or `None`.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError>;
}
