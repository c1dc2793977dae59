//! A check's two looks: what the first one finds waits for the race grace, and only what both sides
//! still say then is recorded.

use std::collections::BTreeSet;
use std::time::Duration;

use super::again::second_look;
use super::look::{CustomerLook, first_look_of};
use super::newcomers::Times;
use super::sources::{LookError, Sources, active_mapping, open_sources};
use super::{Reconcile, ReconcileError, RunSummary, Work, counts, has_lasted, summary};
use crate::ids::IncidentId;
use crate::incident::Incident;
use crate::ports::CheckRequest;
use crate::reconcile::Outcome;
use crate::records::Records;
use crate::run::{RunResult, RunStep, Unread};
use crate::snapshot::{Recorder, Told};

impl Reconcile {
    /// The first look.
    pub(super) async fn look(&self, mut work: Work<'_>) -> Result<RunSummary, ReconcileError> {
        let recorder = Self::recorder(&work, work.run.value.as_of, None);
        let (outcome, look) = match self.first_look(&work, &recorder).await {
            Ok(looked) => looked,
            Err(error) => return self.close_unread(work, error).await,
        };
        let records = Records::of(self.state.as_ref(), work.ctx);
        let artifact = active_mapping(&records, work.project).await?;
        work.run.value.counts = counts(&outcome);
        let known = self.incidents(work.ctx).await?;
        let wait = artifact.race_grace();
        let at = (work.run.value.as_of, wait);
        let new = outcome
            .findings
            .iter()
            .any(|finding| !has_lasted(&known, work.project, finding, at));
        if new && !wait.is_zero() && !work.run.value.is_one_look() {
            return self.wait(work, &recorder, &outcome.into(), wait).await;
        }
        let seen = self.keep_seen(&work, look, work.run.value.as_of).await?;
        self.close(work, &artifact, &recorder, outcome.into(), seen)
            .await
    }

    async fn first_look(
        &self,
        work: &Work<'_>,
        recorder: &Recorder,
    ) -> Result<(Outcome, Option<CustomerLook>), LookError> {
        let sources = self.sources(work, recorder).await?;
        first_look_of(&sources, &work.run.value.scope, work.run.value.as_of).await
    }

    async fn sources(&self, work: &Work<'_>, recorder: &Recorder) -> Result<Sources, LookError> {
        let records = Records::of(self.state.as_ref(), work.ctx);
        let (billing, databases) = (self.billing.as_ref(), self.databases.as_ref());
        open_sources(
            &self.vault,
            billing,
            databases,
            &records,
            work.ctx,
            work.project,
            Some(recorder),
        )
        .await
    }

    /// Stores the first look and asks for the second one after the race grace.
    async fn wait(
        &self,
        mut work: Work<'_>,
        recorder: &Recorder,
        told: &Told,
        grace: Duration,
    ) -> Result<RunSummary, ReconcileError> {
        let snapshot = self.keep(&work, recorder, told, |_| None).await?;
        work.run.value.looks.push(snapshot);
        work.run.value.step = RunStep::Confirming;
        self.save(&mut work).await?;
        let request = CheckRequest::Confirm {
            workspace: work.ctx.workspace(),
            project: work.ctx.project(),
            run: work.run.value.id,
        };
        self.checks.send(&request, grace).await?;
        Ok(summary(&work.run.value))
    }

    /// The second look: only a difference that is still there on both sides is a finding.
    pub(super) async fn confirm(&self, mut work: Work<'_>) -> Result<RunSummary, ReconcileError> {
        let Told {
            found: first,
            undecided,
        } = self.told(&work).await?;
        let records = Records::of(self.state.as_ref(), work.ctx);
        let artifact = active_mapping(&records, work.project).await?;
        let incidents = self.incidents(work.ctx).await?;
        let at = (work.run.value.as_of, artifact.race_grace());
        let known: BTreeSet<IncidentId> = first
            .iter()
            .filter(|finding| has_lasted(&incidents, work.project, finding, at))
            .map(|finding| Incident::identity(work.project.id, finding))
            .collect();
        let now = self.clock.now();
        work.run.value.decided_at = Some(now);
        let recorder = Self::recorder(&work, now, Some(known.clone()));
        let confirmed = async {
            let sources = self.sources(&work, &recorder).await?;
            second_look(
                &sources,
                work.project.id,
                &work.run.value.scope,
                first,
                &known,
                Times {
                    first: work.run.value.as_of,
                    again: now,
                },
            )
            .await
        };
        let again = match confirmed.await {
            Ok(again) => again,
            Err(error) => return self.close_unread(work, error).await,
        };
        let seen = self.keep_seen(&work, again.look, now).await?;
        let mut told = again.told;
        told.undecided.extend(undecided);
        self.close(work, &artifact, &recorder, told, seen).await
    }

    /// Closes a check that could not read a side.
    async fn close_unread(
        &self,
        mut work: Work<'_>,
        error: LookError,
    ) -> Result<RunSummary, ReconcileError> {
        work.run.value.unread = Some(Unread {
            what: error.unread().to_owned(),
            range: None,
        });
        let (partial, code) = (RunResult::Partial, error.code());
        let closed = self.close_without_findings(work, partial, code, Vec::new());
        Ok(closed.await?.because(error))
    }
}
