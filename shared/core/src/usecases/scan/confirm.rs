//! The second look, a part at a time: only a difference that is still there on both sides is a
//! finding. Many findings never outlive a function.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Job, Scans};
use crate::ids::IncidentId;
use crate::incident::Incident;
use crate::ports::{PortError, PortErrorKind};
use crate::reconcile::{Finding, findings};
use crate::records::Records;
use crate::scan::{FileKind, ScanWork, Superseded};
use crate::snapshot;
use crate::usecases::reconcile::{
    Reconcile, ReconcileError, RunSummary, Times, active_mapping, has_lasted, second_look,
};

impl Scans {
    pub(super) async fn confirm(&self, mut job: Job<'_>) -> Result<RunSummary, ReconcileError> {
        let (from, findings) = self.next_findings(&job).await?;
        if !findings.is_empty() {
            let handled = findings.len();
            let now = self.reconcile.clock.now();
            let known = self.known(&job, &findings).await?;
            let recorder = Reconcile::recorder(&job.work, now, Some(known.clone()));
            let confirmed = async {
                let sources = self.sources(&job, Some(&recorder)).await?;
                let project = job.work.project.id;
                let scope = &job.work.run.value.scope;
                let first = job.scan.value.as_of;
                let times = Times { first, again: now };
                second_look(&sources, project, scope, findings, &known, times).await
            };
            let confirmed = match confirmed.await {
                Ok(again) => again.told,
                Err(error) => {
                    let request = job.confirm();
                    return self.not_looked(job, error, request).await;
                }
            };
            let key = self.reconcile.pseudonym_key(&job.work).await?;
            let pseudonym = |subject: &str| Some(findings::pseudonym(&key, subject));
            let bytes = recorder.finish(&confirmed.found, &confirmed.undecided, pseudonym)?;
            let handled = u64::try_from(handled).unwrap_or(u64::MAX);
            let label = format!("again-{}", from.saturating_add(1));
            let kept = self.keep(&job, FileKind::Again, label, &bytes, handled);
            let kept = kept.await?;
            let save = |scan: &mut ScanWork| {
                if scan.handled != from {
                    return Err(Superseded);
                }
                scan.files.push(kept.clone());
                scan.handled = from.saturating_add(handled);
                scan.failures = 0;
                Ok(())
            };
            if self.update(&mut job, save).await?.is_err() {
                return Ok(job.summary());
            }
        }
        if job.scan.value.handled < first(&job)?.count {
            self.send(job.confirm(), Duration::ZERO).await?;
            return Ok(job.summary());
        }
        let files = &job.scan.value.files;
        let told = self.reconcile.told_in(&job.work, files).await?;
        self.close(job, told).await
    }

    /// The findings of the first look that come next, and how many came before.
    async fn next_findings(&self, job: &Job<'_>) -> Result<(u64, Vec<Finding>), ReconcileError> {
        let (project, run) = job.ids();
        let stored = first(job)?.snapshot(project, run);
        let from = job.scan.value.handled;
        let bytes = self.reconcile.kept(&job.work, &stored).await?;
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let all = snapshot::findings(bytes.reveal())?.into_iter();
        Ok((from, all.skip(skip).take(self.limits.again).collect()))
    }

    /// Which of these have lasted already.
    async fn known(
        &self,
        job: &Job<'_>,
        findings: &[Finding],
    ) -> Result<BTreeSet<IncidentId>, ReconcileError> {
        let incidents = self.reconcile.incidents(job.work.ctx).await?;
        let project = job.work.project;
        let records = Records::of(self.reconcile.state.as_ref(), job.work.ctx);
        let grace = active_mapping(&records, project).await?.race_grace();
        let at = (job.scan.value.as_of, grace);
        let known = findings
            .iter()
            .filter(|finding| has_lasted(&incidents, project, finding, at));
        Ok(known
            .map(|finding| Incident::identity(project.id, finding))
            .collect())
    }
}

/// The file with what the first look found.
fn first<'a>(job: &'a Job<'_>) -> Result<&'a crate::scan::ScanFile, PortError> {
    let mut files = job.scan.value.files.iter();
    files
        .find(|file| file.kind == FileKind::First)
        .ok_or_else(|| PortError::new(PortErrorKind::Corrupt, "reading the scan's record"))
}
