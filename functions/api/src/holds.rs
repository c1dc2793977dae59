//! Routes of legal holds.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use counterfoil_core::hold::{HoldState, LegalHold};
use counterfoil_core::ports::HoldTarget;
use counterfoil_core::records::Versioned;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{HoldError, LegalHolds, NewHold, Released};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, Sent, admitted, allowed, judged};
use counterfoil_lambda::schema::{HoldId, IdempotencyKey, Reason};
use counterfoil_lambda::sight::Sight;
use counterfoil_lambda::telemetry::chain;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::conflict;
use crate::api::Api;
use crate::views;

/// List legal holds
#[utoipa::path(
    get, path = "/v1/holds", operation_id = "listHolds", tag = "holds",
    responses((status = OK, description = "Every hold of the project and of its workspace", body = views::Holds)),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn list(State(api): State<Api>, Caller(ctx): Caller) -> Result<Response, Problem> {
    let holds = api.holds.list(&ctx).await;
    let holds = holds.map_err(|error| problem(&error))?;
    let mut items = Vec::new();
    for hold in &holds {
        items.push(shown(&api, &ctx, hold, Sight::of(&ctx)).await?);
    }
    let every = views::Holds {
        items,
        next_cursor: None,
    };
    Ok(Json(every).into_response())
}

/// What a legal hold reaches.
#[derive(Deserialize, Default, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HoldScope)]
enum Scope {
    #[default]
    Project,
    Workspace,
}

/// A legal hold to set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoldBody {
    #[serde(default)]
    scope: Scope,
    #[schema(value_type = views::HeldTarget)]
    target: Value,
    /// Why, for whoever meets it later.
    #[schema(value_type = Reason, examples("Litigation 2026-114 asks for it"))]
    reason: String,
}

impl HoldBody {
    fn read(sent: &Sent) -> Result<NewHold, Problem> {
        let key = sent.key()?;
        let read: Self = sent.read()?;
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

/// Set a legal hold
///
/// Nothing that it names is erased until it is released.
#[utoipa::path(
    post, path = "/v1/holds", operation_id = "setHold", tag = "holds",
    params(IdempotencyKey), request_body = HoldBody,
    responses((status = CREATED, description = "The hold", body = views::Hold)),
    extensions(("x-problems" = json!(["action-denied", "wrong-state", "not-finished"]))),
)]
pub(crate) async fn set(
    State(api): State<Api>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    let read = HoldBody::read(&sent);
    let workspace = read.as_ref().is_ok_and(|new| new.workspace);
    let new = admitted(read, api.holds.admit(&ctx, workspace), problem).await?;
    // The key is the hold's id, so a repeat goes on with a hold that is set in some streams only.
    let may = allowed(api.holds.admit(&ctx, workspace), problem);
    sent.once(&api.repeats, &ctx, may, async |_| {
        judged(&api.holds.evidence, None, async |evidence| {
            let holds = LegalHolds {
                evidence,
                ..api.holds.clone()
            };
            let hold = holds.set(&ctx, &new).await;
            let hold = hold.map_err(|error| problem(&error))?;
            one(&api, &ctx, StatusCode::CREATED, &hold).await
        })
        .await
    })
    .await
}

/// Release a legal hold
///
/// Two owners are needed: the first request proposes, another owner's request releases.
#[utoipa::path(
    post, path = "/v1/holds/{id}/release", operation_id = "releaseHold", tag = "holds",
    params(("id" = HoldId, Path, description = "The hold"), IdempotencyKey),
    responses(
        (status = OK, description = "It is over", body = views::Hold),
        (status = ACCEPTED, description = "A second owner is needed", body = views::Hold),
    ),
    extensions(("x-problems" = json!(["wrong-state", "insufficient_user_authentication", "action-denied", "not-finished"]))),
)]
pub(crate) async fn release(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    admitted(sent.key(), api.holds.admit_release(&ctx, &id), problem).await?;
    // What one owner has proposed they cannot approve, and a release goes on where it stopped: a
    // repeat does nothing twice.
    let may = allowed(api.holds.admit_release(&ctx, &id), problem);
    sent.once(&api.repeats, &ctx, may, async |_| {
        judged(&api.holds.evidence, None, async |evidence| {
            let holds = LegalHolds {
                evidence,
                ..api.holds.clone()
            };
            let released = holds.release(&ctx, &id).await;
            match released.map_err(|error| problem(&error))? {
                Released::Held(now) => one(&api, &ctx, StatusCode::ACCEPTED, &now).await,
                Released::Done(now) => one(&api, &ctx, StatusCode::OK, &now).await,
            }
        })
        .await
    })
    .await
}

/// A hold, and the release that waits.
async fn shown(
    api: &Api,
    ctx: &TenantCtx,
    hold: &Versioned<LegalHold>,
    sight: Sight,
) -> Result<views::Hold, Problem> {
    let waits = api.holds.release_waiting(ctx, &hold.value).await;
    let waits = waits.map_err(|error| problem(&error))?;
    Ok(views::Hold::of(&hold.value, waits.as_ref(), sight))
}

/// One hold, for somebody who may set or release it.
async fn one(
    api: &Api,
    ctx: &TenantCtx,
    status: StatusCode,
    hold: &Versioned<LegalHold>,
) -> Result<Response, Problem> {
    let hold = shown(api, ctx, hold, Sight::Clear).await?;
    Ok((status, Json(hold)).into_response())
}

/// An error about a legal hold as an answer.
fn problem(error: &HoldError) -> Problem {
    match error {
        HoldError::NotFound => Problem::not_found(),
        HoldError::Invalid { field, rule } => Problem::invalid(*field, *rule),
        HoldError::KeyReused => {
            let title = "This `Idempotency-Key` came with another hold before";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "idempotency-key-reused", title)
        }
        HoldError::WrongState { state } => {
            let title = match state {
                HoldState::Setting => "The hold is being set: try again when it is active",
                HoldState::Active => "The hold is active: release it, nothing else ends it",
                HoldState::Releasing => "The hold is being released: nothing is left to do",
                HoldState::Released => "The hold is over: set a new one if it is needed",
            };
            conflict("wrong-state", title)
        }
        HoldError::NotSecond(why) => conflict("wrong-state", why.to_string()),
        HoldError::Ending => {
            let title = "The workspace is being deleted: nothing in it can be held any more";
            conflict("wrong-state", title)
        }
        HoldError::Denied(judgement) => Problem::denied(judgement),
        HoldError::Changed => conflict(
            "wrong-state",
            "Somebody changed this in the meantime: read it again",
        ),
        HoldError::Unfinished
        | HoldError::Evidence(_)
        | HoldError::Port(_)
        | HoldError::Record(_)
        | HoldError::Json(_) => {
            tracing::error!(cause = chain(error), "hold not finished");
            Problem::unfinished()
        }
    }
}
