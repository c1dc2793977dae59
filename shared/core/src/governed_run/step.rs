//! The life of an action of a governed run. Nothing leads out of its ends. Repairs in one move by their
//! own rules ([`crate::usecases::VoteOnAction`]) and only count here.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::repair::ActionState;

/// What its caller tells of an action that was allowed or approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It was done.
    Executed,
    /// It was not done, or not whole.
    Failed,
}

impl Report {
    /// As evidence writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Failed => "failed",
        }
    }
}

/// What happens to an action after its decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A person approved, and others are needed.
    Voted,
    /// Enough people approved.
    Approved,
    /// A person said no.
    Rejected,
    /// Nobody approved in time.
    Expired,
    /// It was withdrawn while it waited for approvals.
    Cancelled,
    /// It might have been done, and was withdrawn before anybody began.
    Withdrawn,
    /// An owner broke the glass for it.
    Overridden,
    /// The record answers its REQUIRE by what happens next: with as many approvals as that asked for,
    /// or with a no. Once for an action.
    Resolved,
    /// It was judged again, and a further decision of the run allows it.
    Judged,
    /// Whoever does it has begun.
    Begun,
    /// Its caller told what became of it.
    Reported(Report),
    /// The rules say something else by now.
    WentStale,
    /// What became of a repair is recorded.
    Settled,
    /// What might have been done was not begun in time.
    GivenUp,
}

impl Step {
    /// Whether nothing more happens to the action.
    pub const fn ends(self) -> bool {
        match self {
            Self::Voted
            | Self::Approved
            | Self::Overridden
            | Self::Resolved
            | Self::Judged
            | Self::Begun => false,
            Self::Rejected
            | Self::Expired
            | Self::Cancelled
            | Self::Withdrawn
            | Self::Reported(_)
            | Self::WentStale
            | Self::Settled
            | Self::GivenUp => true,
        }
    }
}

/// A step, and that the record answers the REQUIRE of its action by it, where it does.
pub fn answering(resolves: bool, step: Step) -> Vec<Step> {
    let resolved = resolves.then_some(Step::Resolved);
    resolved.into_iter().chain([step]).collect()
}

/// That a step does not follow from a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the action is not in a state for this")]
pub struct NotPossible(pub ActionState);

/// The state after a step.
///
/// # Errors
/// [`NotPossible`] where the step does not follow from the state.
pub const fn next(state: ActionState, step: Step) -> Result<ActionState, NotPossible> {
    use ActionState::{Allowed, Approved, Executing, Held};
    match (state, step) {
        (Held, Step::Voted | Step::Resolved) => Ok(Held),
        (Held, Step::Approved | Step::Overridden) | (Approved, Step::Judged) => Ok(Approved),
        (Held, Step::Rejected) => Ok(ActionState::Rejected),
        (Held, Step::Expired) | (Allowed | Approved, Step::GivenUp) => Ok(ActionState::Expired),
        (Held, Step::Cancelled) | (Allowed | Approved, Step::Withdrawn) => {
            Ok(ActionState::Cancelled)
        }
        (Allowed | Approved, Step::Begun) => Ok(Executing),
        (Allowed | Approved | Executing, Step::Reported(Report::Executed)) => {
            Ok(ActionState::Executed)
        }
        (Allowed | Approved | Executing, Step::Reported(Report::Failed)) => Ok(ActionState::Failed),
        (Allowed | Approved, Step::WentStale) => Ok(ActionState::Stale),
        _ => Err(NotPossible(state)),
    }
}

/// Whether an action keeps its run from being completed.
pub const fn is_open(state: ActionState) -> bool {
    matches!(
        state,
        ActionState::Held | ActionState::Allowed | ActionState::Approved | ActionState::Executing
    )
}
