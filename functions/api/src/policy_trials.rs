//! Routes that try a policy bundle out: beside the one in force, and on what was decided.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::MOST_JUDGED;
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Sent, WorkspaceCaller, admitted, allowed};
use counterfoil_lambda::schema::{BundleDigest, IdempotencyKey, Time, WorkspaceId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin;
use crate::api::Api;
use crate::mappings::digest;
use crate::policies::{known, shown};
use crate::policy_problems::problem;
use crate::views;

/// Whether a bundle is judged beside the one in force.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyShadowing)]
struct ShadowBody {
    on: bool,
}

/// Try a policy bundle out
///
/// For admins and owners who signed in. What it would have said stands in every decision beside what
/// counts, and changes nothing.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/policy-bundles/{digest}/shadow",
    operation_id = "shadowPolicyBundle", tag = "policies",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"),
        ("digest" = BundleDigest, Path, description = "The bundle"), IdempotencyKey),
    request_body = ShadowBody,
    responses((status = OK, description = "The rules", body = views::Policy,
        headers(("ETag" = String, description = "Version of the rules")))),
    extensions(("x-problems" = json!([
        "idempotency-key-missing", "idempotency-key-reused", "idempotency-in-flight", "capability-missing",
        "wrong-state", "outcome-unknown",
    ]))),
)]
pub(crate) async fn shadow(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(place): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let digest = digest(&place.1)?;
    known(&api, &ctx, digest).await?;
    let may = || async { api.policies.admit_upload(&ctx) };
    let read = sent.key().and_then(|_| sent.read());
    let wanted: ShadowBody = admitted(read, may(), admin::problem).await?;
    may().await.map_err(|error| admin::problem(&error))?;
    sent.once(
        &api.repeats,
        &ctx,
        allowed(may(), admin::problem),
        async |_| {
            let done = api.policies.shadow(&ctx, digest, wanted.on).await;
            done.map_err(|error| problem(&error))?;
            shown(&api, &ctx, StatusCode::OK).await
        },
    )
    .await
}

/// Which decisions are judged again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyImpactRequest)]
struct ImpactBody {
    /// 90 days ago unless said otherwise.
    #[serde(default)]
    #[schema(value_type = Option<Time>)]
    from: Option<String>,
    /// Now unless said otherwise.
    #[serde(default)]
    #[schema(value_type = Option<Time>)]
    to: Option<String>,
    /// The newest ones, at most.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 2000)]
    limit: Option<u64>,
}

/// Ask what a policy bundle would have decided
///
/// For admins, owners and auditors who signed in. Recorded decisions of the workspace and its projects
/// are judged again, with this bundle in place of the one in force. Nothing happens but that the
/// report's digest is noted for the activation.
#[utoipa::path(
    post, path = "/v1/workspaces/{workspace_id}/policy-bundles/{digest}/impact",
    operation_id = "policyBundleImpact", tag = "policies",
    params(("workspace_id" = WorkspaceId, Path, description = "The workspace"),
        ("digest" = BundleDigest, Path, description = "The bundle"), IdempotencyKey),
    request_body = ImpactBody,
    responses((status = OK, description = "The report", body = views::PolicyImpact)),
    extensions(("x-problems" = json!([
        "idempotency-key-missing", "idempotency-key-reused", "idempotency-in-flight", "capability-missing",
        "wrong-state",
    ]))),
)]
pub(crate) async fn impact(
    State(api): State<Api>,
    WorkspaceCaller(ctx): WorkspaceCaller,
    Path(place): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let digest = digest(&place.1)?;
    known(&api, &ctx, digest).await?;
    let may = || async { api.policies.admit_impact(&ctx) };
    let read = sent.key().and_then(|_| sent.read()).and_then(asked);
    let (from, to, limit) = admitted(read, may(), admin::problem).await?;
    may().await.map_err(|error| admin::problem(&error))?;
    sent.once(
        &api.repeats,
        &ctx,
        allowed(may(), admin::problem),
        async |_| {
            let done = api.policies.impact(&ctx, digest, (from, to), limit).await;
            let (report, sealed) = done.map_err(|error| problem(&error))?;
            Ok(Json(views::PolicyImpact::of(&report, sealed)).into_response())
        },
    )
    .await
}

type Asked = (Option<Timestamp>, Option<Timestamp>, Option<u64>);

fn asked(body: ImpactBody) -> Result<Asked, Problem> {
    let time = |pointer, text: Option<String>| {
        let read = text.map(|text| text.parse());
        read.transpose()
            .map_err(|error: counterfoil_core::time::TimeError| {
                Problem::invalid(pointer, error.to_string())
            })
    };
    if body
        .limit
        .is_some_and(|it| !(1..=MOST_JUDGED).contains(&it))
    {
        return Err(Problem::invalid("/limit", "must be 1 to 2000"));
    }
    Ok((time("/from", body.from)?, time("/to", body.to)?, body.limit))
}
