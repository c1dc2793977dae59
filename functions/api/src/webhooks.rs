//! The route of a project's webhook health. It names no object of Stripe and no secret.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use counterfoil_core::usecases::{WebhookHealth, WebhookView};
use counterfoil_core::webhook::{MissedEvents, Tally};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::Caller;
use counterfoil_lambda::telemetry::chain;
use serde_json::{Map, Value, json};

use crate::api::Api;

pub(crate) async fn health(
    State(api): State<Api>,
    Caller(ctx): Caller,
) -> Result<Response, Problem> {
    let found = api.webhooks.get(&ctx).await.map_err(|error| {
        tracing::error!(cause = chain(&error), "webhook health not read");
        Problem::unavailable()
    })?;
    let found = found.ok_or_else(Problem::not_found)?;
    Ok(Json(view(&found)).into_response())
}

fn view(found: &WebhookView) -> Value {
    let seconds = found.last_at.map(|last| found.now.since(last).as_secs());
    let mut today = day(&found.today);
    today.remove("result");
    json!({
        "result": found.standing(),
        "last_delivery_at": found.last_at.map(|at| at.to_string()),
        "seconds_since_last_delivery": seconds,
        "connection": {
            "state": if found.ended_at.is_some() { "ended" } else { "open" },
            "ended_at": found.ended_at.map(|at| at.to_string()),
        },
        "today": today,
        "last_recorded_day": found.recorded.as_ref().map(recorded),
    })
}

fn recorded(health: &WebhookHealth) -> Value {
    let mut fields = day(health);
    let missed = health.missed.as_ref().map(|missed| match missed {
        MissedEvents::Counted(counts) => json!(counts),
        MissedEvents::Absent(why) => json!({ "absent": why }),
    });
    fields.insert("missed".to_owned(), json!(missed));
    Value::Object(fields)
}

fn day(health: &WebhookHealth) -> Map<String, Value> {
    let tally = &health.tally;
    let said = tally.deauthorized_at.map(|at| at.to_string());
    let fields = [
        ("day", json!(health.date())),
        ("result", json!(health.standing())),
        ("taken", json!(tally.total(false))),
        ("refused", json!(tally.total(true))),
        ("max_lag_ms", json!(tally.max_lag_ms)),
        ("counts", counts(tally, false)),
        ("refused_counts", counts(tally, true)),
        ("stripe_said_ended_at", json!(said)),
    ];
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn counts(tally: &Tally, refused: bool) -> Value {
    let kept = tally.counts.iter();
    let kept = kept.filter(|(outcome, _)| outcome.refused() == refused);
    let named = kept.map(|(outcome, count)| (outcome.name().to_owned(), json!(count)));
    Value::Object(named.collect())
}
