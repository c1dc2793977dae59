//! Routes of the setting that says how often a project is scanned.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use counterfoil_core::scan::ScanSchedule;
use counterfoil_core::usecases::{KeepSchedule, ScheduleError, ScheduleView};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, admitted, body, demand_if_match, judged};
use counterfoil_lambda::schema::IfMatch;
use counterfoil_lambda::telemetry::chain;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{conflict, versioned};
use crate::api::Api;
use crate::views;

/// A schedule to set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ScheduleBody)]
struct Wanted {
    #[schema(minimum = 1, maximum = 720)]
    full_every_hours: u64,
    /// `null` for none.
    #[schema(minimum = 1, maximum = 720)]
    incremental_every_hours: Option<u64>,
    /// Transactions of the Stripe account in 30 days.
    #[serde(default)]
    #[schema(maximum = 1_000_000_000)]
    transactions: u64,
}

/// Read how often the project is scanned
#[utoipa::path(
    get, path = "/v1/settings/schedule", operation_id = "readSchedule", tag = "settings",
    responses((status = OK, description = "The setting", body = views::Schedule,
        headers(("ETag" = String, description = "Version of the setting")))),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn read(State(api): State<Api>, Caller(ctx): Caller) -> Result<Response, Problem> {
    let found = api.schedule.read(&ctx).await;
    Ok(view(&found.map_err(|error| problem(&error))?))
}

/// Change how often the project is scanned
#[utoipa::path(
    put, path = "/v1/settings/schedule", operation_id = "changeSchedule", tag = "settings",
    params(IfMatch), request_body = Wanted,
    responses((status = OK, description = "In force", body = views::Schedule,
        headers(("ETag" = String, description = "Version of the setting")))),
    extensions(("x-problems" = json!([
        "precondition-required", "precondition-failed", "not-measured", "action-denied", "not-finished",
    ]))),
)]
pub(crate) async fn change(
    State(api): State<Api>,
    Caller(ctx): Caller,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let read = || Ok((body::<Wanted>(&bytes)?, demand_if_match(&headers)?));
    let may = api.schedule.admit(&ctx);
    let (wanted, version) = admitted(read(), may, problem).await?;
    let wanted = ScanSchedule {
        full_every_hours: wanted.full_every_hours,
        incremental_every_hours: wanted.incremental_every_hours,
        transactions: wanted.transactions,
    };
    judged(&api.schedule.evidence, None, async |evidence| {
        let schedule = KeepSchedule {
            evidence,
            ..api.schedule.clone()
        };
        let changed = schedule.change(&ctx, wanted, version).await;
        Ok(view(&changed.map_err(|error| problem(&error))?))
    })
    .await
}

/// The setting and what it comes to, with its version as `ETag`.
fn view(found: &ScheduleView) -> Response {
    versioned(
        StatusCode::OK,
        &views::Schedule::of(found),
        found.setting.version,
    )
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
        ScheduleError::Denied(judgement) => Problem::denied(judgement),
        ScheduleError::Evidence(_)
        | ScheduleError::Port(_)
        | ScheduleError::Record(_)
        | ScheduleError::Json(_) => {
            tracing::error!(cause = chain(error), "schedule not changed");
            Problem::unfinished()
        }
    }
}
