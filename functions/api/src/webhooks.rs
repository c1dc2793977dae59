//! The route of a project's webhook health. It names no object of Stripe and no secret.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::Caller;
use counterfoil_lambda::telemetry::chain;

use crate::api::Api;
use crate::views;

/// Read how deliveries of Stripe do
#[utoipa::path(
    get, path = "/v1/webhooks/health", operation_id = "readWebhookHealth", tag = "webhooks",
    responses((status = OK, description = "Their health", body = views::Webhooks)),
)]
pub(crate) async fn health(
    State(api): State<Api>,
    Caller(ctx): Caller,
) -> Result<Response, Problem> {
    let found = api.webhooks.get(&ctx).await.map_err(|error| {
        tracing::error!(cause = chain(&error), "webhook health not read");
        Problem::unavailable()
    })?;
    let found = found.ok_or_else(Problem::not_found)?;
    Ok(Json(views::Webhooks::of(&found)).into_response())
}
