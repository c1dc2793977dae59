//! Routes of the setting that says how long snapshots are kept.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use counterfoil_core::records::Versioned;
use counterfoil_core::retention::Retention;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{KeepRetention, RetentionChange, RetentionError};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, admitted, body, demand_if_match, judged};
use counterfoil_lambda::schema::{IfMatch, Reason};
use counterfoil_lambda::telemetry::chain;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{conflict, reason, versioned};
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
    let found = found.map_err(|error| problem(&error))?;
    setting(&api, &ctx, StatusCode::OK, &found).await
}

/// How long snapshots are to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetentionBody {
    #[schema(minimum = 35, maximum = 90)]
    snapshot_days: u64,
    /// Why, for whoever confirms a shorter time.
    #[serde(default)]
    #[schema(value_type = Option<Reason>)]
    reason: Option<String>,
}

impl RetentionBody {
    fn read(bytes: &Bytes) -> Result<Self, Problem> {
        let mut wanted: Self = body(bytes)?;
        wanted.reason = wanted.reason.map(|words| reason(&words)).transpose()?;
        Ok(wanted)
    }
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
    let read = || Ok((RetentionBody::read(&bytes)?, demand_if_match(&headers)?));
    let may = api.retention.admit(&ctx);
    let (wanted, version) = admitted(read(), may, problem).await?;
    judged(&api.retention.evidence, None, async |evidence| {
        let retention = KeepRetention {
            evidence,
            ..api.retention.clone()
        };
        let (days, why) = (wanted.snapshot_days, wanted.reason.as_deref());
        let changed = retention.change(&ctx, days, why, version).await;
        match changed.map_err(|error| problem(&error))? {
            RetentionChange::Held(now) => setting(&api, &ctx, StatusCode::ACCEPTED, &now).await,
            RetentionChange::Done(now) => setting(&api, &ctx, StatusCode::OK, &now).await,
        }
    })
    .await
}

/// The retention setting, with its version as `ETag` and what waits.
async fn setting(
    api: &Api,
    ctx: &TenantCtx,
    status: StatusCode,
    found: &Versioned<Retention>,
) -> Result<Response, Problem> {
    let waits = api.retention.waiting(ctx).await;
    let waits = waits.map_err(|error| problem(&error))?;
    let view = views::RetentionSetting::of(&found.value, waits.as_ref());
    Ok(versioned(status, &view, found.version))
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
