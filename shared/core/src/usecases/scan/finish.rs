//! How a scan ends: with findings, or saying what could not be read.

use super::{Job, Scans};
use crate::ports::StateWrite;
use crate::records::Records;
use crate::run::{Basis, RunResult, Unread};
use crate::scan::{EVENTS, RefreshStep, ScanFile, ScanWork};
use crate::snapshot::{Told, index};
use crate::usecases::reconcile::{
    LookError, Reconcile, ReconcileError, RunSummary, active_mapping,
};

impl Job<'_> {
    /// Says in the run what was read in the end.
    fn settle_basis(&mut self) {
        let scan = &self.scan.value;
        let Some(basis) = &mut self.work.run.value.basis else {
            return;
        };
        if let Some(refresh) = &scan.refresh {
            basis.since = Some(refresh.baseline);
        } else {
            let reader = std::mem::take(&mut basis.reader);
            *basis = Basis::full(basis.key, reader, scan.as_of, scan.instead);
        }
    }
}

impl Scans {
    /// Closes a scan that has compared everything. `run.close` names the index of its files, and the
    /// index names each of them: a scan of any size is one entry.
    pub(super) async fn close(
        &self,
        mut job: Job<'_>,
        told: Told,
    ) -> Result<RunSummary, ReconcileError> {
        let records = Records::of(self.reconcile.state.as_ref(), job.work.ctx);
        let artifact = active_mapping(&records, job.work.project).await?;
        let look = Reconcile::first_line(&job.work, job.scan.value.as_of, None);
        let bytes = index(&look, job.scan.value.all_files())?;
        let name = ScanFile::name(job.work.run.value.id, "index");
        let stored = self.reconcile.store(&job.work, name, &bytes).await?;
        job.work.run.value.looks.push(stored);
        job.settle_basis();
        let key = self.reconcile.pseudonym_key(&job.work).await?;
        let done = vec![self.forget(&job)];
        let work = job.work;
        self.reconcile
            .close_kept(work, &artifact, told, &key, done)
            .await
    }

    /// Closes a scan that could not read everything: no incident opens, changes or resolves.
    pub(super) async fn close_partial(
        &self,
        mut job: Job<'_>,
        error: LookError,
        unread: Unread,
    ) -> Result<RunSummary, ReconcileError> {
        let done = vec![self.forget(&job)];
        job.work.run.value.unread = Some(unread);
        self.reconcile
            .close_without_findings(job.work, RunResult::Partial, error.code(), done)
            .await
            .map(|summary| summary.because(error))
    }

    /// Closes a scan whose workers never came to an end.
    pub(super) async fn give_up(&self, mut job: Job<'_>) -> Result<(), ReconcileError> {
        let done = vec![self.forget(&job)];
        let open = job.scan.value.shards.iter().find(|shard| !shard.done);
        let refresh = job.scan.value.refresh.as_ref();
        let events = refresh.is_some_and(|refresh| refresh.step() == RefreshStep::Ask);
        let unread = match open {
            Some(shard) => Some((shard.list.name(), Some(shard.range))),
            None if events => Some((EVENTS, None)),
            None => None,
        };
        job.work.run.value.unread = unread.map(|(what, range)| Unread {
            what: what.to_owned(),
            range,
        });
        let reconcile = &self.reconcile;
        reconcile
            .close_without_findings(job.work, RunResult::Aborted, "worker-died", done)
            .await?;
        Ok(())
    }

    /// The scan's record goes with its run's end: its cursors are ids of people's objects.
    fn forget(&self, job: &Job<'_>) -> StateWrite {
        let records = Records::of(self.reconcile.state.as_ref(), job.work.ctx);
        StateWrite::delete(records.key::<ScanWork>(&job.scan.value.id.to_string()))
    }
}
