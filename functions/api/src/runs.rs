//! The route that reads one run.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use counterfoil_core::usecases::{ReadRunError, RunView};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::Caller;
use counterfoil_lambda::schema::RunId;
use counterfoil_lambda::telemetry::chain;

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
    whole(&run.map_err(|error| problem(&error))?)
}

/// A run, or that its contents were erased: 410.
fn whole(run: &RunView) -> Result<Response, Problem> {
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

/// An error of reading a run as an answer.
fn problem(error: &ReadRunError) -> Problem {
    match error {
        ReadRunError::NotFound => Problem::not_found(),
        ReadRunError::Port(_) | ReadRunError::Record(_) => {
            tracing::error!(cause = chain(error), "run not read");
            Problem::unavailable()
        }
    }
}
