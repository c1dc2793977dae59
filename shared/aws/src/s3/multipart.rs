//! Storing an object of any size in parts, one of them in memory at a time.

use std::io::Read;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use counterfoil_core::ports::{PortError, PortErrorKind};

use super::once;
use crate::error;
use crate::resend::{attempts, resend};

/// Bytes of a part. S3 takes at most 10,000 parts, and none but the last below 5 MiB.
pub(super) const PART: usize = 8 * 1024 * 1024;

const DOING: &str = "storing an object in parts";

/// One upload.
struct Upload<'a> {
    client: &'a Client,
    bucket: &'a str,
    key: &'a str,
    id: String,
}

/// Stores what `content` yields, which must be exactly `bytes` bytes.
pub(super) async fn put(
    client: &Client,
    bucket: &str,
    key: &str,
    content: &mut (dyn Read + Send),
    bytes: u64,
    content_type: &str,
) -> Result<(), PortError> {
    let begin = || {
        client
            .create_multipart_upload()
            .bucket(bucket)
            .key(key)
            .content_type(content_type)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .customize()
            .config_override(once())
            .send()
    };
    // After a lost answer a second upload is begun; the bucket's lifecycle ends the first one.
    let begun = resend(DOING, begin).await?;
    let id = begun.upload_id.ok_or_else(|| error::corrupt(DOING))?;
    let upload = Upload {
        client,
        bucket,
        key,
        id,
    };
    let stored = match upload.parts(content, bytes).await {
        Ok(parts) => upload.complete(parts, bytes).await,
        Err(failed) => Err(failed),
    };
    if let Err(failed) = &stored
        && failed.kind != PortErrorKind::OutcomeUnknown
    {
        upload.abort().await;
    }
    stored
}

impl Upload<'_> {
    async fn parts(
        &self,
        content: &mut (dyn Read + Send),
        bytes: u64,
    ) -> Result<Vec<CompletedPart>, PortError> {
        let mut parts = Vec::new();
        let mut total = 0_u64;
        loop {
            let part = read_part(content)?;
            total = total.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            if part.is_empty() {
                break;
            }
            let number = i32::try_from(parts.len())
                .unwrap_or(i32::MAX)
                .saturating_add(1);
            parts.push(self.part(number, part.into()).await?);
        }
        if total == bytes {
            return Ok(parts);
        }
        Err(PortError::new(PortErrorKind::Corrupt, DOING))
    }

    async fn part(&self, number: i32, body: Bytes) -> Result<CompletedPart, PortError> {
        let send = || {
            self.client
                .upload_part()
                .bucket(self.bucket)
                .key(self.key)
                .upload_id(&self.id)
                .part_number(number)
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .body(ByteStream::from(body.clone()))
                .customize()
                .config_override(once())
                .send()
        };
        let sent = resend(DOING, send).await?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_sha256(sent.checksum_sha256)
            .build())
    }

    async fn complete(&self, parts: Vec<CompletedPart>, bytes: u64) -> Result<(), PortError> {
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let send = || {
            self.client
                .complete_multipart_upload()
                .bucket(self.bucket)
                .key(self.key)
                .upload_id(&self.id)
                .multipart_upload(parts.clone())
                .customize()
                .config_override(once())
                .send()
        };
        let Err(failed) = attempts(send).await else {
            return Ok(());
        };
        // An attempt whose answer was lost ends the upload, and the next one finds none: what lies
        // under the key decides. Nobody else writes under it.
        if failed.doubt && self.length().await? == Some(bytes) {
            return Ok(());
        }
        Err(error::write(DOING, failed.error, failed.doubt))
    }

    async fn length(&self) -> Result<Option<u64>, PortError> {
        let head = self
            .client
            .head_object()
            .bucket(self.bucket)
            .key(self.key)
            .send()
            .await;
        match head {
            Ok(head) => Ok(head
                .content_length
                .and_then(|length| u64::try_from(length).ok())),
            Err(absent)
                if absent
                    .as_service_error()
                    .is_some_and(HeadObjectError::is_not_found) =>
            {
                Ok(None)
            }
            Err(failed) => Err(error::unsettled(DOING, error::read(DOING, failed))),
        }
    }

    /// Best effort: what is left of an upload is ended by the bucket's lifecycle.
    async fn abort(&self) {
        let aborted = self
            .client
            .abort_multipart_upload()
            .bucket(self.bucket)
            .key(self.key)
            .upload_id(&self.id)
            .send();
        drop(aborted.await);
    }
}

/// The next part: full, unless it is the last one.
fn read_part(content: &mut (dyn Read + Send)) -> Result<Vec<u8>, PortError> {
    let mut part = Vec::new();
    let limit = u64::try_from(PART).unwrap_or(u64::MAX);
    content
        .take(limit)
        .read_to_end(&mut part)
        .map_err(|source| PortError::caused(PortErrorKind::Unavailable, DOING, source))?;
    Ok(part)
}
