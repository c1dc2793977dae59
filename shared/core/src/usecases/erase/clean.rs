//! After the parts are gone: snapshots given up, packages deleted, values taken out of records.

use std::collections::BTreeSet;
use std::time::Duration;

use super::find::{Found, has_snapshots};
use super::{Erase, EraseError, Work};
use crate::erasure::{ERASED, ErasureScope, ErasureState};
use crate::export::{Export, ExportFailure, ExportScope, ExportState};
use crate::ids::{ExportId, RunId};
use crate::ports::{AppendError, StateWrite};
use crate::records::{Records, RunAction, Versioned};
use crate::repair::Action;
use crate::run::{Run, RunScope, RunStep};
use crate::time::Timestamp;
use crate::usecases::prune::{Prune, PruneError, RUNS};

/// Snapshots that one request deletes; the hourly duty goes on.
const AT_ONCE: usize = 2 * RUNS;
/// How long a worker may live without a word: longer than any function may run.
const SILENT: Duration = Duration::from_mins(30);

impl Erase {
    /// Removes copies and values; returns how many things are left for later.
    pub(super) async fn clean(&self, work: &mut Work<'_>) -> Result<u64, EraseError> {
        let scope = work.erasure.value.scope.clone();
        let found = self.find(work.ctx, work.project, &scope).await?;
        let mut found = found.without_open_actions();
        // What began later belongs to the next request: a project that scans all the time must not
        // keep this one from its end.
        let before = &work.erasure.value;
        let early = |run: &Run| run.read_since() <= before.at || before.runs.contains(&run.id);
        found.snapshots.retain(|run| early(&run.value));
        // One that is at work may end as a scan of everything, and still have kept what it carried.
        let early = found.snapshots.iter().map(|run| run.value.id);
        self.note_runs(work, early.collect()).await?;
        self.remember(work, &mut found).await?;
        // Copies and records are kept by a hold as well.
        self.free(work, &found).await?;
        let waiting = self.snapshots(work, &found).await?;
        let carried = self.carried_over(work, &found).await?;
        let waiting = waiting.saturating_add(carried.len());
        self.note_runs(work, carried).await?;
        let mut left = u64::try_from(waiting).unwrap_or(u64::MAX);
        // Whoever collected inputs before this may have the snapshots that are gone now.
        let known = work.erasure.value.exports.len();
        let exports = self
            .collected_meanwhile(work, |export| export.inputs)
            .await?;
        work.erasure.value.exports.extend(exports);
        if work.erasure.value.exports.len() > known {
            self.save(work).await?;
            self.remember(work, &mut found).await?;
        }
        let now = self.clock.now();
        for export in &found.exports {
            if export.value.is_final() || now.since(export.value.touched_at) > SILENT {
                self.free(work, &found).await?;
                self.package(work, export).await?;
            } else {
                // A worker may hold what was erased since; its result goes when it is there.
                left = left.saturating_add(1);
            }
        }
        self.free(work, &found).await?;
        self.records(work, &found).await?;
        if left == 0 {
            work.erasure.value.state = ErasureState::Done;
            let scope = work.erasure.value.scope.clone().without_id();
            work.erasure.value.scope = scope;
        }
        self.save(work).await?;
        Ok(left)
    }

    /// Scans that were opened while snapshots were found and given up, and may have carried over what
    /// was in them. The next pass finds them; whoever is opened later carries over nothing. Erasing a
    /// run takes what that run has kept: later scans are runs of their own.
    async fn carried_over(
        &self,
        work: &Work<'_>,
        found: &Found,
    ) -> Result<BTreeSet<RunId>, EraseError> {
        let known: BTreeSet<_> = found.snapshots.iter().map(|run| run.value.id).collect();
        let scanned = |run: &Versioned<Run>| run.value.scope == RunScope::Scan;
        let of_customer = matches!(work.erasure.value.scope, ErasureScope::Customer { .. });
        if !of_customer || !found.snapshots.iter().any(scanned) {
            return Ok(BTreeSet::new());
        }
        let records = Records::of(self.state.as_ref(), work.ctx);
        let runs = records.list::<Run>().await?.into_iter();
        let carried = runs.filter(|run| {
            let run = &run.value;
            let early = run.since().is_some() && run.read_since() <= work.erasure.value.at;
            early && has_snapshots(run) && !known.contains(&run.id)
        });
        Ok(carried.map(|run| run.value.id).collect())
    }

