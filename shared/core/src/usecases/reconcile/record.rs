//! Closing a run with its findings: the findings object, `run.close`, then the incident rows that
//! cite it, then proposals.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::undecided::{InDoubt, left_out};
use super::{Reconcile, ReconcileError, RunSummary, Work, alone, summary};
use crate::ids::{IncidentId, RunId};
use crate::incident::{Confirmation, Incident};
use crate::mapping::Artifact;
use crate::ports::{Batch, CheckRequest, EntryRef, StateWrite};
use crate::reconcile::{Finding, differing, findings};
use crate::records::{Records, Versioned};
use crate::repair::limits::{self, Selection};
use crate::run::{Run, RunResult, RunScope, RunStep, SECOND_LOOK};
use crate::snapshot::{Recorder, Told};
use crate::time::Timestamp;
use crate::usecases::facts::{Closing, FileRef};

/// Incident rows written in one transaction.
const ROWS: usize = 50;

impl Reconcile {
    /// Makes the findings durable and closes the run in evidence, with further rows in the same
    /// transaction.
    pub(super) async fn close(
        &self,
        mut work: Work<'_>,
        artifact: &Artifact,
        recorder: &Recorder,
        told: Told,
        more: Vec<StateWrite>,
    ) -> Result<RunSummary, ReconcileError> {
        let key = self.pseudonym_key(&work).await?;
        let pseudonym = |subject: &str| Some(findings::pseudonym(&key, subject));
        let snapshot = self.keep(&work, recorder, &told, pseudonym).await?;
        work.run.value.looks.push(snapshot);
        self.close_kept(work, artifact, told, &key, more).await
    }

    /// The key under which subjects get the names that evidence may know.
    pub(in crate::usecases) async fn pseudonym_key(
        &self,
        work: &Work<'_>,
    ) -> Result<[u8; 32], ReconcileError> {
        let records = Records::of(self.state.as_ref(), work.ctx);
        let key = self.vault.pseudonym_key(&records, work.ctx, work.project);
        Ok(key.await?)
    }

    /// Closes the run when everything that it has read and found is kept, with further rows in the
    /// same transaction.
    pub(in crate::usecases) async fn close_kept(
        &self,
        mut work: Work<'_>,
        artifact: &Artifact,
        told: Told,
        key: &[u8; 32],
        more: Vec<StateWrite>,
    ) -> Result<RunSummary, ReconcileError> {
        let records = Records::of(self.state.as_ref(), work.ctx);
        let found = &told.found;
        let lines = findings::lines(found, |subject| findings::pseudonym(key, subject))?;
        let object = format!("findings/{}/{}.jsonl", work.project.id, work.run.value.id);
        let mut outputs = vec![FileRef::of(object.clone(), &lines)];
        self.objects
            .put(&object, lines, "application/x-ndjson")
            .await?;
        outputs.extend(work.run.value.looks.iter().map(FileRef::of_snapshot));
        work.run.value.counts.findings = u64::try_from(found.len()).unwrap_or(u64::MAX);
        work.run.value.counts.differing = differing(found);
        work.run.value.left_out = left_out(&told.undecided);
        let mut known = self.incidents(work.ctx).await?;
        if self.stops_burst(&work, artifact, &told, &known).await? {
            known = self.incidents(work.ctx).await?;
        }
        let selection = self.selection(&work, artifact, &told, &known);
        work.run.value.held_back = selection.held_back;
        work.run.value.step = RunStep::Recording;
        work.run.value.result = Some(RunResult::Complete);
        work.run.value.touched_at = self.clock.now();
        let closing = Closing {
            status: "completed",
            outputs: &outputs,
            counts: Some(work.run.value.counts),
            result: Some(result(&work.run.value)),
            left_out: work.run.value.left_out,
            basis: work.run.value.basis.as_ref(),
            held_back: work.run.value.held_back,
            ..Closing::default()
        };
        let run = work.run.value.id;
        let mut batch = Batch::default();
        if work.run.value.is_stopped() {
            let differing = work.run.value.counts.differing;
            batch = self.raise_breaker(&work, artifact, differing).await?;
        }
        let last = batch.drafts.len();
        batch
            .drafts
            .push(Draft::new(Kind::RunClose, closing.facts()).in_run(run));
        batch.state.push(
            records
                .replace(work.run.version, &work.run.value)?
                .explained_by(last),
        );
        let more = more.into_iter().map(|write| write.explained_by(last));
        batch.state.extend(more);
        let entries = self
            .evidence
            .append(work.project.stream_id()?, batch)
            .await?;
        work.run.evidence = entries.get(last).cloned();
        work.run.version = work.run.version.saturating_add(1);
        self.publish(work, told).await
    }

