//! Executing an approved repair: judge again, record, and only then send the one UPDATE.

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::again::{decided_again, judge_again, objection, vouching};
use super::asking::{self, active_mapping};
use super::counted::{append, waits_no_more};
use super::ending::{expire, given_back};
use super::follow_up::{STALE, follow_up, given_up};
use super::judge::{Looked, Repair, meaning, meaning_back};
use super::settle::{self, Outcome};
use super::start::{is_judged, start, told};
use super::{ActionError, Answered, RepairPorts, ignore, look, plan_of};
use crate::governed_run::Step;
use crate::incident::{Incident, IncidentState};
use crate::mapping::Artifact;
use crate::policy::{Effect, Judgement, Permit};
use crate::ports::{AppendError, Applied, Batch, PortErrorKind};
use crate::records::{Project, Versioned};
use crate::repair::{Action, ActionState, Pace};
use crate::sealed::Purpose;
use crate::tenancy::{Principal, TenantCtx};
use crate::usecases::facts::Closing;
use crate::usecases::reconcile::LookError;

/// Executes an action that policy allowed or people approved, and settles it.
pub(super) async fn execute(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: Versioned<Action>,
    digest: Option<&str>,
) -> Result<Versioned<Action>, ActionError> {
    let ready = action.value.state.is_waiting() && action.value.state != ActionState::Held;
    if !ready {
        return Err(ActionError::in_state(action.value.state));
    }
    if action.value.binding.expires_at <= ports.clock.now() {
        expire(ports, ctx, project, action).await?;
        return Err(ActionError::Expired);
    }
    if action.value.ignore().is_some() {
        return Box::pin(ignore::execute(ports, ctx, action, digest)).await;
    }
    let records = ports.records(ctx);
    let resource = action.value.binding.resource.to_string();
    let incident = ports.incident(ctx, &resource).await?;
    let owed = is_still_owed(ports, ctx, project, &incident.value, &action.value).await?;
    let plan = plan_of(&action.value)?;
    let undoes = match action.value.undo {
        Some(_) => Some(look::looked(ports, ctx, project, &incident.value, plan).await?),
        None => None,
    };
    let mut attempts = 0_u32;
    let (started, project) = loop {
        if action.value.binding.expires_at <= ports.clock.now() {
            expire(ports, ctx, project, action).await?;
            return Err(ActionError::Expired);
        }
        // Looking at both sides takes seconds: what is judged is read after that.
        let (grounds, project) = ports.grounds(ctx, &action.value).await?;
        let project = &project;
        let artifact = active_mapping(ports, ctx, project).await?;
        let incident = ports.incident(ctx, &resource).await?;
        let pace = asking::pace(&records).await?;
        let asked = (&artifact, &pace.value, undoes);
        let matter = (&action.value, &incident.value);
        let judgement = judge(ports, ctx, project, asked, matter, ctx.principal()).await?;
        let vouched = vouching(&action.value, ports.clock.now());
        if !(owed && is_still_wanted(&incident.value, &action.value)?) {
            // What ends it is not that somebody with an old sign-in triggered it.
            let why = match judgement.effect {
                Effect::Deny => {
                    Box::pin(judge(ports, ctx, project, asked, matter, &vouched)).await?
                }
                _ => judgement,
            };
            return go_stale(ports, ctx, project, action, incident, &why).await;
        }
        let as_approved = Box::pin(judge(ports, ctx, project, asked, matter, &vouched));
        let about = (project, &action.value);
        let objection = objection(ports, ctx, about, &judgement, as_approved);
        if let Some(why) = Box::pin(objection).await? {
            return go_stale(ports, ctx, project, action, incident, &why).await;
        }
        let begun = (&incident.value, pace, &judgement, grounds);
        match start(ports, ctx, project, (action.clone(), digest), begun).await {
            // Something that was judged is another thing at this moment: it is judged with that.
            Err(ActionError::Evidence(AppendError::StateChanged { index }))
                if is_judged(index) && attempts < ATTEMPTS =>
            {
                attempts = attempts.saturating_add(1);
            }
            Err(ActionError::Evidence(AppendError::StateChanged { .. })) => {
                return Err(ActionError::Changed);
            }
            started => break (started?, project.clone()),
        }
    };
    let project = &project;
    let settled = async {
        let outcome = effect(ports, ctx, project, started.permit, &started.action.value).await?;
        settle::record(ports, ctx, project, started.action, outcome).await
    };
    // From here on an error must not sound as if nothing had happened.
    let unsettled = |error| ActionError::Unsettled(Box::new(error));
    settled.await.map_err(unsettled)
}

