//! Routes of actions in governed runs: propose, and tell what became of it. Votes and withdrawals are
//! the routes of every action.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header::ETAG};
use axum::response::{IntoResponse, Response};
use counterfoil_core::governed_run::{Reference, Report};
use counterfoil_core::money::Money;
use counterfoil_core::records::Versioned;
use counterfoil_core::repair::{Action, RunWork};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::traced::Makes;
use counterfoil_core::usecases::{
    NewAction, NewRepair, ProposeRepair, RepairPorts, ReportOf, RunError,
};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::{Caller, Sent};
use counterfoil_lambda::refusals::governed as problem;
use counterfoil_lambda::schema::{self, ActionId, DecisionId, IdempotencyKey, IncidentId, RunId};
use counterfoil_lambda::sight::Sight;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer;
use crate::service::{Service, known};
use crate::views;

/// What is to be done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ParamsBody {
    /// The kind of action. What is known of it comes from the flow's registration.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", examples("refund.create"))]
    kind: String,
    #[serde(default)]
    #[schema(value_type = Option<schema::Money>)]
    amount: Option<Money>,
    /// What it is done to: an opaque reference, never personal data.
    #[serde(default)]
    #[schema(pattern = "^[!-~]{1,128}$", examples("invoice-1042"))]
    target: Option<String>,
}

/// The two types of actions.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the document's words for a text that is read")]
enum ActionType {
    #[serde(rename = "run.action")]
    Run,
    #[serde(rename = "repair.execute")]
    Repair,
}

/// What is proposed.
enum Wanted {
    Action(NewAction),
    Repair(NewRepair),
}

/// An action to propose.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ActionBody {
    /// `run.action` for what you do yourself, `repair.execute` for the repair of an incident.
    #[serde(rename = "type")]
    #[schema(value_type = ActionType)]
    kind: String,
    /// Of a `run.action`: what is to be done.
    #[serde(default)]
    #[schema(value_type = Option<ParamsBody>)]
    params: Option<ParamsBody>,
    /// Of a `repair.execute`: the incident.
    #[serde(default)]
    #[schema(value_type = Option<IncidentId>)]
    resource: Option<String>,
    /// Of a `repair.execute`: the last approval executes it at once.
    #[serde(default)]
    execute_on_approval: bool,
    /// Why, for whoever approves. It can be erased.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1000)]
    reason: Option<String>,
    /// How many actions this run has proposed before: a step that was lost or came twice is noticed.
    #[serde(default)]
    #[schema(maximum = 1000)]
    seq: Option<u64>,
}

impl ActionBody {
    fn read(sent: &Sent) -> Result<Wanted, Problem> {
        sent.key()?;
        let body: Self = sent.read()?;
        let reason = body.reason.map(|reason| reason.trim().to_owned());
        if let Some(reason) = &reason
            && !(1..=1_000).contains(&reason.chars().count())
        {
            let rule = "must have 1 to 1,000 characters, or be left out";
            return Err(Problem::invalid("/reason", rule));
        }
        match (body.kind.as_str(), body.params, body.resource) {
            ("run.action", Some(params), None) if !body.execute_on_approval => {
                let new = NewAction {
                    work: RunWork {
                        kind: params.kind,
                        amount: params.amount,
                        target: params.target,
                    },
                    reason,
                    seq: body.seq,
                };
                new.check().map_err(|error| problem(&error))?;
                Ok(Wanted::Action(new))
            }
            ("repair.execute", None, Some(incident)) => Ok(Wanted::Repair(NewRepair {
                incident,
                reason,
                execute_on_approval: body.execute_on_approval,
                seq: body.seq,
            })),
            ("run.action", None, _) => Err(Problem::invalid(
                "/params",
                "must be there: what a `run.action` does",
            )),
            ("run.action", _, Some(_)) => Err(Problem::invalid(
                "/resource",
                "must be left out: a `run.action` says in `params.target` what it is done to",
            )),
            ("run.action", ..) => Err(Problem::invalid(
                "/execute_on_approval",
                "must be left out: a `run.action` is done by its caller",
            )),
            ("repair.execute", Some(_), _) => Err(Problem::invalid(
                "/params",
                "must be left out: what a repair changes follows from its incident",
            )),
            ("repair.execute", ..) => Err(Problem::invalid(
                "/resource",
                "must be there: the incident that is to be repaired",
            )),
            _ => {
                let rule = "must be `run.action` or `repair.execute`";
                Err(Problem::invalid("/type", rule))
            }
        }
    }
}

