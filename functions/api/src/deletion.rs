//! Routes that delete a project or a workspace: propose, confirm, look, withdraw.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use counterfoil_core::deletion::Deletion;
use counterfoil_core::ports::AppendError;
use counterfoil_core::records::Versioned;
use counterfoil_core::tenancy::{TenantCtx, WorkspaceCtx};
use counterfoil_core::usecases::{Decided, DeletionError, DeletionOf};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{
    Caller, Sent, WorkspaceCaller, admitted, allowed, demand_if_match, if_match,
};
use counterfoil_lambda::layers::For;
use counterfoil_lambda::schema::{
    IdempotencyKey, IfMatch, OptionalIfMatch, ProjectId, WorkspaceId,
};
use counterfoil_lambda::sight::Sight;
use counterfoil_lambda::telemetry::chain;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::{decided, denied};
use crate::answer::{conflict, versioned};
use crate::api::Api;
use crate::views;

/// Why something is to be deleted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDeletion)]
struct NewBody {
    /// What the second person reads.
    #[schema(min_length = 10, max_length = 500, examples("We sold this shop"))]
    reason: String,
}

/// Read whether a project is to be deleted
#[utoipa::path(
    get, path = "/v1/projects/{project_id}/deletion", operation_id = "readProjectDeletion", tag = "deletion",
    params(("project_id" = ProjectId, Path, description = "The project")),
    responses((status = OK, description = "What becomes of it", body = views::Deletion,
        headers(("ETag" = String, description = "Version of the deletion")))),
)]
pub(crate) async fn of_project(
    State(api): State<Api>,
    Caller(ctx): Caller,
) -> Result<Response, Problem> {
    read(&api, DeletionOf::Project(&ctx)).await
}

/// Read whether a workspace is to be deleted
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/deletion", operation_id = "readWorkspaceDeletion", tag = "deletion",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace")),
    responses((status = OK, description = "What becomes of it", body = views::Deletion,
        headers(("ETag" = String, description = "Version of the deletion")))),
)]
pub(crate) async fn of_workspace(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
) -> Result<Response, Problem> {
    read(&api, DeletionOf::Workspace(&ctx)).await
}

/// Propose to delete a project
///
/// For owners. A second person confirms it within 72 hours, and seven days later it is gone.
#[utoipa::path(
    post, path = "/v1/projects/{project_id}/deletion", operation_id = "deleteProject", tag = "deletion",
    params(("project_id" = ProjectId, Path, description = "The project"), IdempotencyKey),
    request_body = NewBody,
    responses((status = ACCEPTED, description = "It waits for a second person", body = views::Deletion,
        headers(("ETag" = String, description = "Version of the deletion")))),
    extensions(("x-problems" = json!([
        "already-created", "wrong-state", "legal-hold", "insufficient_user_authentication", "action-denied",
        "outcome-unknown",
    ]))),
)]
pub(crate) async fn propose_project(
    State(api): State<Api>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    propose(&api, DeletionOf::Project(&ctx), &ctx, sent).await
}

/// Propose to delete a workspace
///
/// With its projects, people and keys. For owners; a second person confirms it within 72 hours, and
/// seven days later it is gone.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/deletion", operation_id = "deleteWorkspace", tag = "deletion",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), IdempotencyKey),
    request_body = NewBody,
    responses((status = ACCEPTED, description = "It waits for a second person", body = views::Deletion,
        headers(("ETag" = String, description = "Version of the deletion")))),
    extensions(("x-problems" = json!([
        "already-created", "wrong-state", "legal-hold", "insufficient_user_authentication", "action-denied",
        "outcome-unknown",
    ]))),
)]
pub(crate) async fn propose_workspace(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    sent: Sent,
) -> Result<Response, Problem> {
    propose(&api, DeletionOf::Workspace(&ctx), &ctx, sent).await
}

