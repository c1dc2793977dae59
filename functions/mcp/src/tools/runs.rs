//! Tools around governed runs: an agent that does something itself opens a run, proposes each action
//! before it does it, tells what became of it, and completes the run.
//!
//! Opening, completing and asking what would be decided are the use cases of the API. Proposals and
//! results are asked of `repair-approve`, where actions live.

use axum::response::Response;
use counterfoil_core::ids::{ActionId, DecisionId, RunId};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{DecisionRecord, RecordedDecision};
use counterfoil_lambda::agent::Ask;
use counterfoil_lambda::decisions::{self, Found};
use counterfoil_lambda::governed::{self, PreviewBody};
use counterfoil_lambda::http::Sent;
use counterfoil_lambda::schema;
use counterfoil_lambda::{Problem, refusals};
use http::Method;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::reads::nothing_else;
use super::repairs::{EffectWord, Judged, named};
use super::{Call, Refused, Told, Tools, delegate, told};

/// A decision.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its argument is taken as an id")]
pub(super) struct OfDecision {
    #[schema(value_type = schema::DecisionId)]
    decision_id: String,
}

/// The two types of actions.
#[derive(ToSchema)]
#[schema(as = AgentActionType)]
#[expect(dead_code, reason = "the schema's words for a text that is handed on")]
enum ActionType {
    #[serde(rename = "run.action")]
    Run,
    #[serde(rename = "repair.execute")]
    Repair,
}

/// What is to be done.
#[derive(ToSchema)]
#[schema(as = AgentActionParams)]
#[expect(dead_code, reason = "its members are handed on")]
struct Params {
    /// The kind of action. What is known of it comes from the flow's registration.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", examples("refund.create"))]
    kind: String,
    #[schema(value_type = Option<schema::Money>)]
    amount: Option<String>,
    /// What it is done to: an opaque reference, never personal data.
    #[schema(pattern = "^[!-~]{1,128}$", examples("invoice-1042"))]
    target: Option<String>,
}

/// The action to propose.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its arguments are handed on")]
pub(super) struct Proposal {
    #[schema(value_type = schema::RunId)]
    run_id: String,
    /// `run.action` for what you do yourself, `repair.execute` for the repair of an incident.
    #[serde(rename = "type")]
    kind: ActionType,
    /// Of a `run.action`: what is to be done.
    #[schema(nullable = false)]
    params: Option<Params>,
    /// Of a `repair.execute`: the incident.
    #[schema(value_type = Option<schema::IncidentId>, nullable = false)]
    resource: Option<String>,
    /// Of a `repair.execute`: the last approval executes it at once.
    #[schema(nullable = false)]
    execute_on_approval: Option<bool>,
    /// Why, for the people who approve it.
    #[schema(min_length = 1, max_length = 1000, nullable = false)]
    reason: Option<String>,
    /// How many actions this run has proposed before: a step that was lost or came twice is noticed.
    #[schema(maximum = 1000, nullable = false)]
    seq: Option<u64>,
}

/// The two results.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AgentResultWord)]
#[expect(dead_code, reason = "the schema's words for a text that is handed on")]
enum ResultWord {
    Executed,
    Failed,
}

/// A file that stays with you.
#[derive(ToSchema)]
#[schema(as = AgentFile)]
#[expect(dead_code, reason = "its members are handed on")]
struct Output {
    /// Where you keep it: opaque, never personal data.
    #[serde(rename = "ref")]
    #[schema(pattern = "^[!-~]{1,512}$", examples("s3://results/1042.json"))]
    name: String,
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    sha256: String,
    #[schema(maximum = 9_007_199_254_740_991_i64, nullable = false)]
    bytes: Option<u64>,
}

/// What became of an action that you did.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its arguments are handed on")]
pub(super) struct Outcome {
    #[schema(value_type = schema::ActionId)]
    action_id: String,
    status: ResultWord,
    /// `action_digest` of the action that was done.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    action_digest: String,
    /// What it produced, by reference.
    #[schema(nullable = false)]
    output: Option<Output>,
    /// Why it failed: a stable code of your own.
    #[schema(
        pattern = "^[a-z0-9][a-z0-9._-]{0,63}$",
        examples("card-declined"),
        nullable = false
    )]
    error: Option<String>,
}

/// How a run is completed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its arguments are taken one by one")]
pub(super) struct Completed {
    #[schema(value_type = schema::RunId)]
    run_id: String,
    /// What it produced, by reference.
    #[schema(nullable = false)]
    output: Option<Output>,
    /// Digest of what was executed; a deterministic run repeats it.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$", nullable = false)]
    artifact_sha256: Option<String>,
}

