//! Checks: open a run, look, look again after the race grace, record, propose.
//!
//! Every step is durable before the next begins ([`crate::run::RunStep`]), so a message that comes
//! twice or a worker that dies changes nothing: `confirm` goes on from where the run is. Scans read
//! their inputs in parts ([`super::scan`]) and end here.

mod again;
mod alone;
mod breaker;
mod check;
mod look;
mod newcomers;
mod record;
mod requests;
mod seen;
mod snapshot;
mod sources;
mod undecided;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::json::object;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use thiserror::Error;

pub use again::confirm_each;
pub(super) use again::{look_again, second_look};
pub(super) use look::first_look;
pub use look::{CustomerLook, look_at_all, look_at_customer};
pub(super) use newcomers::Times;
pub use seen::Seen;
pub use snapshot::open_snapshot;
use sources::SOURCE_REFUSED;
pub use sources::{BillingAccounts, LookError, Sides, Sources, flow_version};
pub(super) use sources::{active_mapping, open_app, open_sources};

use super::ask_checks::who_asked;
use super::connections::ended_since;
use super::facts::{Closing, FileRef, Opening};
use super::vault::{Vault, VaultError};
use crate::ids::{IncidentId, ProjectId, RunId};
use crate::incident::Incident;
use crate::json::JsonError;
use crate::ports::{
    AppDatabase, AppendError, Batch, CheckRequest, Checks, Clock, EvidenceAppend, Objects,
    PortError, Proposals, Random, State, StateWrite,
};
use crate::reconcile::{Finding, Outcome};
use crate::records::{Directory, Project, RecordError, Records, Versioned};
use crate::run::{Run, RunCounts, RunResult, RunScope, RunStep};
use crate::snapshot::{SnapshotError, Told};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

/// What a run ends with when Stripe refused its key, and the last probe said the same.
const CONNECTION_ENDED: &str = "connection-ended";

/// A run that has made no progress for this long is finished or given up by the next schedule.
/// Longer than the function may live, plus the longest race grace.
pub(super) const ABANDONED: Duration = Duration::from_mins(30);

/// What a run came to.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// How far it is.
    pub step: RunStep,
    /// How it ended, once it has.
    pub result: Option<RunResult>,
    /// Numbers.
    pub counts: RunCounts,
    /// Why nothing could be compared, for the operator's log.
    pub problem: Option<Arc<LookError>>,
}

impl RunSummary {
    pub(super) fn because(self, error: LookError) -> Self {
        Self {
            problem: Some(Arc::new(error)),
            ..self
        }
    }
}

/// Why a run could not go on. What is durable stays, and the next message goes on from there.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// Evidence could not be written, so nothing else happened.
    #[error("evidence could not be written: nothing else happened")]
    Evidence(#[from] AppendError),
    /// A service did not answer.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read or written.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// Work in progress could not be sealed or opened.
    #[error("the run's work could not be sealed or opened")]
    Vault(#[from] VaultError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
    /// What was read could not be kept or read again.
    #[error("the run's snapshot could not be kept or read")]
    Snapshot(#[from] SnapshotError),
    /// No such project.
    #[error("there is no such project")]
    NoProject,
    /// The run is not where the message expects it; the message may come again.
    #[error("the run is not ready for this step")]
    NotReady,
}

/// Runs checks and scans.
#[derive(Clone)]
pub struct Reconcile {
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// State.
    pub state: Arc<dyn State>,
    /// Opens credentials, seals work in progress.
    pub vault: Vault,
    /// Findings and sealed work.
    pub objects: Arc<dyn Objects>,
    /// The checks queue.
    pub checks: Arc<dyn Checks>,
    /// Proposes repairs.
    pub proposals: Arc<dyn Proposals>,
    /// The customer's database.
    pub databases: Arc<dyn AppDatabase>,
    /// Stripe.
    pub billing: Arc<dyn BillingAccounts>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for Reconcile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reconcile")
    }
}

/// What `run.open` calls the compiled mapping of this digest.
pub(crate) fn mapping_name(digest: &str) -> String {
    let hex = digest.rsplit(':').next().unwrap_or(digest);
    format!("mappings/{hex}.json")
}

/// A run at work: the run with its record's version and the project's context.
pub(super) struct Work<'a> {
    pub(super) ctx: &'a TenantCtx,
    pub(super) project: &'a Project,
    pub(super) run: Versioned<Run>,
}