/// Executes what has just been approved, in the request that approved it. The approval is durable: where
/// nothing could be begun now, that is no failure of it, and the action is as it was approved. The sweep
/// begins it, or whoever asks for the execution; the cause comes with it, for whoever runs the product.
/// What the rules say to this trigger alone is no cause of that kind: it is recorded.
pub(super) async fn begin_at_once(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    approved: Versioned<Action>,
) -> Result<Answered, ActionError> {
    let begun = Box::pin(execute(ports, ctx, project, approved.clone(), None)).await;
    match begun {
        Ok(begun) => Ok(begun.into()),
        // These say themselves what became of it.
        Err(
            error @ (ActionError::Look(LookError::TooManyNewcomers)
            | ActionError::Expired
            | ActionError::Unknown(_)
            | ActionError::Unsettled(_)),
        ) => Err(error),
        Err(ActionError::Denied(_)) => Ok(approved.into()),
        Err(cause) => Ok(Answered {
            action: approved,
            not_begun: Some(cause),
        }),
    }
}

/// What the rules say of carrying an action out now, without a look at both sides.
pub(super) async fn judge_now(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: &Action,
) -> Result<Judgement, ActionError> {
    let records = ports.records(ctx);
    let resource = action.binding.resource.to_string();
    let incident = records.get::<Incident>(&resource).await?;
    let incident = incident.ok_or(ActionError::NotFound)?.value;
    let artifact = active_mapping(ports, ctx, project).await?;
    let pace = asking::pace(&records).await?.value;
    let undoes = match action.undo {
        Some(_) => Some(look::looked(ports, ctx, project, &incident, plan_of(action)?).await?),
        None => None,
    };
    let asked = (&artifact, &pace, undoes);
    let matter = (action, &incident);
    judge(ports, ctx, project, asked, matter, ctx.principal()).await
}

/// Attempts when other repairs of the project are begun at the same time.
const ATTEMPTS: u32 = 16;

/// Whether what was approved is still what the incident is about. What takes a repair back is wanted for
/// as long as its incident waits for it.
fn is_still_wanted(incident: &Incident, action: &Action) -> Result<bool, ActionError> {
    let waits = incident.state == IncidentState::Repairing;
    Ok(waits
        && match action.undo {
            Some(_) => incident.action == Some(action.id),
            None => incident.finding.changes == plan_of(action)?.changes,
        })
}

/// The same, and whether both sides still say so, which takes seconds to find out.
async fn is_still_owed(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    incident: &Incident,
    action: &Action,
) -> Result<bool, ActionError> {
    let wanted = is_still_wanted(incident, action)?;
    if !wanted || action.undo.is_some() {
        return Ok(wanted);
    }
    look::still_owed(ports, ctx, project, incident, action).await
}

