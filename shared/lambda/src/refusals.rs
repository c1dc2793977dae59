//! Errors of use cases as problems, where more than one function answers with them.
//!
//! Causes go to the log, once; an answer tells none.

use counterfoil_core::repair::ActionState;
use counterfoil_core::usecases::{
    AskError, IncidentError, ReadEvidenceError, ReadRunError, RunError, RunView,
};
use http::StatusCode;

use crate::Problem;
use crate::telemetry::chain;

/// Why an incident was not read or changed.
pub fn incident(error: &IncidentError) -> Problem {
    match error {
        IncidentError::NotFound => Problem::not_found(),
        IncidentError::Invalid { field, rule } => Problem::invalid(*field, *rule),
        IncidentError::WrongState(refused) => conflict("wrong-state", refused.to_string()),
        IncidentError::KeyReused => {
            let title = "This `Idempotency-Key` came with another request before";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "idempotency-key-reused", title)
        }
        IncidentError::Waits(action) => {
            let title = format!(
                "Another ignore of this incident waits for approval: approve, reject or cancel {action}"
            );
            conflict("wrong-state", title)
        }
        IncidentError::Denied(judgement) => Problem::denied(judgement),
        IncidentError::Changed => {
            let title = "Somebody changed the incident in the meantime: read it again";
            conflict("incident-changed", title)
        }
        IncidentError::Evidence(_)
        | IncidentError::Port(_)
        | IncidentError::Record(_)
        | IncidentError::Vault(_)
        | IncidentError::Json(_) => {
            tracing::error!(cause = chain(error), "incident not changed");
            Problem::unfinished()
        }
    }
}

/// Why a list or an entry was not read.
pub fn evidence(error: &ReadEvidenceError) -> Problem {
    match error {
        ReadEvidenceError::NotFound => Problem::not_found(),
        ReadEvidenceError::Invalid { field, rule } => Problem::invalid(*field, *rule),
        ReadEvidenceError::Port(_) | ReadEvidenceError::Record(_) | ReadEvidenceError::Vault(_) => {
            tracing::error!(cause = chain(error), "evidence not read");
            Problem::unfinished()
        }
    }
}

/// Why a run was not read.
pub fn run(error: &ReadRunError) -> Problem {
    match error {
        ReadRunError::NotFound => Problem::not_found(),
        ReadRunError::Port(_) | ReadRunError::Record(_) => {
            tracing::error!(cause = chain(error), "run not read");
            Problem::unavailable()
        }
    }
}

/// The contents of a run, or of what it was about, were erased: 410.
///
/// # Errors
/// When they were.
pub fn unless_erased(run: &RunView) -> Result<(), Problem> {
    if !run.is_erased() {
        return Ok(());
    }
    let by: Vec<String> = run.erased_by().iter().map(u64::to_string).collect();
    let how = match by.as_slice() {
        [] => String::new(),
        by => format!(" by entries {}", by.join(", ")),
    };
    let title = format!("The contents of this run were erased{how}; its record still verifies");
    Err(Problem::new(StatusCode::GONE, "erased", title))
}

/// Why a governed run or an action of it was not opened, changed or read.
pub fn governed(error: &RunError) -> Problem {
    match error {
        RunError::NotFound => Problem::not_found(),
        RunError::MissingCapability => {
            let title = "This key or role may not act in this run";
            Problem::new(StatusCode::FORBIDDEN, "capability-missing", title)
        }
        RunError::Invalid(invalid) => Problem::invalid(invalid.field.clone(), invalid.rule),
        RunError::Ended(state) => conflict("wrong-state", format!("The run is {state}")),
        RunError::Full => {
            let title = "The run has 1,000 actions, as many as a run can have: complete it and open another one";
            conflict("wrong-state", title)
        }
        RunError::WrongState(ActionState::Held) => {
            conflict("action-held", "The action waits for approval")
        }
        RunError::WrongState(state) => {
            let state = format!("{state:?}").to_lowercase();
            conflict("wrong-state", format!("The action is {state}"))
        }
        RunError::Denied(judgement) => Problem::denied(judgement),
        RunError::NotSecond(why) => conflict("wrong-state", why.to_string()),
        RunError::OtherDigest => {
            let title = "`action_digest` is not that of this action: read the action again";
            conflict("action-stale", title)
        }
        RunError::OpenActions { count, actions } => {
            let latest: Vec<String> = actions.iter().map(ToString::to_string).collect();
            let latest = latest.join(", ");
            let title = format!(
                "{count} actions of the run have not ended: report or cancel them; the latest are {latest}"
            );
            conflict("run-has-open-actions", title)
        }
        RunError::Changed => {
            let title = "The record has changed: read it again";
            let status = StatusCode::PRECONDITION_FAILED;
            Problem::new(status, "precondition-failed", title)
        }
        RunError::Unknown(_) => {
            tracing::error!(cause = chain(error), "request not settled");
            Problem::outcome_unknown()
        }
        RunError::Busy
        | RunError::Evidence(_)
        | RunError::Port(_)
        | RunError::Record(_)
        | RunError::Json(_) => {
            tracing::error!(cause = chain(error), "request failed");
            Problem::unavailable()
        }
    }
}

/// Why no check was asked for.
pub fn check(error: &AskError) -> Problem {
    match error {
        AskError::NotFound => Problem::not_found(),
        AskError::NotAble => {
            let title = "Checks are asked for by approvers and by keys that may repair";
            Problem::new(StatusCode::FORBIDDEN, "capability-missing", title)
        }
        AskError::Incomplete(missing) => conflict("project-incomplete", missing.fix()),
        AskError::Invalid { field, rule } => Problem::invalid(*field, *rule),
        AskError::KeyReused => {
            let title = "This `Idempotency-Key` came with another request before";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "idempotency-key-reused", title)
        }
        AskError::Port(_) | AskError::Record(_) => {
            tracing::error!(cause = chain(error), "check not asked for");
            Problem::unfinished()
        }
    }
}

fn conflict(code: &'static str, title: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, title)
}
