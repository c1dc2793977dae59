//! What the API is answered when an export is not to be had.

use thiserror::Error;

use crate::export::ExportFailure;
use crate::ids::DecisionId;
use crate::json::JsonError;
use crate::policy::Judgement;
use crate::ports::{AppendError, PortError};
use crate::records::RecordError;
use crate::usecases::vault::VaultError;

/// Why a request about exports was not granted.
#[derive(Debug, Error)]
pub enum ExportError {
    /// No such run, customer or export, or not yours: 404.
    #[error("there is no such record")]
    NotFound,
    /// The run is not closed: 409.
    #[error("the run is still open")]
    RunOpen,
    /// The period breaks a rule: 400.
    #[error("{field}: {rule}")]
    Period {
        /// `from` or `to`.
        field: &'static str,
        /// The rule and the fix.
        rule: &'static str,
    },
    /// Policy said no, and this is recorded: 403.
    #[error("policy denies this: {}", .judgement.reason)]
    Denied {
        /// The recorded decision.
        decision: DecisionId,
        /// What it says.
        judgement: Judgement,
    },
    /// Policy would say no; nothing was tried, so nothing is recorded: 403.
    #[error("policy denies this: {}", .0.reason)]
    Refused(Judgement),
    /// The export is not made yet: 409.
    #[error("the export is not ready yet")]
    NotReady,
    /// The export will not be made: 409.
    #[error("the export has failed: {}", .0.detail)]
    Failed(ExportFailure),
    /// The export has no file of this name: 404.
    #[error("the export has no such part")]
    NoPart,
    /// The export was kept long enough: 410.
    #[error("the export is not kept any more")]
    Expired,
    /// The idempotency key was used for something else: 422.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Evidence could not be written, so nothing was handed out: 503.
    #[error("evidence could not be written: nothing was handed out")]
    Evidence(#[from] AppendError),
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// The names that evidence knows customers by could not be made: 503.
    #[error("the name of a customer in evidence could not be made")]
    Vault(#[from] VaultError),
    /// A record could not be read: 503.
    #[error("a record could not be read")]
    Record(#[from] RecordError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}
