//! The routes of `repair-approve`. Each is one use case.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use counterfoil_core::records::Versioned;
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{ProposeRepair, ReadActions, VoteOnAction, Voted};
use counterfoil_lambda::http::{Asked, Caller, Sent, demand_if_match};
use counterfoil_lambda::pages::page;
use counterfoil_lambda::schema::{
    ActionId, DecisionId, IdempotencyKey, IfMatch, IncidentId, Reason,
};
use counterfoil_lambda::{Front, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer;
use crate::glass;
use crate::in_run;
use crate::service::{Service, known, new_action};
use crate::views;
use crate::words::short_enough;

// The routes (how to add one: functions/api/src/routes.rs).
counterfoil_lambda::routes! { Service:
    propose;
    read;
    vote;
    execute;
    cancel;
    undo;
    glass::break_glass;
    glass::review;
    inbox;
    in_run::propose;
    in_run::report;
}

/// Routes that read a query string; `tests/document` compares them with the document.
pub const QUERIES: &[&str] = &["/v1/actions/{id}", "/v1/approvals"];

/// Every route; made once, and cloned for each request.
pub fn router(service: Service) -> Front {
    Front::of(served(), service, QUERIES)
}

/// A repair to propose.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Proposal {
    #[schema(value_type = Reason)]
    reason: String,
    /// The last approval executes it at once.
    #[serde(default)]
    execute_on_approval: bool,
}

impl Proposal {
    fn read(sent: &Sent) -> Result<Self, Problem> {
        sent.key()?;
        let proposal: Self = sent.read()?;
        if !(10..=1_000).contains(&proposal.reason.trim().chars().count()) {
            let rule = "must say in 10 to 1,000 characters why";
            return Err(Problem::invalid("/reason", rule));
        }
        Ok(proposal)
    }
}

/// Propose the repair of an incident
///
/// The policy decides at once: a repair that it forbids is recorded as denied.
#[utoipa::path(
    post, path = "/v1/incidents/{id}/repairs", operation_id = "proposeRepair", tag = "actions",
    params(("id" = IncidentId, Path, description = "The incident"), IdempotencyKey),
    request_body = Proposal,
    responses((status = CREATED, description = "The action with its decision", body = views::ActionView, headers(
        ("ETag" = String, description = "Version of the action"),
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "wrong-state", "outcome-unknown"]))),
)]
async fn propose(
    State(service): State<Service>,
    Caller(ctx): Caller,
    Path(incident): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let propose = ProposeRepair {
        ports: service.ports.clone(),
    };
    let may = (|| propose.admit(&ctx, &incident), answer::problem);
    let asked = (&sent, Proposal::read(&sent));
    let act = async |ports, new: Proposal| {
        let propose = ProposeRepair { ports };
        let reason = Some(new.reason.trim());
        let proposed = propose.propose(&ctx, &incident, reason, new.execute_on_approval);
        answer::proposed(&ctx, proposed.await)
    };
    service.once(&ctx, asked, may, new_action, act).await
}

/// How long to wait.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// Answer when the action is not held any more, or after so many seconds.
    #[param(minimum = 0, maximum = 20, default = 0)]
    wait: Option<u64>,
}

/// How often a held action is read again for whoever waits.
const READ_EVERY: Duration = Duration::from_secs(1);

/// Read an action
///
/// With `wait` the answer comes when people have decided, or when the time is over. Each second of
/// waiting counts as a request; where the limit does not let one pass, the answer comes at once.
#[utoipa::path(
    get, path = "/v1/actions/{id}", operation_id = "readAction", tag = "actions",
    params(("id" = ActionId, Path, description = "The action"), Wait),
    responses((status = OK, description = "The action", body = views::ActionView, headers(
        ("ETag" = String, description = "Version of the action"),
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!([]))),
)]
async fn read(
    State(service): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    Asked(asked): Asked<Wait>,
) -> Result<Response, Problem> {
    let wait = asked.wait.unwrap_or_default();
    if wait > 20 {
        return Err(Problem::invalid("/wait", "must be 0 to 20 seconds"));
    }
    let actions = ReadActions {
        ports: service.ports,
    };
    let mut found = actions.get(&ctx, &id).await;
    for _ in 0..wait {
        let held = |it: &Versioned<Action>| it.value.state == ActionState::Held;
        if !found.as_ref().is_ok_and(held) || !service.authentication.counts(&ctx).await {
            break;
        }
        tokio::time::sleep(READ_EVERY).await;
        found = actions.get(&ctx, &id).await;
    }
    let found = found.map_err(|error| answer::problem(&error))?;
    answer::whole(&ctx, &actions, &found).await
}

