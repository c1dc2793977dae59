//! Routes of changes that wait for further people, whatever they change.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::traced::Makes;
use counterfoil_core::usecases::{AdminError, HeldChanges};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, Sent, admitted, allowed, judged};
use counterfoil_lambda::schema::{ActionId, IdempotencyKey, Reason};
use counterfoil_lambda::sight::Sight;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin;
use crate::answer::reason;
use crate::api::Api;
use crate::views;

/// List the changes that wait for further people
///
/// Of the project, and for people of its workspace too; what ends soonest comes first. Whoever agrees
/// sends the request that proposed it once more.
#[utoipa::path(
    get, path = "/v1/changes", operation_id = "listChanges", tag = "settings",
    responses((status = OK, description = "What waits", body = views::Changes)),
    extensions(("x-problems" = json!([]))),
)]
pub(crate) async fn list(State(api): State<Api>, Caller(ctx): Caller) -> Result<Response, Problem> {
    let found = api.changes.list(&ctx).await;
    let found = found.map_err(|error| admin::problem(&error))?;
    let sight = Sight::of(&ctx);
    let items = found.iter();
    let items = items.map(|it| views::Change::of(&it.value, sight));
    Ok(Json(views::Changes {
        items: items.collect(),
        next_cursor: None,
    })
    .into_response())
}

/// Why it is not to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RejectBody {
    #[schema(value_type = Reason)]
    reason: String,
}

impl RejectBody {
    fn read(sent: &Sent) -> Result<String, Problem> {
        sent.key()?;
        let read: Self = sent.read()?;
        reason(&read.reason)
    }
}

/// Reject a change that waits
///
/// Whoever proposed it withdraws it; whoever could agree rejects it. One no ends it.
#[utoipa::path(
    post, path = "/v1/changes/{id}/reject", operation_id = "rejectChange", tag = "settings",
    params(("id" = ActionId, Path, description = "The change"), IdempotencyKey),
    request_body = RejectBody,
    responses((status = OK, description = "What does not wait any more", body = views::Change)),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "wrong-state", "action-denied", "outcome-unknown"]))),
)]
pub(crate) async fn reject(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = api.changes.admit(&ctx, &id);
    let why = admitted(RejectBody::read(&sent), may, admin::problem).await?;
    let may = allowed(still_may(&api, &ctx, &id), admin::problem);
    sent.once(&api.repeats, &ctx, may, async |once| {
        // What was rejected is not there any more: a repeat would be told that it never was.
        let done = Some((once, Makes::Known(id.clone())));
        judged(&api.changes.ports.evidence, done, async |evidence| {
            let mut changes: HeldChanges = api.changes.clone();
            changes.ports.evidence = evidence;
            let ended = changes.reject(&ctx, &id, &why).await;
            let ended = ended.map_err(|error| admin::problem(&error))?;
            Ok(Json(views::Change::of(&ended, Sight::of(&ctx))).into_response())
        })
        .await
    })
    .await
}

/// A kept answer is told once the change is gone, which is what the request did: to whoever could
/// reject one.
async fn still_may(api: &Api, ctx: &TenantCtx, id: &str) -> Result<(), AdminError> {
    match api.changes.admit(ctx, id).await {
        Err(AdminError::NotFound) if HeldChanges::is_for(ctx.principal()) => Ok(()),
        other => other,
    }
}
