//! The sweep comes back for every action that was left half-way: what may have been sent is settled
//! by reading the row, what was approved and not begun is begun, what waited too long expires.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::execute::execute;
use super::follow_up::expire;
use super::{ActionError, RepairPorts, settle};
use crate::ids::ActionId;
use crate::records::{Directory, Project, Unfinished};
use crate::repair::{Action, ActionState};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

/// How long the sweep leaves alone what was approved or begun. Longer than the function that
/// executes it may live (template.yaml: 60 s), so that a slow worker and the sweep never work on one
/// action.
pub const SWEEP_AFTER: Duration = Duration::from_mins(3);

/// How long it waits between two attempts at one action: each reads both sides.
const AGAIN_AFTER: Duration = Duration::from_mins(5);

/// What the sweep has begun. One row for all projects; written before an action is worked on, so
/// that it outlives a worker that dies of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// When each was tried last.
    tried: BTreeMap<ActionId, Timestamp>,
}

/// Finishes what was left half-way.
#[derive(Debug, Clone)]
pub struct SweepRepairs {
    /// Ports.
    pub ports: RepairPorts,
}

/// An action that has to be worked on.
struct Due {
    ctx: TenantCtx,
    project: Project,
    action: ActionId,
}

impl SweepRepairs {
    /// Settles every action of every project that has been executing for longer than
    /// [`SWEEP_AFTER`], begins what was approved as long ago and was to begin at once, and ends what
    /// waited past its time; returns how many actions it finished. The first error of a project is
    /// returned at the end.
    pub async fn sweep(&self) -> Result<usize, ActionError> {
        let mut finished = 0_usize;
        let mut first_error = None;
        let directory = Directory::of(self.ports.state.as_ref());
        let key = Directory::sweep_key();
        let found = directory.find::<Progress>("sweep", &key).await?;
        let mut version = found.as_ref().map(|row| row.version);
        let mut progress = found.map(|row| row.value).unwrap_or_default();
        for project in directory.projects().await? {
            let ctx = Directory::system(&project, "sweep");
            match self
                .sweep_project(&ctx, &project, &mut progress, &mut version)
                .await
            {
                Ok(count) => finished = finished.saturating_add(count),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(finished), Err)
    }

    async fn sweep_project(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        progress: &mut Progress,
        version: &mut Option<u64>,
    ) -> Result<usize, ActionError> {
        let now = self.ports.clock.now();
        let mut finished = 0_usize;
        let mut due = Vec::new();
        let records = self.ports.records(ctx);
        for unfinished in records.list::<Unfinished>().await? {
            if now.since(unfinished.value.since) >= SWEEP_AFTER {
                due.push(unfinished.value.id);
            }
        }
        for action in records.list::<Action>().await? {
            let action = action.value;
            if !action.state.is_waiting() {
                continue;
            }
            if action.binding.expires_at <= now {
                let action = self.ports.action(ctx, &action.id.to_string()).await?;
                if action.value.state.is_waiting()
                    && unless_overtaken(expire(&self.ports, ctx, project, action).await)?.is_some()
                {
                    finished = finished.saturating_add(1);
                }
            } else if is_to_begin(&action, now) {
                due.push(action.id);
            }
        }
        for id in due {
            let tried = progress.tried.get(&id);
            if tried.is_some_and(|tried| now.since(*tried) < AGAIN_AFTER) {
                continue;
            }
            progress
                .tried
                .retain(|_, tried| now.since(*tried) < AGAIN_AFTER);
            progress.tried.insert(id, now);
            let write = Directory::write(Directory::sweep_key(), *version, progress)?;
            if !self.ports.state.write(vec![write]).await? {
                // Another sweep is at work.
                return Ok(finished);
            }
            *version = Some(version.unwrap_or(0).saturating_add(1));
            if self
                .work(&Due {
                    ctx: ctx.clone(),
                    project: project.clone(),
                    action: id,
                })
                .await?
            {
                finished = finished.saturating_add(1);
            }
        }
        Ok(finished)
    }

    /// Whether it changed something.
    async fn work(&self, due: &Due) -> Result<bool, ActionError> {
        let Due {
            ctx,
            project,
            action,
        } = due;
        let ports = &self.ports;
        let action = ports.action(ctx, &action.to_string()).await?;
        let worked = match action.value.state {
            ActionState::Executing => {
                let outcome = settle::read_back(ports, ctx, project, &action.value).await?;
                settle::record(ports, ctx, project, action, outcome).await
            }
            ActionState::Executed => settle::verify(ports, ctx, project, action).await,
            ActionState::Approved => Box::pin(execute(ports, ctx, project, action)).await,
            _ => return Ok(false),
        };
        Ok(unless_overtaken(worked)?.is_some())
    }
}

/// An approval that was to execute at once, and whose voter's request is over.
fn is_to_begin(action: &Action, now: Timestamp) -> bool {
    let voted = action.votes.iter().map(|vote| vote.at).max();
    action.state == ActionState::Approved
        && action.execute_on_approval
        && voted.is_some_and(|voted| now.since(voted) >= SWEEP_AFTER)
}

/// That somebody else was faster is no failure: their act is recorded.
fn unless_overtaken<T>(result: Result<T, ActionError>) -> Result<Option<T>, ActionError> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(ActionError::Changed | ActionError::Expired) => Ok(None),
        Err(error) => Err(error),
    }
}
