//! Scans: all customers of a project, read by many workers.
//!
//! ```text
//! open run -> Read (one message per shard, pages to files) or Refresh (what has changed) -> Join (compare) -> race grace
//!          -> Confirm (the second look, a part at a time) -> close run -> incident rows
//! ```
//! [`crate::scan`] decides, this carries it out. Only what stands in the scan's record counts, so a
//! message may come twice and a worker may die anywhere; each file lies under a key of its own, and
//! what no record names is read by nobody and goes with the run's other files. No worker holds more
//! than one file of what it reads or joins.

mod confirm;
mod finish;
mod join;
mod read;
mod refresh;
mod rows;
mod schedule;
mod turn;

pub use schedule::{KeepSchedule, Measured, ScheduleError, ScheduleView};
pub(super) use turn::customers_of_last_scan;

use std::sync::Arc;
use std::time::Duration;

use self::schedule::schedule;
use self::turn::Turn;
use crate::ids::{ProjectId, RunId};
use crate::ports::{AppendError, PortError, ScanRequest, ScanRequests, Scratch, State};
use crate::records::{Directory, Project, RecordError, Records, Versioned};
use crate::run::{Basis, Run, RunScope, RunStep};
use crate::scan::{
    Due, FileKind, ScanFile, ScanWork, Scanned, Superseded, failed, incremental, last_complete,
    last_full,
};
use crate::snapshot::reader;
use crate::tenancy::TenantCtx;
use crate::usecases::receive_webhook::catalogue_changed;
use crate::usecases::reconcile::{ABANDONED, Reconcile, ReconcileError, RunSummary, Work, summary};

/// Workers that write the record at the same moment: all but one of them read it again.
const ATTEMPTS: u32 = 50;

/// A run that could not be finished for so long never will be.
const HOPELESS: Duration = Duration::from_hours(24);

/// How much a worker does before it saves, hands over or gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanLimits {
    /// Objects of one file of Stripe's side.
    pub objects: u64,
    /// Customers that are read again even where reading everything costs less.
    pub changed: u64,
    /// Compressed bytes of one file of rows.
    pub row_bytes: usize,
    /// How long a worker reads before it hands over: shorter than its function may run.
    pub hand_over: Duration,
    /// Findings of one second look.
    pub again: usize,
    /// Failures in a row after which the scan is closed as partial.
    pub failures: u32,
    /// Wait before a piece of work is tried again, times the failures so far.
    pub retry: Duration,
    /// How often a schedule sends the messages of a silent scan again.
    pub revivals: u32,
    /// How long a scan that was asked for waits before it asks again whether another one is done.
    pub turn: Duration,
}

impl Default for ScanLimits {
    fn default() -> Self {
        Self {
            objects: 50_000,
            changed: 0,
            row_bytes: 8 << 20,
            hand_over: Duration::from_mins(12),
            again: 500,
            failures: 5,
            retry: Duration::from_secs(30),
            revivals: 2,
            turn: Duration::from_mins(1),
        }
    }
}

/// Runs scans.
#[derive(Clone)]
pub struct Scans {
    /// What scans and checks share.
    pub reconcile: Reconcile,
    /// The scans queue.
    pub requests: Arc<dyn ScanRequests>,
    /// Room for the app's rows while they stream.
    pub scratch: Arc<dyn Scratch>,
    /// Limits.
    pub limits: ScanLimits,
}

impl std::fmt::Debug for Scans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scans")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A scan at work: its run and its record.
struct Job<'a> {
    work: Work<'a>,
    scan: Versioned<ScanWork>,
}

impl Job<'_> {
    fn ids(&self) -> (ProjectId, RunId) {
        (self.work.project.id, self.work.run.value.id)
    }

    fn read(&self, shard: u32) -> ScanRequest {
        let (project, run) = self.ids();
        ScanRequest::Read {
            project,
            run,
            shard,
        }
    }

    fn refresh(&self) -> ScanRequest {
        let (project, run) = self.ids();
        ScanRequest::Refresh { project, run }
    }

    fn join(&self) -> ScanRequest {
        let (project, run) = self.ids();
        ScanRequest::Join { project, run }
    }

    fn confirm(&self) -> ScanRequest {
        let (project, run) = self.ids();
        ScanRequest::Confirm { project, run }
    }

    fn summary(&self) -> RunSummary {
        summary(&self.work.run.value)
    }
}

