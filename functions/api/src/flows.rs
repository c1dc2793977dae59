//! Routes of what flows have registered: which kinds of action there are, and which of them destroy.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use counterfoil_core::governed_run::{FlowActions, Registered};
use counterfoil_core::records::Versioned;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{FlowChange, GovernedRuns};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, admitted, body, demand_if_match, judged};
use counterfoil_lambda::refusals::governed as problem;
use counterfoil_lambda::schema::{IfMatch, Reason};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{reason, versioned};
use crate::api::Api;
use crate::views;

/// Read what a flow has registered
#[utoipa::path(
    get, path = "/v1/flows/{flow}", operation_id = "readFlow", tag = "settings",
    params(("flow" = String, Path, description = "The flow", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")),
    responses((status = OK, description = "The flow", body = views::Flow,
        headers(("ETag" = String, description = "Version of the setting")))),
    extensions(("x-problems" = json!([]))),
)]
pub(crate) async fn read(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = api.governed.flow(&ctx, &id).await;
    let found = found.map_err(|error| problem(&error))?;
    shown(&api, &ctx, StatusCode::OK, &found).await
}

/// A flow, with its version as `ETag` and what waits.
async fn shown(
    api: &Api,
    ctx: &TenantCtx,
    status: StatusCode,
    flow: &Versioned<FlowActions>,
) -> Result<Response, Problem> {
    let waits = api.governed.flow_waiting(ctx, &flow.value.id).await;
    let waits = waits.map_err(|error| problem(&error))?;
    let view = views::Flow::of(&flow.value, waits.as_ref());
    Ok(versioned(status, &view, flow.version))
}

/// A kind of action.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct KindBody {
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", examples("refund.create"))]
    kind: String,
    /// It cannot be undone, or takes something away.
    destructive: bool,
}

/// What a flow may do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FlowActionsBody {
    /// All of its kinds of action: what is not here is not registered.
    #[schema(max_items = 100)]
    actions: Vec<KindBody>,
    /// Why, for whoever confirms it.
    #[serde(default)]
    #[schema(value_type = Option<Reason>)]
    reason: Option<String>,
}

/// What is to be registered, and why.
type Asked = (BTreeMap<String, Registered>, Option<String>);

impl FlowActionsBody {
    fn read(bytes: &Bytes) -> Result<Asked, Problem> {
        let body: Self = body(bytes)?;
        let mut actions = BTreeMap::new();
        for (place, one) in body.actions.into_iter().enumerate() {
            let registered = Registered {
                destructive: one.destructive,
            };
            if actions.insert(one.kind, registered).is_some() {
                let pointer = format!("/actions/{place}/kind");
                return Err(Problem::invalid(
                    pointer,
                    "must be there once: it came before",
                ));
            }
        }
        let why = body.reason.map(|words| reason(&words)).transpose()?;
        Ok((actions, why))
    }
}

/// Register what a flow may do
///
/// A kind that is not destructive needs no person in live any more, so registering one, or saying no longer
/// that one destroys, needs a second person, who sends the same.
#[utoipa::path(
    put, path = "/v1/flows/{flow}", operation_id = "registerFlow", tag = "settings",
    params(("flow" = String, Path, description = "The flow", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"), IfMatch),
    request_body = FlowActionsBody,
    responses(
        (status = OK, description = "In force", body = views::Flow,
            headers(("ETag" = String, description = "Version of the setting"))),
        (status = ACCEPTED, description = "A second person is needed", body = views::Flow,
            headers(("ETag" = String, description = "Version of the setting"))),
    ),
    extensions(("x-problems" = json!(["precondition-required", "precondition-failed", "wrong-state", "action-denied", "insufficient_user_authentication", "outcome-unknown"]))),
)]
pub(crate) async fn register(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let read = || Ok((FlowActionsBody::read(&bytes)?, demand_if_match(&headers)?));
    let may = api.governed.admit_flow(&ctx);
    let ((actions, why), version) = admitted(read(), may, problem).await?;
    judged(&api.governed.evidence, None, async |evidence| {
        let runs = GovernedRuns {
            evidence,
            ..api.governed.clone()
        };
        let changed = runs.register(&ctx, &id, actions, why.as_deref(), version);
        let changed = changed.await;
        let (status, flow) = match changed.map_err(|error| problem(&error))? {
            FlowChange::Held(flow) => (StatusCode::ACCEPTED, flow),
            FlowChange::Done(flow) => (StatusCode::OK, flow),
        };
        shown(&api, &ctx, status, &flow).await
    })
    .await
}
