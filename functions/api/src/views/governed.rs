//! Decisions about actions of governed runs, and what flows have registered, as people and programs
//! see them.

use std::collections::BTreeMap;

use counterfoil_core::governed_run::{FlowActions, Registered};
use counterfoil_core::held_change::HeldChange;
use counterfoil_core::ids::{ActionId, DecisionId, RunId, UserId};
use counterfoil_core::policy::Effect;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{self, DecisionRecord, RecordedDecision};
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

open_words! {
    /// The outcome of a decision.
    pub(crate) EffectName: "ALLOW", "REQUIRE", "DENY";
}

open_words! {
    /// Whether it was asked before approvals, or with those there were.
    pub(crate) PhaseName: "propose", "execute";
}

open_words! {
    /// A layer of rules.
    pub(crate) LayerNameWord: "baseline", "workspace";
}

/// What the policy decided, or would decide.
#[derive(Serialize, ToSchema)]
#[schema(as = RunDecision)]
pub(crate) struct Decision {
    #[serde(rename = "decision")]
    #[schema(value_type = schema::DecisionId)]
    id: DecisionId,
    /// The kind of what was judged.
    #[schema(examples("run.action"))]
    action: String,
    /// What it is about: a repair, an action of a run, or one act of a person; `null` for a preview.
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
    /// Digest of the workspace's bundle that was asked.
    policy: String,
    /// Digest of the product's own rules.
    baseline: Option<String>,
    /// Whether it was asked what it would take, or whether what there was sufficed.
    #[schema(value_type = Option<PhaseName>)]
    phase: Option<String>,
    /// What each layer said; empty for a preview.
    layers: Vec<LayerSaid>,
    /// Position of its entry in the project's evidence (`GET /v1/entries/{seq}`); `null` for a preview, and
    /// for what is recorded in the workspace's.
    entry: Option<u64>,
    #[schema(value_type = schema::Time)]
    at: String,
}

/// What a layer said.
#[derive(Serialize, ToSchema)]
pub(crate) struct LayerSaid {
    #[schema(value_type = LayerNameWord)]
    layer: String,
    #[schema(value_type = EffectName)]
    effect: Effect,
    approvals: u8,
    /// The rules that decided.
    rules: Vec<RuleSaid>,
}

/// A rule that decided.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleSaid {
    id: String,
    reason: String,
}

impl LayerSaid {
    fn of(said: &usecases::LayerSaid) -> Self {
        let rule = |rule: &usecases::RuleSaid| RuleSaid {
            id: rule.id.clone(),
            reason: rule.why.clone(),
        };
        Self {
            layer: said.layer.clone(),
            effect: said.effect,
            approvals: said.approvals,
            rules: said.policies.iter().map(rule).collect(),
        }
    }
}

impl Decision {
    /// As its entry tells it.
    pub(crate) fn recorded(found: &RecordedDecision) -> Self {
        let entry = (!found.place.workspace).then_some(found.place.seq);
        Self {
            id: found.id,
            action: found.action.clone(),
            act: Some(found.act),
            run: found.run,
            preview: false,
            effect: found.effect,
            approvals: found.approvals,
            rule: found.rule.clone(),
            reason: found.reason.clone(),
            policy: found.policy.clone(),
            baseline: Some(found.baseline.clone()),
            phase: Some(found.phase.clone()),
            layers: found.layers.iter().map(LayerSaid::of).collect(),
            entry,
            at: Timestamp::from_millis(found.evaluated_at).to_string(),
        }
    }

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
            policy: decision.policy.clone(),
            baseline: None,
            phase: None,
            layers: Vec::new(),
            entry: None,
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
#[derive(Deserialize, Serialize, ToSchema)]
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
    pub(crate) fn of(flow: &FlowActions, waits: Option<&HeldChange>) -> Self {
        let proposed = waits.and_then(|waits| {
            let actions = serde_json::from_value(waits.value.get("actions")?.clone());
            Some(ProposedFlow {
                actions: actions.ok()?,
                proposed_by: waits.by,
                proposed_at: waits.at.to_string(),
            })
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
