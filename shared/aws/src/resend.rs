//! Writes that may be sent again, because doing them twice leaves what doing them once leaves.
//!
//! The SDK's own retries are turned off for every write of this crate: they hide whether an earlier
//! attempt may have been written, and then the last answer would be taken for the whole truth.

use std::error::Error as StdError;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use counterfoil_core::ports::PortError;

use crate::backoff::Backoff;
use crate::error::{self, Class};

/// Attempts of one write.
pub(crate) const ATTEMPTS: u32 = 4;

/// The last answer to a write that was not acknowledged.
#[derive(Debug)]
pub(crate) struct Failed<E> {
    /// What the last attempt was answered.
    pub(crate) error: SdkError<E, HttpResponse>,
    /// Whether any attempt may have been written.
    pub(crate) doubt: bool,
}

/// Sends until it is acknowledged, refused, or [`ATTEMPTS`] are over.
pub(crate) async fn attempts<T, E, F>(send: impl Fn() -> F + Send + Sync) -> Result<T, Failed<E>>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
{
    let mut backoff = Backoff::default();
    let mut doubt = false;
    let mut left = ATTEMPTS;
    loop {
        let error = match send().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let class = error::classify(&error);
        doubt |= class == Class::Unknown;
        left = left.saturating_sub(1);
        if class == Class::Refused || left == 0 {
            return Err(Failed { error, doubt });
        }
        backoff.wait().await;
    }
}

/// The same, with the error that a port gives.
///
/// # Errors
/// `OutcomeUnknown` when any of the attempts may have been written.
pub(crate) async fn resend<T, E, F>(
    doing: &str,
    send: impl Fn() -> F + Send + Sync,
) -> Result<T, PortError>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
{
    let sent = attempts(send).await;
    sent.map_err(|failed| error::write(doing, failed.error, failed.doubt))
}
