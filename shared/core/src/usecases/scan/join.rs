//! Both sides meet: Stripe's from the files, the app's as it streams.

use std::time::Duration;

use super::read::is_final;
use super::rows::RowFiles;
use super::{Job, Scans};
use crate::cell::AppRow;
use crate::mapping::Artifact;
use crate::ports::{Completeness, ScanRequest};
use crate::reconcile::{Outcome, findings};
use crate::records::Records;
use crate::run::{RunStep, Unread};
use crate::scan::{FileKind, ScanFile};
use crate::snapshot::{Line, Recorder, take_stripe};
use crate::usecases::reconcile::{
    LookError, Reconcile, ReconcileError, RunSummary, Sources, acknowledged, counts, has_lasted,
    open_app, open_sources,
};

/// Both sides, compared.
struct Compared {
    outcome: Outcome,
    artifact: Artifact,
    /// Requests for prices, products and features.
    catalog: u64,
    /// The files with the app's rows.
    files: Vec<ScanFile>,
}

/// Why both sides did not meet.
enum NotJoined {
    /// The app's side, or what both need, cannot be read.
    Look(LookError),
    /// What was kept cannot be read, or rows cannot be kept.
    Kept(ReconcileError),
}

impl From<LookError> for NotJoined {
    fn from(error: LookError) -> Self {
        Self::Look(error)
    }
}

impl From<ReconcileError> for NotJoined {
    fn from(error: ReconcileError) -> Self {
        Self::Kept(error)
    }
}

impl Scans {
    pub(super) async fn join(&self, mut job: Job<'_>) -> Result<RunSummary, ReconcileError> {
        let as_of = job.scan.value.as_of;
        let recorder = Reconcile::recorder(&job.work, as_of, None);
        let compared = self.compare(&job, &recorder).await;
        let Compared {
            outcome,
            artifact,
            catalog,
            mut files,
        } = match compared {
            Ok(compared) => compared,
            Err(NotJoined::Look(error)) => {
                let request = job.join();
                return self.not_looked(job, error, request).await;
            }
            Err(NotJoined::Kept(error)) => return Err(error),
        };
        let found = &outcome.findings;
        let key = self.reconcile.pseudonym_key(&job.work).await?;
        let pseudonym = |subject: &str| Some(findings::pseudonym(&key, subject));
        let bytes = recorder.finish(found, &outcome.undecided, pseudonym)?;
        let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let label = "first".to_owned();
        let first = self.keep(&job, FileKind::First, label, &bytes, count);
        files.push(first.await?);
        let known = self.reconcile.incidents(job.work.ctx).await?;
        let run = &mut job.work.run.value;
        // What is not looked at again is what incidents say at this moment.
        run.decided_at = Some(self.reconcile.clock.now());
        run.counts = counts(&outcome);
        run.counts.catalog = catalog;
        run.mass_drift = outcome.is_mass_drift(artifact.max_drift_permille());
        run.drift_acknowledged = run.mass_drift && acknowledged(&known, outcome.differing());
        job.scan.value.files = files;
        let grace = artifact.race_grace();
        let new = |finding| !has_lasted(&known, job.work.project, finding, (as_of, grace));
        let run = &job.work.run.value;
        let again = found.iter().any(new) && !grace.is_zero();
        if again && !run.is_stopped() {
            return self.wait(job).await;
        }
        self.close(job, outcome.into()).await
    }

    pub(super) async fn sources(
        &self,
        job: &Job<'_>,
        recorder: Option<&Recorder>,
    ) -> Result<Sources, LookError> {
        let reconcile = &self.reconcile;
        let records = Records::of(reconcile.state.as_ref(), job.work.ctx);
        open_sources(
            &reconcile.vault,
            reconcile.billing.as_ref(),
            reconcile.databases.as_ref(),
            &records,
            job.work.ctx,
            job.work.project,
            recorder,
        )
        .await
    }

    /// Opens the app's side before anything of Stripe's is read: what nobody can be compared with need
    /// not be read.
    pub(super) async fn look_at_app(
        &self,
        mut job: Job<'_>,
        request: ScanRequest,
    ) -> Result<RunSummary, ReconcileError> {
        let reconcile = &self.reconcile;
        let records = Records::of(reconcile.state.as_ref(), job.work.ctx);
        let (ctx, project) = (job.work.ctx, job.work.project);
        let databases = reconcile.databases.as_ref();
        let opened = open_app(&reconcile.vault, databases, &records, ctx, project).await;
        if let Err(error) = opened {
            return self.not_looked(job, error, request).await;
        }
        let fits = |scan: &mut crate::scan::ScanWork| {
            scan.app_fits = true;
            scan.failures = 0;
            Ok(())
        };
        match self.update(&mut job, fits).await? {
            Ok(()) => self.go_on(job, &request).await,
            Err(_) => Ok(job.summary()),
        }
    }

