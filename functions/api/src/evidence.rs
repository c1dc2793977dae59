//! Routes that list what is recorded: runs, entries, and a customer's ledger.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use counterfoil_core::evidence::json::MAX_UINT;
use counterfoil_core::usecases::{RunFilter, RunStatus, Span};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Asked, Caller};
use counterfoil_lambda::refusals;
use counterfoil_lambda::sight::Sight;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::Api;
use crate::views;
use counterfoil_lambda::pages::{Pages, page};

/// Which runs.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Runs {
    /// Those that this caused.
    #[param(example = "schedule")]
    purpose: Option<String>,
    /// Those that are here.
    #[param(value_type = Option<Status>, inline)]
    status: Option<RunStatus>,
    /// Items of this page at most.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(min_length = 1, max_length = 1024)]
    cursor: Option<String>,
}

/// The states by which runs are listed.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RunStatusFilter)]
#[expect(dead_code, reason = "the document's words for a type of the core")]
enum Status {
    Open,
    Complete,
    Partial,
    Failed,
    Aborted,
    Completed,
    Expired,
}

/// List runs
///
/// Checks, scans and governed runs, newest first. Runs of repairs and of acts of people are entries only.
#[utoipa::path(
    get, path = "/v1/runs", operation_id = "listRuns", tag = "runs", params(Runs),
    responses((status = OK, description = "A page of runs", body = views::Runs)),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn runs(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Asked(asked): Asked<Runs>,
) -> Result<Response, Problem> {
    let page = page(asked.limit, asked.cursor.as_deref())?;
    let filter = RunFilter {
        purpose: asked.purpose,
        status: asked.status,
    };
    let found = api.evidence.runs(&ctx, &filter, page).await;
    let found = found.map_err(|error| refusals::evidence(&error))?;
    Ok(Json(views::Runs::of(found, Sight::of(&ctx))).into_response())
}

/// Which entries.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entries {
    /// The first position.
    #[param(default = 0, maximum = 9_007_199_254_740_991_i64)]
    from: Option<u64>,
    /// The first position after them; the end of the stream where it is left out.
    #[param(maximum = 9_007_199_254_740_991_i64)]
    to: Option<u64>,
    /// Items of this page at most.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(min_length = 1, max_length = 1024)]
    cursor: Option<String>,
}

/// List entries
///
/// The project's evidence stream, oldest first.
#[utoipa::path(
    get, path = "/v1/entries", operation_id = "listEntries", tag = "entries", params(Entries),
    responses((status = OK, description = "A page of entries", body = views::Entries)),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn entries(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Asked(asked): Asked<Entries>,
) -> Result<Response, Problem> {
    let page = page(asked.limit, asked.cursor.as_deref())?;
    for (pointer, position) in [("/from", asked.from), ("/to", asked.to)] {
        if position.is_some_and(|position| position > MAX_UINT) {
            let rule = "must not be greater than 9007199254740991";
            return Err(Problem::invalid(pointer, rule));
        }
    }
    let span = Span {
        from: asked.from.unwrap_or_default(),
        to: asked.to,
    };
    let found = api.evidence.entries(&ctx, span, page).await;
    let found = found.map_err(|error| refusals::evidence(&error))?;
    Ok(Json(views::Entries::of(found)).into_response())
}

/// Read an entry
///
/// What stays of it. Its erasable contents are in packages only.
#[utoipa::path(
    get, path = "/v1/entries/{seq}", operation_id = "readEntry", tag = "entries",
    params(("seq" = u64, Path, description = "Position in the project's stream")),
    responses((status = OK, description = "The entry", body = views::WholeEntry)),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn entry(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(seq): Path<String>,
) -> Result<Response, Problem> {
    let seq = seq.parse().map_err(|_| Problem::not_found())?;
    let found = api.evidence.entry(&ctx, seq).await;
    let found = found.map_err(|error| refusals::evidence(&error))?;
    Ok(Json(views::WholeEntry::of(found)).into_response())
}

/// List what is recorded about a customer
///
/// The Access Ledger, newest first. Every row cites the entry that says it, and of a scan the line.
#[utoipa::path(
    get, path = "/v1/customers/{id}/ledger", operation_id = "readLedger", tag = "customers",
    params(("id" = String, Path, description = "The customer's id in Stripe", example = "cus_NffrFeUfNV2Hib"), Pages),
    responses((status = OK, description = "A page of the ledger", body = views::Ledger)),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
pub(crate) async fn ledger(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(customer): Path<String>,
    Asked(asked): Asked<Pages>,
) -> Result<Response, Problem> {
    let page = asked.page()?;
    let found = api.evidence.ledger(&ctx, &customer, page).await;
    let found = found.map_err(|error| refusals::evidence(&error))?;
    Ok(Json(views::Ledger::of(found)).into_response())
}
