//! The data bucket and the locked bucket.

mod archive;
mod objects;

pub use archive::S3Archive;
pub use objects::S3Objects;

use aws_sdk_s3::Client;
use counterfoil_core::ports::PortError;

use crate::error;

/// The object under `key`, or `None`.
async fn get(client: &Client, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, PortError> {
    let sent = client.get_object().bucket(bucket).key(key).send().await;
    let object = match sent {
        Ok(object) => object,
        Err(failed)
            if failed
                .as_service_error()
                .is_some_and(aws_sdk_s3::operation::get_object::GetObjectError::is_no_such_key) =>
        {
            return Ok(None);
        }
        Err(failed) => return Err(error::read("reading an object", failed)),
    };
    let body = object.body.collect().await.map_err(|source| {
        let kind = counterfoil_core::ports::PortErrorKind::Unavailable;
        PortError::caused(kind, "reading an object", source)
    })?;
    Ok(Some(body.to_vec()))
}