    /// Remembers runs whose snapshots are to go.
    async fn note_runs(
        &self,
        work: &mut Work<'_>,
        more: BTreeSet<RunId>,
    ) -> Result<(), EraseError> {
        let runs = &mut work.erasure.value.runs;
        let known = runs.len();
        runs.extend(more);
        if runs.len() > known {
            self.save(work).await?;
        }
        Ok(())
    }

    /// Whether no active hold covers what was found; read again before each thing that goes, since
    /// objects and records know no condition on the register.
    async fn free(&self, work: &mut Work<'_>, found: &Found) -> Result<(), EraseError> {
        let holds = self.reader.holds(work.stream).await?;
        if work.judged == Some(holds.version) {
            return Ok(());
        }
        if let Some(held) = self.held(work.project, work.stream, &holds, found).await? {
            return Err(held);
        }
        work.judged = Some(holds.version);
        Ok(())
    }

    /// Adds what was found before the parts that led to it were gone.
    async fn remember(&self, work: &Work<'_>, found: &mut Found) -> Result<(), EraseError> {
        let records = Records::of(self.state.as_ref(), work.ctx);
        let known: BTreeSet<_> = found.snapshots.iter().map(|run| run.value.id).collect();
        for id in work.erasure.value.runs.difference(&known) {
            let run = records.get::<Run>(&id.to_string()).await?;
            found
                .snapshots
                .extend(run.filter(|run| has_snapshots(&run.value)));
        }
        let known: BTreeSet<_> = found.exports.iter().map(|it| it.value.id).collect();
        for id in work.erasure.value.exports.difference(&known) {
            let export = records.get::<Export>(&id.to_string()).await?;
            // Also one that has failed since: its worker may have left files that nobody is offered.
            found
                .exports
                .extend(export.filter(|export| !export.value.is_erased()));
        }
        Ok(())
    }

    /// Exports that a worker is at, or has ended since the erasure began: they may hold what was
    /// still there.
    pub(super) async fn collected_meanwhile(
        &self,
        work: &Work<'_>,
        of: impl Fn(&Export) -> bool + Send + Sync,
    ) -> Result<Vec<ExportId>, EraseError> {
        let records = Records::of(self.state.as_ref(), work.ctx);
        let began = work.erasure.value.at;
        let meanwhile = |export: &Export| match &export.made {
            Some(made) => made.at >= began,
            None => !export.is_final(),
        };
        let exports = records.list::<Export>().await?.into_iter();
        let exports = exports.filter(|export| export.value.scope != ExportScope::Workspace);
        let exports = exports.filter(|export| meanwhile(&export.value) && of(&export.value));
        Ok(exports.map(|export| export.value.id).collect())
    }

    async fn snapshots(&self, work: &mut Work<'_>, found: &Found) -> Result<usize, EraseError> {
        let prune = Prune {
            evidence: self.evidence.as_ref(),
            state: self.state.as_ref(),
            objects: self.objects.as_ref(),
            vault: &self.vault,
            clock: self.clock.as_ref(),
            ctx: work.ctx,
        };
        let closed = |run: &&Versioned<Run>| run.value.step == RunStep::Done;
        let ready: Vec<_> = found.snapshots.iter().filter(closed).collect();
        let now: Vec<_> = ready.iter().copied().take(AT_ONCE).cloned().collect();
        let unrecorded = |run: &&Versioned<Run>| run.value.pruned.is_none();
        let unrecorded: Vec<_> = now.iter().filter(unrecorded).cloned().collect();
        for runs in unrecorded.chunks(RUNS) {
            let holds = self.reader.holds(work.stream).await?;
            if let Some(held) = self.held(work.project, work.stream, &holds, found).await? {
                return Err(held);
            }
            let decision = work.erasure.value.decision.as_ref();
            let recorded = prune.record(work.stream, runs, &holds, "erasure", decision);
            match recorded.await {
                Ok(()) => {}
                Err(PruneError::Evidence(
                    AppendError::HoldsChanged | AppendError::StateChanged { .. },
                )) => return Err(EraseError::Changed),
                Err(error) => return Err(error.into()),
            }
        }
        let records = Records::of(self.state.as_ref(), work.ctx);
        for run in &now {
            let id = run.value.id.to_string();
            self.free(work, found).await?;
            if let Some(run) = records.get::<Run>(&id).await? {
                let deleted = prune.delete(&run).await?;
                let objects = &mut work.erasure.value.objects;
                *objects = objects.saturating_add(deleted);
            }
        }
        Ok(found.snapshots.len().saturating_sub(now.len()))
    }

