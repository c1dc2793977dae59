//! Routes of governed runs: open, complete, and what a decision is or would be. Their actions are
//! proposed and reported at `repair-approve`, where votes are.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use counterfoil_core::usecases::DecisionRecord;
use counterfoil_lambda::Problem;
use counterfoil_lambda::decisions::{self, Found};
use counterfoil_lambda::governed::{self, CompletionBody, PreviewBody, RunBody};
use counterfoil_lambda::http::{Caller, Sent, admitted, allowed};
use counterfoil_lambda::refusals::governed as problem;
use counterfoil_lambda::schema::{DecisionId, IdempotencyKey, RunId};

use crate::api::Api;
use crate::views;

/// Open a governed run
///
/// It takes actions until it is completed. One that is left ends by itself, 24 hours after the last
/// thing that happened in it.
#[utoipa::path(
    post, path = "/v1/runs", operation_id = "openRun", tag = "runs",
    params(IdempotencyKey), request_body = RunBody,
    responses((status = CREATED, description = "The run", body = views::GovernedRun,
        headers(("ETag" = String, description = "Version of the run")))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "outcome-unknown"]))),
)]
pub(crate) async fn open(
    State(api): State<Api>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    governed::open(&api.governed, &api.repeats, &ctx, &sent).await
}

/// Complete a governed run
///
/// When every action has ended. A deterministic run that ends with another artifact than it began with
/// is recorded as failed.
#[utoipa::path(
    post, path = "/v1/runs/{id}/complete", operation_id = "completeRun", tag = "runs",
    params(("id" = RunId, Path, description = "The run"), IdempotencyKey),
    request_body = CompletionBody,
    responses((status = OK, description = "The run as it ended", body = views::GovernedRun,
        headers(("ETag" = String, description = "Version of the run")))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "run-has-open-actions", "wrong-state", "precondition-failed", "outcome-unknown"]))),
)]
pub(crate) async fn complete(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    governed::complete(&api.governed, &api.repeats, (&ctx, &id), &sent).await
}

/// Ask what would be decided
///
/// Nothing is proposed and nothing is recorded as evidence. The answer can be read for 7 days.
#[utoipa::path(
    post, path = "/v1/decisions/preview", operation_id = "previewDecision", tag = "runs",
    params(IdempotencyKey), request_body = PreviewBody,
    responses((status = CREATED, description = "What would be decided now", body = views::Decision, headers(
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["already-created", "capability-missing"]))),
)]
pub(crate) async fn preview(
    State(api): State<Api>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = api.governed.admit_open(&ctx);
    let asked = sent.key().and_then(|_| sent.read::<PreviewBody>()?.read());
    let preview = admitted(asked, may, problem).await?;
    let may = allowed(api.governed.admit_open(&ctx), problem);
    sent.once(&api.repeats, &ctx, may, async |_| {
        let previewed = api.governed.preview(&ctx, &preview).await;
        let previewed = previewed.map_err(|error| problem(&error))?;
        Ok(decision(StatusCode::CREATED, &previewed))
    })
    .await
}

/// Read a decision
///
/// Any that `Counterfoil-Decision` named and that is recorded in the project, or is a preview of it; for
/// people who signed in, also what is recorded in the workspace.
#[utoipa::path(
    get, path = "/v1/decisions/{id}", operation_id = "readDecision", tag = "runs",
    params(("id" = DecisionId, Path, description = "The decision")),
    responses((status = OK, description = "The decision", body = views::Decision, headers(
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn read(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    match decisions::find(&api.governed, &api.evidence, &ctx, &id).await? {
        Found::Recorded(found) => {
            let named = (found.id.to_string(), found.policy.clone());
            let view = views::Decision::recorded(&found);
            Ok(named_by(StatusCode::OK, view, named))
        }
        Found::Indexed(found) => Ok(decision(StatusCode::OK, &found)),
    }
}

fn decision(status: StatusCode, decision: &DecisionRecord) -> Response {
    let named = (decision.id.to_string(), decision.policy.clone());
    named_by(status, views::Decision::of(decision), named)
}

fn named_by(status: StatusCode, view: views::Decision, (id, policy): (String, String)) -> Response {
    let mut response = (status, Json(view)).into_response();
    let headers = response.headers_mut();
    let named = [("counterfoil-decision", id), ("counterfoil-policy", policy)];
    for (name, value) in named {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}