/// For what an action waits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum WaitsFor {
    #[default]
    Approval,
    Review,
}

/// Which actions.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Inbox {
    /// `approval`: those that wait for approvals or to be begun, soonest end first. `review`: uses of
    /// break-glass that nobody has reviewed, oldest first.
    #[param(value_type = Option<WaitsFor>, inline)]
    waits_for: Option<WaitsFor>,
    /// Items of this page at most.
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(min_length = 1, max_length = 1024)]
    cursor: Option<String>,
}

/// List actions that wait for a person
#[utoipa::path(
    get, path = "/v1/approvals", operation_id = "listApprovals", tag = "actions",
    params(Inbox),
    responses((status = OK, description = "A page of those that wait", body = views::Waiting)),
    extensions(("x-problems" = json!([]))),
)]
async fn inbox(
    State(Service { ports, .. }): State<Service>,
    Caller(ctx): Caller,
    Asked(asked): Asked<Inbox>,
) -> Result<Response, Problem> {
    let page = page(asked.limit, asked.cursor.as_deref())?;
    let actions = ReadActions { ports };
    if asked.waits_for == Some(WaitsFor::Review) {
        let uses = actions.unreviewed(&ctx, page).await;
        let uses = uses.map_err(|error| answer::problem(&error))?;
        let listed = uses.items.iter();
        let listed = listed.map(|(used, action)| answer::used(&ctx, (action, used)));
        return Ok(answer::list(listed.collect(), uses.next_cursor));
    }
    let waiting = actions.waiting(&ctx, page).await;
    let waiting = waiting.map_err(|error| answer::problem(&error))?;
    let lapsed = actions.lapsed(&ctx, &waiting.items).await;
    let lapsed = lapsed.map_err(|error| answer::problem(&error))?;
    let listed = waiting.items.iter().zip(lapsed);
    let listed = listed.map(|told| answer::waiting(&ctx, told));
    Ok(answer::list(listed.collect(), waiting.next_cursor))
}

/// The two votes.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "the document's words for a type of the core")]
enum Vote {
    Approve,
    Reject,
}

/// A vote.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ballot {
    #[schema(value_type = Vote)]
    vote: VoteKind,
    /// At least 10 characters.
    #[schema(max_length = 1_000, examples("Checked against the invoice"))]
    reason: String,
    /// `action_digest` of the action that was displayed.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    action_digest: String,
}

impl Ballot {
    /// The ballot, and the version of the action that was displayed.
    pub(crate) fn read(sent: &Sent) -> Result<(Self, u64), Problem> {
        sent.key()?;
        let ballot: Self = sent.read()?;
        short_enough(&ballot.reason)?;
        Ok((ballot, demand_if_match(sent.headers())?))
    }
}

/// Approve or reject an action
///
/// A vote binds to the action as it was displayed: send its `ETag` and its digest.
#[utoipa::path(
    post, path = "/v1/actions/{id}/approvals", operation_id = "voteOnAction", tag = "actions",
    params(("id" = ActionId, Path, description = "The action"), IfMatch, IdempotencyKey),
    request_body = Ballot,
    responses((status = OK, description = "The action as it is now", body = views::ActionView, headers(
        ("ETag" = String, description = "Version of the action"),
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "insufficient_user_authentication", "action-denied", "wrong-state", "hold-expired", "precondition-required", "precondition-failed", "scan-needed", "outcome-unknown"]))),
)]
async fn vote(
    State(service): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let votes = service.votes();
    let may = (|| votes.admit_vote(&ctx, &id), answer::problem);
    let asked = (&sent, Ballot::read(&sent));
    let act = async |ports, (ballot, version): (Ballot, u64)| {
        let voted = Voted {
            kind: ballot.vote,
            digest: &ballot.action_digest,
            reason: ballot.reason.trim(),
            version: Some(version),
        };
        let votes = VoteOnAction { ports };
        answer::after_answer(&ctx, Box::pin(votes.vote(&ctx, &id, &voted)).await)
    };
    Box::pin(service.once(&ctx, asked, may, known(&id), act)).await
}

