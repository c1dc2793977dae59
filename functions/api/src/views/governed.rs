//! Decisions about actions of governed runs, and what flows have registered, as people and programs
//! see them.

use std::collections::BTreeMap;

use counterfoil_core::governed_run::{FlowActions, Registered};
use counterfoil_core::ids::{ActionId, DecisionId, RunId, UserId};
use counterfoil_core::policy::Effect;
use counterfoil_core::usecases::DecisionRecord;
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use serde::Serialize;
use utoipa::ToSchema;

open_words! {
    /// The outcome of a decision.
    pub(crate) EffectName: "ALLOW", "REQUIRE", "DENY";
}

/// What the policy decided about an action of a run, or would decide.
#[derive(Serialize, ToSchema)]
#[schema(as = RunDecision)]
pub(crate) struct Decision {
    #[serde(rename = "decision")]
    #[schema(value_type = schema::DecisionId)]
    id: DecisionId,
    /// The kind of what was judged.
    #[schema(examples("run.action"))]
    action: String,
    /// The action; `null` for a preview.
    #[schema(value_type = Option<schema::ActionId>)]
    act: Option<ActionId>,
    /// The run; `null` for a preview.
    #[schema(value_type = Option<schema::RunId>)]
    run: Option<RunId>,
    /// It was only asked: nothing can come of it, and no evidence records it.
    preview: bool,
    #[schema(value_type = EffectName)]
    effect: Effect,
    /// Approvals that are needed.
    approvals: u8,
    /// The decisive rule.
    rule: String,
    reason: String,
    #[schema(value_type = schema::Time)]
    at: String,
}

impl Decision {
    pub(crate) fn of(decision: &DecisionRecord) -> Self {
        Self {
            id: decision.id,
            action: decision.action.clone(),
            act: decision.act,
            run: decision.run,
            preview: decision.preview,
            effect: decision.effect,
            approvals: decision.approvals,
            rule: decision.rule.clone(),
            reason: decision.reason.clone(),
            at: decision.at.to_string(),
        }
    }
}

/// What a flow may do.
#[derive(Serialize, ToSchema)]
pub(crate) struct Flow {
    #[schema(examples("refunds"))]
    id: String,
    actions: Vec<FlowAction>,
    /// What somebody wants instead, while that waits for a second person.
    proposed: Option<ProposedFlow>,
}

/// A kind of action.
#[derive(Serialize, ToSchema)]
pub(crate) struct FlowAction {
    #[schema(examples("refund.create"))]
    kind: String,
    destructive: bool,
}

/// A registration that waits for a second person.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProposedFlow {
    actions: Vec<FlowAction>,
    #[schema(value_type = schema::UserId)]
    proposed_by: UserId,
    #[schema(value_type = schema::Time)]
    proposed_at: String,
}

impl Flow {
    pub(crate) fn of(flow: &FlowActions) -> Self {
        let proposed = flow.proposed.as_ref().map(|proposed| ProposedFlow {
            actions: listed(&proposed.actions),
            proposed_by: proposed.by,
            proposed_at: proposed.at.to_string(),
        });
        Self {
            id: flow.id.clone(),
            actions: listed(&flow.actions),
            proposed,
        }
    }
}

fn listed(actions: &BTreeMap<String, Registered>) -> Vec<FlowAction> {
    let one = |(kind, it): (&String, &Registered)| FlowAction {
        kind: kind.clone(),
        destructive: it.destructive,
    };
    actions.iter().map(one).collect()
}
