//! Routes of the setting that says how often a project is scanned.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header::ETAG};
use axum::response::{IntoResponse, Response};
use counterfoil_core::scan::ScanSchedule;
use counterfoil_core::usecases::{Measured, ScheduleError, ScheduleView};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, body, if_match};
use counterfoil_lambda::telemetry::chain;
use serde::Deserialize;
use serde_json::json;

use crate::answer::{conflict, denied, unfinished};
use crate::api::Api;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    full_every_hours: u64,
    incremental_every_hours: Option<u64>,
    #[serde(default)]
    transactions: u64,
}

pub(crate) async fn read(State(api): State<Api>, Caller(ctx): Caller) -> Result<Response, Problem> {
    let found = api.schedule.read(&ctx).await;
    Ok(view(&found.map_err(|error| problem(&error))?))
}

pub(crate) async fn change(
    State(api): State<Api>,
    Caller(ctx): Caller,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let wanted: Wanted = body(&bytes)?;
    let version = if_match(&headers)?.ok_or_else(|| {
        let title = "Send `If-Match` with the ETag of the setting that was displayed";
        let status = StatusCode::PRECONDITION_REQUIRED;
        Problem::new(status, "precondition-required", title)
    })?;
    let wanted = ScanSchedule {
        full_every_hours: wanted.full_every_hours,
        incremental_every_hours: wanted.incremental_every_hours,
        transactions: wanted.transactions,
    };
    let changed = api.schedule.change(&ctx, wanted, version).await;
    Ok(view(&changed.map_err(|error| problem(&error))?))
}

/// The setting and what it comes to, with its version as `ETag`.
fn view(found: &ScheduleView) -> Response {
    let setting = &found.setting;
    let measured = found.measured.as_ref().map(|it: &Measured| {
        json!({
            "reads_per_30_days": it.reads,
            "full_scan_seconds": it.full_scan.as_secs(),
            "warning": it.too_dear.map(|error| error.to_string()),
        })
    });
    let view = json!({
        "full_every_hours": setting.value.full_every_hours,
        "incremental_every_hours": setting.value.incremental_every_hours,
        "transactions": setting.value.transactions,
        "allowed_reads_per_30_days": found.allowed,
        "measured": measured,
    });
    let mut response = Json(view).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", setting.version)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn problem(error: &ScheduleError) -> Problem {
    match error {
        ScheduleError::NotFound => Problem::not_found(),
        ScheduleError::Invalid { field, rule } => Problem::invalid(*field, *rule),
        ScheduleError::TooDear(error) => {
            let rule = format!("{error}; an account with more `transactions` is granted more");
            Problem::invalid("/full_every_hours", rule)
        }
        ScheduleError::NotMeasured => conflict(
            "not-measured",
            "No scan has been complete yet, so nobody knows what more of them would cost: set this \
             after the first one",
        ),
        ScheduleError::Changed => {
            let title = "The setting has changed: read it again";
            let status = StatusCode::PRECONDITION_FAILED;
            Problem::new(status, "precondition-failed", title)
        }
        ScheduleError::Denied(judgement) => denied(judgement),
        ScheduleError::Evidence(_)
        | ScheduleError::Port(_)
        | ScheduleError::Record(_)
        | ScheduleError::Json(_) => {
            tracing::error!(cause = chain(error), "schedule not changed");
            unfinished()
        }
    }
}
