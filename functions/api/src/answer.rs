//! What people and programs see: runs, erasures, holds, settings, and errors.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header::ETAG};
use axum::response::{IntoResponse, Response};
use counterfoil_core::erasure::ErasureState;
use counterfoil_core::hold::{HoldState, LegalHold};
use counterfoil_core::policy::Judgement;
use counterfoil_core::records::Versioned;
use counterfoil_core::retention::Retention;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{
    EraseError, Erased, HoldError, Lost, ReadRunError, Released, RetentionChange, RetentionError,
    RunView,
};
use counterfoil_lambda::Problem;
use counterfoil_lambda::telemetry::chain;

use crate::views;

/// A run, or that its contents were erased: 410.
pub(crate) fn run(run: &RunView) -> Result<Response, Problem> {
    if run.is_erased() {
        let by: Vec<String> = run.erased_by().iter().map(u64::to_string).collect();
        let how = match by.as_slice() {
            [] => String::new(),
            by => format!(" by entries {}", by.join(", ")),
        };
        let title = format!("The contents of this run were erased{how}; its record still verifies");
        return Err(Problem::new(StatusCode::GONE, "erased", title));
    }
    Ok(Json(views::Run::of(run)).into_response())
}

/// 200 when nothing is left, 202 while something is.
pub(crate) fn erased(ctx: &TenantCtx, erased: &Erased) -> Response {
    let done = erased.erasure.state == ErasureState::Done;
    tracing::info!(
        project.id = %ctx.project(),
        parts = erased.erasure.entries.len(),
        objects = erased.erasure.objects,
        left = erased.left,
        "contents erased"
    );
    let status = if done {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    (status, Json(views::Erasure::of(erased))).into_response()
}

/// The `redact` entry of a lost part.
pub(crate) fn lost(lost: &Lost) -> Response {
    if lost.under_hold {
        tracing::error!(seq = lost.entry.seq, "a part under a legal hold is lost");
    }
    (StatusCode::CREATED, Json(views::LostPart::of(lost))).into_response()
}

/// Every hold.
pub(crate) fn holds(holds: &[Versioned<LegalHold>]) -> Response {
    let items = holds.iter();
    let items = items.map(|hold| views::Hold::of(&hold.value)).collect();
    Json(views::Holds {
        items,
        next_cursor: None,
    })
    .into_response()
}

/// One hold.
pub(crate) fn hold(status: StatusCode, hold: &Versioned<LegalHold>) -> Response {
    (status, Json(views::Hold::of(&hold.value))).into_response()
}

/// 202 while a second owner is needed, 200 when it is over.
pub(crate) fn released(released: &Released) -> Response {
    match released {
        Released::Held(waiting) => hold(StatusCode::ACCEPTED, waiting),
        Released::Done(over) => hold(StatusCode::OK, over),
    }
}

/// The retention setting, with its version as `ETag`.
pub(crate) fn retention(status: StatusCode, found: &Versioned<Retention>) -> Response {
    let view = views::RetentionSetting::of(&found.value);
    let mut response = (status, Json(view)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", found.version)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// 202 while a second person is needed, 200 when it is in force.
pub(crate) fn retention_changed(change: &RetentionChange) -> Response {
    match change {
        RetentionChange::Held(waiting) => retention(StatusCode::ACCEPTED, waiting),
        RetentionChange::Done(now) => retention(StatusCode::OK, now),
    }
}

pub(crate) fn denied(judgement: &Judgement) -> Problem {
    let title = format!("{} ({})", judgement.reason, judgement.rule);
    Problem::new(StatusCode::FORBIDDEN, "action-denied", title)
}

pub(crate) fn conflict(code: &'static str, title: impl Into<String>) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, title)
}

/// An error of reading a run as an answer.
pub(crate) fn run_problem(error: &ReadRunError) -> Problem {
    match error {
        ReadRunError::NotFound => Problem::not_found(),
        ReadRunError::Port(_) | ReadRunError::Record(_) => {
            tracing::error!(cause = chain(error), "run not read");
            Problem::unavailable()
        }
    }
}

/// An error about an erasure as an answer. Causes go to the log, once.
pub(crate) fn erase_problem(error: &EraseError) -> Problem {
    match error {
        EraseError::NotFound => Problem::not_found(),
        EraseError::Invalid { field, rule } => Problem::invalid(*field, *rule),
        EraseError::RunOpen => conflict(
            "run-open",
            "The run is still open: erase it when it is closed",
        ),
        EraseError::OpenActions => conflict(
            "run-has-open-actions",
            "A repair is not finished: approve, reject or cancel it first",
        ),
        EraseError::Held { hold, reason } => {
            let title = format!("A legal hold keeps this: {reason} ({hold})");
            conflict("legal-hold", title)
        }
        EraseError::Denied(judgement) => denied(judgement),
        EraseError::Changed
        | EraseError::Evidence(_)
        | EraseError::Port(_)
        | EraseError::Record(_)
        | EraseError::Vault(_)
        | EraseError::Prune(_)
        | EraseError::Json(_) => {
            tracing::error!(cause = chain(error), "erasure not finished");
            unfinished()
        }
    }
}

/// An error about a legal hold as an answer.
pub(crate) fn hold_problem(error: &HoldError) -> Problem {
    match error {
        HoldError::NotFound => Problem::not_found(),
        HoldError::Invalid { field, rule } => Problem::invalid(*field, *rule),
        HoldError::KeyReused => {
            let title = "This `Idempotency-Key` came with another hold before";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "idempotency-key-reused", title)
        }
        HoldError::WrongState { state } => {
            let title = match state {
                HoldState::Setting => "The hold is being set: try again when it is active",
                HoldState::Active => "The hold is active: release it, nothing else ends it",
                HoldState::Releasing => "The hold is being released: nothing is left to do",
                HoldState::Released => "The hold is over: set a new one if it is needed",
            };
            conflict("wrong-state", title)
        }
        HoldError::Denied(judgement) => denied(judgement),
        HoldError::Changed
        | HoldError::Evidence(_)
        | HoldError::Port(_)
        | HoldError::Record(_)
        | HoldError::Json(_) => {
            tracing::error!(cause = chain(error), "hold not finished");
            unfinished()
        }
    }
}

/// An error about retention as an answer.
pub(crate) fn retention_problem(error: &RetentionError) -> Problem {
    match error {
        RetentionError::NotFound => Problem::not_found(),
        RetentionError::OutOfBounds => Problem::invalid("/snapshot_days", error.to_string()),
        RetentionError::Changed => {
            let title = "The setting has changed: read it again";
            let status = StatusCode::PRECONDITION_FAILED;
            Problem::new(status, "precondition-failed", title)
        }
        RetentionError::Denied(judgement) => denied(judgement),
        RetentionError::Evidence(_)
        | RetentionError::Port(_)
        | RetentionError::Record(_)
        | RetentionError::Prune(_)
        | RetentionError::Json(_) => {
            tracing::error!(cause = chain(error), "retention not changed");
            unfinished()
        }
    }
}

/// Some of it may be done already; the same request goes on from there.
pub(crate) fn unfinished() -> Problem {
    let title = "This is not finished: send the same request again";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    Problem::new(status, "not-finished", title)
}
