//! Routes of workspaces, and of who is calling.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use counterfoil_core::auth::Authenticated;
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::AdminError;
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{
    Sent, Someone, WorkspaceCaller, admitted, body, demand_if_match, idempotency_key,
};
use counterfoil_lambda::schema::{IdempotencyKey, IfMatch, Name, WorkspaceId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::{changed, problem};
use crate::answer::versioned;
use crate::api::Api;
use crate::deletion::waiting_of_workspace;
use crate::views;

/// A workspace to found.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWorkspace)]
struct NewBody {
    #[schema(value_type = Name)]
    name: String,
    /// What its people will call you.
    #[schema(value_type = Name)]
    your_name: String,
}

/// Found a workspace
///
/// Whoever signed in becomes its owner. Keys found none.
#[utoipa::path(
    post, path = "/v1/workspaces", operation_id = "foundWorkspace", tag = "workspaces",
    params(IdempotencyKey),
    request_body = NewBody,
    responses((status = CREATED, description = "The workspace", body = views::Workspace,
        headers(("ETag" = String, description = "Version of the workspace")))),
    extensions(("x-problems" = json!([
        "capability-missing", "already-created", "wrong-state", "outcome-unknown",
    ]))),
)]
pub(crate) async fn found(
    State(api): State<Api>,
    Someone(caller): Someone,
    sent: Sent,
) -> Result<Response, Problem> {
    let Some((login, _)) = caller.login() else {
        return Err(problem(&AdminError::NotAPerson));
    };
    let wanted: NewBody = sent.read()?;
    let found = async |once| {
        let made = api
            .workspaces
            .found(&caller, &wanted.name, &wanted.your_name, Some(&once))
            .await;
        let (workspace, person) = made.map_err(|error| problem(&error))?;
        let view = views::Workspace::of(&workspace, Some(Role::Owner));
        let response = versioned(StatusCode::CREATED, &view, 1);
        tracing::info!(workspace.id = %workspace.id, %person, "workspace founded");
        Ok(response)
    };
    // Whoever has signed in may.
    sent.once(&api.repeats, login, async { Ok(()) }, found)
        .await
}

/// List the workspaces that one reaches
///
/// A key of one project reaches none.
#[utoipa::path(
    get, path = "/v1/workspaces", operation_id = "listWorkspaces", tag = "workspaces",
    responses((status = OK, description = "The workspaces", body = views::Workspaces)),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Someone(caller): Someone,
) -> Result<Response, Problem> {
    let mine = api.workspaces.mine(&caller).await;
    let mine = mine.map_err(|error| problem(&error))?;
    let items = mine.iter().map(views::Workspace::reached).collect();
    let next_cursor = None;
    Ok(Json(views::Workspaces { items, next_cursor }).into_response())
}

/// Read a workspace
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}", operation_id = "readWorkspace", tag = "workspaces",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace")),
    responses((status = OK, description = "The workspace", body = views::OneWorkspace,
        headers(("ETag" = String, description = "Version of the workspace")))),
)]
pub(crate) async fn read(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
) -> Result<Response, Problem> {
    let found = api.workspaces.get(&ctx).await;
    let found = found.map_err(|error| problem(&error))?;
    let view = views::OneWorkspace {
        workspace: views::Workspace::of(&found.value, ctx.principal().role()),
        deletion: waiting_of_workspace(&api, &ctx).await?,
    };
    Ok(versioned(StatusCode::OK, &view, found.version))
}

/// What is to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkspaceChange)]
struct RenameBody {
    #[schema(value_type = Name)]
    name: String,
}

/// Rename a workspace
///
/// For admins and owners.
#[utoipa::path(
    patch, path = "/v1/workspaces/{workspace_id}", operation_id = "renameWorkspace", tag = "workspaces",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), IfMatch),
    request_body = RenameBody,
    responses((status = OK, description = "The workspace", body = views::Workspace,
        headers(("ETag" = String, description = "Version of the workspace")))),
    extensions(("x-problems" = json!([
        "precondition-required", "precondition-failed", "insufficient_user_authentication", "action-denied",
        "outcome-unknown",
    ]))),
)]
pub(crate) async fn rename(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let asked = body(&bytes).and_then(|wanted: RenameBody| {
        let version = demand_if_match(&headers)?;
        Ok((wanted.name, version))
    });
    let may = api.workspaces.admit_rename(&ctx);
    let (name, version) = admitted(asked, may, problem).await?;
    let done = api.workspaces.rename(&ctx, &name, version).await;
    let role = ctx.principal().role();
    changed(done, |found| views::Workspace::of(&found.value, role))
}

/// Read who is calling
///
/// The key or the person behind the credential, and what they reach; never a secret.
#[utoipa::path(
    get, path = "/v1/me", operation_id = "readMe", tag = "login",
    responses((status = OK, description = "Who is calling", body = views::Me)),
)]
pub(crate) async fn me(
    State(api): State<Api>,
    Someone(caller): Someone,
) -> Result<Response, Problem> {
    let me = match &caller {
        Authenticated::Key(_) => {
            let key = caller.key().map(views::MyKey::of);
            key.map(views::Me::ApiKey)
        }
        Authenticated::Person(_) => {
            let mine = api.workspaces.mine(&caller).await;
            let mine = mine.map_err(|error| problem(&error))?;
            let myself = |(login, person)| views::Myself::of(login, person, &mine);
            caller.login().map(myself).map(views::Me::User)
        }
        // Its token is for the tools of agents, and is none here.
        Authenticated::Delegate(_) => None,
    };
    let me = me.ok_or_else(Problem::unauthenticated)?;
    Ok(Json(me).into_response())
}

/// What a creating request needs besides its body: a key of its own.
pub(crate) fn asked<T: serde::de::DeserializeOwned>(sent: &Sent) -> Result<T, Problem> {
    let read = sent.read()?;
    idempotency_key(sent.headers())?;
    Ok(read)
}
