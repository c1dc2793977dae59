//! The routes of `api`. Each is one use case.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRef, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use counterfoil_core::ports::HoldTarget;
use counterfoil_core::usecases::{EraseRequest, NewHold};
use counterfoil_lambda::http::{Authentication, Caller, body, idempotency_key, if_match};
use counterfoil_lambda::{Front, Problem};
use serde::Deserialize;
use serde_json::Value;

use crate::answer;
use crate::api::Api;
use crate::customers;
use crate::incidents;
use crate::login;
use crate::schedule;
use crate::webhooks;

impl FromRef<Api> for Authentication {
    fn from_ref(api: &Api) -> Self {
        api.authentication.clone()
    }
}

/// Every route.
pub fn router(api: Api) -> Front {
    let routes = Router::new()
        .route("/v1/runs/{id}", get(read_run))
        .route("/v1/runs/{id}/erase", post(erase_run))
        .route("/v1/customers/{id}/erase", post(erase_customer))
        .route("/v1/customers/{id}/state", get(customers::state))
        .route("/v1/checks", post(customers::check))
        .route("/v1/entries/{seq}/lost", post(declare_lost))
        .route("/v1/incidents", get(incidents::list))
        .route("/v1/incidents/{id}", get(incidents::read))
        .route("/v1/incidents/{id}/ignore", post(incidents::ignore))
        .route("/v1/incidents/{id}/reopen", post(incidents::reopen))
        .route(
            "/v1/incidents/{id}/acknowledge",
            post(incidents::acknowledge),
        )
        .route("/v1/holds", get(list_holds).post(set_hold))
        .route("/v1/holds/{id}/release", post(release_hold))
        .route(
            "/v1/settings/retention",
            get(read_retention).put(change_retention),
        )
        .route(
            "/v1/settings/schedule",
            get(schedule::read).put(schedule::change),
        )
        .route("/v1/webhooks/health", get(webhooks::health))
        .route("/v1/login", get(login::place));
    Front::of(routes, api, &["/v1/incidents"])
}

async fn read_run(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run = api.runs.get(&ctx, &id).await;
    answer::run(&run.map_err(|error| answer::run_problem(&error))?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EraseBody {
    reason: String,
    #[serde(default)]
    comment: Option<String>,
}

impl EraseBody {
    fn read(bytes: &Bytes) -> Result<EraseRequest, Problem> {
        let read: Self = body(bytes)?;
        Ok(EraseRequest {
            reason: read.reason,
            comment: read.comment,
        })
    }
}

async fn erase_run(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let problem = |error| answer::erase_problem(&error);
    let request = match EraseBody::read(&bytes) {
        Ok(request) => request,
        // Whether the caller may know the run and erase comes before what they sent.
        Err(bad) => {
            let admitted = api.erase.admit_run(&ctx, &id).await;
            return Err(admitted.map_or_else(problem, |()| bad));
        }
    };
    let erased = api.erase.run(&ctx, &id, &request).await;
    Ok(answer::erased(&ctx, &erased.map_err(problem)?))
}

async fn erase_customer(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let problem = |error| answer::erase_problem(&error);
    let request = match EraseBody::read(&bytes) {
        Ok(request) => request,
        Err(bad) => {
            let admitted = api.erase.admit_customer(&ctx, &id).await;
            return Err(admitted.map_or_else(problem, |()| bad));
        }
    };
    let erased = api.erase.customer(&ctx, &id, &request).await;
    Ok(answer::erased(&ctx, &erased.map_err(problem)?))
}

async fn declare_lost(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(seq): Path<String>,
) -> Result<Response, Problem> {
    let seq = seq.parse().map_err(|_| Problem::not_found())?;
    let lost = api.lost.declare(&ctx, seq).await;
    Ok(answer::lost(
        &lost.map_err(|error| answer::erase_problem(&error))?,
    ))
}

async fn list_holds(State(api): State<Api>, Caller(ctx): Caller) -> Result<Response, Problem> {
    let holds = api.holds.list(&ctx).await;
    Ok(answer::holds(
        &holds.map_err(|error| answer::hold_problem(&error))?,
    ))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum Scope {
    #[default]
    Project,
    Workspace,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldBody {
    #[serde(default)]
    scope: Scope,
    target: Value,
    reason: String,
}

impl HoldBody {
    fn read(headers: &HeaderMap, bytes: &Bytes) -> Result<NewHold, Problem> {
        let key = idempotency_key(headers)?;
        let read: Self = body(bytes)?;
        let target: HoldTarget = serde_json::from_value(read.target).map_err(|_| {
            let rule = "must be {\"all\":true}, {\"run\":\"run_...\"} or {\"from\":0,\"to\":10}";
            Problem::invalid("/target", rule)
        })?;
        Ok(NewHold {
            idempotency_key: key,
            workspace: matches!(read.scope, Scope::Workspace),
            target,
            reason: read.reason.trim().to_owned(),
        })
    }
}

async fn set_hold(
    State(api): State<Api>,
    Caller(ctx): Caller,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let problem = |error| answer::hold_problem(&error);
    let new = match HoldBody::read(&headers, &bytes) {
        Ok(new) => new,
        // Whether the caller may set a hold comes before what they sent.
        Err(bad) => return Err(api.holds.admit(&ctx).map_or_else(problem, |()| bad)),
    };
    let hold = api.holds.set(&ctx, &new).await;
    Ok(answer::hold(StatusCode::CREATED, &hold.map_err(problem)?))
}

async fn release_hold(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let released = api.holds.release(&ctx, &id).await;
    Ok(answer::released(
        &released.map_err(|error| answer::hold_problem(&error))?,
    ))
}

async fn read_retention(State(api): State<Api>, Caller(ctx): Caller) -> Result<Response, Problem> {
    let found = api.retention.read(&ctx).await;
    Ok(answer::retention(
        StatusCode::OK,
        &found.map_err(|error| answer::retention_problem(&error))?,
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionBody {
    snapshot_days: u64,
}

async fn change_retention(
    State(api): State<Api>,
    Caller(ctx): Caller,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let wanted: RetentionBody = body(&bytes)?;
    let version = if_match(&headers)?.ok_or_else(|| {
        let title = "Send `If-Match` with the ETag of the setting that was displayed";
        let status = StatusCode::PRECONDITION_REQUIRED;
        Problem::new(status, "precondition-required", title)
    })?;
    let changed = api
        .retention
        .change(&ctx, wanted.snapshot_days, version)
        .await;
    Ok(answer::retention_changed(
        &changed.map_err(|error| answer::retention_problem(&error))?,
    ))
}
