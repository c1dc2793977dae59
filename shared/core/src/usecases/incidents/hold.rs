//! An ignore that people have to approve first: an action, recorded in one transaction with its decision.
//! It is voted on, carried out and ended as repairs are (`usecases::repairs`).

use counterfoil_evidence::json::{Json, object};

use super::{IncidentError, Incidents};
use crate::ids::IncidentId;
use crate::incident::{Act, IgnoreTerms, Incident};
use crate::json::JsonError;
use crate::ports::{AppendError, Batch};
use crate::reconcile::Finding;
use crate::records::{Project, Records, Versioned};
use crate::repair::{Action, IgnorePlan, Resource, Work};
use crate::tenancy::TenantCtx;
use crate::usecases::governed::{DECISION, Governed};
use crate::usecases::governed_runs::{Quota, Waiting, within};
use crate::usecases::proposal::difference;

/// How often a transaction is tried that others overtake.
const ATTEMPTS: usize = 16;

/// Where what waits for approvals is among the rows of a held ignore.
const HELD_ROW: usize = 3;

/// What is to be recorded.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) incident: Versioned<Incident>,
    pub(super) terms: IgnoreTerms,
    /// The request, so that its repeat is known.
    pub(super) repeat: Act,
    pub(super) judged: Governed,
}

impl Incidents {
    /// Records that an ignore waits. What waits already is answered as it is; while another one of this
    /// incident waits, there is no second question about it.
    pub(super) async fn hold(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        held: Held,
    ) -> Result<Versioned<Action>, IncidentError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let (id, finding) = (held.incident.value.id, &held.incident.value.finding);
        let plan = IgnorePlan::of(finding, held.terms.until, held.terms.reason.trim());
        let waiting = records.list::<Waiting>().await?;
        let (same, now) = (sameness(id), self.clock.now());
        let mut others = waiting.iter().filter(|it| it.value.sameness == same);
        if let Some(other) = others.find(|it| it.value.expires_at > now) {
            let other = other.value.id.to_string();
            let other = self.action(ctx, &other).await?;
            let is_own = other.value.proposer.account() == ctx.principal().account();
            return if is_own && other.value.ignore() == Some(&plan) {
                Ok(other)
            } else {
                Err(IncidentError::Waits(other.value.id))
            };
        }
        for _ in 0..ATTEMPTS {
            let judgement = held.judged.judgement.clone();
            let (judgement, quota) = within(&records, ctx, judgement).await?;
            let Some(quota) = quota else {
                let mut judged = held.judged;
                judged.judgement = judgement;
                return Err(self.refuse(ctx, project, &judged).await?);
            };
            let recorded = self.record_hold(ctx, project, held.clone(), (&plan, quota));
            match recorded.await {
                // Something else began to wait: it is counted again.
                Err(IncidentError::Evidence(AppendError::StateChanged { .. })) => {}
                recorded => return recorded,
            }
        }
        Err(IncidentError::Evidence(AppendError::Busy))
    }

    async fn record_hold(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        held: Held,
        (plan, quota): (&IgnorePlan, Quota),
    ) -> Result<Versioned<Action>, IncidentError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let Held {
            incident,
            mut repeat,
            judged,
            ..
        } = held;
        let (before, finding) = (incident.version, &incident.value.finding);
        let about = self.about(ctx, project, finding).await;
        let salt = self.random.bytes32();
        let resource = Resource::Incident(incident.value.id);
        let proposal = judged.proposal(resource, Work::Ignore(plan.clone()), salt);
        let mut action = Action {
            about: about.clone(),
            reason: Some(plan.reason.clone()),
            // The last approval does it: it writes nothing outside of these records.
            execute_on_approval: true,
            ..proposal.action(ctx)?
        };
        let (digest, until) = (action.digest.clone(), action.binding.expires_at);
        let judged = judged.holding(digest, until, Vec::new());
        let told = subject(plan, &action.salt, finding)?;
        let drafts = judged.opened(ctx.principal(), None)?.into_iter();
        let drafts = drafts.enumerate().map(|(place, draft)| match place {
            DECISION => draft.subject(told.clone()).about(about.clone()),
            _ => draft,
        });
        let mut batch = Batch::of(drafts.collect::<Vec<_>>());
        batch.drafts.push(judged.closing());
        repeat.action = Some(action.id);
        let known = Incident {
            act: Some(repeat),
            ..incident.value.clone()
        };
        let waiting = Waiting::of(&action, &sameness(known.id));
        // The incident is as it was. Its row says which request this was, and that it was this one which
        // was read: an erasure and a run that touch it are not overtaken.
        let batch = batch
            .with(records.create(&action)?.explained_by(DECISION))
            .with(records.replace(before, &known)?.explained_by(DECISION))
            .with(records.create(&waiting)?.explained_by(DECISION))
            .with(quota.taking(&records, &action)?.explained_by(DECISION));
        let appended = self.evidence.append(project.stream_id()?, batch).await;
        let entries = appended.map_err(|error| match error {
            AppendError::StateChanged { index: HELD_ROW } => IncidentError::Evidence(error),
            error => error.into(),
        })?;
        action.decided = entries.get(DECISION).cloned();
        Ok(Versioned {
            evidence: action.decided.clone(),
            value: action,
            version: 1,
        })
    }

    /// An action that this project has.
    pub(super) async fn action(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<Action>, IncidentError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let found = records.get::<Action>(id).await?;
        found.ok_or(IncidentError::NotFound)
    }
}

/// Equal for all ignores of an incident: one of them waits at a time.
fn sameness(incident: IncidentId) -> String {
    format!("incident.ignore {incident}")
}

/// The erasable part of its decisions: who, until when and why. `salt` is hexadecimal.
pub(in crate::usecases) fn subject(
    plan: &IgnorePlan,
    salt: &str,
    finding: &Finding,
) -> Result<Json, JsonError> {
    let mut fields = vec![
        ("comment", Json::from(plan.reason.as_str())),
        ("difference", difference(finding)?),
        ("plan_salt", salt.into()),
        ("until", Json::uint(plan.until.as_millis())),
    ];
    // The one whose pseudonym leads to the entry, so that an erasure finds it.
    if let Some(customer) = finding.customers.first() {
        fields.push(("customer", customer.as_str().into()));
    }
    Ok(object(fields))
}
