//! The tools: what each is, and what it does.

mod exports;
mod list;
mod policy;
mod reads;
mod repairs;
mod runs;

use std::sync::Arc;

use counterfoil_core::ports::{Clock, Delegate, PortErrorKind, State};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{AskChecks, GovernedRuns, Incidents, ReadEvidence, ReadRun};
use counterfoil_lambda::Problem;
use counterfoil_lambda::agent::{AgentRequest, Ask};
use counterfoil_lambda::http::Repeats;
use counterfoil_lambda::telemetry::chain;
use http::StatusCode;
use rmcp::model::JsonObject;
use serde::Serialize;
use serde_json::Value;

pub(crate) use list::list;

use crate::arguments::Arguments;
use crate::caller::Caller;

/// Functions that do what this one has no right to.
#[derive(Clone)]
pub struct Others {
    /// `repair-approve`.
    pub repair: Arc<dyn Delegate>,
    /// `export`.
    pub export: Arc<dyn Delegate>,
}

impl std::fmt::Debug for Others {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Others")
    }
}

/// The use cases behind the tools.
#[derive(Clone)]
pub struct Tools {
    /// State.
    pub state: Arc<dyn State>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Incidents.
    pub incidents: Incidents,
    /// Lists of what is recorded.
    pub evidence: ReadEvidence,
    /// Runs.
    pub runs: ReadRun,
    /// Runs of agents of their own.
    pub governed: GovernedRuns,
    /// What doing requests once needs.
    pub repeats: Repeats,
    /// Checks that somebody asks for.
    pub checks: AskChecks,
    /// Other functions.
    pub others: Others,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tools")
    }
}

/// Whose call it is, and of which project.
struct Call<'a> {
    caller: &'a Caller,
    ctx: TenantCtx,
    arguments: Arguments,
}

impl Call<'_> {
    /// What was sent, for a tool that makes the product act. Who may not do that hears nothing of what
    /// is wrong with it.
    fn sent<T>(&self, sent: Result<T, Problem>) -> Result<T, Problem> {
        if sent.is_ok() || self.ctx.principal().may_operate() {
            return sent;
        }
        let title = "This key or role may not do this";
        let status = StatusCode::FORBIDDEN;
        Err(Problem::new(status, "capability-missing", title))
    }
}

impl Tools {
    /// Calls a tool; `None` where there is no such tool.
    pub(crate) async fn call(
        &self,
        tool: &str,
        caller: &Caller,
        mut arguments: Arguments,
    ) -> Option<Told> {
        if !list().iter().any(|known| known.name == tool) {
            return None;
        }
        let ctx = match arguments.project() {
            Ok(named) => caller.tenant(self.state.as_ref(), named.as_deref()).await,
            Err(problem) => Err(problem),
        };
        let call = match ctx {
            Ok(ctx) => Call {
                caller,
                ctx,
                arguments,
            },
            Err(problem) => return Some(Err(problem.into())),
        };
        Some(match tool {
            "incidents_list" => self.incidents_list(call).await,
            "incident_get" => self.incident_get(call).await,
            "customer_ledger" => self.customer_ledger(call).await,
            "run_get" => self.run_get(call).await,
            "decision_get" => self.decision_get(call).await,
            "action_status" => self.action_status(call).await,
            "policy_explain" => self.policy_explain(call).await,
            "check_start" => self.check_start(call).await,
            "run_start" => self.run_start(call).await,
            "action_propose" => self.action_propose(call).await,
            "action_result" => self.action_result(call).await,
            "action_cancel" => self.action_cancel(call).await,
            "run_complete" => self.run_complete(call).await,
            "repair_propose" => self.repair_propose(call).await,
            "repair_execute" => self.repair_execute(call).await,
            "evidence_export_request" => self.evidence_export_request(call).await,
            _ => return None,
        })
    }
}

/// Why a tool did not do what it was asked for, in the words of the API's problems.
#[derive(Debug)]
pub(crate) enum Refused {
    /// This function says so.
    Here(Problem),
    /// Another function says so.
    There(Value),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Here(problem)
    }
}

/// What a tool answers.
pub(crate) type Told = Result<Value, Refused>;

/// A result as JSON.
fn told(view: &impl Serialize) -> Told {
    serde_json::to_value(view).map_err(|_| Problem::internal().into())
}

/// Asks another function for what the agent asked here.
async fn delegate(
    to: &dyn Delegate,
    call: &Call<'_>,
    ask: Ask,
    (idempotency_key, body): (Option<String>, JsonObject),
) -> Told {
    let request = AgentRequest {
        credential: call.caller.credential.clone(),
        project: call.ctx.project().to_string(),
        ask,
        idempotency_key,
        body,
    };
    let event = request.event().map_err(|_| Problem::internal())?;
    let answer = to.ask(&event).await.map_err(|error| {
        tracing::error!(cause = chain(&error), "another function did not answer");
        match error.kind {
            PortErrorKind::OutcomeUnknown => unanswered(),
            _ => Problem::unavailable(),
        }
    })?;
    let status = answer.get("statusCode").and_then(Value::as_u64);
    let body = answer.get("body").and_then(Value::as_str);
    let body = body.and_then(|body| serde_json::from_str(body).ok());
    match (status, body) {
        (Some(200..=299), Some(body)) => Ok(body),
        (Some(400..), Some(body)) => Err(Refused::There(body)),
        _ => {
            tracing::error!("another function answered in an unknown form");
            Err(unanswered().into())
        }
    }
}

/// No answer of use came from the function that does it, which may be at it still.
fn unanswered() -> Problem {
    let title = "No answer has come, and it may be under way: make the same call again, with the same \
                 idempotency_key";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown", title)
}
