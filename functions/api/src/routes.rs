//! The routes of `api`. Each is one use case.
//!
//! How to add one:
//! 1. Bodies derive `ToSchema` with their bounds; answers are types of [`crate::views`] that derive
//!    `Serialize` and `ToSchema`. Fields of core types name a schema of `counterfoil_lambda::schema`
//!    with `#[schema(value_type = ...)]`; words of an open set are an `open_words!`.
//! 2. The handler has a doc comment (first line: the summary) and `#[utoipa::path]` with
//!    `operation_id`, `tag`, the answers that are no problems, and the codes of its own problems as
//!    `extensions(("x-problems" = json!(["wrong-state"])))`: codes of
//!    docs/problems.md. Problems of every route, the header
//!    `Counterfoil-Project` and the credentials are added to every route.
//! 3. `.routes(routes!(handler))` here (handlers of one path together), and the event in
//!    template.yaml.
//! 4. `COUNTERFOIL_UPDATE=1 cargo test -p counterfoil-tests --test document` writes
//!    docs/openapi.json.

use axum::body::Bytes;
use axum::extract::{FromRef, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use counterfoil_core::ports::HoldTarget;
use counterfoil_core::traced::Makes;
use counterfoil_core::usecases::{
    DeclareLost, Erase, EraseRequest, KeepRetention, LegalHolds, NewHold,
};
use counterfoil_lambda::http::{Authentication, Caller, Sent, body, demand_if_match, judged};
use counterfoil_lambda::schema::{HoldId, IdempotencyKey, IfMatch, RunId};
use counterfoil_lambda::{Front, Problem};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::answer;
use crate::api::Api;
use crate::connections;
use crate::customers;
use crate::evidence;
use crate::incidents;
use crate::invitations;
use crate::keys;
use crate::login;
use crate::members;
use crate::projects;
use crate::schedule;
use crate::views;
use crate::webhooks;
use crate::workspaces;

impl FromRef<Api> for Authentication {
    fn from_ref(api: &Api) -> Self {
        api.authentication.clone()
    }
}

/// The routes with what the document says of them.
fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(evidence::runs))
        .routes(routes!(evidence::entries))
        .routes(routes!(evidence::entry))
        .routes(routes!(evidence::ledger))
        .routes(routes!(read_run))
        .routes(routes!(erase_run))
        .routes(routes!(erase_customer))
        .routes(routes!(customers::state))
        .routes(routes!(customers::check))
        .routes(routes!(declare_lost))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::read))
        .routes(routes!(incidents::ignore))
        .routes(routes!(incidents::reopen))
        .routes(routes!(incidents::acknowledge))
        .routes(routes!(list_holds, set_hold))
        .routes(routes!(release_hold))
        .routes(routes!(read_retention, change_retention))
        .routes(routes!(schedule::read, schedule::change))
        .routes(routes!(webhooks::health))
        .routes(routes!(login::place))
        .routes(routes!(projects::list, projects::make))
        .routes(routes!(projects::read, projects::change))
        .routes(routes!(connections::list))
        .routes(routes!(connections::connect, connections::disconnect))
        .merge(tenants())
}

/// Workspaces, people and keys.
fn tenants() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(workspaces::me))
        .routes(routes!(workspaces::list, workspaces::found))
        .routes(routes!(workspaces::read, workspaces::rename))
        .routes(routes!(members::list))
        .routes(routes!(members::read, members::change, members::remove))
        .routes(routes!(invitations::list, invitations::make))
        .routes(routes!(invitations::revoke))
        .routes(routes!(invitations::accept))
        .routes(routes!(keys::list, keys::make))
        .routes(routes!(keys::read))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
}

/// Routes that read a query string; `tests/document` compares them with the document.
pub const QUERIES: &[&str] = &[
    "/v1/customers/{id}/ledger",
    "/v1/customers/{id}/state",
    "/v1/entries",
    "/v1/incidents",
    "/v1/runs",
];

/// Every route; made once, and cloned for each request.
pub fn router(api: Api) -> Front {
    let (router, _) = routes().split_for_parts();
    Front::of(router, api, QUERIES)
}

/// What the routes say of themselves, before all functions are put together (`tests/document`).
pub fn document() -> OpenApi {
    routes().split_for_parts().1
}

/// Read a run
///
/// A run whose contents were erased is gone (410); that it happened still verifies.
#[utoipa::path(
    get, path = "/v1/runs/{id}", operation_id = "readRun", tag = "runs",
    params(("id" = RunId, Path, description = "The run")),
    responses((status = OK, description = "The run", body = views::Run)),
    extensions(("x-problems" = json!(["erased"]))),
)]
async fn read_run(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run = api.runs.get(&ctx, &id).await;
    answer::run(&run.map_err(|error| answer::run_problem(&error))?)
}

