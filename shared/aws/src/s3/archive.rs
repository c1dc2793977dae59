//! The Object Lock bucket. Its default retention locks what is put; this adapter only ever puts
//! with `If-None-Match`, and reads back what is there.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, ChecksumAlgorithm, ObjectLockRetentionMode};
use bytes::Bytes;
use counterfoil_core::ports::{Archive, PortError, PortErrorKind, PutOnce};

use super::once;
use crate::backoff::Backoff;
use crate::error::{self, Class};
use crate::resend::ATTEMPTS;

/// The locked bucket.
#[derive(Debug, Clone)]
pub struct S3Archive {
    client: Client,
    bucket: String,
    /// Set once the bucket was seen to lock; clones share it.
    locks: Arc<OnceLock<()>>,
}

impl S3Archive {
    /// Locked storage in `bucket`.
    pub fn new(client: Client, bucket: String) -> Self {
        Self {
            client,
            bucket,
            locks: Arc::default(),
        }
    }

    /// Makes sure that the bucket locks: versioning on, default retention in COMPLIANCE mode.
    ///
    /// # Errors
    /// `Refused` when it does not; nothing should be archived there.
    pub async fn check(&self) -> Result<(), PortError> {
        if self.locks().await? {
            return Ok(());
        }
        let doing = "checking that the locked bucket keeps what it is given (COMPLIANCE)";
        Err(PortError::new(PortErrorKind::Refused, doing))
    }

    async fn read_lock(&self) -> Result<bool, PortError> {
        let versioning = self
            .client
            .get_bucket_versioning()
            .bucket(&self.bucket)
            .send()
            .await;
        let versioning = versioning.map_err(|e| error::read("checking the locked bucket", e))?;
        let lock = self
            .client
            .get_object_lock_configuration()
            .bucket(&self.bucket)
            .send()
            .await;
        let lock = match lock {
            Ok(lock) => lock.object_lock_configuration,
            Err(e) if e.code() == Some("ObjectLockConfigurationNotFoundError") => None,
            Err(e) => return Err(error::read("checking the locked bucket", e)),
        };
        let retention = lock
            .and_then(|config| config.rule)
            .and_then(|rule| rule.default_retention);
        let compliant = retention
            .is_some_and(|retention| retention.mode == Some(ObjectLockRetentionMode::Compliance));
        Ok(versioning.status == Some(BucketVersioningStatus::Enabled) && compliant)
    }
}

impl S3Archive {
    async fn put_if_absent(
        &self,
        key: &str,
        bytes: Bytes,
    ) -> Result<PutObjectOutput, SdkError<PutObjectError>> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .if_none_match("*")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .body(ByteStream::from(bytes))
            .customize()
            .config_override(once())
            .send()
            .await
    }
}

#[async_trait]
impl Archive for S3Archive {
    async fn locks(&self) -> Result<bool, PortError> {
        if self.locks.get().is_some() {
            return Ok(true);
        }
        let locks = self.read_lock().await?;
        if locks {
            let _ = self.locks.set(());
        }
        Ok(locks)
    }

    async fn put_once(&self, key: &str, bytes: Vec<u8>) -> Result<PutOnce, PortError> {
        let doing = "storing a locked object";
        let bytes = Bytes::from(bytes);
        let mut backoff = Backoff::default();
        let mut doubt = false;
        let mut left = ATTEMPTS;
        loop {
            let Err(failed) = self.put_if_absent(key, bytes.clone()).await else {
                return Ok(PutOnce::Stored);
            };
            let class = error::classify(&failed);
            doubt |= class == Class::Unknown;
            // 412, 409 or no answer at all: what lies there decides.
            match self.get(key).await {
                Ok(Some(stored)) if stored == bytes => return Ok(PutOnce::Stored),
                Ok(Some(_)) => return Ok(PutOnce::Different),
                Ok(None) => {}
                Err(unread) if doubt => return Err(error::unsettled(doing, unread)),
                Err(unread) => return Err(unread),
            }
            left = left.saturating_sub(1);
            if class == Class::Refused || left == 0 {
                return Err(error::write(doing, failed, doubt));
            }
            backoff.wait().await;
        }
    }

    async fn keys_after(&self, prefix: &str, after: &str) -> Result<Vec<String>, PortError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .start_after(after)
            .send()
            .await
            .map_err(|e| error::read("listing locked objects", e))?;
        Ok(page
            .contents
            .unwrap_or_default()
            .into_iter()
            .filter_map(|object| object.key)
            .collect())
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        super::get(&self.client, &self.bucket, key).await
    }
}
