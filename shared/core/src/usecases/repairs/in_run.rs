//! Actions of a governed run. Their entries are in the open run itself, so each of their steps counts
//! there: the run's record changes in the same transaction.
//!
//! What an agent does itself is done by whoever runs the flow; a repair in such a run is carried out
//! here, like every other.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::again::{carried_out, decided_again, objection, vouching};
use super::follow_up::{STALE, Said, follow_up};
use super::judge::approvals;
use super::{ActionError, RepairPorts};
use crate::governed_run::{Step, answering};
use crate::policy::{Approvals, Effect, Judgement};
use crate::ports::{Batch, PortError, PortErrorKind};
use crate::records::{OverrideUse, Project, Records, Versioned};
use crate::repair::{Action, ActionState, Overridden, RunWork};
use crate::tenancy::{Principal, TenantCtx, WorkspaceCtx};
use crate::usecases::facts::{actor, repair_step, target};
use crate::usecases::governed_runs::{Again, Stepped, subject};

/// Records a vote that others are needed for, a rejection, an expiry or a withdrawal.
pub(super) async fn resolve(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    (version, mut action): (u64, Action),
    steps: Vec<Step>,
    said: Option<Said<'_>>,
) -> Result<Versioned<Action>, ActionError> {
    let principal = ctx.principal();
    let approver = if steps.contains(&Step::Cancelled) {
        "system:cancel".to_owned()
    } else {
        principal.id()
    };
    let votes = follow_up(ports, project, principal, &mut action).await?;
    let drafts = votes.drafts(principal, &approver, steps.contains(&Step::Voted), said);
    let stepped = Stepped {
        action,
        version,
        steps,
        batch: Batch::of(drafts),
    };
    take(ports, ctx, project, stepped).await
}

/// Records the last approval. This is the last that the product hears before the action is done, so
/// it is judged again: with the approvals that count now, by the rules in force now.
pub(super) async fn approve(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    (version, mut action): (u64, Action),
    mut steps: Vec<Step>,
    said: Said<'_>,
) -> Result<Versioned<Action>, ActionError> {
    let (grounds, project) = &ports.grounds(ctx, &action).await?;
    let principal = ctx.principal();
    let matter = (&action, principal);
    let given = given(ports, ctx, project, matter).await?;
    let judgement = judge(ports, ctx, project, matter, given).await?;
    let votes = follow_up(ports, project, principal, &mut action).await?;
    let mut drafts = votes.drafts(principal, &principal.id(), true, Some(said));
    if judgement.effect != Effect::Allow {
        drafts.push(decided(ports, &action, &judgement)?);
        steps.push(Step::WentStale);
        action.failure = Some(STALE.to_owned());
    }
    let stepped = Stepped {
        action,
        version,
        steps,
        batch: grounds.under(Batch::of(drafts)),
    };
    take(ports, ctx, project, stepped).await
}

/// Whoever does an action says that they begin. It is judged again, and only one can begin.
pub(super) async fn begin(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    found: Versioned<Action>,
    digest: Option<&str>,
) -> Result<Versioned<Action>, ActionError> {
    let (version, mut action) = (found.version, found.value);
    ports
        .runs()
        .admit(ctx, &action.binding.run.to_string())
        .await?;
    if !matches!(action.state, ActionState::Allowed | ActionState::Approved) {
        return Err(ActionError::in_state(action.state));
    }
    if action.binding.expires_at <= ports.clock.now() {
        let over = (version, action);
        not_done(ports, ctx, project, over, (Step::GivenUp, "expired")).await?;
        return Err(ActionError::Expired);
    }
    let (grounds, project) = &ports.grounds(ctx, &action).await?;
    let trigger = ctx.principal();
    let judgement = judge_to_begin(ports, ctx, project, &action, trigger).await?;
    let roles = ports.roles_of_approvers(ctx, &action).await?;
    let approved = vouching(&action, ports.clock.now());
    let approved = judge_to_begin(ports, ctx, project, &action, &approved);
    let objection = objection(
        ports,
        ctx,
        (project, &action),
        &judgement,
        Box::pin(approved),
    );
    let (step, draft) = if let Some(why) = Box::pin(objection).await? {
        action.failure = Some(STALE.to_owned());
        (Step::WentStale, decided(ports, &action, &why)?)
    } else {
        let now = ports.clock.now();
        let mut facts = vec![
            ("actor", actor(ctx.principal())),
            ("result", "ok".into()),
            ("revalidated", judgement.revalidated(now)),
            ("target", target("action", action.id)),
            ("topic", "action.begun".into()),
        ];
        facts.extend(carried_out(ctx, digest, &roles, now));
        let draft = Draft::new(Kind::ObservationRecorded, object(facts));
        (Step::Begun, draft.in_run(action.binding.run))
    };
    let stepped = Stepped {
        action,
        version,
        steps: vec![step],
        batch: grounds.under(Batch::of([draft])),
    };
    take(ports, ctx, project, stepped).await
}

/// Withdraws what might have been done, and was not begun.
pub(super) async fn withdraw(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    found: (u64, Action),
) -> Result<Versioned<Action>, ActionError> {
    not_done(ports, ctx, project, found, (Step::Withdrawn, "withdrawn")).await
}