/// Why something is erased.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EraseBody {
    /// A code.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z][a-z0-9_]{0,63}$",
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
async fn erase_run(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let problem = |error| answer::erase_problem(&error);
    let request = match EraseBody::read(&sent) {
        Ok(request) => request,
        // Whether the caller may know the run and erase comes before what they sent.
        Err(bad) => {
            let admitted = api.erase.admit_run(&ctx, &id).await;
            return Err(admitted.map_or_else(problem, |()| bad));
        }
    };
    // An erasure goes on where it stopped: a repeat after a crash must not end as `already-created`.
    sent.once(&api.repeats, &ctx, async |_| {
        judged(&api.erase.evidence, None, async |evidence| {
            let erase = Erase {
                evidence,
                ..api.erase.clone()
            };
            let erased = erase.run(&ctx, &id, &request).await;
            Ok(answer::erased(&ctx, &erased.map_err(problem)?))
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
async fn erase_customer(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let problem = |error| answer::erase_problem(&error);
    let request = match EraseBody::read(&sent) {
        Ok(request) => request,
        // Whether the caller may know the customer and erase comes before what they sent.
        Err(bad) => {
            let admitted = api.erase.admit_customer(&ctx, &id).await;
            return Err(admitted.map_or_else(problem, |()| bad));
        }
    };
    // An erasure goes on where it stopped: a repeat after a crash must not end as `already-created`.
    sent.once(&api.repeats, &ctx, async |_| {
        judged(&api.erase.evidence, None, async |evidence| {
            let erase = Erase {
                evidence,
                ..api.erase.clone()
            };
            let erased = erase.customer(&ctx, &id, &request).await;
            Ok(answer::erased(&ctx, &erased.map_err(problem)?))
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
    extensions(("x-problems" = json!(["already-created", "action-denied", "not-finished"]))),
)]
async fn declare_lost(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(seq): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let problem = |error| answer::erase_problem(&error);
    let seq = seq.parse().map_err(|_| Problem::not_found())?;
    if let Err(bad) = sent.key() {
        // Whether the entry is there and the caller may declare it lost comes before what they sent.
        let admitted = api.lost.admit(&ctx, seq).await;
        return Err(admitted.map_or_else(problem, |()| bad));
    }
    sent.once(&api.repeats, &ctx, async |once| {
        let done = (once, Makes::Known(seq.to_string()));
        judged(&api.lost.evidence, Some(done), async |evidence| {
            let lost = DeclareLost {
                evidence,
                ..api.lost.clone()
            };
            let lost = lost.declare(&ctx, seq).await;
            Ok(answer::lost(&lost.map_err(problem)?))
        })
        .await
    })
    .await
}

/// List legal holds
#[utoipa::path(
    get, path = "/v1/holds", operation_id = "listHolds", tag = "holds",
    responses((status = OK, description = "Every hold of the project and of its workspace", body = views::Holds)),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
async fn list_holds(State(api): State<Api>, Caller(ctx): Caller) -> Result<Response, Problem> {
    let holds = api.holds.list(&ctx).await;
    Ok(answer::holds(
        &holds.map_err(|error| answer::hold_problem(&error))?,
    ))
}

/// What a legal hold reaches.
#[derive(Deserialize, Default, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HoldScope)]
enum Scope {
    #[default]
    Project,
    Workspace,
}

/// A legal hold to set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoldBody {
    #[serde(default)]
    scope: Scope,
    #[schema(value_type = views::HeldTarget)]
    target: Value,
    /// Why, for whoever meets it later.
    #[schema(
        min_length = 10,
        max_length = 1000,
        examples("Litigation 2026-114 asks for it")
    )]
    reason: String,
}

impl HoldBody {
    fn read(sent: &Sent) -> Result<NewHold, Problem> {
        let key = sent.key()?;
        let read: Self = sent.read()?;
        let target: HoldTarget = serde_json::from_value(read.target).map_err(|_| {
            let rule = "must be {\"all\":true}, {\"run\":\"run_...\"} or {\"from\":0,\"to\":10}";
            Problem::invalid("/target", rule)
        })?;
        Ok(NewHold {
            idempotency_key: key,
            workspace: matches!(read.scope, Scope::Workspace),
            target,
            reason: read.reason.trim().to_owned(),
        })
    }
}

/// Set a legal hold
///
/// Nothing that it names is erased until it is released.
#[utoipa::path(
    post, path = "/v1/holds", operation_id = "setHold", tag = "holds",
    params(IdempotencyKey), request_body = HoldBody,
    responses((status = CREATED, description = "The hold", body = views::Hold)),
    extensions(("x-problems" = json!(["action-denied", "wrong-state", "not-finished"]))),
)]
async fn set_hold(
    State(api): State<Api>,
    Caller(ctx): Caller,
    sent: Sent,
) -> Result<Response, Problem> {
    let problem = |error| answer::hold_problem(&error);
    let new = match HoldBody::read(&sent) {
        Ok(new) => new,
        // Whether the caller may set a hold comes before what they sent.
        Err(bad) => return Err(api.holds.admit(&ctx).map_or_else(problem, |()| bad)),
    };
    // The key is the hold's id, so a repeat goes on with a hold that is set in some streams only.
    sent.once(&api.repeats, &ctx, async |_| {
        judged(&api.holds.evidence, None, async |evidence| {
            let holds = LegalHolds {
                evidence,
                ..api.holds.clone()
            };
            let hold = holds.set(&ctx, &new).await;
            Ok(answer::hold(StatusCode::CREATED, &hold.map_err(problem)?))
        })
        .await
    })
    .await
}

/// Release a legal hold
///
/// Two owners are needed: the first request proposes, another owner's request releases.
#[utoipa::path(
    post, path = "/v1/holds/{id}/release", operation_id = "releaseHold", tag = "holds",
    params(("id" = HoldId, Path, description = "The hold"), IdempotencyKey),
    responses(
        (status = OK, description = "It is over", body = views::Hold),
        (status = ACCEPTED, description = "A second owner is needed", body = views::Hold),
    ),
    extensions(("x-problems" = json!(["wrong-state", "action-denied", "not-finished"]))),
)]
async fn release_hold(
    State(api): State<Api>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let problem = |error| answer::hold_problem(&error);
    if let Err(bad) = sent.key() {
        // Whether the caller may know the hold and release it comes before what they sent.
        let admitted = api.holds.admit_release(&ctx, &id).await;
        return Err(admitted.map_or_else(problem, |()| bad));
    }
    // What one owner has proposed they cannot approve, and a release goes on where it stopped: a
    // repeat does nothing twice.
    sent.once(&api.repeats, &ctx, async |_| {
        judged(&api.holds.evidence, None, async |evidence| {
            let holds = LegalHolds {
                evidence,
                ..api.holds.clone()
            };
            let released = holds.release(&ctx, &id).await;
            Ok(answer::released(&released.map_err(problem)?))
        })
        .await
    })
    .await
}

/// Read how long snapshots are kept
#[utoipa::path(
    get, path = "/v1/settings/retention", operation_id = "readRetention", tag = "settings",
    responses((status = OK, description = "The setting", body = views::RetentionSetting,
        headers(("ETag" = String, description = "Version of the setting")))),
    extensions(("x-problems" = json!(["not-finished"]))),
)]
async fn read_retention(State(api): State<Api>, Caller(ctx): Caller) -> Result<Response, Problem> {
    let found = api.retention.read(&ctx).await;
    Ok(answer::retention(
        StatusCode::OK,
        &found.map_err(|error| answer::retention_problem(&error))?,
    ))
}