/// Propose an action of a run
///
/// The policy decides at once, and the answer says what it decided: `ALLOW` may be done now, `REQUIRE`
/// when people have approved it, `DENY` never. Each decision is in the record of the run.
#[utoipa::path(
    post, path = "/v1/runs/{id}/actions", operation_id = "proposeAction", tag = "runs",
    params(("id" = RunId, Path, description = "The run"), IdempotencyKey),
    request_body = ActionBody,
    responses((status = CREATED, description = "The action and its decision", body = views::Judged, headers(
        ("ETag" = String, description = "Version of the action"),
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "wrong-state", "precondition-failed", "outcome-unknown"]))),
)]
pub(crate) async fn propose(
    State(service): State<Service>,
    Caller(ctx): Caller,
    Path(run): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let runs = service.ports.runs();
    let may = (|| runs.admit(&ctx, &run), problem);
    let asked = (&sent, ActionBody::read(&sent));
    let made = |new: &Wanted| {
        Makes::New(match new {
            Wanted::Action(_) => "run-action",
            Wanted::Repair(_) => "action",
        })
    };
    let act = async |ports: RepairPorts, new: Wanted| {
        let action = match &new {
            Wanted::Action(new) => {
                let proposed = Box::pin(ports.runs().propose(&ctx, &run, new)).await;
                proposed.map_err(|error| problem(&error))?.action
            }
            Wanted::Repair(new) => {
                let propose = ProposeRepair { ports };
                let proposed = Box::pin(propose.propose_in_run(&ctx, &run, new)).await;
                let proposed = proposed.map_err(|error| answer::problem(&error))?;
                Versioned {
                    value: proposed.action,
                    version: proposed.version,
                    evidence: None,
                }
            }
        };
        Ok(judged(&ctx, &action))
    };
    service.once(&ctx, asked, may, made, act).await
}

/// What an action led to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OutputBody {
    /// Where the caller keeps it: opaque, never personal data.
    #[serde(rename = "ref")]
    #[schema(pattern = "^[!-~]{1,512}$", examples("s3://results/1042.json"))]
    name: String,
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    sha256: String,
    #[serde(default)]
    #[schema(maximum = 9_007_199_254_740_991_i64)]
    bytes: Option<u64>,
}

/// The two results.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "the document's words for a type of the core")]
enum ResultWord {
    Executed,
    Failed,
}

/// What became of an action.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResultBody {
    #[schema(value_type = ResultWord)]
    status: Report,
    /// `action_digest` of the action that was done.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    action_digest: String,
    /// What it produced, by reference.
    #[serde(default)]
    output: Option<OutputBody>,
    /// Why it failed: a stable code of your own.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", examples("card-declined"))]
    error: Option<String>,
}

impl ResultBody {
    fn read(sent: &Sent) -> Result<ReportOf, Problem> {
        sent.key()?;
        let body: Self = sent.read()?;
        let report = ReportOf {
            status: body.status,
            digest: body.action_digest,
            output: body.output.map(|output| Reference {
                name: output.name,
                digest: output.sha256,
                bytes: output.bytes.unwrap_or_default(),
                media_type: None,
            }),
            error: body.error,
        };
        let checked = report.check().map_err(RunError::from);
        checked.map_err(|error| problem(&error))?;
        Ok(report)
    }
}

/// Tell what became of an action
///
/// Of an action of a run that was allowed or approved, by whoever did it. Results are told by reference
/// and digest; their contents stay with you.
#[utoipa::path(
    post, path = "/v1/actions/{id}/result", operation_id = "reportAction", tag = "runs",
    params(("id" = ActionId, Path, description = "The action"), IdempotencyKey),
    request_body = ResultBody,
    responses((status = OK, description = "The action as it is now", body = views::ActionView, headers(
        ("ETag" = String, description = "Version of the action"),
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "action-held", "wrong-state", "action-stale", "precondition-failed", "outcome-unknown"]))),
)]
pub(crate) async fn report(
    State(service): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let runs = service.ports.runs();
    let may = (|| runs.admit_report(&ctx, &id), problem);
    let asked = (&sent, ResultBody::read(&sent));
    let act = async |ports: RepairPorts, report: ReportOf| {
        let reported = ports.runs().report(&ctx, &id, &report).await;
        let reported = reported.map_err(|error| problem(&error))?;
        let (action, version) = (&reported.value, reported.version);
        Ok(answer::action(&ctx, StatusCode::OK, action, version))
    };
    service.once(&ctx, asked, may, known(&id), act).await
}

fn judged(ctx: &TenantCtx, action: &Versioned<Action>) -> Response {
    let view = views::Judged {
        action: views::ActionView::of(&action.value, Sight::of(ctx)),
        decision: views::Made::of(&action.value),
    };
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    let headers = response.headers_mut();
    let named = [
        ("counterfoil-decision", action.value.decision.to_string()),
        ("counterfoil-policy", action.value.policy.clone()),
    ];
    for (name, value) in named {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", action.version)) {
        headers.insert(ETAG, tag);
    }
    response
}
