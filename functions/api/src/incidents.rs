//! Routes of incidents: look, ignore, open again, acknowledge.

use std::borrow::Cow;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::reconcile::FindingKind;
use counterfoil_core::records::Versioned;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{
    IncidentAct, IncidentActed, IncidentError, IncidentFilter, IncidentOrder, Incidents,
};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Asked, Caller, Sent, admitted, allowed, judged};
use counterfoil_lambda::refusals;
use counterfoil_lambda::schema::{self, IdempotencyKey};
use counterfoil_lambda::sight::Sight;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use crate::api::Api;
use crate::views;
use counterfoil_lambda::pages::page;

/// Which incidents.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// Those in this state.
    #[param(value_type = Option<StateFilter>, inline)]
    state: Option<IncidentState>,
    /// Those of this kind.
    #[param(value_type = Option<KindFilter>, inline)]
    kind: Option<FindingKind>,
    /// The order: newest first unless it says otherwise.
    #[param(value_type = Option<Order>, inline)]
    sort: Option<IncidentOrder>,
    /// Those of this Stripe customer.
    customer: Option<String>,
    /// Items of this page at most.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(min_length = 1, max_length = 1024)]
    cursor: Option<String>,
}

/// The kinds by which incidents are listed.
enum KindFilter {}

impl utoipa::PartialSchema for KindFilter {
    fn schema() -> RefOr<Schema> {
        let kinds = FindingKind::ALL.iter();
        schema::one_of(&kinds.map(|kind| kind.name()).collect::<Vec<_>>())
    }
}

impl ToSchema for KindFilter {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("IncidentKindFilter")
    }
}

/// The states by which incidents are listed.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IncidentStateFilter)]
#[expect(dead_code, reason = "the document's words for a type of the core")]
enum StateFilter {
    Open,
    Repairing,
    Ignored,
    Resolved,
}

/// The orders of a list of incidents.
#[derive(ToSchema)]
#[schema(as = IncidentOrder)]
#[expect(dead_code, reason = "the document's words for a type of the core")]
enum Order {
    #[serde(rename = "-opened_at")]
    Newest,
    #[serde(rename = "opened_at")]
    Oldest,
    #[serde(rename = "-at_risk")]
    Dearest,
    #[serde(rename = "at_risk")]
    Cheapest,
}

/// List incidents
#[utoipa::path(
    get, path = "/v1/incidents", operation_id = "listIncidents", tag = "incidents",
    params(Filter),
    responses((status = OK, description = "A page of incidents", body = views::Incidents)),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Asked(asked): Asked<Filter>,
) -> Result<Response, Problem> {
    let page = page(asked.limit, asked.cursor.as_deref())?;
    let filter = IncidentFilter {
        state: asked.state,
        kind: asked.kind,
        customer: asked.customer,
    };
    let now = api.incidents.clock.now();
    let order = asked.sort.unwrap_or_default();
    let page = api.incidents.list(&ctx, &filter, order, page).await;
    let page = page.map_err(|error| refusals::incident(&error))?;
    Ok(Json(views::Incidents::of(page, now, Sight::of(&ctx))).into_response())
}

/// Read an incident
#[utoipa::path(
    get, path = "/v1/incidents/{id}", operation_id = "readIncident", tag = "incidents",
    params(("id" = schema::IncidentId, Path, description = "The incident")),
    responses((status = OK, description = "The incident", body = views::Incident)),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn read(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = api.incidents.get(&ctx, &id).await;
    let found = found.map_err(|error| refusals::incident(&error))?;
    Ok(one(&api, &ctx, &found.value))
}

/// Terms on which an incident is ignored.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct IgnoreBody {
    /// After now, and at most 180 days away.
    #[schema(value_type = schema::Time)]
    until: String,
    #[schema(value_type = schema::Reason, examples("Paid by bank transfer until the end of the year"))]
    reason: String,
}