/// Every project that has what a scan needs; the others are not due for anything yet.
async fn ready(state: &dyn State) -> Result<Vec<Project>, RecordError> {
    let projects = Directory::of(state).projects().await?.into_iter();
    Ok(projects.filter(|it| it.missing().is_empty()).collect())
}

impl Scans {
    /// Starts a scan of every project, of everything or of what has changed, and first sees to runs that have been silent for long. Where a
    /// scan is at work, it is that one. One project's failure does not stop the others.
    ///
    /// # Errors
    /// When the projects cannot be listed.
    pub async fn scan_all(
        &self,
        wanted: Due,
    ) -> Result<Vec<(ProjectId, Result<RunSummary, ReconcileError>)>, ReconcileError> {
        let mut results = Vec::new();
        let state = self.reconcile.state.as_ref();
        for project in ready(state).await? {
            let ctx = Directory::system(&project, "scan");
            let result = async {
                let woken = self.wake(&ctx, &project).await;
                let run = self.new_run();
                let started = self.start(run, &ctx, &project, "schedule", wanted);
                let started = started.await?;
                woken.map(|()| started)
            };
            results.push((project.id, result.await));
        }
        Ok(results)
    }

    /// Starts a scan of every project that is due for one by its schedule, and first sees to runs that
    /// have been silent for long. `None` where nothing is due, or a scan is still at work.
    ///
    /// # Errors
    /// When the projects cannot be listed.
    pub async fn scan_due(
        &self,
    ) -> Result<Vec<(ProjectId, Result<Option<RunSummary>, ReconcileError>)>, ReconcileError> {
        let mut results = Vec::new();
        let state = self.reconcile.state.as_ref();
        for project in ready(state).await? {
            let ctx = Directory::system(&project, "scan");
            let result = async {
                let woken = self.wake(&ctx, &project).await;
                let started = match self.due(&ctx).await? {
                    Some(due) => {
                        let run = self.new_run();
                        let started = self.start(run, &ctx, &project, "schedule", due);
                        Some(started.await?)
                    }
                    None => None,
                };
                woken.map(|()| started)
            };
            results.push((project.id, result.await));
        }
        Ok(results)
    }

    /// What is to be scanned now.
    async fn due(&self, ctx: &TenantCtx) -> Result<Option<Due>, ReconcileError> {
        let records = Records::of(self.reconcile.state.as_ref(), ctx);
        let schedule = schedule(&records).await?.value;
        let runs = records.list::<Run>().await?;
        let mut scans = runs.iter().filter(|run| run.value.scope == RunScope::Scan);
        if scans.any(|run| run.value.step != RunStep::Done) {
            return Ok(None);
        }
        let runs: Vec<Run> = runs.into_iter().map(|run| run.value).collect();
        let scanned = Scanned {
            full: last_full(&runs).map(|run| run.as_of),
            latest: last_complete(&runs).map(|run| run.as_of),
            catalogue: catalogue_changed(&records).await?,
            failed: failed(&runs),
        };
        Ok(schedule.due(scanned, self.reconcile.clock.now()))
    }

    fn new_run(&self) -> RunId {
        let random = self.reconcile.random.bits128();
        RunId::new(self.reconcile.clock.now(), random)
    }

