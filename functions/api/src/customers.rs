//! Routes of customers: what is stored about one, and asking for a fresh look.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use counterfoil_core::usecases::Asked;
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, Sent, admitted, allowed};
use counterfoil_lambda::refusals;
use counterfoil_lambda::schema::{self, IdempotencyKey};
use counterfoil_lambda::telemetry::chain;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::Api;
use crate::views;

/// Of which project.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Of {
    /// The project; the credential's own where it is left out.
    #[param(value_type = Option<schema::ProjectId>)]
    project: Option<String>,
}

/// Read what is stored about a customer
///
/// Both sides as the last complete check saw them, and every incident. Nothing is looked up.
#[utoipa::path(
    get, path = "/v1/customers/{id}/state", operation_id = "readCustomer", tag = "customers",
    params(("id" = String, Path, description = "The customer's id in Stripe", example = "cus_NffrFeUfNV2Hib"), Of),
    responses((status = OK, description = "Both sides", body = views::BothSides)),
)]
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
    Ok(Json(views::BothSides::of(&ctx, &customer, &found)).into_response())
}

/// What to check.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckBody {
    #[schema(value_type = schema::ProjectId)]
    project: String,
    /// One customer; everybody where it is left out.
    #[serde(default)]
    #[schema(pattern = "^cus_[A-Za-z0-9_]{1,200}$", examples("cus_NffrFeUfNV2Hib"))]
    customer: Option<String>,
}

/// Ask for a check
///
/// Of one customer, or of the whole project. The run opens in a moment.
#[utoipa::path(
    post, path = "/v1/checks", operation_id = "askForCheck", tag = "customers",
    params(IdempotencyKey), request_body = CheckBody,
    responses((status = ACCEPTED, description = "Asked for", body = views::Check,
        headers(("Idempotent-Replayed" = String, description = "`true` when the key came before")))),
    extensions(("x-problems" = json!(["capability-missing", "project-incomplete", "not-finished"]))),
)]
pub(crate) async fn check(
    State(api): State<Api>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = async { api.checks.admit(&ctx) };
    let wanted: CheckBody = admitted(sent.read(), may, refusals::check).await?;
    let able = api.checks.able(&ctx, &wanted.project);
    able.map_err(|it| refusals::check(&it))?;
    let key = sent.key()?;
    // The use case remembers the run under the key and sends its message again: a repeat after a
    // queue that did not answer must not end as `already-created`.
    let may = allowed(async { api.checks.admit(&ctx) }, refusals::check);
    sent.once(&api.repeats, &ctx, may, async |_| {
        let customer = wanted.customer.as_deref();
        let asked = api.checks.ask(&ctx, &key, &wanted.project, customer).await;
        Ok(accepted(
            &asked.map_err(|error| refusals::check(&error))?,
            customer,
        ))
    })
    .await
}

/// 202: the run opens in a moment; until then its address answers 404.
fn accepted(asked: &Asked, customer: Option<&str>) -> Response {
    let run = asked.run;
    let view = views::Check {
        run,
        poll: format!("/v1/runs/{run}"),
        state: customer.map(|customer| format!("/v1/customers/{customer}/state")),
    };
    let mut response = (StatusCode::ACCEPTED, Json(view)).into_response();
    if asked.again {
        let replayed = HeaderValue::from_static("true");
        response
            .headers_mut()
            .insert("idempotent-replayed", replayed);
    }
    response
}
