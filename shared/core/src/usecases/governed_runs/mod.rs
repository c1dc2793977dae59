//! Governed runs: opened, their actions judged and recorded as they come, completed or swept.
//!
//! # Invariants
//! - Every change of an action or of a run is in one transaction with its entry, and that transaction
//!   holds the run's record at the version that was read: counts are never wrong.
//! - An action ends once: its record is replaced at the version that was read.
//! - Nothing is done here. Whoever runs the flow acts, and tells what became of it.

mod complete;
mod decisions;
mod facts;
mod flows;
mod judge;
mod open;
mod propose;
mod quota;
mod read;
mod report;
mod step;
mod sweep;

use std::sync::Arc;

use thiserror::Error;

pub use complete::Completion;
pub use decisions::{DecisionRecord, Preview};
pub use flows::FlowChange;
pub use open::NewRun;
pub use propose::{NewAction, ProposedInRun};
pub use quota::HeldActions;
pub use report::ReportOf;
pub use sweep::{SweepRuns, SweptRuns};

pub use step::Waiting;

pub(super) use facts::subject;
pub(super) use judge::Again;
pub(super) use propose::in_order;
pub(super) use quota::{Quota, within};
pub(super) use step::Stepped;

use crate::governed_run::{GovernedRun, InvalidRun, NotTaken, RunState};
use crate::ids::{ActionId, RunId};
use crate::json::JsonError;
use crate::policy::Judgement;
use crate::ports::{AppendError, Clock, EvidenceAppend, PortError, PortErrorKind, Random, State};
use crate::records::{Directory, Project, RecordError, Records, RunAction, Versioned};
use crate::repair::{Action, ActionState};
use crate::tenancy::{Principal, TenantCtx};
use crate::usecases::held_changes::from_held;
use crate::usecases::second_person::NotSecond;

/// How often a transaction is tried that other actions of the same run overtake.
const ATTEMPTS: usize = 16;

/// Why a request about a governed run did not do what it asked.
#[derive(Debug, Error)]
pub enum RunError {
    /// Absent, or of another tenant: 404.
    #[error("there is no such record")]
    NotFound,
    /// The key or role cannot do this: 403.
    #[error("the credential may not do this")]
    MissingCapability,
    /// The input breaks a rule: 400.
    #[error("the input breaks a rule")]
    Invalid(#[from] InvalidRun),
    /// The run has ended: 409.
    #[error("the run has ended")]
    Ended(RunState),
    /// The run has as many actions as a run may have: 409.
    #[error("the run is full")]
    Full,
    /// Policy said no to a change of a registration, and this is recorded: 403.
    #[error("policy denies this: {}", .0.reason)]
    Denied(Judgement),
    /// The caller does not count as the second person: 409.
    #[error("this is not confirmed")]
    NotSecond(#[source] NotSecond),
    /// Actions of the run have not ended: 409.
    #[error("actions of the run are open")]
    OpenActions {
        /// How many.
        count: u64,
        /// The latest ones.
        actions: Vec<ActionId>,
    },
    /// The action is in another state than the request needs: 409.
    #[error("the action is not in a state for this")]
    WrongState(ActionState),
    /// The digest that came is not the action's: 409.
    #[error("the digest is not that of the action")]
    OtherDigest,
    /// Others were faster too often: 503, and nothing was done.
    #[error("the run is busy")]
    Busy,
    /// Somebody changed the record in the meantime: 412.
    #[error("the record has changed in the meantime")]
    Changed,
    /// Evidence could not be written, so nothing was done: 503.
    #[error("evidence could not be written: nothing was done")]
    Evidence(#[source] AppendError),
    /// It is not known whether this was recorded: 503.
    #[error("it is not known yet whether this happened")]
    Unknown(#[source] AppendError),
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read: 503.
    #[error("a record could not be read")]
    Record(#[from] RecordError),
    /// A value has no canonical form: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

impl From<AppendError> for RunError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::StateChanged { .. } | AppendError::RunConflict { .. } => Self::Changed,
            AppendError::OutcomeUnknown(_) => Self::Unknown(error),
            other => Self::Evidence(other),
        }
    }
}

from_held!(RunError);

impl From<NotTaken> for RunError {
    fn from(not: NotTaken) -> Self {
        match not {
            NotTaken::Full => Self::Full,
            NotTaken::Ended(state) => Self::Ended(state),
        }
    }
}

/// Governed runs.
#[derive(Clone)]
pub struct GovernedRuns {
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// State.
    pub state: Arc<dyn State>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and salts.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for GovernedRuns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GovernedRuns")
    }
}

impl GovernedRuns {
    async fn project(&self, ctx: &TenantCtx) -> Result<Project, RunError> {
        let found = Directory::of(self.state.as_ref())
            .project(ctx.project())
            .await?;
        let project = found.ok_or(RunError::NotFound)?.value;
        if project.workspace == ctx.workspace() {
            Ok(project)
        } else {
            Err(RunError::NotFound)
        }
    }

    fn records<'a>(&'a self, ctx: &'a TenantCtx) -> Records<'a> {
        Records::of(self.state.as_ref(), ctx)
    }

    /// A text that is not an id names nothing, and the table is not asked for it.
    async fn run(&self, ctx: &TenantCtx, id: &str) -> Result<Versioned<GovernedRun>, RunError> {
        let id: RunId = id.parse().map_err(|_| RunError::NotFound)?;
        let found = self
            .records(ctx)
            .get::<GovernedRun>(&id.to_string())
            .await?;
        found.ok_or(RunError::NotFound)
    }

    async fn action(&self, ctx: &TenantCtx, id: &str) -> Result<Versioned<Action>, RunError> {
        let id: ActionId = id.parse().map_err(|_| RunError::NotFound)?;
        let found = self.records(ctx).get::<RunAction>(&id.to_string()).await?;
        Ok(found.ok_or(RunError::NotFound)?.into_action())
    }

    /// The run, for whoever may act in it: whoever opened it, and people who may approve.
    ///
    /// # Errors
    /// [`RunError::NotFound`], then [`RunError::MissingCapability`].
    pub async fn admit(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<GovernedRun>, RunError> {
        let run = self.run(ctx, id).await?;
        may_act(ctx.principal(), &run.value)?;
        Ok(run)
    }
}

/// A key acts in its own runs; a person who may approve in every run of the project.
fn may_act(principal: &Principal, run: &GovernedRun) -> Result<(), RunError> {
    let own = principal.account() == run.by.account();
    if principal.may_operate() && (own || principal.person().is_some()) {
        Ok(())
    } else {
        Err(RunError::MissingCapability)
    }
}

fn corrupt(what: &'static str) -> RunError {
    RunError::Port(PortError::new(PortErrorKind::Corrupt, what))
}
