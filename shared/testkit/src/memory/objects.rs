//! Buckets in memory.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::ports::{Archive, Objects, PortError, PortErrorKind, PutOnce};

type Bucket = Mutex<BTreeMap<String, Vec<u8>>>;

/// The data bucket.
#[derive(Debug, Default)]
pub struct MemObjects {
    bucket: Bucket,
    refuses: AtomicBool,
}

impl MemObjects {
    /// Refuses every deletion from now on, or no longer.
    pub fn refuse_deletions(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// Every key.
    pub fn all_keys(&self) -> Vec<String> {
        lock(&self.bucket).keys().cloned().collect()
    }

    /// Every object as text, for a search.
    pub fn dump(&self) -> String {
        let bucket = lock(&self.bucket);
        let texts = bucket.values().map(|bytes| String::from_utf8_lossy(bytes));
        texts.collect::<Vec<_>>().join("\n")
    }
}

#[async_trait]
impl Objects for MemObjects {
    async fn put(&self, key: &str, bytes: Vec<u8>, _: &str) -> Result<(), PortError> {
        lock(&self.bucket).insert(key.to_owned(), bytes);
        Ok(())
    }

    async fn put_stream(
        &self,
        key: &str,
        content: &mut (dyn Read + Send),
        bytes: u64,
        content_type: &str,
    ) -> Result<(), PortError> {
        let mut all = Vec::new();
        let read = content.read_to_end(&mut all);
        if read.is_err() || u64::try_from(all.len()).ok() != Some(bytes) {
            return Err(PortError::new(PortErrorKind::Corrupt, "storing an object"));
        }
        self.put(key, all, content_type).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        Ok(lock(&self.bucket).get(key).cloned())
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(PortError::new(
                PortErrorKind::Unavailable,
                "deleting an object",
            ));
        }
        lock(&self.bucket).remove(key);
        Ok(())
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, PortError> {
        let bucket = lock(&self.bucket);
        let keys = bucket.keys().filter(|key| key.starts_with(prefix));
        Ok(keys.take(1_000).cloned().collect())
    }

    async fn link(&self, key: &str, _: &str, valid: Duration) -> Result<String, PortError> {
        Ok(format!("memory:{key}?seconds={}", valid.as_secs()))
    }
}

/// The locked bucket.
#[derive(Debug, Default)]
pub struct MemArchive {
    bucket: Bucket,
    unlocked: AtomicBool,
}

impl MemArchive {
    /// Lets the bucket no longer lock what it is given.
    pub fn unlock(&self) {
        self.unlocked.store(true, Ordering::SeqCst);
    }

    /// Puts other bytes under a key, as a second version beside the locked one would.
    pub fn overwrite(&self, key: &str, bytes: &[u8]) {
        lock(&self.bucket).insert(key.to_owned(), bytes.to_vec());
    }
}

#[async_trait]
impl Archive for MemArchive {
    async fn locks(&self) -> Result<bool, PortError> {
        Ok(!self.unlocked.load(Ordering::SeqCst))
    }

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
