//! Routes of customers: what is stored about one, and asking for a fresh look.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use counterfoil_core::reconcile::CustomerState;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{AskError, Asked, CustomerView, Seen};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, body, idempotency_key};
use counterfoil_lambda::telemetry::chain;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::unfinished;
use crate::api::Api;
use crate::incidents;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Of {
    project: Option<String>,
}

pub(crate) async fn state(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(customer): Path<String>,
    of: Result<Query<Of>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(of) = of.map_err(|_| Problem::invalid("", "takes `project`"))?;
    let own = ctx.project().to_string();
    // A credential is for one project: every other one is absent.
    if of.project.is_some_and(|project| project != own) {
        return Err(Problem::not_found());
    }
    let found = api.customers.get(&ctx, &customer).await.map_err(|error| {
        tracing::error!(cause = chain(&error), "customer not read");
        Problem::unavailable()
    })?;
    let found = found.ok_or_else(Problem::not_found)?;
    Ok(Json(view(&ctx, &customer, &found)).into_response())
}

fn view(ctx: &TenantCtx, customer: &str, found: &CustomerView) -> Value {
    let incidents = found.incidents.iter();
    let incidents: Vec<Value> = incidents.map(|it| incidents::view(it, found.now)).collect();
    let seen = found.seen.as_ref();
    json!({
        "customer": customer,
        "last_check": seen.map(last_check),
        "promise": seen.and_then(|seen| Some(&seen.state.as_ref()?.promise)),
        "rows": seen.and_then(|seen| Some(&seen.state.as_ref()?.rows)),
        "incidents": incidents,
        "owed_per_month": found.owed,
        "leak_per_month": found.leak,
        "fresh_look": {
            "method": "POST",
            "path": "/v1/checks",
            "body": { "project": ctx.project(), "customer": customer },
        },
    })
}

fn last_check(seen: &Seen) -> Value {
    let presence = |state: &CustomerState| json!(state.presence);
    json!({
        "at": seen.looked_at.to_string(),
        "run": seen.run,
        "stripe": seen.state.as_ref().map(presence),
        "left_to_a_scan": seen.left_to_scan,
        "shortened": seen.shortened,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckBody {
    project: String,
    #[serde(default)]
    customer: Option<String>,
}

pub(crate) async fn check(
    State(api): State<Api>,
    Caller(ctx): Caller,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let read: Result<CheckBody, Problem> = body(&bytes);
    let wanted = match read {
        Ok(wanted) => wanted,
        // Whether the caller may ask comes before what they sent.
        Err(bad) => {
            return Err(api
                .checks
                .admit(&ctx)
                .map_or_else(|it| problem(&it), |()| bad));
        }
    };
    let key = match idempotency_key(&headers) {
        Ok(key) => key,
        Err(missing) => {
            let able = api.checks.able(&ctx, &wanted.project);
            return Err(able.map_or_else(|it| problem(&it), |()| missing));
        }
    };
    let customer = wanted.customer.as_deref();
    let asked = api.checks.ask(&ctx, &key, &wanted.project, customer).await;
    Ok(accepted(&asked.map_err(|error| problem(&error))?, customer))
}

/// 202: the run opens in a moment; until then its address answers 404.
fn accepted(asked: &Asked, customer: Option<&str>) -> Response {
    let run = asked.run;
    let view = json!({
        "run": run,
        "poll": format!("/v1/runs/{run}"),
        "state": customer.map(|customer| format!("/v1/customers/{customer}/state")),
    });
    let mut response = (StatusCode::ACCEPTED, Json(view)).into_response();
    if asked.again {
        let replayed = HeaderValue::from_static("true");
        response
            .headers_mut()
            .insert("idempotent-replayed", replayed);
    }
    response
}

fn problem(error: &AskError) -> Problem {
    match error {
        AskError::NotFound => Problem::not_found(),
        AskError::NotAble => {
            let title = "Checks are asked for by approvers and by keys that may repair";
            Problem::new(StatusCode::FORBIDDEN, "capability-missing", title)
        }
        AskError::Invalid { field, rule } => Problem::invalid(*field, *rule),
        AskError::KeyReused => {
            let title = "This `Idempotency-Key` came with another request before";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Problem::new(status, "idempotency-key-reused", title)
        }
        AskError::Port(_) | AskError::Record(_) => {
            tracing::error!(cause = chain(error), "check not asked for");
            unfinished()
        }
    }
}
