//! Buckets in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::ports::{Archive, Objects, PortError, PutOnce};

type Bucket = Mutex<BTreeMap<String, Vec<u8>>>;

/// The data bucket.
#[derive(Debug, Default)]
pub struct MemObjects {
    bucket: Bucket,
}

#[async_trait]
impl Objects for MemObjects {
    async fn put(&self, key: &str, bytes: Vec<u8>, _: &str) -> Result<(), PortError> {
        lock(&self.bucket).insert(key.to_owned(), bytes);
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        Ok(lock(&self.bucket).get(key).cloned())
    }

    async fn link(&self, key: &str, _: &str, valid: Duration) -> Result<String, PortError> {
        Ok(format!("memory:{key}?seconds={}", valid.as_secs()))
    }
}

/// The locked bucket.
#[derive(Debug, Default)]
pub struct MemArchive {
    bucket: Bucket,
}

#[async_trait]
impl Archive for MemArchive {
    async fn put_once(&self, key: &str, bytes: Vec<u8>) -> Result<PutOnce, PortError> {
        let mut bucket = lock(&self.bucket);
        Ok(match bucket.get(key) {
            Some(stored) if *stored == bytes => PutOnce::Stored,
            Some(_) => PutOnce::Different,
            None => {
                bucket.insert(key.to_owned(), bytes);
                PutOnce::Stored
            }
        })
    }

    async fn keys_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, PortError> {
        let bucket = lock(&self.bucket);
        Ok(bucket
            .keys()
            .filter(|key| key.starts_with(prefix) && key.as_str() > after)
            .take(1_000)
            .cloned()
            .collect())
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        Ok(lock(&self.bucket).get(key).cloned())
    }
}

fn lock(bucket: &Bucket) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
    bucket
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