    /// Opens a scan and asks for its first pages. While another one of the project is at work, it is
    /// that one.
    async fn start(
        &self,
        id: RunId,
        ctx: &TenantCtx,
        project: &Project,
        reason: &str,
        wanted: Due,
    ) -> Result<RunSummary, ReconcileError> {
        let turn = match self.turn(ctx, id).await? {
            Turn::Free(turn) => *turn,
            Turn::Taken(other) => return Ok(summary(&other)),
        };
        let records = Records::of(self.reconcile.state.as_ref(), ctx);
        let now = self.reconcile.clock.now();
        let key = project.stripe()?;
        let basis = match wanted {
            Due::Full => Basis::full(key, reader(), now, None),
            Due::Incremental => {
                let runs = records.list::<Run>().await?;
                let runs = runs.iter().map(|run| &run.value);
                incremental(runs, key, now)
            }
        };
        let mapping = project.active_mapping()?.to_owned();
        let value = ScanWork::open(id, mapping, now, &basis);
        let mut run = Run::opened(id, RunScope::Scan, reason, now);
        run.basis = Some(basis);
        let rows = vec![records.create(&value)?, turn];
        let work = match self.reconcile.open(ctx, project, run, rows).await {
            Err(ReconcileError::Evidence(error @ AppendError::StateChanged { .. })) => {
                // Somebody else has taken the turn at the same moment, or opened this very run.
                return match self.turn(ctx, id).await? {
                    Turn::Taken(other) => Ok(summary(&other)),
                    Turn::Free(_) => Err(error.into()),
                };
            }
            opened => opened?,
        };
        let scan = Versioned {
            value,
            version: 1,
            evidence: None,
        };
        let job = Job { work, scan };
        self.ask_for_all(&job).await?;
        Ok(job.summary())
    }

    /// Takes one message of the scans queue.
    ///
    /// # Errors
    /// When something could not be done; the message should come again.
    pub async fn handle(&self, request: &ScanRequest) -> Result<RunSummary, ReconcileError> {
        let (project, run) = request.scan();
        let mut project = self.reconcile.project(project).await?;
        let ctx = Directory::system(&project, "scan");
        let records = Records::of(self.reconcile.state.as_ref(), &ctx);
        let found = records.get::<Run>(&run.to_string()).await?;
        if found.is_none() && matches!(request, ScanRequest::Start { .. }) {
            // Like the schedule's, with a second look: so many rows are never all at rest.
            let started = self.start(run, &ctx, &project, "asked", Due::Full).await?;
            if started.run != run {
                // It was asked for while another one is at work, and what that one has read by now
                // may be older than the question: it waits for its turn.
                self.send(*request, self.limits.turn).await?;
            }
            return Ok(started);
        }
        let run = found.ok_or(ReconcileError::NotReady)?;
        let (id, step) = (run.value.id, run.value.step);
        if matches!(step, RunStep::Done | RunStep::Recording) {
            return self.reconcile.resume(&ctx, &project, id).await;
        }
        let scan = records.get::<ScanWork>(&id.to_string()).await?;
        let scan = scan.ok_or(ReconcileError::NotReady)?;
        // The run cites the mapping that it was opened with, whatever is active by now.
        project.mapping = Some(scan.value.mapping.clone());
        let work = Work {
            ctx: &ctx,
            project: &project,
            run,
        };
        let job = Job { work, scan };
        let reads = matches!(
            request,
            ScanRequest::Read { .. } | ScanRequest::Refresh { .. }
        );
        if reads && step == RunStep::Looking && !job.scan.value.app_fits {
            return Box::pin(self.look_at_app(job, *request)).await;
        }
        // Boxed: each piece of work is a large future, and one is done at a time.
        Box::pin(self.go_on(job, request)).await
    }

    async fn go_on(
        &self,
        job: Job<'_>,
        request: &ScanRequest,
    ) -> Result<RunSummary, ReconcileError> {
        let step = job.work.run.value.step;
        match (request, step) {
            // It is open: whoever opened it may not have been able to say so.
            (ScanRequest::Start { .. }, RunStep::Looking) => {
                self.ask_for_all(&job).await?;
                Ok(job.summary())
            }
            (ScanRequest::Refresh { .. }, RunStep::Looking) => self.refresh(job).await,
            (ScanRequest::Read { shard, .. }, RunStep::Looking) => self.read(job, *shard).await,
            (ScanRequest::Join { .. }, RunStep::Looking) if job.scan.value.is_read() => {
                self.join(job).await
            }
            (ScanRequest::Join { .. }, RunStep::Confirming) => {
                // Whoever joined may not have been able to say so.
                self.ask_for_second_look(&job).await?;
                Ok(job.summary())
            }
            (ScanRequest::Confirm { .. }, RunStep::Confirming) => self.confirm(job).await,
            _ => Ok(job.summary()),
        }
    }

    async fn send(&self, request: ScanRequest, delay: Duration) -> Result<(), PortError> {
        self.requests.send(&request, delay).await
    }

