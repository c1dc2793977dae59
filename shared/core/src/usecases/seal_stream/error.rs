//! Why a stream was not sealed.

use counterfoil_evidence::code::{Code, Fault};
use thiserror::Error;

use crate::ports::{PortError, RefusalCause};

/// What is wrong with the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClockFault {
    /// The seal would not be younger than the one before it.
    #[error("the clock is not past the last seal")]
    NotPastTheLastSeal,
    /// Stored times are more than two minutes ahead.
    #[error("stored times are more than 120 s ahead of the clock")]
    BehindStoredTimes,
    /// The store's own time differs by more than five seconds.
    #[error("the clock and that of the store differ by more than 5 s")]
    NotThatOfTheStore,
}

/// Why a stream was not sealed. Everything with a cause is an alarm.
#[derive(Debug, Error)]
pub enum SealError {
    /// A store or the key service did not answer; the next run goes on.
    #[error("a store or the key service did not answer")]
    Port(#[from] PortError),
    /// Writers or another sealer kept winning; the next run goes on.
    #[error("the stream was too busy to seal")]
    Busy,
    /// The stored bytes do not give the stored head. Nothing was signed.
    #[error("the stream does not recompute: nothing was signed")]
    Mismatch(#[source] Fault),
    /// The stream is shorter than its last seal, or locked storage holds a newer seal.
    #[error("the stream was rolled back: nothing was signed")]
    Rollback,
    /// Clock and stored times contradict each other.
    #[error("the clock did not progress or is wrong: nothing was signed")]
    Clock(#[source] ClockFault),
    /// Locked storage holds other bytes under this name.
    #[error("locked storage holds a different copy of {key}")]
    Equivocation {
        /// Object key.
        key: String,
    },
    /// The bucket does not lock what it is given. Nothing was signed.
    #[error("the locked bucket does not keep what it is given: nothing was signed")]
    Unlocked,
    /// The last seal, or the descriptor of a stream without one, names no key of this sealer.
    #[error("no key of this sealer may seal the stream: nothing was signed")]
    NoKey,
    /// The stream was refused before, and nobody has lifted that.
    #[error("the stream is refused because of {}: nothing was signed", .0.name())]
    Refused(RefusalCause),
    /// The stream was refused once more while it was compared; the refusal stays.
    #[error("the stream was refused again while it was compared: compare again")]
    RefusedAgain,
}

impl SealError {
    /// The cause of a refusal; `None` when only trying again is called for.
    pub const fn cause(&self) -> Option<RefusalCause> {
        match self {
            Self::Port(_) | Self::Busy | Self::RefusedAgain => None,
            Self::Mismatch(_) => Some(RefusalCause::SealerMismatch),
            Self::Rollback => Some(RefusalCause::Rollback),
            Self::Clock(_) => Some(RefusalCause::Clock),
            Self::Equivocation { .. } => Some(RefusalCause::Equivocation),
            Self::Unlocked => Some(RefusalCause::Unlocked),
            Self::NoKey => Some(RefusalCause::NoKey),
            Self::Refused(cause) => Some(*cause),
        }
    }

    pub(super) fn mismatch(what: impl Into<String>) -> Self {
        Self::Mismatch(Fault::new(Code::SealerMismatch, what.into()))
    }
}