    /// Incident rows and proposals after `run.close` is durable. Doing it again changes nothing.
    pub(in crate::usecases) async fn publish(
        &self,
        mut work: Work<'_>,
        told: Told,
    ) -> Result<RunSummary, ReconcileError> {
        let cause = work.run.evidence.clone().ok_or(ReconcileError::NotReady)?;
        if !work.run.value.is_stopped() {
            let known = self.incidents(work.ctx).await?;
            let records = Records::of(self.state.as_ref(), work.ctx);
            let artifact = super::active_mapping(&records, work.project).await?;
            let grace = artifact.race_grace();
            // Chosen before this run writes: it takes a person to arm repairs again, not a better scan.
            let chosen = self.selection(&work, &artifact, &told, &known);
            let written = self.write_incidents(&work, grace, &told, &known, &cause);
            if Box::pin(written).await? == Stands::Unconfirmed {
                Box::pin(self.look_again_later(&work, grace)).await?;
            }
            for incident in chosen.proposed {
                let (project, run) = (work.project.id, work.run.value.id);
                self.proposals.propose(project, run, incident).await?;
            }
        }
        work.run.value.step = RunStep::Done;
        self.save(&mut work).await?;
        Ok(summary(&work.run.value))
    }

    async fn write_incidents(
        &self,
        work: &Work<'_>,
        grace: Duration,
        told: &Told,
        known: &BTreeMap<IncidentId, Versioned<Incident>>,
        cause: &EntryRef,
    ) -> Result<Stands, ReconcileError> {
        let records = Records::of(self.state.as_ref(), work.ctx);
        let found = &told.found;
        let in_doubt = InDoubt::of(&told.undecided);
        let (run, now) = (work.run.value.id, self.clock.now());
        let mut writes = Vec::new();
        let mut stands = Stands::Confirmed;
        let mut seen = BTreeSet::new();
        let key = self.pseudonym_key(work).await?;
        let lines = findings::numbers(found, |subject| findings::pseudonym(&key, subject));
        for (finding, line) in found.iter().zip(lines) {
            let id = Incident::identity(work.project.id, finding);
            seen.insert(id);
            let known = known.get(&id);
            let Some(after) = after(work, finding, known, (now, grace)) else {
                continue;
            };
            if !after.is_confirmed() {
                stands = Stands::Unconfirmed;
            }
            let write = match known {
                Some(known) => records.replace(known.version, &after)?,
                None => records.create(&after)?,
            };
            writes.push(write.citing(cause.clone()).on_line(Some(line)));
        }
        for incident in known.values() {
            let unseen = !seen.contains(&incident.value.id);
            if unseen && covers(work, &incident.value) && !in_doubt.keeps(&incident.value) {
                let after = incident.value.clone().resolved(run, now);
                writes.push(
                    records
                        .replace(incident.version, &after)?
                        .citing(cause.clone()),
                );
            }
        }
        self.write_rows(writes).await?;
        Ok(stands)
    }

    /// Asks for the look that confirms, or ends, what one look alone has opened.
    async fn look_again_later(
        &self,
        work: &Work<'_>,
        grace: Duration,
    ) -> Result<(), ReconcileError> {
        let RunScope::Check { customer } = &work.run.value.scope else {
            return Ok(());
        };
        let request = CheckRequest::Customer {
            workspace: work.ctx.workspace(),
            project: work.ctx.project(),
            customer: customer.clone(),
            reason: SECOND_LOOK.to_owned(),
            event: None,
            asked_at: None,
        };
        Ok(self.checks.send(&request, grace).await?)
    }

    async fn write_rows(&self, writes: Vec<StateWrite>) -> Result<(), ReconcileError> {
        for chunk in writes.chunks(ROWS) {
            if self.state.write(chunk.to_vec()).await? {
                continue;
            }
            // A repair or another run changed one of these rows: the others must not wait for it,
            // and the changed one is newer than what this run knows.
            for write in chunk {
                self.state.write(vec![write.clone()]).await?;
            }
        }
        Ok(())
    }

