//! The life of an action of a governed run. Nothing leads out of its ends.

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
    /// It was withdrawn.
    Cancelled,
    /// Its caller told what became of it.
    Reported(Report),
    /// The rules say something else by now.
    WentStale,
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
    use ActionState::{Allowed, Approved, Held};
    match (state, step) {
        (Held, Step::Voted) => Ok(Held),
        (Held, Step::Approved) => Ok(Approved),
        (Held, Step::Rejected) => Ok(ActionState::Rejected),
        (Held, Step::Expired) => Ok(ActionState::Expired),
        (Held, Step::Cancelled) => Ok(ActionState::Cancelled),
        (Allowed | Approved, Step::Reported(Report::Executed)) => Ok(ActionState::Executed),
        (Allowed | Approved, Step::Reported(Report::Failed)) => Ok(ActionState::Failed),
        (Allowed | Approved, Step::WentStale) => Ok(ActionState::Stale),
        _ => Err(NotPossible(state)),
    }
}

/// Whether an action keeps its run from being completed.
pub const fn is_open(state: ActionState) -> bool {
    matches!(
        state,
        ActionState::Held | ActionState::Allowed | ActionState::Approved
    )
}
