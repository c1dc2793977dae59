//! What the routes of workspaces, people and keys share: errors as answers, and which decision an
//! answer rests on.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use counterfoil_core::ids::DecisionId;
use counterfoil_core::policy::Judgement;
use counterfoil_core::ports::AppendError;
use counterfoil_core::records::Versioned;
use counterfoil_core::traced::DecisionMade;
use counterfoil_core::usecases::{Acted, AdminError};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::ShownOnce;
use counterfoil_lambda::problem::decision_headers;
use counterfoil_lambda::telemetry::chain;
use serde::Serialize;

use crate::answer::{conflict, versioned};

/// Names the decision behind an answer.
pub(crate) fn decided(mut response: Response, decision: Option<DecisionMade>) -> Response {
    if let Some(DecisionMade { id, policy }) = decision {
        decision_headers(response.headers_mut(), Some(&id), Some(&policy));
    }
    response
}

/// A record as an act left it.
pub(crate) fn changed<T, V: Serialize>(
    done: Result<Acted<T>, AdminError>,
    view: impl FnOnce(&Versioned<T>) -> V,
) -> Result<Response, Problem> {
    let done = done.map_err(|error| problem(&error))?;
    let response = versioned(StatusCode::OK, &view(&done.record), done.record.version);
    Ok(decided(response, done.decision))
}

/// That an act left nothing.
pub(crate) fn removed<T>(done: Result<Acted<T>, AdminError>) -> Result<Response, Problem> {
    let done = done.map_err(|error| problem(&error))?;
    let response = StatusCode::NO_CONTENT.into_response();
    Ok(decided(response, done.decision))
}

/// An answer with a secret that is shown once.
pub(crate) fn shown_once(mut response: Response) -> Response {
    response.extensions_mut().insert(ShownOnce);
    response
}

/// An error of an administrative act as an answer. Causes go to the log, once.
pub(crate) fn problem(error: &AdminError) -> Problem {
    match error {
        AdminError::NotFound => Problem::not_found(),
        AdminError::NotAPerson => {
            let title = "Keys do not do this: a person signs in for it";
            Problem::new(StatusCode::FORBIDDEN, "capability-missing", title)
        }
        AdminError::NotForRole => {
            let title = "Only owners and admins see this";
            Problem::new(StatusCode::FORBIDDEN, "capability-missing", title)
        }
        AdminError::Invalid { field, rule } => Problem::invalid(*field, *rule),
        AdminError::Precondition => {
            let title = "The record has changed: read it again";
            let status = StatusCode::PRECONDITION_FAILED;
            Problem::new(status, "precondition-failed", title)
        }
        AdminError::WrongState(why) => conflict("wrong-state", *why),
        AdminError::Denied {
            judgement,
            decision,
        } => denied(judgement, *decision),
        AdminError::Changed => {
            let title = "Somebody changed this in the meantime: read it again";
            conflict("wrong-state", title)
        }
        AdminError::Evidence(AppendError::OutcomeUnknown(_)) => {
            tracing::error!(
                cause = chain(error),
                "it is not known whether this was done"
            );
            Problem::outcome_unknown()
        }
        AdminError::Random
        | AdminError::Evidence(_)
        | AdminError::Port(_)
        | AdminError::Record(_)
        | AdminError::Json(_) => {
            tracing::error!(cause = chain(error), "not done");
            Problem::unavailable()
        }
    }
}

/// That policy said no, with what to do where only the sign-in is too old.
pub(crate) fn denied(judgement: &Judgement, decision: Option<DecisionId>) -> Problem {
    let problem = Problem::denied(judgement);
    match decision {
        Some(decision) => problem.decided(&decision, judgement.policy()),
        None => problem,
    }
}