/// How long snapshots are to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetentionBody {
    #[schema(minimum = 35, maximum = 90)]
    snapshot_days: u64,
}

/// Change how long snapshots are kept
///
/// A shorter time needs a second person.
#[utoipa::path(
    put, path = "/v1/settings/retention", operation_id = "changeRetention", tag = "settings",
    params(IfMatch), request_body = RetentionBody,
    responses(
        (status = OK, description = "In force", body = views::RetentionSetting,
            headers(("ETag" = String, description = "Version of the setting"))),
        (status = ACCEPTED, description = "A second person is needed", body = views::RetentionSetting,
            headers(("ETag" = String, description = "Version of the setting"))),
    ),
    extensions(("x-problems" = json!(["precondition-required", "precondition-failed", "action-denied", "not-finished"]))),
)]
async fn change_retention(
    State(api): State<Api>,
    Caller(ctx): Caller,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let read = || Ok((body::<RetentionBody>(&bytes)?, demand_if_match(&headers)?));
    let (wanted, version) = match read() {
        Ok(read) => read,
        // Whether the caller may change settings comes before what they sent.
        Err(bad) => {
            let admitted = api.retention.admit(&ctx);
            return Err(admitted.map_or_else(|error| answer::retention_problem(&error), |()| bad));
        }
    };
    judged(&api.retention.evidence, None, async |evidence| {
        let retention = KeepRetention {
            evidence,
            ..api.retention.clone()
        };
        let changed = retention.change(&ctx, wanted.snapshot_days, version);
        let changed = changed.await;
        Ok(answer::retention_changed(
            &changed.map_err(|error| answer::retention_problem(&error))?,
        ))
    })
    .await
}
