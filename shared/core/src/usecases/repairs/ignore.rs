//! Carrying out an ignore that people approved. Its effect is a row of ours, so decision, effect and the
//! end of the action are one transaction.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::again::{carried_out, decided_again, judge_again, objection, vouching};
use super::counted::{ATTEMPTS, append, try_append, waits_no_more};
use super::follow_up::{STALE, follow_up, given_up};
use super::{ActionError, RepairPorts};
use crate::ids::RunId;
use crate::incident::Incident;
use crate::policy::{Effect, Judgement};
use crate::ports::{AppendError, Batch, PortError, PortErrorKind};
use crate::records::{Project, Versioned};
use crate::repair::{Action, ActionState, IgnorePlan};
use crate::tenancy::{Principal, TenantCtx};
use crate::time::Timestamp;
use crate::usecases::facts::Closing;
use crate::usecases::grounds::Grounds;
use crate::usecases::incidents::{IncidentAct, incident_facts, subject};

/// Index of the incident among the rows of [`done`], and how many these are.
const INCIDENT: usize = 1;
const ROWS: usize = 3;

/// Whether the row at `index` is one that the judgement stands on, and not the action's own.
const fn is_judged(index: usize) -> bool {
    index == INCIDENT || index >= ROWS
}

/// Judges again, and has the incident ignored. Where that is not possible any more, the action is stale.
pub(super) async fn execute(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    action: Versioned<Action>,
    digest: Option<&str>,
) -> Result<Versioned<Action>, ActionError> {
    let resource = action.value.binding.resource.to_string();
    for _ in 0..ATTEMPTS {
        let (grounds, project) = ports.grounds(ctx, &action.value).await?;
        let project = &project;
        let incident = ports.incident(ctx, &resource).await?;
        let matter = (&action.value, &incident.value);
        let judgement = judge(ports, ctx, project, matter, ctx.principal()).await?;
        let now = ports.clock.now();
        let vouched = vouching(&action.value, now);
        let Some(ignored) = ignored(&action.value, &incident.value, now)? else {
            // What ends it is not that somebody with an old sign-in triggered it.
            let why = match judgement.effect {
                Effect::Deny => Box::pin(judge(ports, ctx, project, matter, &vouched)).await?,
                _ => judgement,
            };
            return go_stale(ports, ctx, project, action, (&incident.value, &why)).await;
        };
        let as_approved = Box::pin(judge(ports, ctx, project, matter, &vouched));
        let about = (project, &action.value);
        let objection = objection(ports, ctx, about, &judgement, as_approved);
        if let Some(why) = Box::pin(objection).await? {
            return go_stale(ports, ctx, project, action, (&incident.value, &why)).await;
        }
        let judged = (&judgement, now, digest);
        let found = (action.clone(), incident);
        let into = (ignored, grounds);
        match done(ports, ctx, project, found, into, judged).await {
            // Something that was judged is another thing at this moment: it is judged with that.
            Err(ActionError::Evidence(AppendError::StateChanged { index })) if is_judged(index) => {
            }
            Err(ActionError::Evidence(error)) => return Err(error.into()),
            done => return done,
        }
    }
    Err(ActionError::Evidence(AppendError::Busy))
}

/// What the rules say of ignoring the incident now.
pub(super) async fn judge_now(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: &Action,
) -> Result<Judgement, ActionError> {
    let resource = action.binding.resource.to_string();
    let incident = ports.incident(ctx, &resource).await?;
    let matter = (action, &incident.value);
    judge(ports, ctx, project, matter, ctx.principal()).await
}

async fn judge(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    (action, incident): (&Action, &Incident),
    trigger: &Principal,
) -> Result<Judgement, ActionError> {
    let now = ports.clock.now();
    let act = IncidentAct::of(plan(action)?);
    let customer = ports.customer(ctx, project, incident, Some(action)).await?;
    let question = act.question(incident_facts(incident, customer, now), now);
    judge_again(ports, ctx, project, action, (&question, now), trigger).await
}

fn plan(action: &Action) -> Result<&IgnorePlan, PortError> {
    let corrupt = || PortError::new(PortErrorKind::Corrupt, "reading the plan of an ignore");
    action.ignore().ok_or_else(corrupt)
}

