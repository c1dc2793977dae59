//! Completing a run: `run.close` with its counts, by whoever runs the flow.

use super::facts::closing;
use super::open::open_no_more;
use super::{ATTEMPTS, GovernedRuns, RunError};
use crate::governed_run::{FlowKind, GovernedRun, InvalidRun, NotClosed, Reference, digest};
use crate::ports::{AppendError, Batch};
use crate::records::Versioned;
use crate::tenancy::TenantCtx;

/// How a run is completed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// What it produced.
    pub output: Option<Reference>,
    /// Digest of what was executed; a deterministic run repeats it.
    pub artifact: Option<String>,
}

const ARTIFACT_MISSING: &str =
    "must be there: a deterministic run repeats the digest of what was executed";

impl Completion {
    /// Whether it keeps its rules.
    ///
    /// # Errors
    /// [`InvalidRun`] with the field.
    pub fn check(&self) -> Result<(), InvalidRun> {
        if let Some(output) = &self.output {
            output.check("/output")?;
        }
        if let Some(artifact) = &self.artifact {
            digest("/artifact_sha256", artifact)?;
        }
        Ok(())
    }
}

impl GovernedRuns {
    /// Completes a run. A deterministic run with another artifact than it began with is recorded as
    /// failed.
    ///
    /// # Errors
    /// [`RunError::OpenActions`] while actions have not ended, [`RunError::Ended`] when the run has.
    pub async fn complete(
        &self,
        ctx: &TenantCtx,
        id: &str,
        completion: &Completion,
    ) -> Result<Versioned<GovernedRun>, RunError> {
        let project = self.project(ctx).await?;
        let mut found = self.admit(ctx, id).await?;
        completion.check()?;
        for _ in 0..ATTEMPTS {
            let artifact = completion.artifact.as_deref();
            let (output, now) = (completion.output.clone(), self.clock.now());
            let open = found.value.clone();
            let after = open.completed(artifact, output, now);
            let after = after.map_err(|not| not_closed(not, &found.value))?;
            let artifact = match after.flow.kind {
                FlowKind::Deterministic => artifact,
                FlowKind::Governed => None,
            };
            let draft = closing(&after, artifact, ctx.principal());
            let records = self.records(ctx);
            let batch = Batch::of([draft])
                .with(records.replace(found.version, &after)?.explained_by(0))
                .with(open_no_more(&records, &after).explained_by(0));
            match self.evidence.append(project.stream_id()?, batch).await {
                Ok(entries) => {
                    return Ok(Versioned {
                        value: after,
                        version: found.version.saturating_add(1),
                        evidence: entries.into_iter().next(),
                    });
                }
                Err(AppendError::StateChanged { .. } | AppendError::RunConflict { .. }) => {
                    found = self.run(ctx, id).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(RunError::Busy)
    }
}

fn not_closed(not: NotClosed, run: &GovernedRun) -> RunError {
    match not {
        NotClosed::Ended(state) => RunError::Ended(state),
        NotClosed::OpenActions => RunError::OpenActions {
            count: run.open_actions(),
            actions: run.waiting.clone(),
        },
        NotClosed::ArtifactMissing => InvalidRun::new("/artifact_sha256", ARTIFACT_MISSING).into(),
    }
}
