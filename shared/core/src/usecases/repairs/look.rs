//! What both sides say of a difference now.

use super::judge::Looked;
use super::{ActionError, RepairPorts, plan_of};
use crate::cell::Cell;
use crate::ids::ProjectId;
use crate::incident::Incident;
use crate::reconcile::Finding;
use crate::records::Project;
use crate::repair::{Action, ColumnChange, RepairPlan};
use crate::run::{Run, RunResult, RunScope};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::usecases::reconcile::{LookError, Sources, look_again, open_sources};

/// The looks that opened an incident lie before its opening by less than this: a race grace, and a
/// scan in pieces. Milliseconds.
const LOOKED_BEFORE: u64 = 24 * 60 * 60 * 1_000;

/// How far Stripe's lists may be behind. Milliseconds.
const LISTS_LAG: u64 = 60 * 60 * 1_000;

/// Whether both sides still say what the approval was about: days may lie between, in which the
/// customer pays. A side that cannot be read is an error, and nothing is written.
pub(super) async fn still_owed(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    incident: &Incident,
    action: &Action,
) -> Result<bool, ActionError> {
    let plan = plan_of(action)?;
    let sources = sources(ports, ctx, project).await?;
    let since = listed_until(ports, ctx, incident).await?;
    let looking = still_differs(ports, project.id, &sources, incident, Some(since));
    let still = Box::pin(looking).await?;
    // That the row is as it was is the statement's own condition.
    let written = |changes: &[ColumnChange]| -> Vec<(String, Cell)> {
        let write = |change: &ColumnChange| (change.column.clone(), change.after.clone());
        changes.iter().map(write).collect()
    };
    Ok(still.is_some_and(|finding| {
        finding.not_repairable.is_none() && written(&finding.changes) == written(&plan.changes)
    }))
}

/// What both sides say now of what would be taken back. Only a difference in what it writes says that
/// the row is not as promised: others of the same customer have nothing to do with it.
pub(super) async fn looked(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    incident: &Incident,
    plan: &RepairPlan,
) -> Result<Looked, ActionError> {
    let sources = sources(ports, ctx, project).await?;
    let since = listed_until(ports, ctx, incident).await?;
    let now = ports.clock.now();
    let seen = look_again(&sources, &incident.finding, Some(since), now);
    let mut about = Box::pin(seen).await?;
    about.retain(|finding| {
        // One that cannot be repaired names no columns.
        let same = Incident::identity(project.id, finding) == incident.id;
        same || finding.changes.iter().any(|it| plan.writes(&it.column))
    });
    Ok(Looked {
        kept: about.is_empty(),
        other_live_subscription: (!about.is_empty())
            .then(|| about.iter().any(|finding| finding.other_live_subscription)),
    })
}

async fn sources(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
) -> Result<Sources, ActionError> {
    let records = ports.records(ctx);
    let opening = open_sources(
        &ports.vault,
        ports.billing.as_ref(),
        ports.databases.as_ref(),
        &records,
        ctx,
        project,
        None,
    );
    Ok(opening.await?)
}

/// Until when the customers are known who could be behind this difference: those of before were
/// listed by the last run that has seen it, if that was a complete scan. A scan that did not see it
/// any more does not count: it leaves an incident whose repair is on its way as it is, so a customer
/// who came before it may be why.
async fn listed_until(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    incident: &Incident,
) -> Result<Timestamp, ActionError> {
    let before = |time: Timestamp, by| Timestamp::from_millis(time.as_millis().saturating_sub(by));
    let opened = before(incident.opened_at, LOOKED_BEFORE);
    let seen_by = incident.seen_by.to_string();
    let run = ports.records(ctx).get::<Run>(&seen_by).await?;
    let scan = run
        .map(|run| run.value)
        .filter(|run| run.scope == RunScope::Scan && run.result == Some(RunResult::Complete));
    Ok(scan.map_or(opened, |scan| before(scan.as_of, LISTS_LAG).max(opened)))
}

/// The incident's difference as both sides show it now, with the customers who came since a time.
async fn still_differs(
    ports: &RepairPorts,
    project: ProjectId,
    sources: &Sources,
    incident: &Incident,
    since: Option<Timestamp>,
) -> Result<Option<Finding>, ActionError> {
    let now = ports.clock.now();
    let seen = look_again(sources, &incident.finding, since, now).await?;
    let same = |finding: &Finding| Incident::identity(project, finding) == incident.id;
    Ok(seen.into_iter().find(same))
}

/// The difference that is left after the repair. Whoever came since can only explain one that is
/// there, so they are asked for only then. Where they are too many, it counts as left: the next
/// complete scan ends the incident if they explain it.
pub(super) async fn left_over(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    incident: &Incident,
) -> Result<Option<Finding>, ActionError> {
    let sources = sources(ports, ctx, project).await?;
    let Some(left) = still_differs(ports, project.id, &sources, incident, None).await? else {
        return Ok(None);
    };
    let since = listed_until(ports, ctx, incident).await?;
    match still_differs(ports, project.id, &sources, incident, Some(since)).await {
        Err(ActionError::Look(LookError::TooManyNewcomers)) => Ok(Some(left)),
        other => other,
    }
}
