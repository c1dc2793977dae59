//! Answers of the routes.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};
use counterfoil_core::erasure::ERASED;
use counterfoil_core::export::Export;
use counterfoil_core::records::Versioned;
use counterfoil_core::usecases::{Accepted, ExportError, Fetched};
use counterfoil_lambda::Problem;
use counterfoil_lambda::sight::Sight;
use counterfoil_lambda::telemetry::chain;

use crate::views;

/// 202: the export and where to look for it.
pub(crate) fn accepted(accepted: &Accepted, sight: Sight) -> Response {
    let export = &accepted.export;
    let mut headers = tag(export.version);
    put(
        &mut headers,
        LOCATION,
        &format!("/v1/exports/{}", export.value.id),
    );
    if accepted.decision.is_none() {
        let replayed = HeaderName::from_static("idempotent-replayed");
        put(&mut headers, replayed, "true");
    }
    (
        StatusCode::ACCEPTED,
        headers,
        Json(views::Export::of(&export.value, sight)),
    )
        .into_response()
}

/// 200: the export as it is.
pub(crate) fn found(export: &Versioned<Export>, sight: Sight) -> Response {
    let view = views::Export::of(&export.value, sight);
    (tag(export.version), Json(view)).into_response()
}

/// 200: a link to one of its files.
pub(crate) fn link(fetched: &Fetched) -> Response {
    Json(views::Link::of(fetched)).into_response()
}

fn tag(version: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    put(&mut headers, ETAG, &format!("\"{version}\""));
    headers
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The problem that an error is.
pub(crate) fn problem(error: &ExportError) -> Problem {
    match error {
        ExportError::NotFound | ExportError::NoPart => Problem::not_found(),
        ExportError::Period { field, rule } => Problem::invalid(format!("/{field}"), *rule),
        ExportError::RunOpen => {
            let title = "The run is still open: export it when it is closed";
            Problem::new(StatusCode::CONFLICT, "run-open", title)
        }
        ExportError::Denied { judgement, .. } | ExportError::Refused(judgement) => {
            Problem::denied(judgement)
        }
        ExportError::NotReady => {
            let title = "The export is not ready yet: read it until its state is `ready`";
            Problem::new(StatusCode::CONFLICT, "export-not-ready", title)
        }
        ExportError::Failed(failure) if failure.code == ERASED => {
            Problem::new(StatusCode::GONE, "erased", failure.detail.clone())
        }
        ExportError::Failed(failure) => Problem::new(
            StatusCode::CONFLICT,
            "export-failed",
            failure.detail.clone(),
        ),
        ExportError::Expired => {
            let title = "The package is not kept any more: ask for a new export";
            Problem::new(StatusCode::GONE, "export-expired", title)
        }
        ExportError::KeyReused => {
            let title = "This `Idempotency-Key` was used for another request: use a new one";
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                title,
            )
        }
        ExportError::Evidence(_)
        | ExportError::Port(_)
        | ExportError::Vault(_)
        | ExportError::Record(_)
        | ExportError::Json(_) => {
            tracing::error!(cause = chain(error), "export failed");
            Problem::unavailable()
        }
    }
}