/// Judges a repair again, as it is now, in the request of whoever triggers it.
async fn judge(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    (artifact, pace, undoes): (&Artifact, &Pace, Option<Looked>),
    (action, incident): (&Action, &Incident),
    trigger: &Principal,
) -> Result<Judgement, ActionError> {
    let now = ports.clock.now();
    let customer = ports.customer(ctx, project, incident, Some(action)).await?;
    let finding = &incident.finding;
    let meaning = match (&action.undo, &action.meaning) {
        (None, _) => meaning(finding),
        (Some(_), Some(kept)) => kept.clone(),
        (Some(_), None) => meaning_back(finding),
    };
    let repair = Repair {
        incident,
        plan: plan_of(action)?,
        meaning: &meaning,
        undoes,
        customer,
        // The limit of a run bound its proposal.
        earlier: 0,
    };
    let question = asking::question(ports, ctx, (artifact, pace), repair, now).await?;
    judge_again(ports, ctx, project, action, (&question, now), trigger).await
}

/// The UPDATE. Whatever goes wrong here becomes an outcome that is recorded.
async fn effect(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    permit: Permit,
    action: &Action,
) -> Result<Outcome, ActionError> {
    let Some(secret) = project.repair_database else {
        return Ok(Outcome::failed("repairs-off"));
    };
    let records = ports.records(ctx);
    let Ok(url) = ports
        .vault
        .secret(&records, ctx, secret, Purpose::Repair)
        .await
    else {
        return Ok(Outcome::failed("credential-unavailable"));
    };
    let Ok(repairer) = ports.databases.repair(&url).await else {
        return Ok(Outcome::failed("database-unavailable"));
    };
    match repairer.apply(permit).await {
        Ok(Applied::Changed) => Ok(Outcome::Executed),
        Ok(Applied::Stale) => Ok(Outcome::Failed {
            state: ActionState::Stale,
            code: "row-changed",
        }),
        Ok(Applied::NotOneRow(_)) => Ok(Outcome::failed("not-one-row")),
        Err(error) if error.kind == PortErrorKind::OutcomeUnknown => {
            settle::read_back(ports, ctx, project, action).await
        }
        Err(error) if error.kind == PortErrorKind::Refused => Ok(Outcome::failed("refused")),
        Err(_) => Ok(Outcome::failed("database-unavailable")),
    }
}

/// Stripe, the row or the rules changed since the approval: the refusal is recorded, nothing is
/// written.
async fn go_stale(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    action: Versioned<Action>,
    incident: Versioned<Incident>,
    judgement: &Judgement,
) -> Result<Versioned<Action>, ActionError> {
    let version = action.version;
    let mut action = action.value;
    let follow_up = follow_up(ports, project, ctx.principal(), &mut action).await?;
    let run = follow_up.run;
    let mut drafts = follow_up.opening();
    let entry = drafts.len();
    let mut closing = Closing {
        overrides: u64::from(action.overridden.is_some()),
        status: "completed",
        ..Closing::default()
    };
    if judgement.effect == Effect::Deny {
        let decided = decided_again(ports, &action, judgement, (run, Vec::new()))?;
        let about = ports.about(ctx, project, &incident.value).await;
        let about = about.or_else(|| action.about.clone());
        drafts.push(
            Draft::new(Kind::RunDecision, decided)
                .in_run(run)
                .subject(told(&action, &incident.value)?)
                .about(about),
        );
        closing.decisions = (0, 0, 1);
    }
    let step = if drafts.len() > entry {
        Step::WentStale
    } else {
        drafts.push(given_up(&follow_up, &action, ctx.principal(), STALE));
        Step::GivenUp
    };
    action.state = ActionState::Stale;
    action.failure = Some(STALE.to_owned());
    if !action.is_in_governed_run() {
        drafts.push(Draft::new(Kind::RunClose, closing.facts()).in_run(run));
    }
    let records = ports.records(ctx);
    let mut batch = Batch::of(drafts)
        .with(records.replace(version, &action)?.explained_by(entry))
        .with(waits_no_more(&records, &action).explained_by(entry));
    if let Some(open) = given_back(&records, &action, incident)? {
        batch = batch.with(open.explained_by(entry));
    }
    append(ports, ctx, project, (&action, &[step]), batch).await?;
    Ok(Versioned {
        value: action,
        version: version.saturating_add(1),
        evidence: None,
    })
}
