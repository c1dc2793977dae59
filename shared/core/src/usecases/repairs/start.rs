//! The beginning of a repair: the decision, that it was started, and that its approvals are used up, in
//! one transaction.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::again::{carried_out, decided_again};
use super::counted::{try_append, waits_no_more};
use super::follow_up::follow_up;
use super::record::subject;
use super::{ActionError, RepairPorts, plan_of};
use crate::governed_run::Step;
use crate::incident::Incident;
use crate::policy::{Judgement, Permit};
use crate::ports::{AppendError, Batch};
use crate::records::{Project, Unfinished, Versioned};
use crate::repair::{Action, ActionState, Pace};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::repair_step;
use crate::usecases::grounds::Grounds;

/// Index of the row of [`Pace`] among the rows of [`start`], and how many these are.
const PACE: usize = 2;
const ROWS: usize = 4;

/// Whether the row at `index` is one that the judgement stands on, and not the action's own.
pub(super) const fn is_judged(index: usize) -> bool {
    index == PACE || index >= ROWS
}

pub(super) struct Started {
    pub(super) action: Versioned<Action>,
    pub(super) permit: Permit,
}

/// Decision, `repair.started` and the consumption of the approval, in one transaction.
pub(super) async fn start(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    (action, digest): (Versioned<Action>, Option<&str>),
    (incident, pace, judgement, grounds): (&Incident, Versioned<Pace>, &Judgement, Grounds),
) -> Result<Started, ActionError> {
    let now = ports.clock.now();
    let version = action.version;
    let mut action = action.value;
    let about = ports.about(ctx, project, incident).await;
    let about = about.or_else(|| action.about.clone());
    let told = told(&action, incident)?;
    let follow_up = follow_up(ports, project, ctx.principal(), &mut action).await?;
    let run = follow_up.run;
    action.state = ActionState::Executing;
    action.started_at = Some(now);
    let roles = ports.roles_of_approvers(ctx, &action).await?;
    let said = carried_out(ctx, digest, &roles, now);
    let mut facts = repair_step("", &action.digest, action.id);
    let (drafts, steps) = if action.cites_its_first_decision() {
        facts = repair_step(&follow_up.decision.leaf, &action.digest, action.id);
        facts.push(("revalidated", judgement.revalidated(now)));
        facts.extend(said);
        let started = Draft::new(Kind::RepairStarted, object(facts)).in_run(run);
        (vec![started.subject(told).about(about)], vec![Step::Begun])
    } else {
        let decided = decided_again(ports, &action, judgement, (run, said))?;
        let mut drafts = follow_up.opening();
        let entry = drafts.len();
        drafts.push(
            Draft::new(Kind::RunDecision, decided)
                .in_run(run)
                .subject(told)
                .about(about),
        );
        let started = Draft::new(Kind::RepairStarted, object(facts));
        drafts.push(started.in_run(run).cite("decision", entry));
        (drafts, vec![Step::Judged, Step::Begun])
    };
    // The decision; in an open run what is begun under it.
    let entry = drafts
        .iter()
        .position(|draft| draft.kind == Kind::RunDecision)
        .unwrap_or_default();
    let records = ports.records(ctx);
    let unfinished = Unfinished {
        id: action.id,
        since: now,
        unread: None,
    };
    let counted = pace.value.with(now);
    let counted = match pace.version {
        0 => records.create(&counted)?,
        version => records.replace(version, &counted)?,
    };
    let batch = Batch::of(drafts)
        .with(records.replace(version, &action)?.explained_by(entry))
        .with(records.create(&unfinished)?.explained_by(entry))
        .with(counted.explained_by(entry))
        .with(waits_no_more(&records, &action).explained_by(entry));
    let batch = grounds.under(batch);
    let appended = try_append(ports, ctx, project, (&action, &steps), batch).await;
    let entries = appended.map_err(|error| match error {
        error @ ActionError::Evidence(AppendError::StateChanged { .. }) => error,
        ActionError::Evidence(error) => error.into(),
        error => error,
    })?;
    let explains = entries.get(entry).cloned().ok_or(ActionError::Changed)?;
    let decision = if action.cites_its_first_decision() {
        follow_up.decision
    } else {
        explains.clone()
    };
    let plan = plan_of(&action)?.clone();
    let permit = Permit::grant(judgement.effect, plan, decision);
    let permit = permit.ok_or(ActionError::Changed)?;
    let version = version.saturating_add(1);
    Ok(Started {
        action: Versioned {
            value: action,
            version,
            evidence: Some(explains),
        },
        permit,
    })
}

/// Whom and what an execution is about. The proposal says it too, but in another run, and a run is
/// delivered by itself.
pub(super) fn told(action: &Action, incident: &Incident) -> Result<Json, ActionError> {
    let reason = action.reason.as_deref();
    subject(plan_of(action)?, &action.salt, reason, &incident.finding)
}
