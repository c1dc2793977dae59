//! Routes of the setting that says how long snapshots are kept.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use counterfoil_core::records::Versioned;
use counterfoil_core::retention::Retention;
use counterfoil_core::usecases::{KeepRetention, RetentionChange, RetentionError};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, admitted, body, demand_if_match, judged};
use counterfoil_lambda::schema::IfMatch;
use counterfoil_lambda::telemetry::chain;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{conflict, versioned};
use crate::api::Api;
use crate::views;

/// Read how long snapshots are kept
#[utoipa::path(
    get, path = "/v1/settings/retention", operation_id = "readRetention", tag = "settings",
    responses((status = OK, description = "The setting", body = views::RetentionSetting,
        headers(("ETag" = String, description = "Version of the setting")))),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn read(State(api): State<Api>, Caller(ctx): Caller) -> Result<Response, Problem> {
    let found = api.retention.read(&ctx).await;
    Ok(setting(
        StatusCode::OK,
        &found.map_err(|error| problem(&error))?,
    ))
}

/// How long snapshots are to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetentionBody {
    #[schema(minimum = 35, maximum = 90)]
    snapshot_days: u64,
}

/// Change how long snapshots are kept
///
/// A shorter time needs a second person.
#[utoipa::path(
    put, path = "/v1/settings/retention", operation_id = "changeRetention", tag = "settings",
    params(IfMatch), request_body = RetentionBody,
    responses(
        (status = OK, description = "In force", body = views::RetentionSetting,
            headers(("ETag" = String, description = "Version of the setting"))),
        (status = ACCEPTED, description = "A second person is needed", body = views::RetentionSetting,
            headers(("ETag" = String, description = "Version of the setting"))),
    ),
    extensions(("x-problems" = json!(["precondition-required", "precondition-failed", "wrong-state", "action-denied", "not-finished"]))),
)]
pub(crate) async fn change(
    State(api): State<Api>,
    Caller(ctx): Caller,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let read = || Ok((body::<RetentionBody>(&bytes)?, demand_if_match(&headers)?));
    let may = api.retention.admit(&ctx);
    let (wanted, version) = admitted(read(), may, problem).await?;
    judged(&api.retention.evidence, None, async |evidence| {
        let retention = KeepRetention {
            evidence,
            ..api.retention.clone()
        };
        let changed = retention.change(&ctx, wanted.snapshot_days, version);
        let changed = changed.await;
        Ok(outcome(&changed.map_err(|error| problem(&error))?))
    })
    .await
}
/// The retention setting, with its version as `ETag`.
fn setting(status: StatusCode, found: &Versioned<Retention>) -> Response {
    versioned(
        status,
        &views::RetentionSetting::of(&found.value),
        found.version,
    )
}

/// 202 while a second person is needed, 200 when it is in force.
fn outcome(change: &RetentionChange) -> Response {
    match change {
        RetentionChange::Held(waiting) => setting(StatusCode::ACCEPTED, waiting),
        RetentionChange::Done(now) => setting(StatusCode::OK, now),
    }
}

/// An error about retention as an answer.
fn problem(error: &RetentionError) -> Problem {
    match error {
        RetentionError::NotFound => Problem::not_found(),
        RetentionError::OutOfBounds => Problem::invalid("/snapshot_days", error.to_string()),
        RetentionError::Changed => {
            let title = "The setting has changed: read it again";
            let status = StatusCode::PRECONDITION_FAILED;
            Problem::new(status, "precondition-failed", title)
        }
        RetentionError::NotSecond(why) => conflict("wrong-state", why.to_string()),
        RetentionError::Denied(judgement) => Problem::denied(judgement),
        RetentionError::Evidence(_)
        | RetentionError::Port(_)
        | RetentionError::Record(_)
        | RetentionError::Prune(_)
        | RetentionError::Json(_) => {
            tracing::error!(cause = chain(error), "retention not changed");
            Problem::unfinished()
        }
    }
}
