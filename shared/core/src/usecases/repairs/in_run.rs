//! Votes on an action of a governed run. Their entries are in the open run itself, and what the action
//! does is done by whoever runs the flow.

use super::follow_up::follow_up;
use super::{ActionError, RepairPorts};
use crate::governed_run::{RunState, Step};
use crate::ports::{AppendError, PortError, PortErrorKind};
use crate::records::{Project, Versioned};
use crate::repair::{Action, ActionState, Work};
use crate::tenancy::TenantCtx;
use crate::usecases::governed_runs::{RunError, Stepped};

/// Whether an action is one of a governed run.
pub(super) const fn is_in_run(action: &Action) -> bool {
    matches!(action.work, Work::Run(_))
}

/// Records an approval, a rejection, an expiry or a withdrawal.
pub(super) async fn resolve(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    (version, mut action): (u64, Action),
    step: Step,
    reason: Option<&str>,
) -> Result<Versioned<Action>, ActionError> {
    let principal = ctx.principal();
    let approver = match step {
        Step::Cancelled => "system:cancel".to_owned(),
        _ => principal.id(),
    };
    let allows = matches!(step, Step::Voted | Step::Approved);
    let votes = follow_up(ports, project, principal, &mut action)?;
    let mut drafts = votes.drafts(principal, &approver, allows, reason);
    let corrupt = || PortError::new(PortErrorKind::Corrupt, "reading the run of an action");
    let draft = drafts.pop().ok_or_else(corrupt)?;
    let stepped = Stepped {
        action,
        version,
        step,
        draft,
    };
    let (stream, now) = (project.stream_id()?, ports.clock.now());
    let taken = stepped.take(ports.evidence.as_ref(), stream, ports.records(ctx), now);
    Ok(taken.await?)
}

/// The step that an end without an effect is.
pub(super) const fn ending(state: ActionState) -> Step {
    match state {
        ActionState::Cancelled => Step::Cancelled,
        ActionState::Expired => Step::Expired,
        _ => Step::Rejected,
    }
}

/// What its caller does is not executed here.
pub(super) fn not_executed_here(action: &Action) -> ActionError {
    let state = match action.state {
        ActionState::Allowed | ActionState::Approved => {
            "done by whoever runs the flow, who reports its result".to_owned()
        }
        state => named(state),
    };
    ActionError::WrongState { state }
}

fn named(state: ActionState) -> String {
    format!("{state:?}").to_lowercase()
}

impl From<RunError> for ActionError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::NotFound => Self::NotFound,
            RunError::MissingCapability => Self::MissingCapability,
            RunError::WrongState(state) => Self::WrongState {
                state: named(state),
            },
            RunError::Ended(state) => Self::WrongState {
                state: of_ended(state),
            },
            RunError::Changed => Self::Changed,
            RunError::Busy => Self::Evidence(AppendError::Busy),
            RunError::Evidence(error) => Self::Evidence(error),
            RunError::Unknown(error) => Self::Unknown(error),
            RunError::Port(error) => Self::Port(error),
            RunError::Record(error) => Self::Record(error),
            RunError::Json(error) => Self::Json(error),
            RunError::Invalid(_)
            | RunError::Denied(_)
            | RunError::NotSecond(_)
            | RunError::Full
            | RunError::OpenActions { .. }
            | RunError::OtherDigest => {
                Self::Port(PortError::new(PortErrorKind::Corrupt, "taking a step"))
            }
        }
    }
}

fn of_ended(state: RunState) -> String {
    format!("part of a run that is {state}")
}
