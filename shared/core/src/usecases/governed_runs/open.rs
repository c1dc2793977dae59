//! Opening a run: `run.open` and its record, in one transaction.

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::facts::opening;
use super::{GovernedRuns, RunError};
use crate::governed_run::{
    Flow, FlowKind, GovernedRun, InvalidRun, MAX_INPUTS, OpenRun, Reference, RunState, Tally,
    check_kind, digest,
};
use crate::ids::RunId;
use crate::ports::{Batch, StateWrite};
use crate::records::{Records, Versioned};
use crate::tenancy::TenantCtx;

/// A run to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// What is run.
    pub flow: Flow,
    /// Digest of what is executed; a deterministic run has one.
    pub artifact: Option<String>,
    /// What it works on.
    pub inputs: Vec<Reference>,
    /// The caller's trace id.
    pub trace_id: Option<String>,
}

impl NewRun {
    /// Whether it keeps its rules.
    ///
    /// # Errors
    /// [`InvalidRun`] with the field.
    pub fn check(&self) -> Result<(), InvalidRun> {
        check_kind("/flow/id", &self.flow.id)?;
        digest("/flow/version_sha256", &self.flow.version)?;
        match &self.artifact {
            Some(artifact) => digest("/artifact_sha256", artifact)?,
            None if self.flow.kind == FlowKind::Deterministic => {
                let rule =
                    "must be there: a deterministic run names the digest of what is executed";
                return Err(InvalidRun::new("/artifact_sha256", rule));
            }
            None => {}
        }
        if self.inputs.len() > MAX_INPUTS {
            let rule = "must have at most 100 items: refer to a list of your own instead";
            return Err(InvalidRun::new("/inputs", rule));
        }
        for (place, input) in self.inputs.iter().enumerate() {
            input.check(&format!("/inputs/{place}"))?;
        }
        if let Some(trace) = &self.trace_id {
            let hex = trace
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            if trace.len() != 32 || !hex {
                let rule = "must be the 32 lower-case hexadecimal digits of a W3C trace id";
                return Err(InvalidRun::new("/trace_id", rule));
            }
        }
        Ok(())
    }
}

impl GovernedRuns {
    /// Whether the caller may open runs in the project; records nothing.
    ///
    /// # Errors
    /// [`RunError::MissingCapability`].
    pub async fn admit_open(&self, ctx: &TenantCtx) -> Result<(), RunError> {
        self.project(ctx).await?;
        if ctx.principal().may_operate() {
            Ok(())
        } else {
            Err(RunError::MissingCapability)
        }
    }

    /// Opens a run.
    ///
    /// # Errors
    /// [`RunError::Invalid`] when the input breaks a rule; [`RunError::MissingCapability`].
    pub async fn open(
        &self,
        ctx: &TenantCtx,
        new: NewRun,
    ) -> Result<Versioned<GovernedRun>, RunError> {
        self.admit_open(ctx).await?;
        new.check()?;
        let project = self.project(ctx).await?;
        let now = self.clock.now();
        let run = GovernedRun {
            id: RunId::new(now, self.random.bits128()),
            flow: new.flow,
            artifact: new.artifact,
            trace_id: new.trace_id,
            by: ctx.principal().clone(),
            state: RunState::Open,
            failure: None,
            opened_at: now,
            acted_at: now,
            closed_at: None,
            proposed: 0,
            tally: Tally::default(),
            held: 0,
            in_hand: 0,
            repairs: 0,
            repairs_taken: 0,
            waiting: Vec::new(),
            output: None,
        };
        let bundles = self.bundles(ctx).await?;
        let facts = opening(&run, &new.inputs, &bundles);
        let draft = Draft::new(Kind::RunOpen, facts).in_run(run.id);
        let records = self.records(ctx);
        let batch = Batch::of([draft])
            .with(records.create(&run)?.explained_by(0))
            .with(records.create(&OpenRun { id: run.id })?.explained_by(0));
        let entries = self.evidence.append(project.stream_id()?, batch).await?;
        Ok(Versioned {
            value: run,
            version: 1,
            evidence: entries.into_iter().next(),
        })
    }
}

/// With the end of a run.
pub(super) fn open_no_more(records: &Records<'_>, run: &GovernedRun) -> StateWrite {
    StateWrite::delete(records.key::<OpenRun>(&run.id.to_string()))
}
