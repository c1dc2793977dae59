//! Routes of invitations.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::usecases::{AdminError, NewInvitation};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Asked, Sent, Someone, WorkspaceCaller, admitted, allowed};
use counterfoil_lambda::schema::{EmailAddress, IdempotencyKey, InvitationId, Name, WorkspaceId};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::admin::{decided, problem, removed, shown_once};
use crate::answer::versioned;
use crate::api::Api;
use crate::members::GivenRole;
use crate::views;
use crate::workspaces::asked;
use counterfoil_lambda::pages::Pages;

/// List the invitations that wait
///
/// For admins and owners.
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/invitations", operation_id = "listInvitations", tag = "invitations",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), Pages),
    responses((status = OK, description = "A page of the invitations, without their tokens", body = views::Invitations)),
    extensions(("x-problems" = json!(["capability-missing"]))),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    asked: Result<Asked<Pages>, Problem>,
) -> Result<Response, Problem> {
    let may = async { api.invitations.admit_list(&ctx) };
    let Asked(asked) = admitted(asked, may, problem).await?;
    let found = api.invitations.list(&ctx, asked.page()?).await;
    let found = found.map_err(|error| problem(&error))?;
    let items = found.items.iter();
    let items = items.map(|it| views::Invitation::of(&it.value));
    Ok(Json(views::Invitations {
        items: items.collect(),
        next_cursor: found.next_cursor,
    })
    .into_response())
}

/// Somebody to invite.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InvitationToMake)]
struct NewBody {
    /// For whom.
    #[schema(value_type = Name)]
    name: String,
    /// A note: nothing is sent.
    #[serde(default)]
    #[schema(value_type = Option<EmailAddress>)]
    email: Option<String>,
    role: GivenRole,
}

/// Invite somebody to a workspace
///
/// For owners. The token is shown once; nothing is sent: give it to the person.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/invitations", operation_id = "makeInvitation", tag = "invitations",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), IdempotencyKey),
    request_body = NewBody,
    responses((status = CREATED, description = "The invitation and its token", body = views::NewInvitation,
        headers(("ETag" = String, description = "Version of the invitation")))),
    extensions(("x-problems" = json!([
        "already-created", "wrong-state", "insufficient_user_authentication", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn make(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = api.invitations.admit(&ctx);
    let wanted: NewBody = admitted(asked(&sent), may, problem).await?;
    let new = NewInvitation {
        name: &wanted.name,
        email: wanted.email.as_deref(),
        role: wanted.role.into(),
    };
    let make = async |once| {
        let made = api.invitations.make(&ctx, &new, Some(&once)).await;
        let (made, token) = made.map_err(|error| problem(&error))?;
        let view = views::NewInvitation {
            invitation: views::Invitation::of(&made.record.value),
            token: token.reveal().clone(),
        };
        let response = versioned(StatusCode::CREATED, &view, 1);
        Ok(shown_once(decided(response, made.decision)))
    };
    let may = allowed(api.invitations.admit(&ctx), problem);
    sent.once(&api.repeats, &ctx, may, make).await
}

/// Revoke an invitation
///
/// For owners.
#[utoipa::path(
    delete, path = "/v1/workspaces/{workspace_id}/invitations/{invitation_id}", operation_id = "revokeInvitation", tag = "invitations",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), ("invitation_id" = InvitationId, Path, description = "The invitation")),
    responses((status = NO_CONTENT, description = "Its token counts no more")),
    extensions(("x-problems" = json!(["insufficient_user_authentication", "action-denied", "outcome-unknown"]))),
)]
pub(crate) async fn revoke(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(ids): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (_, id) = ids;
    removed(api.invitations.revoke(&ctx, &id).await)
}

/// An invitation to accept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Acceptance)]
struct AcceptBody {
    #[serde(deserialize_with = "hidden")]
    #[schema(value_type = String, pattern = "^cfi_[0-9A-Za-z]{49}$")]
    token: Redacted<String>,
    /// What its people will call you.
    #[schema(value_type = Name)]
    your_name: String,
}

fn hidden<'de, D: Deserializer<'de>>(from: D) -> Result<Redacted<String>, D::Error> {
    String::deserialize(from).map(Redacted::new)
}

/// Accept an invitation
///
/// Whoever signed in and has the token becomes a member.
#[utoipa::path(
    post, path = "/v1/invitations/accept", operation_id = "acceptInvitation", tag = "invitations",
    params(IdempotencyKey),
    request_body = AcceptBody,
    responses((status = CREATED, description = "What was joined", body = views::Joined)),
    extensions(("x-problems" = json!([
        "capability-missing", "wrong-state", "already-created", "outcome-unknown",
    ]))),
)]
pub(crate) async fn accept(
    State(api): State<Api>,
    Someone(caller): Someone,
    sent: Sent,
) -> Result<Response, Problem> {
    let Some((login, _)) = caller.login() else {
        return Err(problem(&AdminError::NotAPerson));
    };
    let wanted: AcceptBody = sent.read()?;
    let accept = async |once| {
        let joined = api
            .invitations
            .accept(
                &caller,
                wanted.token.reveal(),
                &wanted.your_name,
                Some(&once),
            )
            .await;
        let joined = joined.map_err(|error| problem(&error))?;
        let view = views::Joined::of(joined);
        Ok((StatusCode::CREATED, Json(view)).into_response())
    };
    // Whoever has signed in may.
    sent.once(&api.repeats, login, async { Ok(()) }, accept)
        .await
}
