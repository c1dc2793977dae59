//! Actions as people and programs see them: the document (docs/openapi.json) is made of these types.

use counterfoil_core::ids::{ActionId, DecisionId, IncidentId, RunId, UserId};
use counterfoil_core::money::Money;
use counterfoil_core::policy::Effect;
use counterfoil_core::records::OverrideUse;
use counterfoil_core::repair::{self, ActionState, RepairPlan, RunWork, Work};
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

/// Actions that wait for a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct Waiting {
    pub(crate) items: Vec<WaitingAction>,
    /// Always `null`: they come in one page.
    pub(crate) next_cursor: Option<String>,
}

/// An action that waits for a person.
#[derive(Serialize, ToSchema)]
pub(crate) struct WaitingAction {
    #[serde(flatten)]
    pub(crate) action: ActionView,
    /// Send it as `If-Match` with the vote.
    pub(crate) etag: String,
}

/// Something that was proposed: a repair, or an action of a governed run.
#[derive(Serialize, ToSchema)]
#[schema(as = Action)]
pub(crate) struct ActionView {
    #[schema(value_type = schema::ActionId)]
    id: ActionId,
    #[schema(value_type = ActionStateWord)]
    state: ActionState,
    /// `repair.execute`, which the product does, or `run.action`, which whoever runs the flow does.
    #[serde(rename = "type")]
    #[schema(examples("repair.execute"))]
    kind: String,
    /// The incident that it repairs; `null` for an action of a governed run.
    #[schema(value_type = Option<schema::IncidentId>)]
    incident: Option<IncidentId>,
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
    /// What a repair would write; `null` for an action of a governed run.
    change: Option<Change>,
    /// What an action of a governed run would do; `null` for a repair.
    params: Option<Params>,
    #[schema(value_type = Vec<schema::UserId>)]
    approved_by: Vec<UserId>,
    /// The run that carries votes, execution and result.
    #[schema(value_type = Option<schema::RunId>)]
    follow_up_run: Option<RunId>,
    /// Why it failed: a stable code.
    failure: Option<String>,
    /// The owner who broke the glass for it.
    #[schema(value_type = Option<schema::UserId>)]
    overridden_by: Option<UserId>,
    /// How; `null` where the glass was not broken.
    #[serde(rename = "override")]
    broken: Option<Broken>,
    /// The action that it takes back.
    #[schema(value_type = Option<schema::ActionId>)]
    undo_of: Option<ActionId>,
}

/// An action of a run with the decision about it.
#[derive(Serialize, ToSchema)]
#[schema(as = JudgedAction)]
pub(crate) struct Judged {
    pub(crate) action: ActionView,
    pub(crate) decision: Made,
}

/// What the policy decided.
#[derive(Serialize, ToSchema)]
#[schema(as = DecisionMade)]
pub(crate) struct Made {
    #[schema(value_type = schema::DecisionId)]
    decision: DecisionId,
    #[schema(value_type = EffectWord)]
    effect: Effect,
    /// Approvals that are needed.
    approvals: u8,
    /// The decisive rule.
    rule: String,
    reason: String,
}

impl Made {
    pub(crate) fn of(action: &repair::Action) -> Self {
        Self {
            decision: action.decision,
            effect: action.effect,
            approvals: action.approvals,
            rule: action.rule.clone(),
            reason: action.why.clone(),
        }
    }
}

/// Who proposed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Proposer {
    #[serde(rename = "type")]
    #[schema(examples("user"))]
    kind: String,
    id: String,
    /// The person for whom an agent acts that has no key of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::UserId>, nullable = false)]
    on_behalf_of: Option<UserId>,
}

