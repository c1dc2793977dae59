//! What can go wrong with Stripe, each as one sentence that says what to do.

use counterfoil_core::ports::{PortError, PortErrorKind};
use thiserror::Error;

/// A refused or failed read. No variant carries the key or anything of an object but its id.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum StripeError {
    /// The base URL of the client.
    #[error("the Stripe URL must be https://, or http:// on this machine, without path or query")]
    BaseUrl,
    /// The HTTP client could not be made.
    #[error("no HTTPS client could be made on this system")]
    Client,
    /// Something that is not an object id.
    #[error("this is not the id of a Stripe object")]
    Id,
    /// 401.
    #[error(
        "Stripe does not accept the key: it was revoked, has expired or is mistyped; create a \
         restricted key in the Dashboard"
    )]
    Key,
    /// 403.
    #[error(
        "the key may not read {what}: add the permission {permission} (read) to it in the Dashboard"
    )]
    Permission {
        /// What was read.
        what: &'static str,
        /// `rak_…` as Stripe names it.
        permission: String,
    },
    /// Another status of the 4xx family.
    #[error("Stripe refused to list {what} with status {status} ({code})")]
    Refused {
        /// What was read.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// `error.code` or `error.type`.
        code: String,
    },
    /// 429 until the attempts were used up.
    #[error(
        "Stripe kept limiting the rate: lower the requests per second, or scan at a quieter hour"
    )]
    RateLimited,
    /// 409 or 5xx until the attempts were used up.
    #[error("Stripe kept answering with status {status}")]
    Status {
        /// HTTP status of the last attempt.
        status: u16,
    },
    /// No connection, or no whole answer, until the attempts were used up.
    #[error("Stripe cannot be reached, or its answers break off: check the network and the URL")]
    Network,
    /// The budget that all workers share could not be asked.
    #[error("the budget of requests to Stripe could not be read or written: {0}")]
    Budget(String),
    /// The deadline of the call passed.
    #[error("reading {what} took longer than allowed")]
    Deadline {
        /// What was read.
        what: &'static str,
    },
    /// An answer that is not what the pinned version of the API sends.
    #[error("a page of {what} has an unexpected shape (line {line}, column {column})")]
    Shape {
        /// What was read.
        what: &'static str,
        /// Place in the answer.
        line: usize,
        /// Place in the answer.
        column: usize,
    },
    /// An answer larger than any page.
    #[error("a page of {what} is larger than {limit} bytes")]
    TooLarge {
        /// What was read.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A cursor that came before: following it would never end.
    #[error("the pages of {what} do not advance")]
    Loop {
        /// What was read.
        what: &'static str,
    },
}

impl StripeError {
    /// What may be concluded from the error.
    pub const fn kind(&self) -> PortErrorKind {
        match self {
            Self::RateLimited
            | Self::Status { .. }
            | Self::Network
            | Self::Budget(_)
            | Self::Deadline { .. } => PortErrorKind::Unavailable,
            Self::Shape { .. } | Self::TooLarge { .. } | Self::Loop { .. } => {
                PortErrorKind::Corrupt
            }
            _ => PortErrorKind::Refused,
        }
    }

    /// Stripe does not know an object that the request names.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::Refused { status: 400 | 404, code, .. } if code == "resource_missing"
        )
    }

    pub(crate) fn doing(self, doing: &str) -> PortError {
        PortError::caused(self.kind(), doing, self)
    }

    /// Nothing was sent.
    pub(crate) fn budget(error: &PortError) -> Self {
        Self::Budget(error.to_string())
    }

    /// A failure to read an answer; serde's own text may quote values of the object.
    pub(crate) fn shape(what: &'static str, error: &serde_json::Error) -> Self {
        Self::Shape {
            what,
            line: error.line(),
            column: error.column(),
        }
    }
}