    /// Sends the messages of everything that is left to do.
    async fn ask_for_all(&self, job: &Job<'_>) -> Result<(), ReconcileError> {
        if job.work.run.value.step == RunStep::Confirming {
            self.send(job.confirm(), Duration::ZERO).await?;
            return Ok(());
        }
        let refresh = job.scan.value.refresh.as_ref();
        if refresh.is_some_and(|refresh| !refresh.done) {
            self.send(job.refresh(), Duration::ZERO).await?;
        }
        for shard in job.scan.value.open_shards() {
            self.send(job.read(shard), Duration::ZERO).await?;
        }
        if job.scan.value.is_read() {
            self.send(job.join(), Duration::ZERO).await?;
        }
        Ok(())
    }

    /// Sees to runs of the project that have been silent for long: a scan's messages are sent again,
    /// a few times; then it is closed. One that fails does not keep the others: the first error is
    /// returned at the end.
    async fn wake(&self, ctx: &TenantCtx, project: &Project) -> Result<(), ReconcileError> {
        let now = self.reconcile.clock.now();
        let records = Records::of(self.reconcile.state.as_ref(), ctx);
        let mut first_error = None;
        for run in records.list::<Run>().await? {
            let silent = now.since(run.value.touched_at);
            if silent < ABANDONED || run.value.step == RunStep::Done {
                continue;
            }
            let work = Work { ctx, project, run };
            if let Err(error) = self.wake_one(work, silent).await {
                first_error = first_error.or(Some(error));
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn wake_one(&self, work: Work<'_>, silent: Duration) -> Result<(), ReconcileError> {
        let records = Records::of(self.reconcile.state.as_ref(), work.ctx);
        let id = work.run.value.id.to_string();
        let Some(scan) = records.get::<ScanWork>(&id).await? else {
            if silent >= HOPELESS {
                return self.reconcile.abandon(work).await;
            }
            return self.reconcile.finish(work).await;
        };
        if self.reconcile.clock.now().since(scan.value.touched_at) < ABANDONED {
            return Ok(());
        }
        let mut job = Job { work, scan };
        if job.scan.value.revived >= self.limits.revivals {
            return self.give_up(job).await;
        }
        let revive = |scan: &mut ScanWork| {
            scan.revived = scan.revived.saturating_add(1);
            Ok(())
        };
        if self.update(&mut job, revive).await?.is_ok() {
            self.ask_for_all(&job).await?;
        }
        Ok(())
    }

    /// Writes the record under its version, on top of whatever others have written meanwhile.
    async fn update<T: Send>(
        &self,
        job: &mut Job<'_>,
        change: impl Fn(&mut ScanWork) -> Result<T, Superseded> + Send + Sync,
    ) -> Result<Result<T, Superseded>, ReconcileError> {
        let state = self.reconcile.state.as_ref();
        let records = Records::of(state, job.work.ctx);
        for _ in 0..ATTEMPTS {
            let mut next = job.scan.value.clone();
            let changed = match change(&mut next) {
                Ok(changed) => changed,
                Err(superseded) => return Ok(Err(superseded)),
            };
            next.touched_at = self.reconcile.clock.now();
            let write = records.replace(job.scan.version, &next)?;
            if state.write(vec![write]).await? {
                job.scan.value = next;
                job.scan.version = job.scan.version.saturating_add(1);
                return Ok(Ok(changed));
            }
            let id = job.scan.value.id.to_string();
            match records.get::<ScanWork>(&id).await? {
                Some(found) => job.scan = found,
                // The run is closed.
                None => return Ok(Err(Superseded)),
            }
        }
        Err(ReconcileError::NotReady)
    }

    /// Stores a file of the scan. Nothing names it yet.
    async fn keep(
        &self,
        job: &Job<'_>,
        kind: FileKind,
        label: String,
        file: &[u8],
        count: u64,
    ) -> Result<ScanFile, ReconcileError> {
        let name = ScanFile::name(job.work.run.value.id, &label);
        let stored = self.reconcile.store(&job.work, name, file).await?;
        Ok(ScanFile {
            kind,
            label,
            secret: stored.secret,
            digest: stored.digest,
            bytes: stored.bytes,
            count,
        })
    }
}
