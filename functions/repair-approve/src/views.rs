//! Actions as people and programs see them: the document (docs/openapi.json) is made of these types.

use counterfoil_core::ids::{ActionId, DecisionId, IncidentId, RunId, UserId};
use counterfoil_core::policy::Effect;
use counterfoil_core::repair::{self, ActionState};
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use counterfoil_lambda::sight::Sight;
use serde::Serialize;
use utoipa::ToSchema;

open_words! {
    /// Where an action is in its life.
    pub(crate) ActionStateWord: "denied", "allowed", "held", "approved", "rejected", "expired", "cancelled",
        "executing", "executed", "verified", "failed", "stale";
    /// The outcome of a decision.
    pub(crate) EffectWord: "ALLOW", "REQUIRE", "DENY";
}

/// Actions that wait for approvals.
#[derive(Serialize, ToSchema)]
pub(crate) struct Waiting {
    pub(crate) items: Vec<WaitingAction>,
    /// Always `null`: they come in one page.
    pub(crate) next_cursor: Option<String>,
}

/// An action that waits for approvals.
#[derive(Serialize, ToSchema)]
pub(crate) struct WaitingAction {
    #[serde(flatten)]
    pub(crate) action: ActionView,
    /// Send it as `If-Match` with the vote.
    pub(crate) etag: String,
}

/// A repair that was proposed.
#[derive(Serialize, ToSchema)]
#[schema(as = Action)]
pub(crate) struct ActionView {
    #[schema(value_type = schema::ActionId)]
    id: ActionId,
    #[schema(value_type = ActionStateWord)]
    state: ActionState,
    /// The incident that it repairs.
    #[schema(value_type = schema::IncidentId)]
    incident: IncidentId,
    #[schema(value_type = schema::RunId)]
    run: RunId,
    /// What approvals bind to.
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    action_digest: String,
    #[schema(value_type = schema::Time)]
    expires_at: String,
    proposer: Proposer,
    /// The words of the person who proposed it. Addresses and ids of Stripe in them are masked for viewers.
    reason: Option<String>,
    decision: Decision,
    change: Change,
    #[schema(value_type = Vec<schema::UserId>)]
    approved_by: Vec<UserId>,
    /// The run that carries votes, execution and result.
    #[schema(value_type = Option<schema::RunId>)]
    follow_up_run: Option<RunId>,
    /// Why it failed: a stable code.
    failure: Option<String>,
}

/// Who proposed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Proposer {
    #[serde(rename = "type")]
    #[schema(examples("user"))]
    kind: String,
    id: String,
}

/// What the policy said.
#[derive(Serialize, ToSchema)]
pub(crate) struct Decision {
    #[schema(value_type = schema::DecisionId)]
    id: DecisionId,
    #[schema(value_type = EffectWord)]
    effect: Effect,
    /// Approvals that are needed.
    approvals: u8,
    /// The decisive rule.
    rule: String,
    reason: String,
}

/// What would be written: one row.
#[derive(Serialize, ToSchema)]
pub(crate) struct Change {
    #[schema(examples("public.users"))]
    table: String,
    /// The primary key. Masked for viewers.
    key: String,
    columns: Vec<Changed>,
}

/// A column of the row. Values are masked for viewers.
#[derive(Serialize, ToSchema)]
#[schema(as = ColumnChange)]
pub(crate) struct Changed {
    column: String,
    before: String,
    after: String,
}

impl ActionView {
    pub(crate) fn of(action: &repair::Action, sight: Sight) -> Self {
        let columns = action.plan.changes.iter().map(|change| Changed {
            column: change.column.clone(),
            before: sight.value(&change.before.text()),
            after: sight.value(&change.after.text()),
        });
        Self {
            id: action.id,
            state: action.state,
            incident: action.binding.resource,
            run: action.binding.run,
            action_digest: action.digest.clone(),
            expires_at: action.binding.expires_at.to_string(),
            proposer: Proposer {
                kind: action.binding.principal_type.clone(),
                id: action.binding.principal.clone(),
            },
            reason: action.reason.as_deref().map(|reason| sight.words(reason)),
            decision: Decision {
                id: action.decision,
                effect: action.effect,
                approvals: action.approvals,
                rule: action.rule.clone(),
                reason: action.why.clone(),
            },
            change: Change {
                table: format!("{}.{}", action.plan.schema, action.plan.table),
                key: sight.value(&action.plan.key.text()),
                columns: columns.collect(),
            },
            approved_by: action.approvers(),
            follow_up_run: action.follow_up,
            failure: action.failure.clone(),
        }
    }
}