    async fn compare(&self, job: &Job<'_>, recorder: &Recorder) -> Result<Compared, NotJoined> {
        let sources = self.sources(job, None).await?;
        recorder.line(&Line::Columns(sources.columns.clone()));
        recorder.line(&Line::Catalog(sources.catalog.clone()));
        let (project, run) = job.ids();
        let mut engine = sources.engine(job.scan.value.as_of);
        let lists = job.scan.value.all_files();
        for file in lists.filter(|file| matches!(file.kind, FileKind::List(_))) {
            let stored = file.snapshot(project, run);
            let bytes = self.reconcile.kept(&job.work, &stored).await?;
            take_stripe(bytes.reveal(), &mut engine).map_err(ReconcileError::from)?;
        }
        let mut join = engine.seal();
        let look = Reconcile::first_line(&job.work, job.scan.value.as_of, None);
        let limit = self.limits.row_bytes;
        let rows = RowFiles::new(self.scratch.as_ref(), look, limit);
        let mut rows = rows.map_err(ReconcileError::from)?;
        let table = sources.artifact.table();
        let mut each = |some: &[AppRow]| {
            join.rows(some);
            for row in some {
                rows.push(row.clone());
            }
        };
        let read = sources.app.rows(&table, &mut each).await;
        if read.map_err(LookError::App)? == Completeness::Capped {
            return Err(LookError::TooManyRows.into());
        }
        let outcome = join.finish();
        let written = rows.finish().map_err(ReconcileError::from)?;
        let mut files = Vec::new();
        for (number, part) in (1_u64..).zip(written) {
            let bytes = rows.file(part).map_err(ReconcileError::from)?;
            let label = format!("rows-{number}");
            let kept = self.keep(job, FileKind::Rows, label, &bytes, part.rows);
            files.push(kept.await?);
        }
        Ok(Compared {
            outcome,
            catalog: sources.catalog.requests(),
            artifact: sources.artifact,
            files,
        })
    }

    /// Saves what the first look found and asks for the second one after the race grace.
    async fn wait(&self, mut job: Job<'_>) -> Result<RunSummary, ReconcileError> {
        let records = Records::of(self.reconcile.state.as_ref(), job.work.ctx);
        let now = self.reconcile.clock.now();
        job.work.run.value.step = RunStep::Confirming;
        job.work.run.value.touched_at = now;
        job.scan.value.touched_at = now;
        job.scan.value.failures = 0;
        let writes = vec![
            records.replace(job.work.run.version, &job.work.run.value)?,
            records.replace(job.scan.version, &job.scan.value)?,
        ];
        if !self.reconcile.state.write(writes).await? {
            // Another worker has joined the same files: what that one found counts.
            return Ok(job.summary());
        }
        self.ask_for_second_look(&job).await?;
        Ok(job.summary())
    }

    pub(super) async fn ask_for_second_look(&self, job: &Job<'_>) -> Result<(), ReconcileError> {
        let records = Records::of(self.reconcile.state.as_ref(), job.work.ctx);
        let artifact = crate::usecases::reconcile::active_mapping(&records, job.work.project);
        let grace = artifact.await?.race_grace();
        self.send(job.confirm(), grace).await?;
        Ok(())
    }

    /// A side could not be read: the same again later, or the scan ends here.
    pub(super) async fn not_looked(
        &self,
        mut job: Job<'_>,
        error: LookError,
        request: ScanRequest,
    ) -> Result<RunSummary, ReconcileError> {
        let failed = |scan: &mut crate::scan::ScanWork| {
            scan.failures = scan.failures.saturating_add(1);
            Ok(scan.failures)
        };
        let Ok(failures) = self.update(&mut job, failed).await? else {
            return Ok(job.summary());
        };
        if is_final(&error) || failures >= self.limits.failures {
            let unread = Unread {
                what: error.unread().to_owned(),
                range: None,
            };
            return self.close_partial(job, error, unread).await;
        }
        let wait: Duration = self.limits.retry.saturating_mul(failures);
        self.send(request, wait).await?;
        Ok(job.summary())
    }
}