/// The incident as it would be; `None` where it is not open any more, differs in another way than when
/// this was proposed, or where the time is over for which it was to be ignored.
fn ignored(
    action: &Action,
    incident: &Incident,
    now: Timestamp,
) -> Result<Option<Incident>, ActionError> {
    let plan = plan(action)?;
    if !plan.is_about(&incident.finding) {
        return Ok(None);
    }
    let by = action.proposer.id();
    let after = IncidentAct::of(plan).apply(incident.clone(), &by, now);
    Ok(after.ok())
}

/// The decision, the entry of the incident, and the end of the run, with the three rows.
async fn done(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    (action, incident): (Versioned<Action>, Versioned<Incident>),
    (ignored, grounds): (Incident, Grounds),
    (judgement, now, digest): (&Judgement, Timestamp, Option<&str>),
) -> Result<Versioned<Action>, ActionError> {
    let (version, mut action) = (action.version, action.value);
    let entry = IncidentAct::of(plan(&action)?).entry(&action.proposer, &incident.value);
    let follow_up = follow_up(ports, project, ctx.principal(), &mut action).await?;
    let run = follow_up.run;
    let about = ports.about(ctx, project, &incident.value).await;
    let about = about.or_else(|| action.about.clone());
    let roles = ports.roles_of_approvers(ctx, &action).await?;
    let said = carried_out(ctx, digest, &roles, now);
    let decided = decided(ports, &action, &incident.value, judgement, (run, said))?;
    let mut drafts = follow_up.opening();
    let decision = drafts.len();
    drafts.push(decided.about(about.clone()));
    let effect = drafts.len();
    drafts.push(entry.in_run(run).about(about).cite("decision", decision));
    let closing = Closing {
        decisions: (1, 0, 0),
        ..closing(&action)
    };
    drafts.push(Draft::new(Kind::RunClose, closing.facts()).in_run(run));
    action.state = ActionState::Executed;
    action.started_at = Some(now);
    let records = ports.records(ctx);
    let batch = Batch::of(drafts)
        .with(records.replace(version, &action)?.explained_by(decision))
        .with(
            records
                .replace(incident.version, &ignored)?
                .explained_by(effect),
        )
        .with(waits_no_more(&records, &action).explained_by(decision));
    let batch = grounds.under(batch);
    let entries = try_append(ports, ctx, project, (&action, &[]), batch).await?;
    Ok(Versioned {
        value: action,
        version: version.saturating_add(1),
        evidence: entries.get(decision).cloned(),
    })
}

/// That nothing comes of it any more, and why: the DENY, or that something has changed.
async fn go_stale(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: Versioned<Action>,
    (incident, judgement): (&Incident, &Judgement),
) -> Result<Versioned<Action>, ActionError> {
    let (version, mut action) = (action.version, action.value);
    let follow_up = follow_up(ports, project, ctx.principal(), &mut action).await?;
    let run = follow_up.run;
    let mut drafts = follow_up.opening();
    let mut closing = closing(&action);
    if judgement.effect == Effect::Deny {
        let decided = decided(ports, &action, incident, judgement, (run, Vec::new()))?;
        drafts.push(decided.about(action.about.clone()));
        closing.decisions = (0, 0, 1);
    } else {
        drafts.push(given_up(&follow_up, &action, ctx.principal(), STALE));
    }
    drafts.push(Draft::new(Kind::RunClose, closing.facts()).in_run(run));
    let last = drafts.len().saturating_sub(1);
    action.state = ActionState::Stale;
    action.failure = Some(STALE.to_owned());
    let records = ports.records(ctx);
    let batch = Batch::of(drafts)
        .with(records.replace(version, &action)?.explained_by(last))
        .with(waits_no_more(&records, &action).explained_by(last));
    append(ports, ctx, project, (&action, &[]), batch).await?;
    Ok(Versioned {
        value: action,
        version: version.saturating_add(1),
        evidence: None,
    })
}

/// The decision about carrying it out, with whom and what it is about: a run is delivered by itself.
fn decided(
    ports: &RepairPorts,
    action: &Action,
    incident: &Incident,
    judgement: &Judgement,
    (run, said): (RunId, Vec<(&'static str, Json)>),
) -> Result<Draft, ActionError> {
    let decided = decided_again(ports, action, judgement, (run, said))?;
    let told = subject(plan(action)?, &action.salt, &incident.finding)?;
    Ok(Draft::new(Kind::RunDecision, decided)
        .in_run(run)
        .subject(told))
}

fn closing(action: &Action) -> Closing<'static> {
    Closing {
        overrides: u64::from(action.overridden.is_some()),
        status: "completed",
        ..Closing::default()
    }
}
