//! Routes of the people of a workspace.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use counterfoil_core::tenancy::Role;
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Asked, WorkspaceCaller, admitted, body, demand_if_match};
use counterfoil_lambda::schema::{IfMatch, UserId, WorkspaceId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::{changed, problem, removed};
use crate::answer::versioned;
use crate::api::Api;
use crate::views;
use counterfoil_lambda::pages::Pages;

/// A role to give.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RoleToGive)]
pub(crate) enum GivenRole {
    Viewer,
    Auditor,
    Approver,
    Admin,
    Owner,
}

impl From<GivenRole> for Role {
    fn from(given: GivenRole) -> Self {
        match given {
            GivenRole::Viewer => Self::Viewer,
            GivenRole::Auditor => Self::Auditor,
            GivenRole::Approver => Self::Approver,
            GivenRole::Admin => Self::Admin,
            GivenRole::Owner => Self::Owner,
        }
    }
}

/// List the people of a workspace
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/members", operation_id = "listMembers", tag = "members",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), Pages),
    responses((status = OK, description = "A page of its people", body = views::Members)),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Asked(asked): Asked<Pages>,
) -> Result<Response, Problem> {
    let found = api.members.list(&ctx, asked.page()?).await;
    let found = found.map_err(|error| problem(&error))?;
    Ok(Json(views::Members {
        items: found.items.iter().map(views::Member::of).collect(),
        next_cursor: found.next_cursor,
    })
    .into_response())
}

/// Read somebody of a workspace
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/members/{user_id}", operation_id = "readMember", tag = "members",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), ("user_id" = UserId, Path, description = "The person")),
    responses((status = OK, description = "The person", body = views::Member,
        headers(("ETag" = String, description = "Version of the membership")))),
)]
pub(crate) async fn read(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(ids): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (_, id) = ids;
    let found = api.members.get(&ctx, &id).await;
    let found = found.map_err(|error| problem(&error))?;
    let view = views::Member::of(&found);
    Ok(versioned(StatusCode::OK, &view, found.version))
}

/// What is to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MemberChange)]
struct RoleBody {
    role: GivenRole,
}

/// Change a person's role
///
/// For owners, and not for oneself. It counts with the person's next request.
#[utoipa::path(
    patch, path = "/v1/workspaces/{workspace_id}/members/{user_id}", operation_id = "changeMember", tag = "members",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), ("user_id" = UserId, Path, description = "The person"), IfMatch),
    request_body = RoleBody,
    responses((status = OK, description = "The person", body = views::Member,
        headers(("ETag" = String, description = "Version of the membership")))),
    extensions(("x-problems" = json!([
        "precondition-required", "precondition-failed", "wrong-state", "insufficient_user_authentication",
        "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn change(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(ids): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let (_, id) = ids;
    let asked = body(&bytes).and_then(|wanted: RoleBody| {
        let version = demand_if_match(&headers)?;
        Ok((wanted.role.into(), version))
    });
    let (role, version) = admitted(asked, api.members.admit(&ctx, &id), problem).await?;
    let done = api.members.change_role(&ctx, &id, role, version).await;
    changed(done, views::Member::of)
}

/// Remove a person from a workspace, or leave it
///
/// For owners, and everybody for themselves. Their approver keys end at once.
#[utoipa::path(
    delete, path = "/v1/workspaces/{workspace_id}/members/{user_id}", operation_id = "removeMember", tag = "members",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), ("user_id" = UserId, Path, description = "The person")),
    responses((status = NO_CONTENT, description = "They are no member any more")),
    extensions(("x-problems" = json!([
        "wrong-state", "insufficient_user_authentication", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn remove(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(ids): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (_, id) = ids;
    removed(api.members.remove(&ctx, &id).await)
}
