//! The data bucket.

use std::io::Read;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use bytes::Bytes;
use counterfoil_core::ports::{Objects, PortError, PortErrorKind};

use super::{multipart, once};
use crate::error;
use crate::resend::resend;

/// The longest that a link may be valid.
const LONGEST: Duration = Duration::from_mins(5);

/// Objects of one bucket.
#[derive(Debug, Clone)]
pub struct S3Objects {
    client: Client,
    bucket: String,
}

impl S3Objects {
    /// Objects in `bucket`.
    pub const fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }
}

#[async_trait]
impl Objects for S3Objects {
    async fn put(&self, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<(), PortError> {
        let bytes = Bytes::from(bytes);
        let send = || {
            self.client
                .put_object()
                .bucket(&self.bucket)
                .key(key)
                .content_type(content_type)
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .body(ByteStream::from(bytes.clone()))
                .customize()
                .config_override(once())
                .send()
        };
        resend("storing an object", send).await?;
        Ok(())
    }

    async fn put_stream(
        &self,
        key: &str,
        content: &mut (dyn Read + Send),
        bytes: u64,
        content_type: &str,
    ) -> Result<(), PortError> {
        if usize::try_from(bytes).is_ok_and(|bytes| bytes <= multipart::PART) {
            let mut all = Vec::new();
            // One byte more than promised is enough to notice a longer content.
            let read = content.take(bytes.saturating_add(1)).read_to_end(&mut all);
            if read.is_err() || u64::try_from(all.len()).ok() != Some(bytes) {
                return Err(error::corrupt("storing an object"));
            }
            return self.put(key, all, content_type).await;
        }
        let Self { client, bucket } = self;
        multipart::put(client, bucket, key, content, bytes, content_type).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        super::get(&self.client, &self.bucket, key).await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        let send = || {
            self.client
                .delete_object()
                .bucket(&self.bucket)
                .key(key)
                .customize()
                .config_override(once())
                .send()
        };
        resend("deleting an object", send).await?;
        Ok(())
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, PortError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .send()
            .await
            .map_err(|e| error::read("listing objects", e))?;
        let keys = page.contents.unwrap_or_default().into_iter();
        Ok(keys.filter_map(|object| object.key).collect())
    }

    async fn link(&self, key: &str, filename: &str, valid: Duration) -> Result<String, PortError> {
        let refused = |source: &str| PortError::new(PortErrorKind::Refused, source);
        let plain = filename
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if valid > LONGEST || !plain {
            return Err(refused(
                "signing a link longer than five minutes or with a strange name",
            ));
        }
        let config = PresigningConfig::expires_in(valid).map_err(|_| refused("signing a link"))?;
        let signed = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .response_content_disposition(format!("attachment; filename=\"{filename}\""))
            .presigned(config)
            .await
            .map_err(|e| error::read("signing a link", e))?;
        Ok(signed.uri().to_owned())
    }
}
