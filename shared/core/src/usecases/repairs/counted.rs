//! Appending what happens to an action: in a governed run with the run's counts, in one transaction.

use super::{ActionError, RepairPorts};
use crate::governed_run::{GovernedRun, RunState, Step};
use crate::ports::{AppendError, Batch, EntryRef, StateWrite};
use crate::records::{Project, Records};
use crate::repair::Action;
use crate::tenancy::TenantCtx;
use crate::usecases::governed_runs::{RunError, Waiting};

/// How often a transaction is tried that other actions of the same run overtake.
pub(super) const ATTEMPTS: usize = 16;

/// Appends a batch about an action; where a repair is in a governed run, with what its steps change in
/// the run's counts. The batch has an entry.
pub(super) async fn append(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    about: (&Action, &[Step]),
    batch: Batch,
) -> Result<Vec<EntryRef>, ActionError> {
    let appended = try_append(ports, ctx, project, about, batch).await;
    appended.map_err(|error| match error {
        ActionError::Evidence(error) => error.into(),
        other => other,
    })
}

/// The same, and [`ActionError::Evidence`] says which row of the batch was another one.
pub(super) async fn try_append(
    ports: &RepairPorts,
    ctx: &TenantCtx,
    project: &Project,
    (action, steps): (&Action, &[Step]),
    batch: Batch,
) -> Result<Vec<EntryRef>, ActionError> {
    let stream = project.stream_id()?;
    if !action.is_in_governed_run() {
        let appended = ports.evidence.append(stream, batch).await;
        return appended.map_err(ActionError::Evidence);
    }
    let records = ports.records(ctx);
    let id = action.binding.run.to_string();
    let place = batch.state.len();
    for _ in 0..ATTEMPTS {
        let run = records.get::<GovernedRun>(&id).await?;
        let run = run.ok_or(ActionError::NotFound)?;
        if run.value.state != RunState::Open {
            return Err(RunError::Ended(run.value.state).into());
        }
        let now = ports.clock.now();
        let steps = steps.iter();
        let after = steps.fold(run.value, |run, step| {
            run.after_repair(action.id, *step, now)
        });
        let counted = records.replace(run.version, &after)?.explained_by(0);
        let appended = ports.evidence.append(stream, batch.clone().with(counted));
        match appended.await {
            // Another action of the same run was faster: the counts are another one's.
            Err(AppendError::StateChanged { index }) if index == place => {}
            appended => return appended.map_err(ActionError::Evidence),
        }
    }
    Err(ActionError::Evidence(AppendError::Busy))
}

/// That nobody's approval is missing any more: from here on it waits to be begun.
pub(super) async fn has_approvals(
    records: &Records<'_>,
    action: &Action,
    batch: Batch,
    entry: usize,
) -> Result<Batch, ActionError> {
    let Some(found) = records.get::<Waiting>(&action.id.to_string()).await? else {
        return Ok(batch);
    };
    let waiting = Waiting {
        held: false,
        ..found.value
    };
    let write = records.replace(found.version, &waiting)?;
    Ok(batch.with(write.explained_by(entry)))
}

/// That a repair waits no more.
pub(super) fn waits_no_more(records: &Records<'_>, action: &Action) -> StateWrite {
    StateWrite::delete(records.key::<Waiting>(&action.id.to_string()))
}