    /// Which of the differences that this run confirms it proposes to repair, and what limits keep.
    fn selection(
        &self,
        work: &Work<'_>,
        artifact: &Artifact,
        told: &Told,
        known: &BTreeMap<IncidentId, Versioned<Incident>>,
    ) -> Selection {
        let able = work.project.auto_propose && work.project.repair_database.is_some();
        if !able || work.run.value.is_stopped() {
            return Selection::default();
        }
        let breaker = known.values().any(|incident| incident.value.is_breaker());
        let at = (self.clock.now(), artifact.race_grace());
        let confirmed: Vec<Incident> = seen(work, told, known, at)
            .filter(|it| is_proposed_by(it, work.run.value.id))
            .collect();
        limits::within(
            &confirmed,
            breaker,
            artifact.max_repairs_per_run(),
            artifact.max_amount_at_risk(),
        )
    }
}

/// Whether what a run has written is confirmed by a second look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// All of it.
    Confirmed,
    /// Not all of it.
    Unconfirmed,
}

/// Whether a run proposes to repair an incident: it has confirmed what it has opened itself, or what one
/// look had opened and nobody has tried to repair yet.
fn is_proposed_by(incident: &Incident, run: RunId) -> bool {
    let first = incident.opened_by == run || incident.action.is_none();
    first && incident.confirmation == Confirmation::Given { by: run }
}

/// The incidents that this run opens, or opened before its worker died.
pub(super) fn opened(
    work: &Work<'_>,
    told: &Told,
    known: &BTreeMap<IncidentId, Versioned<Incident>>,
    at: (Timestamp, Duration),
) -> Vec<Incident> {
    seen(work, told, known, at)
        .filter(|it| it.opened_by == work.run.value.id)
        .collect()
}

/// The incidents of this run's findings as it leaves them.
fn seen(
    work: &Work<'_>,
    told: &Told,
    known: &BTreeMap<IncidentId, Versioned<Incident>>,
    at: (Timestamp, Duration),
) -> impl Iterator<Item = Incident> {
    told.found.iter().filter_map(move |finding| {
        let id = Incident::identity(work.project.id, finding);
        after(work, finding, known.get(&id), at)
    })
}

/// The incident after this run; `None` where what the run read may be older than its end, or than
/// what another run has said since: the next one sees for itself.
fn after(
    work: &Work<'_>,
    finding: &Finding,
    known: Option<&Versioned<Incident>>,
    (now, grace): (Timestamp, Duration),
) -> Option<Incident> {
    let run = &work.run.value;
    let lasted = match known.map(|known| &known.value) {
        Some(known) if known.ended_after(run.as_of) => return None,
        Some(known) if !known.says(finding) && said_since(known, run) => return None,
        Some(known) => known.outlasts(finding, run.as_of, grace),
        None => false,
    };
    let after = match known {
        Some(known) => known.value.clone().seen(finding.clone(), run.id, now),
        None => Incident::open(work.project.id, finding.clone(), run.id, now),
    };
    // What any other run writes, it has looked at twice.
    let confirmed = lasted || grace.is_zero() || !run.is_one_look();
    Some(if confirmed {
        after.confirmed(run.id)
    } else {
        after
    })
}

/// Whether another run has written what the incident says after this one had looked.
fn said_since(known: &Incident, run: &Run) -> bool {
    known.seen_by != run.id && known.seen_at > run.looked_at()
}

fn result(run: &Run) -> &'static str {
    match (run.mass_drift, run.drift_acknowledged) {
        (true, true) => "mass-drift-acknowledged",
        (true, false) => "mass-drift",
        (false, _) => "complete",
    }
}

/// Whether this run would have seen the difference if it were still there.
fn covers(work: &Work<'_>, incident: &Incident) -> bool {
    if incident.seen_at > work.run.value.as_of {
        // Another run has seen it since this one began to read.
        return false;
    }
    if incident.finding.is_mass_drift() {
        // A scan within the limit ends what a person has acknowledged. Until then it stays open, or
        // nobody would ever have to look.
        let run = &work.run.value;
        return run.scope == RunScope::Scan && !run.mass_drift && incident.is_settled_drift();
    }
    if !incident.ends_unseen() {
        return false;
    }
    match &work.run.value.scope {
        RunScope::Scan => true,
        RunScope::Check { customer } => alone::would_be_seen(&incident.finding, customer),
    }
}
