//! What the core needs from outside, one file per thing. Adapters implement these traits.
//!
//! Every method says what holds after an error. Two classes matter everywhere: *nothing was done*
//! and *it may have been done*; an adapter that cannot tell says [`PortErrorKind::OutcomeUnknown`].

mod appdb;
mod billing;
mod budget;
mod evidence;
mod keys;
mod logins;
mod objects;
mod probes;
mod reports;
mod scratch;
mod seals;
mod signals;
mod state;
mod tokens;

use std::error::Error as StdError;

use thiserror::Error;

pub use appdb::{AppDatabase, AppInspector, AppRepairer, Applied, Completeness, TakeRows};
pub use billing::{Billing, CreatedRange, ListCursor, ListPage};
pub use budget::{Lease, RequestBudget, Urgency};
pub use evidence::{
    ActiveHold, AppendError, Batch, EntryRef, EvidenceAppend, EvidenceRead, HoldTarget, Holds,
    HoldsWrite, Redaction, StateCheck, StoredEntry, StoredPart,
};
pub use keys::{DataKey, KeyWrapper, WrappedKey, WrappedKeys};
pub use logins::{
    Delegation, DelegationError, Delegations, LONGEST_CLIENT, Login, LoginError, Logins,
};
pub use objects::{Archive, Objects, PutOnce};
pub use probes::{KeyProbe, RoleProbe};
pub use reports::{IncidentLine, RepairLine, ReportAbout, ReportDelivery, Reports, RunLine};
pub use scratch::{Scratch, ScratchFile};
pub use seals::{
    RefusalCause, SealCommit, SealProgress, SealSigner, SealStart, SealStore, SealedState,
};
pub use signals::{
    CheckRequest, Checks, Clock, Delegate, ExportRequest, ExportRequests, Proposals, Random,
    ScanRequest, ScanRequests, SealRequests,
};
pub use state::{Expect, State, StateKey, StateWrite, Stored};
pub use tokens::{DatabaseLogin, DatabaseTokens};

/// Why a port did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortErrorKind {
    /// The other side cannot be reached or is throttling: nothing was done; trying again may help.
    Unavailable,
    /// The request was refused (permission, validation): nothing was done; trying again will not help.
    Refused,
    /// What came back cannot be what was stored: an alarm, not a retry.
    Corrupt,
    /// The effect may or may not have taken place.
    OutcomeUnknown,
}

/// A failed call of a port. `doing` says what was attempted; the cause is the source.
#[derive(Debug, Error)]
#[error("{doing} failed")]
pub struct PortError {
    /// What may be concluded from the failure.
    pub kind: PortErrorKind,
    /// What was attempted, for example `reading the project`.
    pub doing: String,
    /// The cause, if there is one worth telling.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl PortError {
    /// An error without a further cause.
    pub fn new(kind: PortErrorKind, doing: impl Into<String>) -> Self {
        Self {
            kind,
            doing: doing.into(),
            source: None,
        }
    }

    /// An error with its cause.
    pub fn caused(
        kind: PortErrorKind,
        doing: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            doing: doing.into(),
            source: Some(source.into()),
        }
    }
}