/// Records that what might have been done is not done, and why.
async fn not_done(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    (version, action): (u64, Action),
    (step, code): (Step, &str),
) -> Result<Versioned<Action>, ActionError> {
    let decision = action.decided.clone().ok_or(ActionError::Changed)?;
    let mut facts = repair_step(&decision.leaf, &action.digest, action.id);
    facts.push(("actor", actor(ctx.principal())));
    facts.push(("code", code.into()));
    facts.push(("status", "failed".into()));
    let draft = Draft::new(Kind::RunAction, object(facts)).in_run(action.binding.run);
    let stepped = Stepped {
        action,
        version,
        steps: vec![step],
        batch: Batch::of([draft]),
    };
    take(ports, ctx, project, stepped).await
}

/// An owner stands in for the approvals that are missing. What the action leads to cites the decision
/// that says so.
pub(super) async fn override_with(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    (version, mut action): (u64, Action),
    (by, used): (Overridden, &OverrideUse),
    resolution: Json,
    reason: &str,
) -> Result<Versioned<Action>, ActionError> {
    let answered = action.is_answered();
    action.overridden = Some(by.clone());
    let (grounds, project) = &ports.grounds(ctx, &action).await?;
    ports.still_as_they_came(ctx).await?;
    let judgement = judge_broken(ports, ctx, project, &action, &by).await?;
    let run = action.binding.run;
    let words = object([("comment", reason.into())]);
    let resolution = Draft::new(Kind::RunResolution, resolution).in_run(run);
    let decision = decided(ports, &action, &judgement)?;
    let last = if judgement.effect == Effect::Allow {
        // From here on the record is explained by this decision.
        action.decided = None;
        Step::Judged
    } else {
        action.failure = Some(STALE.to_owned());
        Step::WentStale
    };
    let uses = WorkspaceCtx::new(ctx.workspace(), ctx.principal().clone());
    let uses = Records::of(ports.state.as_ref(), &uses);
    let batch = Batch::of([resolution.subject(words), decision]);
    let mut steps = answering(!answered && action.is_answered(), Step::Overridden);
    steps.push(last);
    let stepped = Stepped {
        action,
        version,
        steps,
        batch: grounds.under(batch.with(uses.create(used)?)),
    };
    let mut taken = take(ports, ctx, project, stepped).await?;
    if taken.value.decided.is_none() {
        taken.value.decided.clone_from(&taken.evidence);
    }
    Ok(taken)
}

/// What the rules say of an action that an owner stands in for.
pub(super) async fn judge_broken(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: &Action,
    by: &Overridden,
) -> Result<Judgement, ActionError> {
    let matter = (action, ctx.principal());
    let again = broken(ports, ctx, project, matter, by).await?;
    judge(ports, ctx, project, matter, again).await
}

/// An owner in place of the approvals that are missing besides those that count.
async fn broken(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    matter: (&Action, &Principal),
    by: &Overridden,
) -> Result<Again, ActionError> {
    Ok(Again::Broken {
        by: by.by.to_string(),
        ticket: by.ticket.clone(),
        given: counted(ports, ctx, project, matter).await?.count,
    })
}

/// What the rules say of beginning an action, in the request of `trigger`.
async fn judge_to_begin(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: &Action,
    trigger: &Principal,
) -> Result<Judgement, ActionError> {
    let matter = (action, trigger);
    let again = match ports.broken(ctx, action).await? {
        Some(by) => broken(ports, ctx, project, matter, &by).await?,
        None => given(ports, ctx, project, matter).await?,
    };
    judge(ports, ctx, project, matter, again).await
}

async fn judge(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    (action, trigger): (&Action, &Principal),
    again: Again,
) -> Result<Judgement, ActionError> {
    let (judging, proposer) = (
        ports.runs(),
        ports.proposer_now(ctx, &action.proposer).await?,
    );
    let (matter, asking) = ((action, work(action)?), (&proposer, trigger));
    let judged = judging.judge_again(ctx, project, matter, asking, again);
    Ok(Box::pin(judged).await?)
}

async fn given(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    matter: (&Action, &Principal),
) -> Result<Again, ActionError> {
    Ok(Again::With(counted(ports, ctx, project, matter).await?))
}

/// The approvals that count now: of people with the role that the rules in force ask for.
async fn counted(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    matter: (&Action, &Principal),
) -> Result<Approvals, ActionError> {
    let (action, _) = matter;
    let roles = ports.roles_of_approvers(ctx, action).await?;
    let climbed = judge(ports, ctx, project, matter, Again::Climb).await?;
    let least = climbed.considered.role.max(action.approver_role());
    Ok(approvals(action, &roles, least))
}

/// A further decision about an action of a run.
fn decided(
    ports: &RepairPorts,
    action: &Action,
    judgement: &Judgement,
) -> Result<Draft, ActionError> {
    let run = action.binding.run;
    let decided = decided_again(ports, action, judgement, (run, Vec::new()))?;
    let told = subject(work(action)?, &action.salt, action.reason.as_deref())?;
    Ok(Draft::new(Kind::RunDecision, decided)
        .in_run(run)
        .subject(told))
}

async fn take(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    stepped: Stepped,
) -> Result<Versioned<Action>, ActionError> {
    let (stream, now) = (project.stream_id()?, ports.clock.now());
    let taken = stepped.take(ports.evidence.as_ref(), stream, ports.records(ctx), now);
    Ok(taken.await?)
}

fn work(action: &Action) -> Result<&RunWork, PortError> {
    let corrupt = || PortError::new(PortErrorKind::Corrupt, "reading an action of a run");
    action.run_work().ok_or_else(corrupt)
}
