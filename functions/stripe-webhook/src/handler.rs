//! From the HTTP event to the use case and back. Senders learn a status and nothing else.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use counterfoil_core::sealed::Purpose;
use counterfoil_core::usecases::{Delivery, ReceiveWebhook, Received, Rewrap, WebhookError};
use counterfoil_lambda::event::{self, Incoming};
use counterfoil_lambda::telemetry::chain;
use counterfoil_lambda::{Error, Front, Problem, duty};
use serde_json::{Value, json};

/// Handles one invocation.
pub(crate) async fn handle(receive: ReceiveWebhook, event: Value) -> Result<Value, Error> {
    match event::read(event)? {
        Incoming::Http(request) => Ok(event::answer(router(receive), *request).await?),
        Incoming::Other(invocation) if is_rewrap(&invocation) => {
            duty::rewrap(&rewrap(receive)).await
        }
        Incoming::Other(invocation) => take_from_bus(&receive, &invocation).await,
    }
}

/// For how long one invocation wraps data keys anew; the function ends after 10 seconds.
const REWRAP_WITHIN: Duration = Duration::from_secs(5);

/// The schedule's word. Stripe's events have the source of their partner, whatever they hold, and a
/// delivery over HTTP never gets here.
fn is_rewrap(invocation: &Value) -> bool {
    let word = |pointer| invocation.pointer(pointer).and_then(Value::as_str);
    word("/source") == Some("counterfoil.schedule") && word("/detail/job") == Some("rewrap")
}

/// The signing secrets, which no other function may open.
fn rewrap(receive: ReceiveWebhook) -> Rewrap {
    Rewrap {
        state: receive.state,
        vault: receive.vault,
        clock: receive.clock,
        purposes: &[Purpose::Webhook],
        within: REWRAP_WITHIN,
    }
}

/// An invocation that did not come through the HTTP API is an event of the trusted source, or it is
/// refused. An error makes AWS invoke again, and at last keep the event as a dead letter; what would
/// be refused again is only logged and counted, like a bad delivery.
async fn take_from_bus(receive: &ReceiveWebhook, invocation: &Value) -> Result<Value, Error> {
    let outcome = match receive.receive_partner(invocation).await {
        Ok(received) => outcome(&received),
        Err(error @ (WebhookError::WrongMode | WebhookError::WrongAccount)) => {
            tracing::warn!(cause = chain(&error), "event refused");
            "refused"
        }
        Err(error) => {
            tracing::error!(cause = chain(&error), "event not taken");
            return Err(error.into());
        }
    };
    tracing::info!(outcome, "event of the bus");
    Ok(json!({ "outcome": outcome }))
}

const fn outcome(received: &Received) -> &'static str {
    match received {
        Received::Queued => "queued",
        Received::Duplicate => "duplicate",
        Received::Noted => "noted",
    }
}

fn router(receive: ReceiveWebhook) -> Front {
    let routes = Router::new()
        .route("/webhooks/stripe/{project}", post(deliver))
        .with_state(receive);
    Front::open(routes)
}

async fn deliver(
    State(receive): State<ReceiveWebhook>,
    Path(project): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signature = headers
        .get("stripe-signature")
        .and_then(|value| value.to_str().ok());
    let delivery = Delivery {
        project: &project,
        signature: signature.unwrap_or_default(),
        body: &body,
    };
    match receive.receive(&delivery).await {
        Ok(received) => {
            let outcome = outcome(&received);
            tracing::info!(project.id = project, outcome, "webhook taken");
            StatusCode::OK.into_response()
        }
        Err(error) => refuse(&project, &error).into_response(),
    }
}

fn refuse(project: &str, error: &WebhookError) -> Problem {
    // An id that was never issued may hold anything; only a well-formed one is logged.
    let project = project.parse::<counterfoil_core::ids::ProjectId>().ok();
    let project = project.map(|id| id.to_string()).unwrap_or_default();
    match error {
        WebhookError::NoProject => {
            tracing::warn!(cause = chain(error), "webhook refused");
            Problem::not_found()
        }
        WebhookError::Signature(_)
        | WebhookError::Event(_)
        | WebhookError::WrongMode
        | WebhookError::WrongAccount
        | WebhookError::Partner(_) => {
            tracing::warn!(
                project.id = project,
                cause = chain(error),
                "webhook refused"
            );
            let title = "The delivery was not accepted";
            Problem::new(StatusCode::BAD_REQUEST, "delivery-refused", title)
        }
        WebhookError::Port(_) | WebhookError::Record(_) | WebhookError::Vault(_) => {
            tracing::error!(
                project.id = project,
                cause = chain(error),
                "webhook not taken"
            );
            Problem::unavailable()
        }
    }
}
