//! What is proposed, as an action: what approvals bind to, and what the rules said of it.

use std::time::Duration;

use counterfoil_evidence::json::{Json, object};

use crate::ids::{ActionId, DecisionId, RunId};
use crate::json::{JsonError, to_json};
use crate::policy::{Effect, Judgement};
use crate::reconcile::Finding;
use crate::repair::{Action, ActionBinding, ActionState, Resource, Work};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

/// How long an action waits for approvals where no rule says so: a weekend and the days around it.
const HOLD: Duration = Duration::from_hours(72);

/// How long at most.
const LONGEST_HOLD: Duration = Duration::from_hours(30 * 24);

/// Something that was judged.
pub(super) struct Proposal<'a> {
    pub(super) judgement: &'a Judgement,
    pub(super) at: Timestamp,
    pub(super) id: ActionId,
    pub(super) decision: DecisionId,
    /// The run in which it is proposed.
    pub(super) run: RunId,
    /// When that run is over at the latest, where it is held open: nothing in it waits longer.
    pub(super) ends: Option<Timestamp>,
    pub(super) resource: Resource,
    pub(super) work: Work,
    pub(super) salt: [u8; 32],
}

impl Proposal<'_> {
    /// The action that comes of it, proposed by the caller.
    pub(super) fn action(self, ctx: &TenantCtx) -> Result<Action, JsonError> {
        let principal = ctx.principal();
        let judgement = self.judgement;
        let hold = judgement.considered.hold.unwrap_or(HOLD);
        let until = self.at.plus(hold.min(LONGEST_HOLD));
        let binding = ActionBinding {
            v: 1,
            workspace: ctx.workspace(),
            project: ctx.project(),
            run: self.run,
            act: self.id,
            kind: judgement.considered.action.to_owned(),
            principal_type: principal.kind().to_owned(),
            principal: principal.id(),
            on_behalf_of: principal.on_behalf_of(),
            resource: self.resource,
            plan: self.work.digest(&self.salt)?,
            expires_at: self.ends.map_or(until, |ends| until.min(ends)),
        };
        Ok(Action {
            id: self.id,
            state: state_after(judgement.effect),
            digest: binding.digest()?,
            binding,
            work: self.work,
            salt: hex::encode(self.salt),
            about: None,
            proposer: principal.clone(),
            reason: None,
            decision: self.decision,
            decided: None,
            effect: judgement.effect,
            approvals: judgement.approvals,
            role: Some(judgement.considered.role),
            policy: judgement.policy().to_owned(),
            rule: judgement.rule.clone(),
            why: judgement.reason.clone(),
            execute_on_approval: false,
            votes: Vec::new(),
            follow_up: None,
            started_at: None,
            failure: None,
            overridden: None,
            undo: None,
            meaning: None,
        })
    }
}

const fn state_after(effect: Effect) -> ActionState {
    match effect {
        Effect::Allow => ActionState::Allowed,
        Effect::Require => ActionState::Held,
        Effect::Deny => ActionState::Denied,
    }
}

/// What differs and what it costs a month: the reason for a proposal, as people read it.
pub(super) fn difference(finding: &Finding) -> Result<Json, JsonError> {
    let mut fields = vec![
        ("granted", Json::from(finding.actual.text())),
        ("kind", finding.kind.name().into()),
        ("promised", finding.expected.text().into()),
    ];
    if let Some(money) = &finding.at_risk {
        fields.push(("at_risk", to_json(money)?));
    }
    Ok(object(fields))
}