/// Confirm that a project is deleted
///
/// For admins and owners who did not propose it; whoever is alone confirms a day later. It is carried
/// out seven days after this.
#[utoipa::path(
    post, path = "/v1/projects/{project_id}/deletion/confirm", operation_id = "confirmProjectDeletion", tag = "deletion",
    params(("project_id" = ProjectId, Path, description = "The project"), IdempotencyKey, IfMatch),
    responses((status = ACCEPTED, description = "It is carried out when it is due", body = views::Deletion,
        headers(("ETag" = String, description = "Version of the deletion")))),
    extensions(("x-problems" = json!([
        "already-created", "wrong-state", "legal-hold", "precondition-required", "precondition-failed",
        "insufficient_user_authentication", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn confirm_project(
    State(api): State<Api>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    confirm(&api, DeletionOf::Project(&ctx), &ctx, sent).await
}

/// Confirm that a workspace is deleted
///
/// For admins and owners who did not propose it; whoever is alone confirms a day later. It is carried
/// out seven days after this.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/deletion/confirm", operation_id = "confirmWorkspaceDeletion", tag = "deletion",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), IdempotencyKey, IfMatch),
    responses((status = ACCEPTED, description = "It is carried out when it is due", body = views::Deletion,
        headers(("ETag" = String, description = "Version of the deletion")))),
    extensions(("x-problems" = json!([
        "already-created", "wrong-state", "legal-hold", "precondition-required", "precondition-failed",
        "insufficient_user_authentication", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn confirm_workspace(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    sent: Sent,
) -> Result<Response, Problem> {
    confirm(&api, DeletionOf::Workspace(&ctx), &ctx, sent).await
}

/// Keep a project that was to be deleted
///
/// For admins and owners, as long as it is there.
#[utoipa::path(
    delete, path = "/v1/projects/{project_id}/deletion", operation_id = "keepProject", tag = "deletion",
    params(("project_id" = ProjectId, Path, description = "The project"), OptionalIfMatch),
    responses((status = NO_CONTENT, description = "It is not deleted")),
    extensions(("x-problems" = json!([
        "wrong-state", "precondition-failed", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn keep_project(
    State(api): State<Api>,
    Caller(ctx): Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    keep(&api, DeletionOf::Project(&ctx), &headers).await
}

/// Keep a workspace that was to be deleted
///
/// For admins and owners, as long as it is there.
#[utoipa::path(
    delete, path = "/v1/workspaces/{workspace_id}/deletion", operation_id = "keepWorkspace", tag = "deletion",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), OptionalIfMatch),
    responses((status = NO_CONTENT, description = "It is not deleted")),
    extensions(("x-problems" = json!([
        "wrong-state", "precondition-failed", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn keep_workspace(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    keep(&api, DeletionOf::Workspace(&ctx), &headers).await
}

/// The deletion of a project and of its workspace, for whoever reads the project.
pub(crate) async fn waiting_of_project(
    api: &Api,
    ctx: &TenantCtx,
) -> Result<views::Endings, Problem> {
    let around = api.delete.find_around(ctx).await;
    let around = around.map_err(|error| problem(&error))?;
    let sight = Sight::of(ctx);
    Ok(views::Endings {
        own: waiting(api, DeletionOf::Project(ctx)).await?,
        of_workspace: around.map(|found| views::Deletion::of(&found.value, sight)),
    })
}

/// The deletion of a workspace, for whoever reads the workspace.
pub(crate) async fn waiting_of_workspace(
    api: &Api,
    ctx: &WorkspaceCtx,
) -> Result<Option<views::Deletion>, Problem> {
    waiting(api, DeletionOf::Workspace(ctx)).await
}

async fn waiting(api: &Api, of: DeletionOf<'_>) -> Result<Option<views::Deletion>, Problem> {
    let found = api.delete.find(of).await.map_err(|error| problem(&error))?;
    let sight = Sight::of_principal(of.principal());
    Ok(found.map(|found| views::Deletion::of(&found.value, sight)))
}

async fn read(api: &Api, of: DeletionOf<'_>) -> Result<Response, Problem> {
    let found = api.delete.find(of).await.map_err(|error| problem(&error))?;
    Ok(match found {
        Some(found) => {
            let sight = Sight::of_principal(of.principal());
            let view = views::Deletion::of(&found.value, sight);
            versioned(StatusCode::OK, &view, found.version)
        }
        None => versioned(StatusCode::OK, &views::Deletion::none(), 0),
    })
}

async fn propose(
    api: &Api,
    of: DeletionOf<'_>,
    caller: impl Into<For>,
    sent: Sent,
) -> Result<Response, Problem> {
    let wanted = admitted(asked(&sent), api.delete.admit(of), problem).await?;
    let propose = async |once| {
        let done = api.delete.propose(of, &wanted.reason, Some(&once)).await;
        waits(done)
    };
    let may = allowed(api.delete.admit(of), problem);
    sent.once(&api.repeats, caller, may, propose).await
}

async fn confirm(
    api: &Api,
    of: DeletionOf<'_>,
    caller: impl Into<For>,
    sent: Sent,
) -> Result<Response, Problem> {
    let seen = admitted(seen(&sent), api.delete.admit_confirming(of), problem).await?;
    let confirm = async |once| waits(api.delete.confirm(of, Some(seen), Some(&once)).await);
    let may = allowed(api.delete.admit_confirming(of), problem);
    sent.once(&api.repeats, caller, may, confirm).await
}

async fn keep(api: &Api, of: DeletionOf<'_>, headers: &HeaderMap) -> Result<Response, Problem> {
    let seen = admitted(if_match(headers), api.delete.admit_keeping(of), problem).await?;
    let kept = api.delete.withdraw(of, seen).await;
    let kept = kept.map_err(|error| problem(&error))?;
    let response = StatusCode::NO_CONTENT.into_response();
    Ok(decided(response, Some(kept.decision)))
}

/// A proposal needs a key of its own beside its body.
fn asked(sent: &Sent) -> Result<NewBody, Problem> {
    let read = sent.read()?;
    sent.key()?;
    Ok(read)
}

/// A confirmation needs a key, and the version that was displayed.
fn seen(sent: &Sent) -> Result<u64, Problem> {
    sent.key()?;
    demand_if_match(sent.headers())
}

fn waits(done: Result<Decided<Versioned<Deletion>>, DeletionError>) -> Result<Response, Problem> {
    let done = done.map_err(|error| problem(&error))?;
    // Whoever may delete sees all.
    let view = views::Deletion::of(&done.now.value, Sight::Clear);
    let response = versioned(StatusCode::ACCEPTED, &view, done.now.version);
    Ok(decided(response, Some(done.decision)))
}

/// An error about a deletion as an answer. Causes go to the log, once.
fn problem(error: &DeletionError) -> Problem {
    match error {
        DeletionError::NotFound => Problem::not_found(),
        DeletionError::Invalid { field, rule } => Problem::invalid(*field, rule.clone()),
        DeletionError::WrongState(why) => conflict("wrong-state", *why),
        DeletionError::NotSecond(why) => conflict("wrong-state", why.to_string()),
        DeletionError::Precondition => {
            let title = "The deletion has changed: read it again";
            let status = StatusCode::PRECONDITION_FAILED;
            Problem::new(status, "precondition-failed", title)
        }
        DeletionError::Held { hold, reason } => {
            let title = format!("A legal hold keeps this: {reason} ({hold})");
            conflict("legal-hold", title)
        }
        DeletionError::Unsettled => {
            let title = "A repair executes: it is over in a minute";
            conflict("wrong-state", title)
        }
        DeletionError::Frozen => conflict("wrong-state", "An emergency stop is in force"),
        DeletionError::Denied {
            judgement,
            decision,
        } => denied(judgement, *decision),
        DeletionError::Changed => {
            let title = "Somebody changed this in the meantime: read it again";
            conflict("wrong-state", title)
        }
        DeletionError::Evidence(AppendError::OutcomeUnknown(_)) => {
            tracing::error!(
                cause = chain(error),
                "it is not known whether this was done"
            );
            Problem::outcome_unknown()
        }
        DeletionError::Evidence(_)
        | DeletionError::Port(_)
        | DeletionError::Record(_)
        | DeletionError::Vault(_)
        | DeletionError::Json(_) => {
            tracing::error!(cause = chain(error), "deletion not changed");
            Problem::unavailable()
        }
    }
}
