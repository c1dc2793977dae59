//! Routes of a workspace's rules: what is in force, keys that sign, bundles.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header::LOCATION};
use axum::response::{IntoResponse, Response};
use counterfoil_core::bundles::StoredBundle;
use counterfoil_core::ports::EvidenceAppend;
use counterfoil_core::tenancy::WorkspaceCtx;
use counterfoil_core::usecases::{NewBundle, Policies, PolicyActed, PolicyError};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Sent, WorkspaceCaller, admitted, allowed, judged};
use counterfoil_lambda::layers::MAX_BODY;
use counterfoil_lambda::schema::{BundleDigest, Digest, IdempotencyKey, WorkspaceId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin;
use crate::answer::versioned;
use crate::api::Api;
use crate::mappings::digest;
use crate::policy_problems::{problem, refused};
use crate::views;

/// Read the rules of a workspace
///
/// Which bundle is in force, who may sign, and what waits for a second person.
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/policy", operation_id = "readPolicy", tag = "policies",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace")),
    responses((status = OK, description = "The rules", body = views::Policy,
        headers(("ETag" = String, description = "Version of the rules")))),
)]
pub(crate) async fn status(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
) -> Result<Response, Problem> {
    shown(&api, &ctx, StatusCode::OK).await
}

/// A key that is to sign.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPolicyKey)]
struct KeyBody {
    /// Ed25519, base64 of its 32 bytes.
    #[schema(
        pattern = "^[A-Za-z0-9+/]{43}=$",
        examples("d5AxxMEE3t0KAkAK2mtlo2Er6e8oSiC3tPUsV0I0mW8=")
    )]
    public_key: String,
    /// The fingerprint of a key that stops to sign.
    #[serde(default)]
    #[schema(value_type = Option<Digest>)]
    replaces: Option<String>,
}

/// Register a key that signs bundles
///
/// Two owners are needed: the first request proposes, another owner's registers. Whoever is alone
/// does both, a day apart.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/policy/keys", operation_id = "registerPolicyKey", tag = "policies",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), IdempotencyKey),
    request_body = KeyBody,
    responses(
        (status = OK, description = "It is registered", body = views::Policy,
            headers(("ETag" = String, description = "Version of the rules"))),
        (status = ACCEPTED, description = "A second owner is needed", body = views::Policy,
            headers(("ETag" = String, description = "Version of the rules"))),
    ),
    extensions(("x-problems" = json!([
        "idempotency-key-missing", "idempotency-key-reused", "idempotency-in-flight", "wrong-state",
        "insufficient_user_authentication", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn register(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = || async { api.policies.admit_key(&ctx).await };
    let read = sent.key().and_then(|_| sent.read());
    let wanted: KeyBody = admitted(read, may(), problem).await?;
    // What one owner has proposed they cannot confirm, and what is registered stays so.
    sent.once(&api.repeats, &ctx, allowed(may(), problem), async |_| {
        judged(&api.policies.ports.evidence, None, async |evidence| {
            let policies = with(&api.policies, evidence);
            let replaces = wanted.replaces.as_deref();
            let done = policies.register_key(&ctx, &wanted.public_key, replaces);
            answer(&api, &ctx, done.await).await
        })
        .await
    })
    .await
}

/// List policy bundles
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/policy-bundles", operation_id = "listPolicyBundles", tag = "policies",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace")),
    responses((status = OK, description = "The bundles", body = views::PolicyBundles)),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
) -> Result<Response, Problem> {
    let view = api.policies.view(&ctx).await;
    let view = view.map_err(|error| problem(&error))?;
    Ok(Json(views::PolicyBundles::of(&view.state.value)).into_response())
}

/// Read a policy bundle
#[utoipa::path(
    get, path = "/v1/workspaces/{workspace_id}/policy-bundles/{digest}", operation_id = "readPolicyBundle",
    tag = "policies",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"),
        ("digest" = BundleDigest, Path, description = "The bundle")),
    responses((status = OK, description = "The bundle", body = views::PolicyBundle)),
)]
pub(crate) async fn read(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(place): Path<(String, String)>,
) -> Result<Response, Problem> {
    let found = api.policies.bundle(&ctx, digest(&place.1)?).await;
    let found = found.map_err(|error| problem(&error))?.value;
    Ok(Json(bundle(&api, &ctx, &found).await?).into_response())
}

/// A signed bundle, as `counterfoil policy sign` leaves it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPolicyBundle)]
struct NewBody {
    /// Text of `manifest.json`.
    manifest: String,
    /// Text of `signature.json`.
    signature: String,
    /// Text of every other file, by path: `policies/NAME.cedar`, `tests/NAME.json`. At most 131,072
    /// bytes together.
    files: BTreeMap<String, String>,
}

