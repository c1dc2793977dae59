//! Routes that take away what can be read of a run or a customer, and say what is lost.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use counterfoil_core::erasure::ErasureState;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::traced::Makes;
use counterfoil_core::usecases::{DeclareLost, Erase, EraseError, EraseRequest, Erased, Lost};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, Sent, admitted, allowed, judged};
use counterfoil_lambda::schema::{IdempotencyKey, RunId};
use counterfoil_lambda::telemetry::chain;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::conflict;
use crate::api::Api;
use crate::views;

/// Why something is erased.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EraseBody {
    /// A code.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^(?!lost$)[a-z][a-z0-9_]{0,63}$",
        examples("gdpr_art_17")
    )]
    reason: String,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 1000)]
    comment: Option<String>,
}

impl EraseBody {
    fn read(sent: &Sent) -> Result<EraseRequest, Problem> {
        sent.key()?;
        let read: Self = sent.read()?;
        Ok(EraseRequest {
            reason: read.reason,
            comment: read.comment,
        })
    }
}

/// Erase the contents of a run
///
/// Takes away what can be read of it, for good; its record still verifies.
#[utoipa::path(
    post, path = "/v1/runs/{id}/erase", operation_id = "eraseRun", tag = "erasure",
    params(("id" = RunId, Path, description = "The run"), IdempotencyKey),
    request_body = EraseBody,
    responses(
        (status = OK, description = "Nothing is left", body = views::Erasure),
        (status = ACCEPTED, description = "Something is left: send it again, with a new `Idempotency-Key`", body = views::Erasure),
    ),
    extensions(("x-problems" = json!(["run-open", "run-has-open-actions", "legal-hold", "action-denied", "not-finished"]))),
)]
pub(crate) async fn run(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = api.erase.admit_run(&ctx, &id);
    let request = admitted(EraseBody::read(&sent), may, problem).await?;
    // An erasure goes on where it stopped: a repeat after a crash must not end as `already-created`.
    let may = allowed(api.erase.admit_run(&ctx, &id), problem);
    sent.once(&api.repeats, &ctx, may, async |_| {
        judged(&api.erase.evidence, None, async |evidence| {
            let erase = Erase {
                evidence,
                ..api.erase.clone()
            };
            let erased = erase.run(&ctx, &id, &request).await;
            Ok(outcome(&ctx, &erased.map_err(|error| problem(&error))?))
        })
        .await
    })
    .await
}

/// Erase what is stored about a customer
///
/// Takes away what can be read about them in every run; the records still verify.
#[utoipa::path(
    post, path = "/v1/customers/{id}/erase", operation_id = "eraseCustomer", tag = "erasure",
    params(("id" = String, Path, description = "The customer's id in Stripe", example = "cus_NffrFeUfNV2Hib"), IdempotencyKey),
    request_body = EraseBody,
    responses(
        (status = OK, description = "Nothing is left", body = views::Erasure),
        (status = ACCEPTED, description = "Something is left: send it again, with a new `Idempotency-Key`", body = views::Erasure),
    ),
    extensions(("x-problems" = json!(["run-has-open-actions", "legal-hold", "action-denied", "not-finished"]))),
)]
pub(crate) async fn customer(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let may = api.erase.admit_customer(&ctx, &id);
    let request = admitted(EraseBody::read(&sent), may, problem).await?;
    // An erasure goes on where it stopped: a repeat after a crash must not end as `already-created`.
    let may = allowed(api.erase.admit_customer(&ctx, &id), problem);
    sent.once(&api.repeats, &ctx, may, async |_| {
        judged(&api.erase.evidence, None, async |evidence| {
            let erase = Erase {
                evidence,
                ..api.erase.clone()
            };
            let erased = Box::pin(erase.customer(&ctx, &id, &request)).await;
            Ok(outcome(&ctx, &erased.map_err(|error| problem(&error))?))
        })
        .await
    })
    .await
}

/// Declare the contents of an entry lost
///
/// For contents that are not there although nobody erased them. The declaration is evidence.
#[utoipa::path(
    post, path = "/v1/entries/{seq}/lost", operation_id = "declareLost", tag = "erasure",
    params(("seq" = u64, Path, description = "Position in the project's stream"), IdempotencyKey),
    responses((status = CREATED, description = "Declared", body = views::LostPart)),
    extensions(("x-problems" = json!(["already-created", "wrong-state", "action-denied", "not-finished"]))),
)]
pub(crate) async fn lost(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(seq): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let seq = seq.parse().map_err(|_| Problem::not_found())?;
    admitted(sent.key(), api.lost.admit(&ctx, seq), problem).await?;
    let may = allowed(api.lost.admit(&ctx, seq), problem);
    sent.once(&api.repeats, &ctx, may, async |once| {
        let done = (once, Makes::Known(seq.to_string()));
        judged(&api.lost.evidence, Some(done), async |evidence| {
            let lost = DeclareLost {
                evidence,
                ..api.lost.clone()
            };
            let lost = lost.declare(&ctx, seq).await;
            Ok(declared(&lost.map_err(|error| problem(&error))?))
        })
        .await
    })
    .await
}

/// 200 when nothing is left, 202 while something is.
fn outcome(ctx: &TenantCtx, erased: &Erased) -> Response {
    let done = erased.erasure.state == ErasureState::Done;
    tracing::info!(
        project.id = %ctx.project(),
        parts = erased.erasure.entries.len(),
        objects = erased.erasure.objects,
        left = erased.left,
        "contents erased"
    );
    let status = if done {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    (status, Json(views::Erasure::of(erased))).into_response()
}

/// The `redact` entry of a lost part.
fn declared(lost: &Lost) -> Response {
    if lost.under_hold {
        tracing::error!(seq = lost.entry.seq, "a part under a legal hold is lost");
    }
    (StatusCode::CREATED, Json(views::LostPart::of(lost))).into_response()
}

/// An error about an erasure as an answer. Causes go to the log, once.
fn problem(error: &EraseError) -> Problem {
    match error {
        EraseError::NotFound => Problem::not_found(),
        EraseError::Invalid { field, rule } => Problem::invalid(*field, *rule),
        EraseError::NotLost => conflict(
            "wrong-state",
            "The part exists or was erased: only what is gone can be declared lost",
        ),
        EraseError::RunOpen => conflict(
            "run-open",
            "The run is still open: erase it when it is closed",
        ),
        EraseError::OpenActions => conflict(
            "run-has-open-actions",
            "A repair is not finished: approve, reject or cancel it first",
        ),
        EraseError::Held { hold, reason } => {
            let title = format!("A legal hold keeps this: {reason} ({hold})");
            conflict("legal-hold", title)
        }
        EraseError::Denied(judgement) => Problem::denied(judgement),
        EraseError::Changed
        | EraseError::Evidence(_)
        | EraseError::Port(_)
        | EraseError::Record(_)
        | EraseError::Vault(_)
        | EraseError::Prune(_)
        | EraseError::Json(_) => {
            tracing::error!(cause = chain(error), "erasure not finished");
            Problem::unfinished()
        }
    }
}
