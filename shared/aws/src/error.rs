//! What may be concluded from a failed call.

use std::error::Error as StdError;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use counterfoil_core::ports::{PortError, PortErrorKind};
use thiserror::Error;

/// The code and message that the service gave, without the request.
#[derive(Debug, Error)]
#[error("{code}")]
struct Service {
    code: String,
}

/// A failed read: nothing can have changed.
pub(crate) fn read<E>(doing: &str, error: SdkError<E, HttpResponse>) -> PortError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let kind = match classify(&error) {
        Class::Refused => PortErrorKind::Refused,
        Class::Throttled | Class::Unknown => PortErrorKind::Unavailable,
    };
    port_error(kind, doing, error)
}

/// A failed write. `doubt` says that an earlier sending of it may have been written; then nothing
/// that a later answer says can take that back.
pub(crate) fn write<E>(doing: &str, error: SdkError<E, HttpResponse>, doubt: bool) -> PortError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let kind = match classify(&error) {
        _ if doubt => PortErrorKind::OutcomeUnknown,
        Class::Refused => PortErrorKind::Refused,
        Class::Throttled => PortErrorKind::Unavailable,
        Class::Unknown => PortErrorKind::OutcomeUnknown,
    };
    port_error(kind, doing, error)
}

/// The error of a read that was to settle a write that may have taken place.
pub(crate) fn unsettled(doing: &str, source: PortError) -> PortError {
    PortError::caused(PortErrorKind::OutcomeUnknown, doing, source)
}

/// A stored value that cannot be what was written.
pub(crate) fn corrupt(doing: &str) -> PortError {
    PortError::new(PortErrorKind::Corrupt, doing)
}

/// The three things a failure can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The service said no.
    Refused,
    /// The service was too busy and did nothing, as far as this attempt is concerned.
    Throttled,
    /// It is not known what happened.
    Unknown,
}

/// What says "not now": the attempt that got this answer did nothing.
const THROTTLES: [&str; 8] = [
    "ConditionalRequestConflict",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "Throttling",
    "SlowDown",
    "TooManyRequestsException",
    // A single write that met a transaction on the same item.
    "TransactionConflictException",
];

/// The status is looked at first, because a 5xx may carry any code or none. A lost reply is a
/// dispatch failure of no particular kind.
pub(crate) fn classify<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Class {
    match error {
        SdkError::ConstructionFailure(_) => Class::Refused,
        SdkError::ServiceError(service) if service.raw().status().is_server_error() => {
            Class::Unknown
        }
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) if THROTTLES.contains(&code) => Class::Throttled,
            Some("TransactionInProgressException" | "RequestTimeout") | None => Class::Unknown,
            Some(_) => Class::Refused,
        },
        _ => Class::Unknown,
    }
}

fn port_error<E>(kind: PortErrorKind, doing: &str, error: SdkError<E, HttpResponse>) -> PortError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match error.code() {
        Some(code) => PortError::caused(
            kind,
            doing,
            Service {
                code: code.to_owned(),
            },
        ),
        None => PortError::caused(kind, doing, error),
    }
}
