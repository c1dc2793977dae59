//! The Object Lock bucket. Its default retention locks what is put; this adapter only ever puts
//! with `If-None-Match`, and reads back what is there.

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, ChecksumAlgorithm, ObjectLockRetentionMode};
use counterfoil_core::ports::{Archive, PortError, PortErrorKind, PutOnce};

use crate::error;

/// Attempts of a put whose outcome is not known.
const ATTEMPTS: u32 = 4;

/// The locked bucket.
#[derive(Debug, Clone)]
pub struct S3Archive {
    client: Client,
    bucket: String,
}

impl S3Archive {
    /// Locked storage in `bucket`.
    pub const fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// Makes sure that the bucket locks: versioning on, default retention in COMPLIANCE mode.
    ///
    /// # Errors
    /// `Refused` when it does not; nothing should be archived there.
    pub async fn check(&self) -> Result<(), PortError> {
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
        let lock = lock.map_err(|e| error::read("checking the locked bucket", e))?;
        let retention = lock
            .object_lock_configuration
            .and_then(|config| config.rule)
            .and_then(|rule| rule.default_retention);
        let compliant = retention
            .is_some_and(|retention| retention.mode == Some(ObjectLockRetentionMode::Compliance));
        if versioning.status == Some(BucketVersioningStatus::Enabled) && compliant {
            return Ok(());
        }
        let doing = "checking that the locked bucket keeps what it is given (COMPLIANCE)";
        Err(PortError::new(PortErrorKind::Refused, doing))
    }
}

#[async_trait]
impl Archive for S3Archive {
    async fn put_once(&self, key: &str, bytes: Vec<u8>) -> Result<PutOnce, PortError> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let put = self
                .client
                .put_object()
                .bucket(&self.bucket)
                .key(key)
                .if_none_match("*")
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .body(ByteStream::from(bytes.clone()))
                .customize()
                .config_override(
                    aws_sdk_s3::Config::builder().retry_config(RetryConfig::disabled()),
                )
                .send()
                .await;
            let Err(failed) = put else {
                return Ok(PutOnce::Stored);
            };
            // 412, 409 or no answer at all: what lies there decides.
            match self.get(key).await? {
                Some(stored) if stored == bytes => return Ok(PutOnce::Stored),
                Some(_) => return Ok(PutOnce::Different),
                None => last = Some(error::write("storing a locked object", failed)),
            }
        }
        Err(last.unwrap_or_else(|| error::corrupt("storing a locked object")))
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, PortError> {
        let mut keys = Vec::new();
        let mut from = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(prefix)
                .set_continuation_token(from.take())
                .send()
                .await
                .map_err(|e| error::read("listing locked objects", e))?;
            keys.extend(
                page.contents
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|o| o.key),
            );
            match page.next_continuation_token {
                Some(token) => from = Some(token),
                None => return Ok(keys),
            }
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        super::get(&self.client, &self.bucket, key).await
    }
}