/// What is to be executed.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Execution {
    /// `action_digest` of the action that was displayed. People send it; of a key it is compared if it
    /// comes.
    #[serde(default)]
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    action_digest: Option<String>,
}

impl Execution {
    fn read(sent: &Sent, ctx: &TenantCtx) -> Result<Self, Problem> {
        sent.key()?;
        let execution = if sent.is_empty() {
            Self::default()
        } else {
            sent.read()?
        };
        if execution.action_digest.is_none() && ctx.principal().person().is_some() {
            let rule = "must be the `action_digest` of the action that you were shown";
            return Err(Problem::invalid("/action_digest", rule));
        }
        Ok(execution)
    }
}

/// Execute an action that may happen
///
/// It is judged again, with the approvals that count now, by the policy in force now. A repair is
/// carried out; an action of a run that its caller does is theirs from here on, and nobody else's.
#[utoipa::path(
    post, path = "/v1/actions/{id}/execute", operation_id = "executeAction", tag = "actions",
    params(("id" = ActionId, Path, description = "The action"), IdempotencyKey),
    request_body = Execution,
    responses((status = OK, description = "The action as it is now", body = views::ActionView, headers(
        ("ETag" = String, description = "Version of the action"),
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "insufficient_user_authentication", "action-denied", "action-held", "action-stale", "wrong-state", "hold-expired", "precondition-failed", "scan-needed", "outcome-unknown"]))),
)]
async fn execute(
    State(service): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let votes = service.votes();
    let may = (|| votes.admit_execute(&ctx, &id), answer::problem);
    let asked = (&sent, Execution::read(&sent, &ctx));
    let act = async |ports, asked: Execution| {
        let votes = VoteOnAction { ports };
        let digest = asked.action_digest.as_deref();
        let done = Box::pin(votes.execute(&ctx, &id, digest)).await;
        let is_stale = |it: &Versioned<Action>| it.value.state == ActionState::Stale;
        if done.as_ref().is_ok_and(is_stale) {
            return Err(answer::stale());
        }
        answer::after_act(&ctx, done)
    };
    service.once(&ctx, asked, may, known(&id), act).await
}

/// Withdraw an action
#[utoipa::path(
    post, path = "/v1/actions/{id}/cancel", operation_id = "cancelAction", tag = "actions",
    params(("id" = ActionId, Path, description = "The action"), IdempotencyKey),
    responses((status = OK, description = "The action as it is now", body = views::ActionView, headers(
        ("ETag" = String, description = "Version of the action"),
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "wrong-state", "precondition-failed", "outcome-unknown"]))),
)]
async fn cancel(
    State(service): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let votes = service.votes();
    let may = (|| votes.admit_cancel(&ctx, &id), answer::problem);
    let asked = (&sent, sent.key());
    let act = async |ports, _| {
        let votes = VoteOnAction { ports };
        answer::after_act(&ctx, Box::pin(votes.cancel(&ctx, &id)).await)
    };
    service.once(&ctx, asked, may, known(&id), act).await
}

/// Take an executed repair back
///
/// A new action that writes what was there before, if what the repair wrote is still there. It is
/// judged, held and recorded like any other.
#[utoipa::path(
    post, path = "/v1/actions/{id}/undo", operation_id = "undoAction", tag = "actions",
    params(("id" = ActionId, Path, description = "The action to take back"), IdempotencyKey),
    request_body = Proposal,
    responses((status = CREATED, description = "The action with its decision", body = views::ActionView, headers(
        ("ETag" = String, description = "Version of the action"),
        ("Counterfoil-Decision" = DecisionId, description = "The decision that was made of it"),
        ("Counterfoil-Policy" = String, description = "Digest of the policy that was asked"),
    ))),
    extensions(("x-problems" = json!(["already-created", "capability-missing", "wrong-state", "outcome-unknown"]))),
)]
async fn undo(
    State(service): State<Service>,
    Caller(ctx): Caller,
    Path(id): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let propose = ProposeRepair {
        ports: service.ports.clone(),
    };
    let may = (|| propose.admit_undo(&ctx, &id), answer::problem);
    let asked = (&sent, Proposal::read(&sent));
    let act = async |ports, new: Proposal| {
        let propose = ProposeRepair { ports };
        let reason = Some(new.reason.trim());
        let proposed = propose.undo(&ctx, &id, reason, new.execute_on_approval);
        answer::proposed(&ctx, Box::pin(proposed).await)
    };
    service.once(&ctx, asked, may, new_action, act).await
}