    /// Deletes the files of an export and says so in its record. It can be made again.
    async fn package(
        &self,
        work: &mut Work<'_>,
        export: &Versioned<Export>,
    ) -> Result<(), EraseError> {
        // Also what attempts have left that did not count.
        let prefix = format!("exports/{}/{}/", work.project.id, export.value.id);
        for key in self.objects.keys(&prefix).await? {
            self.objects.delete(&key).await?;
            let objects = &mut work.erasure.value.objects;
            *objects = objects.saturating_add(1);
        }
        let mut after = export.value.clone();
        after.erase();
        self.empty(work, export, after).await
    }

    async fn records(&self, work: &Work<'_>, found: &Found) -> Result<(), EraseError> {
        let of_run = match work.erasure.value.scope {
            ErasureScope::Run { run } => Some(run),
            ErasureScope::Customer { .. } => None,
        };
        let emptied = |action: Action| match of_run {
            Some(run) => action.erased_with(run),
            None => action.erased(),
        };
        // Actions are found through their incidents, so these come after them.
        for action in &found.actions {
            let after = emptied(action.value.clone());
            self.empty(work, action, after).await?;
        }
        for action in &found.run_actions {
            let after = emptied(action.value.action().clone());
            self.empty(work, action, RunAction::of(after)).await?;
        }
        for incident in &found.incidents {
            let after = incident.value.clone().erased(self.clock.now());
            self.empty(work, incident, after).await?;
        }
        for seen in &found.seen_rows {
            let after = seen.value.clone().erased();
            let until = after.kept_until();
            self.empty_until(work, seen, after, Some(until)).await?;
        }
        for asked in &found.asked {
            let mut after = asked.value.clone();
            after.scope = ExportScope::Customer {
                customer: ERASED.to_owned(),
            };
            self.empty(work, asked, after).await?;
        }
        let records = Records::of(self.state.as_ref(), work.ctx);
        for run in &found.runs {
            // Its record may have moved on since it was found: its snapshots were given up.
            let id = run.value.id.to_string();
            let run = records.get::<Run>(&id).await?;
            // One that is at work looks at its customer once more; its snapshots wait for it as well.
            let Some(run) = run.filter(|run| run.value.step == RunStep::Done) else {
                continue;
            };
            let mut after = run.value.clone();
            after.scope = RunScope::Check {
                customer: ERASED.to_owned(),
            };
            self.empty(work, &run, after).await?;
        }
        Ok(())
    }

    /// Replaces a record by itself without personal data, citing the decision.
    async fn empty<T: crate::records::Record + Sync>(
        &self,
        work: &Work<'_>,
        before: &Versioned<T>,
        after: T,
    ) -> Result<(), EraseError> {
        self.empty_until(work, before, after, None).await
    }

    async fn empty_until<T: crate::records::Record + Sync>(
        &self,
        work: &Work<'_>,
        before: &Versioned<T>,
        after: T,
        until: Option<Timestamp>,
    ) -> Result<(), EraseError> {
        let records = Records::of(self.state.as_ref(), work.ctx);
        let mut write: StateWrite = records.replace(before.version, &after)?;
        write.expires_at = until;
        let write = match &work.erasure.value.decision {
            Some(decision) => write.citing(decision.clone()),
            None => write,
        };
        if self.state.write(vec![write]).await? {
            Ok(())
        } else {
            Err(EraseError::Changed)
        }
    }
}

impl Export {
    /// Whether its files were deleted by an erasure.
    pub(super) fn is_erased(&self) -> bool {
        let failure = self.failure.as_ref();
        failure.is_some_and(|failure| failure.code == ERASED)
    }

    fn erase(&mut self) {
        if let ExportScope::Customer { customer } = &mut self.scope {
            ERASED.clone_into(customer);
        }
        self.state = ExportState::Failed;
        self.made = None;
        self.failure = Some(ExportFailure {
            code: ERASED.to_owned(),
            detail: "Contents of it were erased: ask for a new one".to_owned(),
        });
    }
}
