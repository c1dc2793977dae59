//! The route that reads one run.

use axum::Json;
use axum::extract::{Path, State};
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
