//! The routes that read one run and find its package.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header::LOCATION};
use axum::response::{IntoResponse, Response};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::Caller;
use counterfoil_lambda::refusals;
use counterfoil_lambda::schema::RunId;

use crate::api::Api;
use crate::views;

/// Read a run
///
/// A run whose contents were erased is gone (410); that it happened still verifies.
#[utoipa::path(
    get, path = "/v1/runs/{id}", operation_id = "readRun", tag = "runs",
    params(("id" = RunId, Path, description = "The run")),
    responses((status = OK, description = "The run", body = views::Run)),
    extensions(("x-problems" = json!(["erased"]))),
)]
pub(crate) async fn read(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run = api.runs.get(&ctx, &id).await;
    let run = run.map_err(|error| refusals::run(&error))?;
    refusals::unless_erased(&run)?;
    Ok(Json(views::Run::of(&run)).into_response())
}

/// Find the evidence package of a run
///
/// Leads to its newest export that is being made or can be fetched. It makes none: that is
/// `POST /v1/exports`, which is judged and recorded.
#[utoipa::path(
    get, path = "/v1/runs/{id}/evidence", operation_id = "findRunEvidence", tag = "runs",
    params(("id" = RunId, Path, description = "The run")),
    responses((status = SEE_OTHER, description = "The export",
        headers(("Location" = String, description = "Where to look for it")))),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn evidence(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let now = api.projects.create.clock.now();
    let found = api.evidence.package_of(&ctx, &id, now).await;
    let found = found.map_err(|error| refusals::evidence(&error))?;
    let Some(export) = found else {
        // A run without a package, a foreign one and none at all look alike.
        return Err(Problem::not_found());
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/v1/exports/{export}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}
