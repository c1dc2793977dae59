//! What became of an action that its caller did, in their words: by reference and digest only.

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::facts::reported;
use super::{GovernedRuns, RunError, Stepped, corrupt, may_act};
use crate::governed_run::{InvalidRun, Reference, Report, Step, check_kind, digest, next};
use crate::ports::Batch;
use crate::records::Versioned;
use crate::repair::Action;
use crate::tenancy::TenantCtx;

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOf {
    /// Whether it was done.
    pub status: Report,
    /// The digest of the action that was done.
    pub digest: String,
    /// What it produced.
    pub output: Option<Reference>,
    /// Why it failed: a stable code of the caller's own.
    pub error: Option<String>,
}

impl ReportOf {
    /// Whether it keeps its rules.
    ///
    /// # Errors
    /// [`InvalidRun`] with the field.
    pub fn check(&self) -> Result<(), InvalidRun> {
        digest("/action_digest", &self.digest)?;
        if let Some(output) = &self.output {
            output.check("/output")?;
        }
        match (&self.error, self.status) {
            (Some(code), Report::Failed) => check_kind("/error", code),
            (Some(_), Report::Executed) => {
                let rule = "must be left out of an action that was executed";
                Err(InvalidRun::new("/error", rule))
            }
            (None, _) => Ok(()),
        }
    }
}

impl GovernedRuns {
    /// The action, for whoever may tell what became of it.
    ///
    /// # Errors
    /// [`RunError::NotFound`], then [`RunError::MissingCapability`].
    pub async fn admit_report(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<Action>, RunError> {
        let action = self.action(ctx, id).await?;
        let run = self.run(ctx, &action.value.binding.run.to_string()).await?;
        may_act(ctx.principal(), &run.value)?;
        Ok(action)
    }

    /// Records what became of an action that was allowed or approved.
    ///
    /// # Errors
    /// [`RunError::WrongState`] where it was neither, or was reported before;
    /// [`RunError::OtherDigest`] where another action is meant.
    pub async fn report(
        &self,
        ctx: &TenantCtx,
        id: &str,
        report: &ReportOf,
    ) -> Result<Versioned<Action>, RunError> {
        let project = self.project(ctx).await?;
        let found = self.admit_report(ctx, id).await?;
        report.check()?;
        let step = Step::Reported(report.status);
        next(found.value.state, step).map_err(|not| RunError::WrongState(not.0))?;
        if report.digest != found.value.digest {
            return Err(RunError::OtherDigest);
        }
        let mut action = found.value;
        let decision = action.decided.clone();
        let decision = decision.ok_or_else(|| corrupt("reading the action's decision"))?;
        let facts = reported(&action, &decision, report, ctx.principal());
        action.failure.clone_from(&report.error);
        let draft = Draft::new(Kind::RunAction, facts).in_run(action.binding.run);
        let stepped = Stepped {
            action,
            version: found.version,
            steps: vec![step],
            batch: Batch::of([draft]),
        };
        let stream = project.stream_id()?;
        let (records, now) = (self.records(ctx), self.clock.now());
        stepped
            .take(self.evidence.as_ref(), stream, records, now)
            .await
    }
}