/// Ignore an incident for a time
///
/// From `until` on it is open again. Where the policy asks for approvals it waits as an action, which
/// people vote on as on a repair; the last approval carries it out.
#[utoipa::path(
    post, path = "/v1/incidents/{id}/ignore", operation_id = "ignoreIncident", tag = "incidents",
    params(("id" = schema::IncidentId, Path, description = "The incident"), IdempotencyKey),
    request_body = IgnoreBody,
    responses(
        (status = OK, description = "The incident as it is now", body = views::Incident),
        (status = ACCEPTED, description = "It waits for approvals", body = views::Action, headers(
            ("ETag" = String, description = "Version of the action"),
            ("Counterfoil-Decision" = schema::DecisionId, description = "The decision that was made of it"),
            ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
        )),
    ),
    extensions(("x-problems" = json!([
        "wrong-state", "incident-changed", "action-denied",
        "not-finished",
    ]))),
)]
pub(crate) async fn ignore(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let read = || {
        let read: IgnoreBody = sent.read()?;
        let until: Timestamp = read.until.parse().map_err(|_| {
            Problem::invalid("/until", "must be a time such as 2026-11-23T00:00:00Z")
        })?;
        let reason = read.reason;
        Ok(IncidentAct::Ignore { until, reason })
    };
    let may = || api.incidents.admit_ignore(&ctx, &id);
    Box::pin(act(&api, &ctx, &id, &sent, (read(), [may(), may()]))).await
}

/// Why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReasonBody {
    #[schema(value_type = schema::Reason, examples("The price change of Monday, checked with sales"))]
    reason: String,
}

/// Open an ignored incident again
#[utoipa::path(
    post, path = "/v1/incidents/{id}/reopen", operation_id = "reopenIncident", tag = "incidents",
    params(("id" = schema::IncidentId, Path, description = "The incident"), IdempotencyKey),
    request_body = ReasonBody,
    responses((status = OK, description = "The incident as it is now", body = views::Incident)),
    extensions(("x-problems" = json!([
        "wrong-state", "incident-changed", "action-denied",
        "not-finished",
    ]))),
)]
pub(crate) async fn reopen(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let read: Result<ReasonBody, Problem> = sent.read();
    let read = read.map(|read| IncidentAct::Reopen {
        reason: read.reason,
    });
    let may = || api.incidents.admit(&ctx, &id);
    Box::pin(act(&api, &ctx, &id, &sent, (read, [may(), may()]))).await
}

/// Take a mass drift for real
///
/// Repairs of its differences may be proposed from then on.
#[utoipa::path(
    post, path = "/v1/incidents/{id}/acknowledge", operation_id = "acknowledgeIncident", tag = "incidents",
    params(("id" = schema::IncidentId, Path, description = "The incident"), IdempotencyKey),
    request_body = ReasonBody,
    responses((status = OK, description = "The incident as it is now", body = views::Incident)),
    extensions(("x-problems" = json!([
        "wrong-state", "incident-changed", "insufficient_user_authentication", "action-denied",
        "not-finished",
    ]))),
)]
pub(crate) async fn acknowledge(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let read: Result<ReasonBody, Problem> = sent.read();
    let read = read.map(|read| IncidentAct::Acknowledge {
        reason: read.reason,
    });
    let may = || api.incidents.admit(&ctx, &id);
    Box::pin(act(&api, &ctx, &id, &sent, (read, [may(), may()]))).await
}

/// Does what was read. Whether the caller may is asked when it is bad, and when it comes again.
async fn act<M>(
    api: &Api,
    ctx: &TenantCtx,
    id: &str,
    sent: &Sent,
    (read, [may, may_again]): (Result<IncidentAct, Problem>, [M; 2]),
) -> Result<Response, Problem>
where
    M: Future<Output = Result<Versioned<Incident>, IncidentError>>,
{
    let asked = sent.key().and_then(|key| Ok((key, read?)));
    let (key, act) = admitted(asked, may, refusals::incident).await?;
    // The incident remembers its act in the transaction that does it, so a repeat whose answer was
    // lost gets the incident, or the action that waits, and not `already-created`.
    let may = allowed(may_again, refusals::incident);
    sent.once(&api.repeats, ctx, may, async |_| {
        judged(&api.incidents.evidence, None, async |evidence| {
            let incidents = Incidents {
                evidence,
                ..api.incidents.clone()
            };
            let acted = incidents.act(ctx, id, &key, &act).await;
            Ok(match acted.map_err(|error| refusals::incident(&error))? {
                IncidentActed::Done(incident) => one(api, ctx, &incident.value),
                IncidentActed::Held(held) => {
                    views::action(ctx, StatusCode::ACCEPTED, &held.value, held.version)
                }
            })
        })
        .await
    })
    .await
}

fn one(api: &Api, ctx: &TenantCtx, incident: &Incident) -> Response {
    let now = api.incidents.clock.now();
    Json(views::Incident::of(incident, now, Sight::of(ctx))).into_response()
}
