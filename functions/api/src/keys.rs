//! Routes of API keys.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use counterfoil_core::records::ApiKey;
use counterfoil_core::tenancy::{Capability, WorkspaceCtx};
use counterfoil_core::usecases::{MadeKey, NewApiKey};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Asked, Sent, WorkspaceCaller, admitted, allowed};
use counterfoil_lambda::schema::{IdempotencyKey, KeyId, Name, ProjectId, UserId, WorkspaceId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::{changed, decided, problem, shown_once};
use crate::answer::versioned;
use crate::api::Api;
use crate::projects::Environment;
use crate::views;
use crate::workspaces::asked;
use counterfoil_lambda::pages::Pages;

fn made((made, secret): &MadeKey) -> Response {
    let view = views::MadeKey {
        key: views::Key::of(&made.record.value, None),
        secret: secret.reveal().clone(),
    };
    let response = versioned(StatusCode::CREATED, &view, made.record.version);
    shown_once(decided(response, made.decision.clone()))
}

/// List the API keys of a workspace
///
/// Also those that ended; no secret is in it.
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/keys", operation_id = "listKeys", tag = "keys",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), Pages),
    responses((status = OK, description = "A page of the keys", body = views::Keys)),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Asked(asked): Asked<Pages>,
) -> Result<Response, Problem> {
    let found = api.keys.list(&ctx, asked.page()?).await;
    let found = found.map_err(|error| problem(&error))?;
    let mut items = Vec::new();
    for key in &found.items {
        items.push(view(&api, &ctx, &key.value).await?);
    }
    Ok(Json(views::Keys {
        items,
        next_cursor: found.next_cursor,
    })
    .into_response())
}

/// Read an API key
///
/// Without its secret.
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/keys/{key_id}", operation_id = "readKey", tag = "keys",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), ("key_id" = KeyId, Path, description = "The key")),
    responses((status = OK, description = "The key", body = views::Key,
        headers(("ETag" = String, description = "Version of the key")))),
)]
pub(crate) async fn read(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(ids): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (_, id) = ids;
    let found = api.keys.get(&ctx, &id).await;
    let found = found.map_err(|error| problem(&error))?;
    let view = view(&api, &ctx, &found.value).await?;
    Ok(versioned(StatusCode::OK, &view, found.version))
}

async fn view(api: &Api, ctx: &WorkspaceCtx, key: &ApiKey) -> Result<views::Key, Problem> {
    let used = api.keys.last_used(ctx, key).await;
    Ok(views::Key::of(key, used.map_err(|error| problem(&error))?))
}

/// What a key may do.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeyCapability)]
enum GivenCapability {
    Read,
    Repair,
}

/// An API key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiKey)]
struct NewBody {
    #[schema(value_type = Name)]
    name: String,
    /// The one project; left out for every project of the workspace.
    #[serde(default)]
    #[schema(value_type = Option<ProjectId>)]
    project_id: Option<String>,
    environment: Environment,
    capability: GivenCapability,
    /// The person that it speaks as: only whoever asks.
    #[serde(default)]
    #[schema(value_type = Option<UserId>)]
    approver: Option<String>,
    /// An agent has it: it is judged as one, over MCP and here, and reaches nothing of the workspace but
    /// its projects.
    #[serde(default)]
    agent: bool,
    /// 90 unless said otherwise; at most 30 for a key that approves.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 365)]
    expires_in_days: Option<u64>,
}

/// Make an API key
///
/// For owners. The secret is shown once.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/keys", operation_id = "makeKey", tag = "keys",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), IdempotencyKey),
    request_body = NewBody,
    responses((status = CREATED, description = "The key and its secret", body = views::MadeKey,
        headers(("ETag" = String, description = "Version of the key")))),
    extensions(("x-problems" = json!([
        "already-created", "wrong-state", "insufficient_user_authentication", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn make(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = api.keys.admit(&ctx);
    let wanted: NewBody = admitted(asked(&sent), may, problem).await?;
    let new = NewApiKey {
        name: &wanted.name,
        project: wanted.project_id.as_deref(),
        live: matches!(wanted.environment, Environment::Live),
        capability: match wanted.capability {
            GivenCapability::Read => Capability::Read,
            GivenCapability::Repair => Capability::Repair,
        },
        approver: wanted.approver.as_deref(),
        agent: wanted.agent,
        days: wanted.expires_in_days,
    };
    let make = async |once| {
        let key = api.keys.make(&ctx, &new, Some(&once)).await;
        Ok(made(&key.map_err(|error| problem(&error))?))
    };
    let may = allowed(api.keys.admit(&ctx), problem);
    sent.once(&api.repeats, &ctx, may, make).await
}

/// Revoke an API key
///
/// For admins, owners, and whoever the key belongs to. It stops with its next request.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/keys/{key_id}/revoke", operation_id = "revokeKey", tag = "keys",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), ("key_id" = KeyId, Path, description = "The key"), IdempotencyKey),
    responses((status = OK, description = "The key", body = views::Key,
        headers(("ETag" = String, description = "Version of the key")))),
    extensions(("x-problems" = json!([
        "wrong-state", "insufficient_user_authentication", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn revoke(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(ids): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let (_, id) = ids;
    admitted(sent.key(), api.keys.admit_revocation(&ctx, &id), problem).await?;
    // A key that is revoked already stays so: the use case needs no mark of the request.
    let revoke = async |_| {
        let done = api.keys.revoke(&ctx, &id).await;
        let done = done.map_err(|error| problem(&error))?;
        let view = view(&api, &ctx, &done.record.value).await?;
        changed(Ok(done), |_| view)
    };
    let may = allowed(api.keys.admit_revocation(&ctx, &id), problem);
    sent.once(&api.repeats, &ctx, may, revoke).await
}

/// How a key is replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRotation)]
struct RotateBody {
    /// How long the old key stays valid.
    #[schema(maximum = 72)]
    grace_hours: u64,
}

/// Replace an API key
///
/// For owners; a key that approves, for its own person. The new secret is shown once.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/keys/{key_id}/rotate", operation_id = "rotateKey", tag = "keys",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), ("key_id" = KeyId, Path, description = "The key"), IdempotencyKey),
    request_body = RotateBody,
    responses((status = CREATED, description = "The new key and its secret", body = views::MadeKey,
        headers(("ETag" = String, description = "Version of the key")))),
    extensions(("x-problems" = json!([
        "already-created", "wrong-state", "insufficient_user_authentication", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn rotate(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(ids): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let (_, id) = ids;
    let may = api.keys.admit_rotation(&ctx, &id);
    let wanted: RotateBody = admitted(asked(&sent), may, problem).await?;
    let grace = wanted.grace_hours;
    let rotate = async |once| {
        let key = api.keys.rotate(&ctx, &id, grace, Some(&once)).await;
        Ok(made(&key.map_err(|error| problem(&error))?))
    };
    let may = allowed(api.keys.admit_rotation(&ctx, &id), problem);
    sent.once(&api.repeats, &ctx, may, rotate).await
}
