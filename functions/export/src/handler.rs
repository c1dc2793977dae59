//! The routes of `export`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use counterfoil_core::ports::{Clock, State as StatePort};
use counterfoil_core::records::Export;
use counterfoil_core::usecases::{ExportRun, ExportRunError, Exported, LINK_VALID};
use counterfoil_lambda::event::{self, Incoming};
use counterfoil_lambda::http::{Authenticates, Caller, body};
use counterfoil_lambda::telemetry::chain;
use counterfoil_lambda::{Error, Problem};
use serde::Deserialize;
use serde_json::{Value, json};

/// Handles one invocation.
pub(crate) async fn handle(export: ExportRun, event: Value) -> Result<Value, Error> {
    match event::read(event)? {
        Incoming::Http(request) => Ok(event::answer(router(export), *request).await?),
        Incoming::Other(_) => Err("this function only takes HTTP API events".into()),
    }
}

#[derive(Clone)]
struct Routes(ExportRun);

impl Authenticates for Routes {
    fn state(&self) -> Arc<dyn StatePort> {
        self.0.state.clone()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }
}

fn router(export: ExportRun) -> Router {
    Router::new()
        .route("/v1/exports", post(create))
        .route("/v1/exports/{id}", get(read))
        .route("/v1/exports/{id}/download", get(download))
        .fallback(async || Problem::not_found())
        .with_state(Routes(export))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    run_id: String,
}

async fn create(
    State(Routes(export)): State<Routes>,
    Caller(ctx): Caller,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let request: Request = body(&bytes)?;
    let exported = export
        .export(&ctx, &request.run_id)
        .await
        .map_err(|error| problem(&error))?;
    Ok((StatusCode::CREATED, Json(with_link(&exported))).into_response())
}

async fn read(
    State(Routes(export)): State<Routes>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = export
        .find(&ctx, &id)
        .await
        .map_err(|error| problem(&error))?;
    Ok(Json(view(&found)).into_response())
}

async fn download(
    State(Routes(export)): State<Routes>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let exported = export
        .download(&ctx, &id)
        .await
        .map_err(|error| problem(&error))?;
    Ok(Json(with_link(&exported)).into_response())
}

fn view(export: &Export) -> Value {
    json!({
        "id": export.id,
        "run_id": export.run,
        "stream": export.stream,
        "sha256": export.digest,
        "bytes": export.bytes,
        "made_at": export.made_at.to_string(),
    })
}

fn with_link(exported: &Exported) -> Value {
    let mut value = view(&exported.export);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("url".to_owned(), json!(exported.url));
        fields.insert("url_valid_s".to_owned(), json!(LINK_VALID.as_secs()));
    }
    value
}

fn problem(error: &ExportRunError) -> Problem {
    match error {
        ExportRunError::NotFound => Problem::not_found(),
        ExportRunError::RunOpen => {
            let title = "The run is still open: export it when it is closed";
            Problem::new(StatusCode::CONFLICT, "run-open", title)
        }
        ExportRunError::Denied(judgement) => {
            let title = format!("{} ({})", judgement.reason, judgement.rule);
            Problem::new(StatusCode::FORBIDDEN, "action-denied", title)
        }
        ExportRunError::Evidence(_)
        | ExportRunError::Port(_)
        | ExportRunError::Record(_)
        | ExportRunError::Unverifiable(_)
        | ExportRunError::Unpackable(_)
        | ExportRunError::Json(_) => {
            tracing::error!(cause = chain(error), "export failed");
            Problem::unavailable()
        }
    }
}
