//! Answers of the routes.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION};
use axum::response::{IntoResponse, Response};
use counterfoil_core::erasure::ERASED;
use counterfoil_core::export::{Export, ExportFile, ExportScope};
use counterfoil_core::ids::DecisionId;
use counterfoil_core::policy::bundle_digest;
use counterfoil_core::records::Versioned;
use counterfoil_core::usecases::{Accepted, ExportError, Fetched, LINK_VALID};
use counterfoil_lambda::Problem;
use counterfoil_lambda::telemetry::chain;
use serde_json::{Value, json};

/// 202: the export and where to look for it.
pub(crate) fn accepted(accepted: &Accepted) -> Response {
    let export = &accepted.export;
    let mut headers = tag(export.version);
    put(
        &mut headers,
        LOCATION,
        &format!("/v1/exports/{}", export.value.id),
    );
    match accepted.decision {
        Some(decision) => judged(&mut headers, decision),
        None => put(
            &mut headers,
            HeaderName::from_static("idempotent-replayed"),
            "true",
        ),
    }
    (StatusCode::ACCEPTED, headers, Json(view(&export.value))).into_response()
}

/// 200: the export as it is.
pub(crate) fn found(export: &Versioned<Export>) -> Response {
    (tag(export.version), Json(view(&export.value))).into_response()
}

/// 200: a link to one of its files.
pub(crate) fn link(fetched: &Fetched) -> Response {
    let mut headers = HeaderMap::new();
    judged(&mut headers, fetched.decision);
    let mut value = file(&fetched.file);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("id".to_owned(), json!(fetched.export.id));
        fields.insert("url".to_owned(), json!(fetched.url));
        fields.insert("url_valid_s".to_owned(), json!(LINK_VALID.as_secs()));
    }
    (headers, Json(value)).into_response()
}

fn tag(version: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    put(&mut headers, ETAG, &format!("\"{version}\""));
    headers
}

fn judged(headers: &mut HeaderMap, decision: DecisionId) {
    let name = HeaderName::from_static;
    put(headers, name("counterfoil-decision"), &decision.to_string());
    put(headers, name("counterfoil-policy"), &bundle_digest());
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn view(export: &Export) -> Value {
    let mut value = json!({
        "id": export.id,
        "state": export.state,
        "scope": scope(&export.scope),
        "inputs": export.inputs,
        "progress": { "done": export.progress.done, "of": export.progress.of },
        "stream": export.stream,
        "asked_at": export.asked_at.to_string(),
        "touched_at": export.touched_at.to_string(),
    });
    let Some(fields) = value.as_object_mut() else {
        return value;
    };
    if let Some(failure) = &export.failure {
        fields.insert(
            "failure".to_owned(),
            json!({ "code": failure.code, "detail": failure.detail }),
        );
    }
    if let Some(made) = &export.made {
        let package = made.files.first();
        let parts: Vec<Value> = made.files.iter().map(file).collect();
        let seal = json!({
            "size": made.seal.size, "at": made.seal.at.to_string(), "hash": made.seal.hash,
        });
        for (name, more) in [
            ("digest", json!(package.map(|file| &file.digest))),
            ("bytes", json!(package.map(|file| file.bytes))),
            ("format", json!(package.map(|file| &file.format))),
            ("seal", seal),
            ("from", json!(made.from)),
            ("to", json!(made.to)),
            ("entries", json!(made.entries)),
            ("empty", json!(made.empty)),
            ("parts", json!(parts)),
            ("made_at", json!(made.at.to_string())),
        ] {
            fields.insert(name.to_owned(), more);
        }
    }
    if let Some(end) = export.expires_at() {
        fields.insert("expires_at".to_owned(), json!(end.to_string()));
    }
    value
}

fn scope(scope: &ExportScope) -> Value {
    let of = scope.name();
    match scope {
        ExportScope::Run { run_id } => json!({ "of": of, "run_id": run_id }),
        ExportScope::Period { from, to } => {
            json!({ "of": of, "from": from.to_string(), "to": to.to_string() })
        }
        ExportScope::Customer { customer } => json!({ "of": of, "customer": customer }),
        ExportScope::All | ExportScope::Workspace => json!({ "of": of }),
    }
}

fn file(file: &ExportFile) -> Value {
    json!({
        "part": file.part,
        "filename": file.filename,
        "format": file.format,
        "content_type": file.content_type,
        "digest": file.digest,
        "bytes": file.bytes,
    })
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
        ExportError::Denied { judgement, .. } => {
            let title = format!("{} ({})", judgement.reason, judgement.rule);
            Problem::new(StatusCode::FORBIDDEN, "action-denied", title)
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
        | ExportError::Record(_)
        | ExportError::Json(_) => {
            tracing::error!(cause = chain(error), "export failed");
            Problem::unavailable()
        }
    }
}
