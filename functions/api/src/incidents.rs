//! Routes of incidents: look, ignore, open again, acknowledge.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::reconcile::FindingKind;
use counterfoil_core::records::Versioned;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{IncidentAct, IncidentError, IncidentFilter, IncidentOrder};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Asked, Caller, body, idempotency_key};
use counterfoil_lambda::telemetry::chain;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{conflict, denied, unfinished};
use crate::api::Api;

/// Incidents of one page at most, and when nothing else is asked for.
const PAGE: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    state: Option<IncidentState>,
    kind: Option<FindingKind>,
    sort: Option<IncidentOrder>,
    customer: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

pub(crate) async fn list(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Asked(asked): Asked<Filter>,
) -> Result<Response, Problem> {
    let limit = asked.limit.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(Problem::invalid("/limit", "must be 1 to 100"));
    }
    let filter = IncidentFilter {
        state: asked.state,
        kind: asked.kind,
        customer: asked.customer,
    };
    let now = api.incidents.clock.now();
    let order = asked.sort.unwrap_or_default();
    let cursor = asked.cursor.as_deref();
    let page = api
        .incidents
        .list(&ctx, &filter, order, cursor, limit)
        .await;
    let page = page.map_err(|error| problem(&error))?;
    let items: Vec<Value> = page.items.iter().map(|it| view(&it.value, now)).collect();
    Ok(Json(json!({ "items": items, "next_cursor": page.next_cursor })).into_response())
}

pub(crate) async fn read(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = api.incidents.get(&ctx, &id).await;
    let found = found.map_err(|error| problem(&error))?;
    Ok(Json(view(&found.value, api.incidents.clock.now())).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IgnoreBody {
    until: String,
    reason: String,
}

pub(crate) async fn ignore(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let read = || {
        let read: IgnoreBody = body(&bytes)?;
        let until: Timestamp = read.until.parse().map_err(|_| {
            Problem::invalid("/until", "must be a time such as 2026-11-23T00:00:00Z")
        })?;
        let reason = read.reason;
        Ok(IncidentAct::Ignore { until, reason })
    };
    act(&api, &ctx, &id, &headers, read()).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonBody {
    reason: String,
}

pub(crate) async fn reopen(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let read: Result<ReasonBody, Problem> = body(&bytes);
    let read = read.map(|read| IncidentAct::Reopen {
        reason: read.reason,
    });
    act(&api, &ctx, &id, &headers, read).await
}

pub(crate) async fn acknowledge(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let read: Result<ReasonBody, Problem> = body(&bytes);
    let read = read.map(|read| IncidentAct::Acknowledge {
        reason: read.reason,
    });
    act(&api, &ctx, &id, &headers, read).await
}

async fn act(
    api: &Api,
    ctx: &TenantCtx,
    id: &str,
    headers: &HeaderMap,
    read: Result<IncidentAct, Problem>,
) -> Result<Response, Problem> {
    let asked = idempotency_key(headers).and_then(|key| Ok((key, read?)));
    let (key, act) = match asked {
        Ok(asked) => asked,
        // Whether the caller may know the incident and act on it comes before what they sent.
        Err(bad) => {
            let admitted = api.incidents.admit(ctx, id).await;
            return Err(admitted.map_or_else(|error| problem(&error), |_| bad));
        }
    };
    let done: Result<Versioned<Incident>, _> = api.incidents.act(ctx, id, &key, &act).await;
    let done = done.map_err(|error| problem(&error))?;
    Ok(Json(view(&done.value, api.incidents.clock.now())).into_response())
}

pub(crate) fn view(incident: &Incident, now: Timestamp) -> Value {
    let finding = &incident.finding;
    let ignored = incident.ignored.as_ref().map(|terms| {
        json!({ "by": terms.by, "at": terms.at.to_string(), "until": terms.until.to_string(), "reason": terms.reason })
    });
    let acknowledged = incident
        .acknowledged
        .as_ref()
        .map(|it| json!({ "by": it.by, "at": it.at.to_string(), "differences": it.differences }));
    json!({
        "id": incident.id,
        "state": incident.state_at(now),
        "kind": finding.kind.name(),
        "field": finding.field.map(counterfoil_core::reconcile::Field::name),
        "customers": finding.customers,
        "promised": finding.expected.text(),
        "granted": finding.actual.text(),
        "rule": finding.rule.name(),
        "repairable": finding.not_repairable.is_none(),
        "at_risk": finding.at_risk,
        "opened_at": incident.opened_at.to_string(),
        "opened_by": incident.opened_by,
        "seen_at": incident.seen_at.to_string(),
        "seen_by": incident.seen_by,
        "resolved_at": incident.resolved_at.map(|at| at.to_string()),
        "action": incident.action,
        "ignored": ignored,
        "acknowledged": acknowledged,
    })
}

fn problem(error: &IncidentError) -> Problem {
    match error {
        IncidentError::NotFound => Problem::not_found(),
        IncidentError::Invalid { field, rule } => Problem::invalid(*field, *rule),
        IncidentError::WrongState(refused) => conflict("wrong-state", refused.to_string()),
        IncidentError::KeyReused => {
            let title = "This `Idempotency-Key` came with another request before";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "idempotency-key-reused", title)
        }
        IncidentError::Denied(judgement) => denied(judgement),
        IncidentError::Changed => {
            let title = "Somebody changed the incident in the meantime: read it again";
            conflict("incident-changed", title)
        }
        IncidentError::Evidence(_)
        | IncidentError::Port(_)
        | IncidentError::Record(_)
        | IncidentError::Json(_) => {
            tracing::error!(cause = chain(error), "incident not changed");
            unfinished()
        }
    }
}
