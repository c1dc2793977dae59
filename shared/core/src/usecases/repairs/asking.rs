//! Asking the rules about a repair: what surrounds it at this moment, and what a run of it opens with.

use super::judge::{Repair, Surroundings, repair_question};
use super::{ActionError, RepairPorts};
use crate::ids::ActionId;
use crate::incident::Incident;
use crate::mapping::Artifact;
use crate::policy::{Asking, BlastFacts, Judgement, Question, Rules, baseline_digest};
use crate::ports::EntryRef;
use crate::records::{Project, Records, Versioned};
use crate::repair::{Action, ActionState, DAY_MAX, HOUR_MAX, Pace};
use crate::run::{Run, RunScope};
use crate::tenancy::{Principal, TenantCtx};
use crate::time::Timestamp;
use crate::usecases::facts::Opening;
use crate::usecases::incidents::is_breaker_open;
use crate::usecases::reconcile::flow_version;

/// When repairs of the project were begun; version 0 before the first.
pub(super) async fn pace(records: &Records<'_>) -> Result<Versioned<Pace>, ActionError> {
    let found = records.get::<Pace>(Pace::ID).await?;
    Ok(found.unwrap_or_else(|| Versioned {
        value: Pace::default(),
        version: 0,
        evidence: None,
    }))
}

/// Judges a repair.
pub(super) async fn judge(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    around: (&Artifact, &Pace),
    repair: Repair<'_>,
    asking: &Asking<'_>,
) -> Result<Judgement, ActionError> {
    let question = question(ports, ctx, around, repair, asking.at).await?;
    let rules = Rules::load(ports.state.as_ref(), ctx.workspace()).await?;
    Ok(rules.judge(&question, asking, ports.clock.as_ref()))
}

/// What the rules are asked about a repair.
pub(super) async fn question(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    (artifact, pace): (&Artifact, &Pace),
    repair: Repair<'_>,
    at: Timestamp,
) -> Result<Question, ActionError> {
    let about = (repair.incident, repair.earlier);
    let mut around = surroundings(ports, ctx, artifact, about).await?;
    around.blast.hour = pace.hour(at);
    around.blast.day = pace.day(at);
    Ok(repair_question(repair, &around, at))
}

/// Milliseconds: whoever opens a run and whoever proposes in it are two functions, with two clocks.
const CLOCKS_DIFFER: u64 = 300_000;

/// What surrounds a repair at this moment.
async fn surroundings<'a>(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    artifact: &'a Artifact,
    (incident, earlier): (&Incident, u64),
) -> Result<Surroundings<'a>, ActionError> {
    let records = ports.records(ctx);
    let behind = records.get::<Run>(&incident.seen_by.to_string()).await?;
    let most = u64::from(artifact.max_drift_permille());
    let drift = behind
        .map(|run| run.value)
        .filter(|run| run.scope == RunScope::Scan)
        .map_or(0, |run| {
            let share = run.counts.drift_permille();
            // One or two customers are no mass drift, whatever their share; and one that a person has
            // taken for real stops nobody any more.
            if run.is_stopped() {
                share
            } else {
                share.min(most)
            }
        });
    let run = match ctx.principal() {
        Principal::Scheduler { run } => {
            let began = run.made_at().as_millis().saturating_sub(CLOCKS_DIFFER);
            let first = ActionId::new(Timestamp::from_millis(began), 0).to_string();
            let proposed = records.list_from::<Action>(&first).await?;
            let proposed = proposed
                .iter()
                .filter(|action| action.value.proposer == Principal::Scheduler { run: *run })
                .filter(|action| action.value.state != ActionState::Denied)
                .count();
            u64::try_from(proposed).unwrap_or(u64::MAX)
        }
        _ => earlier,
    };
    Ok(Surroundings {
        artifact,
        blast: BlastFacts {
            run,
            run_max: u64::try_from(artifact.max_repairs_per_run()).unwrap_or(u64::MAX),
            hour: 0,
            hour_max: HOUR_MAX,
            day: 0,
            day_max: DAY_MAX,
            amount_exceeded: false,
            drift_permille: drift,
            drift_permille_max: most,
            breaker_open: is_breaker_open(&records, ctx.project()).await?,
        },
    })
}

/// The project's active mapping.
pub(super) async fn active_mapping(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
) -> Result<Artifact, ActionError> {
    Ok(crate::usecases::reconcile::active_mapping(&ports.records(ctx), project).await?)
}

/// The `run.open` of a repair's runs.
pub(super) fn opening<'a>(
    project: &'a Project,
    principal: &'a Principal,
    purpose: &'a str,
    cause: Option<&'a EntryRef>,
) -> Result<Opening<'a>, ActionError> {
    let mapping = project.active_mapping()?;
    Ok(Opening {
        flow: flow_version(mapping)?,
        artifact: mapping.to_owned(),
        policies: vec![baseline_digest().to_owned()],
        inputs: &[],
        cause,
        principal,
        purpose,
        as_of: None,
        asked_by: None,
    })
}

/// The `run.open` of a further run about an action. Only a repair runs the project's mapping; a project
/// whose flows act may have none.
pub(super) fn opening_about<'a>(
    action: &'a Action,
    project: &'a Project,
    principal: &'a Principal,
    purpose: &'a str,
    cause: Option<&'a EntryRef>,
) -> Result<Opening<'a>, ActionError> {
    if action.repair().is_some() {
        return opening(project, principal, purpose, cause);
    }
    let policies = vec![baseline_digest().to_owned()];
    Ok(Opening::of_rules(policies, cause, principal, purpose))
}

/// Why such a run is there, where it is no vote.
pub(super) fn purpose(action: &Action) -> &str {
    if action.ignore().is_some() {
        &action.binding.kind
    } else {
        "repair"
    }
}
