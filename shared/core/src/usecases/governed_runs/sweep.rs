//! The sweep ends runs whose caller never came back. It may come twice, and die in between: each step
//! is one transaction on records at the versions that were read.
//!
//! An action that still waits is ended first, as expired, so that no run closes over somebody who may
//! still vote.

use std::sync::Arc;

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::facts::closing;
use super::open::open_no_more;
use super::{GovernedRuns, RunError, Stepped, Waiting, corrupt};
use crate::governed_run::{GovernedRun, IDLE_AFTER, OpenRun, RunEnd, Step, answering};
use crate::ids::{ProjectId, RunId};
use crate::ports::{Batch, StateWrite};
use crate::records::{Directory, Project, Versioned};
use crate::repair::ActionState;
use crate::tenancy::{Principal, TenantCtx};
use crate::usecases::facts::resolution;

/// Whose acts these are.
const DUTY: &str = "expiry";

/// Ends what was left.
#[derive(Debug, Clone)]
pub struct SweepRuns {
    /// Runs.
    pub runs: GovernedRuns,
}

/// What a sweep did.
#[derive(Debug, Default)]
pub struct SweptRuns {
    /// Actions that waited past their time.
    pub expired: usize,
    /// Runs that ended with something in hand.
    pub aborted: usize,
    /// Runs whose time was over.
    pub ended: usize,
    /// What went wrong. It stopped nothing else.
    pub failed: Vec<(ProjectId, Option<RunId>, Arc<RunError>)>,
}

impl SweepRuns {
    /// One pass over every project.
    ///
    /// # Errors
    /// When the projects cannot be listed.
    pub async fn sweep(&self) -> Result<SweptRuns, RunError> {
        let mut swept = SweptRuns::default();
        let directory = Directory::of(self.runs.state.as_ref());
        for project in directory.projects().await? {
            if let Err(error) = self.in_project(&project, &mut swept).await {
                swept.failed.push((project.id, None, Arc::new(error)));
            }
        }
        Ok(swept)
    }

    async fn in_project(&self, project: &Project, swept: &mut SweptRuns) -> Result<(), RunError> {
        let ctx = Directory::system(project, DUTY);
        let now = self.runs.clock.now();
        let records = self.runs.records(&ctx);
        for waiting in records.list::<Waiting>().await? {
            // Repairs are ended where they are carried out.
            if waiting.value.repair || waiting.value.expires_at > now {
                continue;
            }
            match self.expire(&ctx, project, &waiting.value).await {
                Ok(ended) => swept.expired = swept.expired.saturating_add(usize::from(ended)),
                Err(error) => {
                    let run = Some(waiting.value.run);
                    swept.failed.push((project.id, run, Arc::new(error)));
                }
            }
        }
        for open in records.list::<OpenRun>().await? {
            let id = open.value.id;
            let read = records.get::<GovernedRun>(&id.to_string()).await;
            let run = match read {
                Ok(run) => run,
                // One that cannot be read keeps no other one open.
                Err(error) => {
                    let error = Arc::new(error.into());
                    swept.failed.push((project.id, Some(id), error));
                    continue;
                }
            };
            let Some(run) = run else {
                // The run may be read a moment after the row that came with it.
                if now.since(id.made_at()) >= IDLE_AFTER {
                    let left = StateWrite::delete(records.key::<OpenRun>(&id.to_string()));
                    self.runs.state.write(vec![left]).await?;
                }
                continue;
            };
            let Some(end) = run.value.due(now) else {
                continue;
            };
            match self.end(&ctx, project, run, end).await {
                Ok(true) if end == RunEnd::Aborted => {
                    swept.aborted = swept.aborted.saturating_add(1);
                }
                Ok(true) => swept.ended = swept.ended.saturating_add(1),
                Ok(false) => {}
                Err(error) => swept.failed.push((project.id, Some(id), Arc::new(error))),
            }
        }
        Ok(())
    }

    /// Ends an action that waits. Whether it was this pass that did.
    async fn expire(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        waiting: &Waiting,
    ) -> Result<bool, RunError> {
        let found = self.runs.action(ctx, &waiting.id.to_string()).await?;
        if found.value.state != ActionState::Held {
            return Ok(false);
        }
        let decision = found.value.decided.clone();
        let decision = decision.ok_or_else(|| corrupt("reading the action's decision"))?;
        let system = ctx.principal();
        let facts = resolution(&decision, &system.id(), false, system);
        let draft = Draft::new(Kind::RunResolution, facts).in_run(found.value.binding.run);
        let stepped = Stepped {
            steps: answering(!found.value.is_answered(), Step::Expired),
            action: found.value,
            version: found.version,
            batch: Batch::of([draft]),
        };
        let records = self.runs.records(ctx);
        let (stream, now) = (project.stream_id()?, self.runs.clock.now());
        let evidence = self.runs.evidence.as_ref();
        unless_overtaken(stepped.take(evidence, stream, records, now).await)
            .map(|taken| taken.is_some())
    }

    /// Ends a run. Whether it was this pass that did.
    async fn end(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        mut run: Versioned<GovernedRun>,
        end: RunEnd,
    ) -> Result<bool, RunError> {
        if run.value.held > 0 {
            let waiting = self.runs.records(ctx).list::<Waiting>().await?;
            for waiting in waiting.iter().map(|it| &it.value) {
                if waiting.repair || waiting.run != run.value.id {
                    continue;
                }
                self.expire(ctx, project, waiting).await?;
            }
            let id = run.value.id.to_string();
            run = self.runs.run(ctx, &id).await?;
        }
        // Something may have been proposed since it was read.
        if run.value.due(self.runs.clock.now()) != Some(end) {
            return Ok(false);
        }
        let after = run.value.swept(end, self.runs.clock.now());
        let draft = closing(&after, None, by(ctx));
        let records = self.runs.records(ctx);
        let batch = Batch::of([draft])
            .with(records.replace(run.version, &after)?.explained_by(0))
            .with(open_no_more(&records, &after).explained_by(0));
        let appended = self.runs.evidence.append(project.stream_id()?, batch).await;
        unless_overtaken(appended.map_err(RunError::from)).map(|ended| ended.is_some())
    }
}

const fn by(ctx: &TenantCtx) -> &Principal {
    ctx.principal()
}

/// That somebody else was faster is no failure: their act is recorded.
fn unless_overtaken<T>(result: Result<T, RunError>) -> Result<Option<T>, RunError> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(RunError::Changed | RunError::WrongState(_) | RunError::Ended(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