impl Reconcile {
    /// Takes one message of the checks queue; `None` when nothing is left to do for it.
    pub async fn handle(
        &self,
        request: &CheckRequest,
    ) -> Result<Option<RunSummary>, ReconcileError> {
        match request {
            CheckRequest::Customer {
                project,
                customer,
                reason,
                asked_at,
                ..
            } => {
                let project = self.project(*project).await?;
                self.check(&project, customer, reason, *asked_at).await
            }
            CheckRequest::Subscription {
                project,
                subscription,
                asked_at,
                ..
            } => {
                let project = self.project(*project).await?;
                self.check_owner(&project, subscription, *asked_at).await
            }
            CheckRequest::Confirm { project, run, .. } => {
                let project = self.project(*project).await?;
                let ctx = Directory::system(&project, "confirm");
                self.resume(&ctx, &project, *run).await.map(Some)
            }
            CheckRequest::Asked {
                project,
                customer,
                run,
                ..
            } => {
                let project = self.project(*project).await?;
                self.asked(&project, customer, *run).await.map(Some)
            }
            // No customer's: `Connections::probe_key` answers it.
            CheckRequest::Connection { .. } => Ok(None),
        }
    }

    pub(super) async fn project(&self, id: ProjectId) -> Result<Project, ReconcileError> {
        let found = Directory::of(self.state.as_ref()).project(id).await?;
        Ok(found.ok_or(ReconcileError::NoProject)?.value)
    }

    async fn start(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        scope: RunScope,
        reason: &str,
    ) -> Result<RunSummary, ReconcileError> {
        let now = self.clock.now();
        let id = RunId::new(now, self.random.bits128());
        let run = Run::opened(id, scope, reason, now);
        let work = self.open(ctx, project, run, Vec::new()).await?;
        self.look(work).await
    }

    /// Opens a run, once whoever else may open it too, with further rows in the same transaction.
    pub(super) async fn open<'a>(
        &self,
        ctx: &'a TenantCtx,
        project: &'a Project,
        mut run: Run,
        more: Vec<StateWrite>,
    ) -> Result<Work<'a>, ReconcileError> {
        let active = project.active_mapping()?;
        run.mapping = Some(active.to_owned());
        let records = Records::of(self.state.as_ref(), ctx);
        let mapping = active_mapping(&records, project).await?.canonical_text();
        let asked_by = who_asked(&records, run.id).await?;
        let directory = Directory::of(self.state.as_ref());
        let policies = Box::pin(directory.policies_in_force(project.workspace));
        let opening = Opening {
            flow: flow_version(active)?,
            artifact: active.to_owned(),
            policies: policies.await?,
            inputs: &[FileRef::of(mapping_name(active), mapping.as_bytes())],
            cause: None,
            principal: ctx.principal(),
            purpose: if run.scope == RunScope::Scan {
                "scan"
            } else {
                "check"
            },
            as_of: Some(run.as_of),
            asked_by: asked_by.as_ref(),
        };
        let mut draft = Draft::new(Kind::RunOpen, opening.facts()).in_run(run.id);
        if let RunScope::Check { customer } = &run.scope {
            // The run's record leads to the entry as well: an outage of the key service does not
            // keep a check from being recorded.
            let about = self.vault.pseudonym(&records, ctx, project, customer);
            draft = draft
                .subject(object([("customer", customer.as_str().into())]))
                .about(about.await.ok());
        }
        let mut batch = Batch::of([draft]).with(records.create(&run)?.explained_by(0));
        for write in more {
            batch = batch.with(write.explained_by(0));
        }
        self.evidence.append(project.stream_id()?, batch).await?;
        let run = Versioned {
            value: run,
            version: 1,
            evidence: None,
        };
        Ok(Work { ctx, project, run })
    }

    /// Goes on with a run from the step it has reached.
    pub(super) async fn resume(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        run: RunId,
    ) -> Result<RunSummary, ReconcileError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let run = records
            .get::<Run>(&run.to_string())
            .await?
            .ok_or(ReconcileError::NotReady)?;
        let step = run.value.step;
        let project = &as_opened(project, &run.value);
        let work = Work { ctx, project, run };
        match step {
            RunStep::Looking => Err(ReconcileError::NotReady),
            RunStep::Confirming => self.confirm(work).await,
            RunStep::Recording => {
                let told = self.told(&work).await?;
                self.publish(work, told).await
            }
            RunStep::Done => Ok(summary(&work.run.value)),
        }
    }

    /// Finishes or gives up a run that has been silent for long.
    pub(super) async fn finish(&self, work: Work<'_>) -> Result<(), ReconcileError> {
        let (ctx, project, run) = (work.ctx, work.project, work.run.value.id);
        if work.run.value.step == RunStep::Looking {
            self.close_without_findings(work, RunResult::Aborted, "worker-died", Vec::new())
                .await?;
        } else {
            self.resume(ctx, project, run).await?;
        }
        Ok(())
    }

    /// Ends a run that cannot be finished. One that is closed already leaves its incidents to the
    /// next scan.
    pub(super) async fn abandon(&self, mut work: Work<'_>) -> Result<(), ReconcileError> {
        if work.run.value.step == RunStep::Recording {
            work.run.value.step = RunStep::Done;
            return self.save(&mut work).await;
        }
        let aborted = RunResult::Aborted;
        self.close_without_findings(work, aborted, "worker-died", Vec::new())
            .await?;
        Ok(())
    }

    /// Closes a run that proves nothing: no incident opens, changes or resolves.
    pub(super) async fn close_without_findings(
        &self,
        mut work: Work<'_>,
        result: RunResult,
        code: &str,
        more: Vec<StateWrite>,
    ) -> Result<RunSummary, ReconcileError> {
        let status = if result == RunResult::Aborted {
            "aborted"
        } else {
            "failed"
        };
        let records = Records::of(self.state.as_ref(), work.ctx);
        let unread = work.run.value.unread.clone();
        let by_app = unread.as_ref().is_some_and(|unread| unread.what == "app");
        let refused = code == SOURCE_REFUSED && !by_app;
        let ended = refused && ended_since(&records, work.project).await?.is_some();
        let code = if ended { CONNECTION_ENDED } else { code };
        let closing = Closing {
            status,
            result: Some(code),
            counts: Some(work.run.value.counts),
            unread: unread.as_ref(),
            ..Closing::default()
        };
        work.run.value.result = Some(result);
        work.run.value.step = RunStep::Done;
        work.run.value.touched_at = self.clock.now();
        let draft = Draft::new(Kind::RunClose, closing.facts()).in_run(work.run.value.id);
        let mut batch = Batch::of([draft]).with(
            records
                .replace(work.run.version, &work.run.value)?
                .explained_by(0),
        );
        for write in more {
            batch = batch.with(write.explained_by(0));
        }
        self.evidence
            .append(work.project.stream_id()?, batch)
            .await?;
        Ok(summary(&work.run.value))
    }

    /// Every incident of the project, by id.
    pub(super) async fn incidents(
        &self,
        ctx: &TenantCtx,
    ) -> Result<BTreeMap<IncidentId, Versioned<Incident>>, RecordError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let all = records.list::<Incident>().await?;
        Ok(all
            .into_iter()
            .map(|incident| (incident.value.id, incident))
            .collect())
    }

    /// Writes the run's record where no entry explains the step.
    async fn save(&self, work: &mut Work<'_>) -> Result<(), ReconcileError> {
        work.run.value.touched_at = self.clock.now();
        let records = Records::of(self.state.as_ref(), work.ctx);
        let mut write = records.replace(work.run.version, &work.run.value)?;
        write.cites.clone_from(&work.run.evidence);
        if !self.state.write(vec![write]).await? {
            return Err(ReconcileError::NotReady);
        }
        work.run.version = work.run.version.saturating_add(1);
        Ok(())
    }
}

