//! Actions: what was proposed, what the policy said, and what became of it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use counterfoil_core::ids::{ActionId, DecisionId, IncidentId, RunId, UserId};
use counterfoil_core::money::Money;
use counterfoil_core::policy::Effect;
use counterfoil_core::records::OverrideUse;
use counterfoil_core::repair::{self, ActionState, IgnorePlan, RepairPlan, RunWork};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{self, Lapse};
use http::header::ETAG;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::open_words;
use crate::problem::decision_headers;
use crate::schema;
use crate::sight::Sight;
use crate::views::said::{Broken, Voted};

open_words! {
    /// Where an action is in its life.
    pub(crate) ActionStateWord: "denied", "allowed", "held", "approved", "rejected", "expired", "cancelled",
        "executing", "executed", "verified", "failed", "stale";
    /// The outcome of a decision.
    pub EffectWord: "ALLOW", "REQUIRE", "DENY";
    /// Why an approval does not count any more.
    pub(crate) LapseWord: "key_revoked", "left", "role_lower", "role_newer";
}

/// Something that was proposed: a repair, an ignore that people have to approve, or an action of a
/// governed run.
#[derive(Serialize, ToSchema)]
pub struct Action {
    #[schema(value_type = schema::ActionId)]
    id: ActionId,
    #[schema(value_type = ActionStateWord)]
    state: ActionState,
    /// `repair.execute` and `incident.ignore`, which the product does, or `run.action`, which whoever runs
    /// the flow does.
    #[serde(rename = "type")]
    #[schema(examples("repair.execute"))]
    kind: String,
    /// The incident that it repairs or ignores; `null` for an action of a governed run.
    #[schema(value_type = Option<schema::IncidentId>)]
    incident: Option<IncidentId>,
    #[schema(value_type = schema::RunId)]
    run: RunId,
    /// What approvals bind to.
    #[serde(rename = "action_digest")]
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    digest: String,
    #[schema(value_type = schema::Time)]
    expires_at: String,
    proposer: Proposer,
    /// The words of the person who proposed it. Addresses and ids of Stripe in them are masked for viewers.
    reason: Option<String>,
    decision: Decision,
    /// What a repair would write; `null` for every other action.
    change: Option<Change>,
    /// What an ignore would leave alone; `null` for every other action.
    ignore: Option<Ignore>,
    /// What an action of a governed run would do; `null` for every other action.
    params: Option<Params>,
    /// Everybody who has said yes.
    #[schema(value_type = Vec<schema::UserId>)]
    approved_by: Vec<UserId>,
    /// Every vote, with the words of whoever gave it.
    votes: Vec<Voted>,
    /// Those who have said yes and do not count any more, so that it waits for others instead. Told where an
    /// action is read or listed; empty of what waits no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    no_longer_counts: Option<Vec<Lapsed>>,
    /// The run that carries votes, execution and result.
    #[schema(value_type = Option<schema::RunId>)]
    follow_up_run: Option<RunId>,
    /// Why it failed: a stable code. `run-ended`: its run has ended, so it must not be begun any more.
    /// `outcome-unknown`: it was begun, and whether it was done is not known.
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

/// Somebody whose approval does not count any more. `key_revoked`: the approver key that it came with was
/// revoked. `left`: they have left the workspace. `role_lower`: their role is lower by now than what is asked
/// for. `role_newer`: they have had their role only since after the proposal.
#[derive(Serialize, ToSchema)]
#[schema(as = LapsedApproval)]
pub(crate) struct Lapsed {
    #[schema(value_type = schema::UserId)]
    by: UserId,
    #[schema(value_type = LapseWord)]
    why: &'static str,
}

impl Lapsed {
    const fn of(lapsed: usecases::Lapsed) -> Self {
        Self {
            by: lapsed.person,
            why: match lapsed.why {
                Lapse::KeyRevoked => "key_revoked",
                Lapse::Left => "left",
                Lapse::RoleLower => "role_lower",
                Lapse::RoleNewer => "role_newer",
            },
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

/// Which difference would be lived with, and until when.
#[derive(Serialize, ToSchema)]
#[schema(as = ActionIgnore)]
pub(crate) struct Ignore {
    /// From this moment on the incident would be open again.
    #[schema(value_type = schema::Time)]
    until: String,
    /// What Stripe promised when it was proposed, in the mapping's names.
    promised: String,
    /// What the app granted then, in the mapping's names.
    granted: String,
    /// Money at risk per month then, at least; `null` where no amount is known.
    #[schema(value_type = Option<schema::Money>)]
    at_risk: Option<Money>,
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

impl Ignore {
    fn of(plan: &IgnorePlan) -> Self {
        Self {
            until: plan.until.to_string(),
            promised: plan.expected.text(),
            granted: plan.actual.text(),
            at_risk: plan.at_risk.clone(),
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

impl Action {
    /// As whoever has `sight` sees it.
    pub fn of(action: &repair::Action, sight: Sight) -> Self {
        Self {
            id: action.id,
            kind: action.binding.kind.clone(),
            state: action.state,
            incident: action.binding.resource.incident(),
            run: action.binding.run,
            digest: action.digest.clone(),
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
            change: action.repair().map(|plan| Change::of(plan, sight)),
            ignore: action.ignore().map(Ignore::of),
            params: action.run_work().map(|work| Params::of(work, sight)),
            approved_by: action.approvers(),
            votes: (action.votes.iter())
                .map(|vote| Voted::of(vote, sight))
                .collect(),
            // Where somebody has approved it and it waits, that is asked besides.
            no_longer_counts: (!action.state.is_waiting() || action.approvers().is_empty())
                .then(Vec::new),
            follow_up_run: action.follow_up,
            failure: action.failure.clone(),
            overridden_by: action.overridden.as_ref().map(|broken| broken.by),
            broken: (action.overridden.as_ref()).map(|broken| Broken::of(broken, sight)),
            undo_of: action.undo.map(|undo| undo.of),
        }
    }

    /// The same with what is known of its review, where it is a use of break-glass.
    #[must_use]
    pub fn reviewed(mut self, used: Option<&OverrideUse>) -> Self {
        if let (Some(broken), Some(used)) = (&mut self.broken, used) {
            broken.reviewed(used);
        }
        self
    }

    /// The same with those who have approved it and do not count any more.
    #[must_use]
    pub fn without(mut self, lapsed: Vec<usecases::Lapsed>) -> Self {
        self.no_longer_counts = Some(lapsed.into_iter().map(Lapsed::of).collect());
        self
    }
}

/// An action with its decision as an answer, and the version as `ETag`.
pub fn action(
    ctx: &TenantCtx,
    status: StatusCode,
    action: &repair::Action,
    version: u64,
) -> Response {
    let view = Action::of(action, Sight::of(ctx));
    answer(status, (action, view), version)
}

/// The same as it is told.
pub fn answer(
    status: StatusCode,
    (action, view): (&repair::Action, Action),
    version: u64,
) -> Response {
    let mut response = (status, Json(view)).into_response();
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        headers.insert(ETAG, tag);
    }
    let decision = action.decision.to_string();
    // Actions of earlier builds do not say which bundle judged them.
    let policy = Some(action.policy.as_str()).filter(|policy| !policy.is_empty());
    decision_headers(headers, Some(&decision), policy);
    response
}

super::silent!(Action);
