//! One `TransactWriteItems`, sent as often as needed and read for what it means.
//!
//! The items are built once and resent as clones: the SDK keeps them in hash maps, so building them
//! again could serialise them in another order, and the token would no longer fit. The SDK's own
//! retries are off: its later attempt could be cancelled by its earlier one, and the answer would
//! hide that.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::TransactWriteItem;
use counterfoil_core::evidence::hash::sha256;
use counterfoil_core::ports::{AppendError, PortError, PortErrorKind};

use super::once;
use crate::error::{Class, classify};

/// What an answer means.
#[derive(Debug)]
pub(super) enum Answer {
    /// Everything was written.
    Done,
    /// Nothing was written by this attempt; one code per item, `None` for an innocent one.
    Cancelled(Vec<String>),
    /// Too busy: nothing was written by this attempt.
    Throttled,
    /// The token was used for something else: a defect.
    Mismatch,
    /// The service refused the request.
    Refused(Box<SdkError<TransactWriteItemsError, HttpResponse>>),
    /// It may have been written.
    Unknown,
}

/// A transaction that is ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) items: Vec<TransactWriteItem>,
    pub(super) token: String,
}

impl Transaction {
    /// `content` is our own canonical description of the items, from which the token is made. It
    /// must hold something that no other write has: a salt, a signature.
    pub(super) fn new(items: Vec<TransactWriteItem>, content: &[u8]) -> Self {
        let mut token = sha256(content).to_string();
        token.truncate(32);
        Self { items, token }
    }

    pub(super) async fn send(&self, client: &Client) -> Answer {
        let sent = client
            .transact_write_items()
            .set_transact_items(Some(self.items.clone()))
            .client_request_token(&self.token)
            .customize()
            .config_override(once())
            .send()
            .await;
        match sent {
            Ok(_) => Answer::Done,
            Err(error) => read(error),
        }
    }
}

fn read(error: SdkError<TransactWriteItemsError, HttpResponse>) -> Answer {
    use TransactWriteItemsError as E;
    if let SdkError::ServiceError(service) = &error
        && !service.raw().status().is_server_error()
    {
        match service.err() {
            E::TransactionCanceledException(cancelled) => {
                let reasons = cancelled.cancellation_reasons().iter();
                let codes = reasons.map(|reason| reason.code().unwrap_or("None").to_owned());
                return Answer::Cancelled(codes.collect());
            }
            E::IdempotentParameterMismatchException(_) => return Answer::Mismatch,
            _ => {}
        }
    }
    match classify(&error) {
        Class::Refused => Answer::Refused(Box::new(error)),
        Class::Throttled => Answer::Throttled,
        Class::Unknown => Answer::Unknown,
    }
}

/// The code of an item whose condition did not hold.
pub(super) const CONDITION: &str = "ConditionalCheckFailed";
/// The code of an item that another transaction was busy with.
pub(super) const CONFLICT: &str = "TransactionConflict";
/// The code of an item that the table does not take, for example because it is too large.
pub(super) const INVALID: &str = "ValidationError";

/// A write that cannot be built: a defect.
pub(super) fn unbuilt(source: BuildError) -> AppendError {
    AppendError::Unavailable(PortError::caused(
        PortErrorKind::Refused,
        "building a write",
        source,
    ))
}
