//! The data bucket and the locked bucket.

mod archive;
mod multipart;
mod objects;

pub use archive::S3Archive;
pub use objects::S3Objects;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::operation::get_object::GetObjectError;
use counterfoil_core::ports::{PortError, PortErrorKind};

use crate::error;

/// A call without the SDK's own retries.
fn once() -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::Config::builder().retry_config(RetryConfig::disabled())
}

/// Attempts of a read whose body broke off: the SDK retries only up to the first byte of it.
const READS: u32 = 3;

/// The object under `key`, or `None`.
async fn get(client: &Client, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, PortError> {
    let doing = "reading an object";
    let mut left = READS;
    loop {
        let sent = client.get_object().bucket(bucket).key(key).send().await;
        let object = match sent {
            Ok(object) => object,
            Err(failed)
                if failed
                    .as_service_error()
                    .is_some_and(GetObjectError::is_no_such_key) =>
            {
                return Ok(None);
            }
            Err(failed) => return Err(error::read(doing, failed)),
        };
        left = left.saturating_sub(1);
        match object.body.collect().await {
            Ok(body) => return Ok(Some(body.to_vec())),
            Err(source) if left == 0 => {
                return Err(PortError::caused(PortErrorKind::Unavailable, doing, source));
            }
            Err(_) => {}
        }
    }
}
