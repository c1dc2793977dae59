//! What people and programs see: runs, erasures, holds, settings, and errors.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header::ETAG};
use axum::response::{IntoResponse, Response};
use counterfoil_core::erasure::{Erasure, ErasureScope, ErasureState};
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
use serde_json::{Value, json};

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
    let entries: Vec<Value> = run
        .entries
        .iter()
        .map(|entry| {
            json!({
                "seq": entry.seq,
                "kind": entry.kind.name(),
                "at": entry.at.to_string(),
                "erased_by": entry.erased_by,
            })
        })
        .collect();
    let view = json!({ "id": run.id, "closed": run.closed, "entries": entries });
    Ok(Json(view).into_response())
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
    let mut view = erasure(&erased.erasure);
    if let Some(fields) = view.as_object_mut() {
        fields.insert("already".to_owned(), json!(erased.already));
        fields.insert("left".to_owned(), json!(erased.left));
    }
    (status, Json(view)).into_response()
}

fn erasure(erasure: &Erasure) -> Value {
    let of = match &erasure.scope {
        ErasureScope::Run { run } => json!({ "run": run }),
        ErasureScope::Customer { pseudonym, .. } => json!({ "customer_pseudonym": pseudonym }),
    };
    json!({
        "of": of,
        "state": erasure.state,
        "reason": erasure.reason,
        "asked_at": erasure.at.to_string(),
        "decision": erasure.decision,
        "erased": {
            "parts": erasure.entries.len(),
            "entries": erasure.entries,
            "objects": erasure.objects,
        },
    })
}

/// The `redact` entry of a lost part.
pub(crate) fn lost(lost: &Lost) -> Response {
    if lost.under_hold {
        tracing::error!(seq = lost.entry.seq, "a part under a legal hold is lost");
    }
    let view = json!({ "entry": lost.entry, "under_hold": lost.under_hold });
    (StatusCode::CREATED, Json(view)).into_response()
}

/// Every hold.
pub(crate) fn holds(holds: &[Versioned<LegalHold>]) -> Response {
    let items: Vec<Value> = holds.iter().map(|hold| hold_view(&hold.value)).collect();
    Json(json!({ "items": items, "next_cursor": null })).into_response()
}

/// One hold.
pub(crate) fn hold(status: StatusCode, hold: &Versioned<LegalHold>) -> Response {
    (status, Json(hold_view(&hold.value))).into_response()
}

/// 202 while a second owner is needed, 200 when it is over.
pub(crate) fn released(released: &Released) -> Response {
    match released {
        Released::Held(waiting) => hold(StatusCode::ACCEPTED, waiting),
        Released::Done(over) => hold(StatusCode::OK, over),
    }
}

fn hold_view(hold: &LegalHold) -> Value {
    let release = hold
        .release
        .as_ref()
        .map(|release| json!({ "proposed_by": release.by, "proposed_at": release.at.to_string() }));
    let scope = if hold.project.is_some() {
        "project"
    } else {
        "workspace"
    };
    json!({
        "id": hold.id,
        "scope": scope,
        "target": hold.target,
        "reason": hold.reason,
        "set_by": { "type": hold.by.kind(), "id": hold.by.id() },
        "set_at": hold.set_at.to_string(),
        "state": hold.state,
        "release": release,
    })
}

/// The retention setting, with its version as `ETag`.
pub(crate) fn retention(status: StatusCode, found: &Versioned<Retention>) -> Response {
    let proposed = found.value.proposed.as_ref().map(
        |proposed| json!({ "snapshot_days": proposed.snapshot_days, "proposed_by": proposed.by }),
    );
    let view = json!({ "snapshot_days": found.value.snapshot_days, "proposed": proposed });
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