/// Upload a policy bundle
///
/// For admins and owners who signed in. Everything is checked first: signature, place, rules, tests.
/// `errors` of a `policy-invalid` say all that is wrong, with its place. It counts when it is activated.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/policy-bundles", operation_id = "uploadPolicyBundle",
    tag = "policies",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"), IdempotencyKey),
    request_body = NewBody,
    responses(
        (status = CREATED, description = "The bundle", body = views::PolicyBundle,
            headers(("Location" = String, description = "Its address"))),
        (status = OK, description = "It was stored before", body = views::PolicyBundle),
    ),
    extensions(("x-problems" = json!([
        "idempotency-key-missing", "idempotency-key-reused", "idempotency-in-flight", "capability-missing",
        "wrong-state", "policy-invalid", "outcome-unknown",
    ]))),
)]
pub(crate) async fn upload(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = || async { api.policies.admit_upload(&ctx) };
    let read = sent.key().and_then(|_| sent.read_with(MAX_BODY));
    let wanted: NewBody = admitted(read, may(), admin::problem).await?;
    may().await.map_err(|error| admin::problem(&error))?;
    // A bundle that is stored already stays as it is: a repeat does nothing twice.
    sent.once(
        &api.repeats,
        &ctx,
        allowed(may(), admin::problem),
        async |_| {
            let new = NewBundle {
                manifest: &wanted.manifest,
                signature: &wanted.signature,
                files: &wanted.files,
            };
            let stored = api.policies.upload(&ctx, new).await;
            let stored = stored.map_err(|error| refused(&ctx, &error))?;
            let warnings = stored.warnings.iter().map(views::PolicyWarning::of);
            let view = bundle(&api, &ctx, &stored.bundle).await?;
            let view = view.warned(warnings.collect());
            if !stored.new {
                return Ok(Json(view).into_response());
            }
            let mut response = (StatusCode::CREATED, Json(view)).into_response();
            let place = format!(
                "/v1/workspaces/{}/policy-bundles/{}",
                ctx.workspace(),
                stored.bundle.digest
            );
            if let Ok(place) = HeaderValue::from_str(&place) {
                response.headers_mut().insert(LOCATION, place);
            }
            Ok(response)
        },
    )
    .await
}

/// Activate a policy bundle
///
/// Two people are needed: an admin or owner proposes, an owner who neither proposed nor uploaded it
/// activates. Whoever is alone does both, a day apart.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/policy-bundles/{digest}/activate",
    operation_id = "activatePolicyBundle", tag = "policies",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"),
        ("digest" = BundleDigest, Path, description = "The bundle"), IdempotencyKey),
    responses(
        (status = OK, description = "It is in force", body = views::Policy,
            headers(("ETag" = String, description = "Version of the rules"))),
        (status = ACCEPTED, description = "A second person is needed", body = views::Policy,
            headers(("ETag" = String, description = "Version of the rules"))),
    ),
    extensions(("x-problems" = json!([
        "idempotency-key-missing", "idempotency-key-reused", "idempotency-in-flight", "wrong-state",
        "insufficient_user_authentication", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn activate(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(place): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let digest = digest(&place.1)?;
    known(&api, &ctx, digest).await?;
    let may = || async { api.policies.admit_activation(&ctx, digest).await };
    admitted(sent.key(), may(), problem).await?;
    // What one person has proposed they cannot confirm, and what is in force stays so.
    sent.once(&api.repeats, &ctx, allowed(may(), problem), async |_| {
        judged(&api.policies.ports.evidence, None, async |evidence| {
            let done = with(&api.policies, evidence);
            let done = done.activate(&ctx, digest).await;
            answer(&api, &ctx, done).await
        })
        .await
    })
    .await
}

/// Revoke a policy bundle
///
/// For admins and owners. It never counts again. Where it is the one in force, everything but mending
/// that is denied until another one is activated.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/policy-bundles/{digest}/revoke",
    operation_id = "revokePolicyBundle", tag = "policies",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"),
        ("digest" = BundleDigest, Path, description = "The bundle"), IdempotencyKey),
    responses((status = OK, description = "It is revoked", body = views::Policy,
        headers(("ETag" = String, description = "Version of the rules")))),
    extensions(("x-problems" = json!([
        "idempotency-key-missing", "idempotency-key-reused", "idempotency-in-flight", "wrong-state",
        "insufficient_user_authentication", "action-denied", "outcome-unknown",
    ]))),
)]
pub(crate) async fn revoke(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(place): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let digest = digest(&place.1)?;
    known(&api, &ctx, digest).await?;
    let may = || async { api.policies.admit_revocation(&ctx, digest).await };
    admitted(sent.key(), may(), problem).await?;
    // What is revoked stays so.
    sent.once(&api.repeats, &ctx, allowed(may(), problem), async |_| {
        judged(&api.policies.ports.evidence, None, async |evidence| {
            let done = with(&api.policies, evidence);
            let done = done.revoke(&ctx, digest).await;
            if done.is_ok() {
                tracing::error!(
                    alarm = "policy.revoked",
                    workspace.id = %ctx.workspace(),
                    digest,
                    "policy bundle revoked"
                );
            }
            answer(&api, &ctx, done).await
        })
        .await
    })
    .await
}

/// The same use case on evidence that notes decisions.
fn with(policies: &Policies, evidence: Arc<dyn EvidenceAppend>) -> Policies {
    let mut policies = policies.clone();
    policies.ports.evidence = evidence;
    policies
}

/// What is not there is said before what anybody may do.
pub(crate) async fn known(api: &Api, ctx: &WorkspaceCtx, digest: &str) -> Result<(), Problem> {
    let found = api.policies.bundle(ctx, digest).await;
    found.map(drop).map_err(|error| problem(&error))
}

async fn bundle(
    api: &Api,
    ctx: &WorkspaceCtx,
    found: &StoredBundle,
) -> Result<views::PolicyBundle, Problem> {
    let view = api.policies.view(ctx).await;
    let view = view.map_err(|error| problem(&error))?;
    Ok(views::PolicyBundle::of(&view.state.value, found))
}

pub(crate) async fn shown(
    api: &Api,
    ctx: &WorkspaceCtx,
    status: StatusCode,
) -> Result<Response, Problem> {
    let view = api.policies.view(ctx).await;
    let view = view.map_err(|error| problem(&error))?;
    Ok(versioned(
        status,
        &views::Policy::of(&view),
        view.state.version,
    ))
}

/// 202 while a second person is needed, 200 when it is done.
async fn answer(
    api: &Api,
    ctx: &WorkspaceCtx,
    done: Result<PolicyActed, PolicyError>,
) -> Result<Response, Problem> {
    let done = done.map_err(|error| problem(&error))?;
    let status = if done.waits {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    shown(api, ctx, status).await
}