/// The project with the mapping that the run cites: one that was activated since is for later runs.
pub(super) fn as_opened(project: &Project, run: &Run) -> Project {
    let mapping = run.mapping.clone().or_else(|| project.mapping.clone());
    Project {
        mapping,
        ..project.clone()
    }
}

/// Whether a look at `at` that has seen this needs no second one.
pub(super) fn has_lasted(
    known: &BTreeMap<IncidentId, Versioned<Incident>>,
    project: &Project,
    finding: &Finding,
    (at, grace): (Timestamp, Duration),
) -> bool {
    let id = Incident::identity(project.id, finding);
    let known = known.get(&id);
    known.is_some_and(|incident| incident.value.outlasts(finding, at, grace))
}

/// Whether a person has acknowledged a mass drift of at least this many subjects.
pub(in crate::usecases) fn acknowledged(
    known: &BTreeMap<IncidentId, Versioned<Incident>>,
    differing: u64,
) -> bool {
    let drift = Finding::mass_drift(differing, 0);
    known.values().any(|incident| {
        incident.value.finding.is_mass_drift() && incident.value.is_acknowledged_for(&drift)
    })
}

impl From<Outcome> for Told {
    fn from(outcome: Outcome) -> Self {
        Self {
            found: outcome.findings,
            undecided: outcome.undecided,
        }
    }
}

pub(super) fn counts(outcome: &Outcome) -> RunCounts {
    RunCounts {
        customers: outcome.customers,
        subscriptions: outcome.subscriptions,
        rows: outcome.rows,
        findings: u64::try_from(outcome.findings.len()).unwrap_or(u64::MAX),
        differing: outcome.differing(),
        catalog: 0,
    }
}

pub(super) fn summary(run: &Run) -> RunSummary {
    RunSummary {
        run: run.id,
        step: run.step,
        result: run.result,
        counts: run.counts,
        problem: None,
    }
}