/// A decision, or what it would be.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentDecision)]
pub(super) struct Decided {
    #[schema(value_type = schema::DecisionId)]
    decision_id: DecisionId,
    /// The kind of what was judged.
    #[schema(examples("run.action"))]
    action: String,
    /// What it is about: a repair, an action of a run, or one act of somebody; `null` for what was only
    /// asked.
    #[schema(value_type = Option<schema::ActionId>)]
    action_id: Option<ActionId>,
    /// The run; `null` for what was only asked.
    #[schema(value_type = Option<schema::RunId>)]
    run_id: Option<RunId>,
    /// It was only asked: nothing can come of it, and no evidence records it.
    preview: bool,
    #[schema(value_type = EffectWord)]
    effect: &'static str,
    /// How many people must approve.
    approvals: u8,
    /// The decisive rule.
    rule: String,
    /// The policy's own sentence about it.
    reason: String,
    /// Digest of the workspace's policy bundle.
    policy: String,
    #[schema(value_type = schema::Time)]
    at: String,
}

impl Decided {
    fn found(found: Found) -> Self {
        match found {
            Found::Recorded(found) => Self::recorded(found),
            Found::Indexed(found) => Self::of(found),
        }
    }

    /// As its entry tells it.
    fn recorded(found: RecordedDecision) -> Self {
        Self {
            decision_id: found.id,
            action: found.action,
            action_id: Some(found.act),
            run_id: found.run,
            preview: false,
            effect: found.effect.name(),
            approvals: found.approvals,
            rule: found.rule,
            reason: found.reason,
            policy: found.policy,
            at: Timestamp::from_millis(found.evaluated_at).to_string(),
        }
    }

    fn of(decision: DecisionRecord) -> Self {
        Self {
            decision_id: decision.id,
            action: decision.action,
            action_id: decision.act,
            run_id: decision.run,
            preview: decision.preview,
            effect: decision.effect.name(),
            approvals: decision.approvals,
            rule: decision.rule,
            reason: decision.reason,
            policy: decision.policy,
            at: decision.at.to_string(),
        }
    }
}

impl Tools {
    pub(super) async fn decision_get(&self, mut call: Call<'_>) -> Told {
        let id = call.arguments.text("decision_id")?;
        nothing_else(&call)?;
        let found = decisions::find(&self.governed, &self.evidence, &call.ctx, &id);
        told(&Decided::found(found.await?))
    }

    pub(super) async fn policy_explain(&self, call: Call<'_>) -> Told {
        let asked = call.arguments.read::<PreviewBody>();
        let asked = call.sent(asked.and_then(PreviewBody::read))?;
        let said = self.governed.preview(&call.ctx, &asked).await;
        let said = said.map_err(|error| refusals::governed(&error))?;
        told(&Decided::of(said))
    }

    pub(super) async fn run_start(&self, mut call: Call<'_>) -> Told {
        let key = call.arguments.idempotency_key();
        let key = call.sent(key)?;
        let body = std::mem::take(&mut call.arguments).rest();
        let sent = Sent::of(&Method::POST, ("/v1/runs", "/v1/runs"), &key, &body)?;
        let done = governed::open(&self.governed, &self.repeats, &call.ctx, &sent);
        answered(Box::pin(done).await).await
    }

    pub(super) async fn run_complete(&self, mut call: Call<'_>) -> Told {
        let id = call.arguments.text("run_id");
        let id = call.sent(id)?;
        let key = call.arguments.idempotency_key();
        let key = call.sent(key)?;
        let body = std::mem::take(&mut call.arguments).rest();
        let path = format!("/v1/runs/{id}/complete");
        let route = ("/v1/runs/{id}/complete", path.as_str());
        let sent = Sent::of(&Method::POST, route, &key, &body)?;
        let which = (&call.ctx, id.as_str());
        let done = governed::complete(&self.governed, &self.repeats, which, &sent);
        answered(Box::pin(done).await).await
    }

    pub(super) async fn action_propose(&self, mut call: Call<'_>) -> Told {
        let run = call.arguments.id::<RunId>("run_id");
        let run = call.sent(run)?;
        let key = call.arguments.idempotency_key();
        let key = call.sent(key)?;
        let body = std::mem::take(&mut call.arguments).rest();
        let to = self.others.repair.as_ref();
        let mut said = delegate(to, &call, Ask::ProposeInRun(run), (Some(key), body)).await?;
        let action = said.get_mut("action").map(Value::take);
        let action = action.ok_or_else(Problem::internal)?;
        told(&Judged::of(action, None)?)
    }

    pub(super) async fn action_result(&self, mut call: Call<'_>) -> Told {
        let (action, key) = named(&mut call)?;
        self.asked(call, Ask::ReportAction(action), Some(key)).await
    }
}

/// What the route would answer, as a tool tells it.
async fn answered(done: Result<Response, Problem>) -> Told {
    let response = done?;
    let succeeded = response.status().is_success();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    let bytes = bytes.map_err(|_| Problem::internal())?;
    let body: Value = serde_json::from_slice(&bytes).map_err(|_| Problem::internal())?;
    if succeeded {
        Ok(body)
    } else {
        Err(Refused::There(body))
    }
}