/// That an owner took the place of missing approvals.
#[derive(Serialize, ToSchema)]
#[schema(as = Override)]
pub(crate) struct Broken {
    #[schema(value_type = schema::UserId)]
    by: UserId,
    #[schema(value_type = schema::Time)]
    at: String,
    /// Where it is written down.
    #[schema(examples("OPS-1042"))]
    ticket: String,
    /// Whether another person has looked at it. Told where an action is read, listed or reviewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    review: Option<Review>,
}

/// Whether another person has looked at a use of break-glass.
#[derive(Serialize, ToSchema)]
#[schema(as = OverrideReview)]
pub(crate) struct Review {
    /// Until when somebody does. After that nobody breaks the glass before it is done.
    #[schema(value_type = schema::Time)]
    until: String,
    /// Who did; `null` while nobody has.
    #[schema(value_type = Option<schema::UserId>)]
    by: Option<UserId>,
    #[schema(value_type = Option<schema::Time>)]
    at: Option<String>,
}

impl Review {
    fn of(used: &OverrideUse) -> Self {
        Self {
            until: used.reviewed_until().to_string(),
            by: used.reviewed.map(|(person, _)| person),
            at: used.reviewed.map(|(_, at)| at.to_string()),
        }
    }
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

/// What an action of a governed run would do.
#[derive(Serialize, ToSchema)]
#[schema(as = ActionParams)]
pub(crate) struct Params {
    #[schema(examples("refund.create"))]
    kind: String,
    #[schema(value_type = Option<schema::Money>)]
    amount: Option<Money>,
    /// What it is done to: an opaque reference. Masked for viewers.
    target: Option<String>,
}

impl Change {
    fn of(plan: &RepairPlan, sight: Sight) -> Self {
        let columns = plan.changes.iter().map(|change| Changed {
            column: change.column.clone(),
            before: sight.value(&change.before.text()),
            after: sight.value(&change.after.text()),
        });
        Self {
            table: format!("{}.{}", plan.schema, plan.table),
            key: sight.value(&plan.key.text()),
            columns: columns.collect(),
        }
    }
}

impl Params {
    fn of(work: &RunWork, sight: Sight) -> Self {
        Self {
            kind: work.kind.clone(),
            amount: work.amount.clone(),
            target: work.target.as_deref().map(|target| sight.value(target)),
        }
    }
}

impl ActionView {
    pub(crate) fn of(action: &repair::Action, sight: Sight) -> Self {
        let (change, params) = match &action.work {
            Work::Repair(plan) => (Some(Change::of(plan, sight)), None),
            Work::Run(work) => (None, Some(Params::of(work, sight))),
        };
        Self {
            id: action.id,
            kind: action.binding.kind.clone(),
            state: action.state,
            incident: action.binding.resource.incident(),
            run: action.binding.run,
            action_digest: action.digest.clone(),
            expires_at: action.binding.expires_at.to_string(),
            proposer: Proposer {
                kind: action.binding.principal_type.clone(),
                id: action.binding.principal.clone(),
                on_behalf_of: action.binding.on_behalf_of,
            },
            reason: action.reason.as_deref().map(|reason| sight.words(reason)),
            decision: Decision {
                id: action.decision,
                effect: action.effect,
                approvals: action.approvals,
                rule: action.rule.clone(),
                reason: action.why.clone(),
            },
            change,
            params,
            approved_by: action.approvers(),
            follow_up_run: action.follow_up,
            failure: action.failure.clone(),
            overridden_by: action.overridden.as_ref().map(|broken| broken.by),
            broken: action.overridden.as_ref().map(|broken| Broken {
                by: broken.by,
                at: broken.at.to_string(),
                ticket: broken.ticket.clone(),
                review: None,
            }),
            undo_of: action.undo.map(|undo| undo.of),
        }
    }

    /// The same with what is known of its review, where it is a use of break-glass.
    pub(crate) fn reviewed(mut self, used: Option<&OverrideUse>) -> Self {
        if let (Some(broken), Some(used)) = (&mut self.broken, used) {
            broken.review = Some(Review::of(used));
        }
        self
    }
}
