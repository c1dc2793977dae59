//! Repairs as governed actions: propose, vote, execute, verify, and the sweep that finishes what was
//! left half-way. Ignores that wait for approvals (`usecases::incidents`) are voted on and carried out
//! here as well.
//!
//! # Invariants
//! - The decision is durable before anything else happens ([`crate::policy::Permit`]).
//! - `repair.started`, the consumption of the approval and the move to `executing` are one
//!   transaction; only its winner sends the UPDATE. So there is at most one UPDATE per action.
//! - A reply that was lost at COMMIT is settled by reading the row, never by sending again. Where nobody can
//!   read it, the record says so in the end, and claims nothing.
//! - Until then an action may be withdrawn or expires; from then on it may not.

mod again;
mod asking;
mod break_glass;
mod counted;
mod ending;
mod execute;
mod follow_up;
mod grounds;
mod ignore;
mod in_run;
mod judge;
mod look;
mod overdue;
mod propose;
mod read;
mod record;
mod refusal;
mod review;
mod settle;
mod standing;
mod start;
mod sweep;
mod unread;
mod vote;

use std::sync::Arc;

use thiserror::Error;

pub use break_glass::Glass;
pub use overdue::{OVERDUE_TOPIC, Overdue, OverdueReviews};
pub use propose::{NewRepair, ProposeRepair};
pub use read::ReadActions;
pub use record::Proposed;
pub use standing::{Lapse, Lapsed};
pub use sweep::{SWEEP_AFTER, SweepFailure, SweepRepairs, Swept};
pub use vote::{Answered, VoteOnAction, Voted};

use super::governed_runs::{GovernedRuns, RunError};
use super::grounds::as_they_are;
use super::pages::NotACursor;
use super::reconcile::{BillingAccounts, LookError};
use super::vault::{Vault, VaultError};
use crate::governed_run::InvalidRun;
use crate::governed_run::RunState;
use crate::ids::{ActionId, IncidentId};
use crate::incident::Incident;
use crate::json::JsonError;
use crate::policy::Judgement;
use crate::ports::{
    AppDatabase, AppendError, Clock, EvidenceAppend, PortError, PortErrorKind, Random, State,
};
use crate::records::{Directory, OverrideUse, Project, RecordError, Records, RunAction, Versioned};
use crate::repair::{Action, ActionState, Overridden, RepairPlan};
use crate::tenancy::{Principal, Role, TenantCtx, WorkspaceCtx};

/// Why a request about an action did not do what it asked.
#[derive(Debug, Error)]
pub enum ActionError {
    /// Absent, or of another tenant: 404.
    #[error("there is no such record")]
    NotFound,
    /// The key or role cannot do this: 403.
    #[error("the credential may not do this")]
    MissingCapability,
    /// The action is in another state than the request needs: 409.
    #[error("the action is {state}")]
    WrongState {
        /// The state it is in.
        state: String,
    },
    /// Somebody changed the record in the meantime: 412.
    #[error("the record has changed: read it again")]
    Changed,
    /// The digest that came is not the action's, or a person sent none: 409.
    #[error("the digest is not that of the action")]
    OtherDigest,
    /// The input breaks a rule: 400.
    #[error("the input breaks a rule")]
    Invalid(#[from] InvalidRun),
    /// The run takes no more actions: 409.
    #[error("the run is full")]
    Full,
    /// The hold has ended: 410.
    #[error("the hold has ended")]
    Expired,
    /// Policy said no, and this is recorded: 403.
    #[error("policy denies this: {}", .0.reason)]
    Denied(Judgement),
    /// Evidence could not be written, so nothing was done: 503.
    #[error("evidence could not be written: nothing was done")]
    Evidence(#[source] AppendError),
    /// The repair was begun, and what became of it could not be found out or recorded; the sweep
    /// will: 503.
    #[error("the repair was begun and its outcome is not settled yet")]
    Unsettled(#[source] Box<Self>),
    /// It is not known whether evidence was written; the sweep will find out: 503.
    #[error("it is not known yet whether this happened")]
    Unknown(#[source] AppendError),
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read: 503.
    #[error("a record could not be read")]
    Record(#[from] RecordError),
    /// A credential could not be opened: 503.
    #[error("a credential could not be opened")]
    Vault(#[from] VaultError),
    /// Promise and grant could not be read again: 503.
    #[error("promise and grant could not be read again")]
    Look(#[from] LookError),
    /// A value has no canonical form: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

impl ActionError {
    /// That an action is in another state than the request needs.
    fn in_state(state: ActionState) -> Self {
        let state = format!("{state:?}").to_lowercase();
        Self::WrongState { state }
    }
}

impl From<NotACursor> for ActionError {
    fn from(_: NotACursor) -> Self {
        InvalidRun::new(NotACursor::FIELD, NotACursor::RULE).into()
    }
}

impl From<AppendError> for ActionError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::StateChanged { .. } | AppendError::RunConflict { .. } => Self::Changed,
            AppendError::OutcomeUnknown(_) => Self::Unknown(error),
            other => Self::Evidence(other),
        }
    }
}

impl From<RunError> for ActionError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::NotFound => Self::NotFound,
            RunError::MissingCapability => Self::MissingCapability,
            RunError::WrongState(state) => Self::in_state(state),
            RunError::Ended(state) => Self::WrongState {
                state: of_ended(state),
            },
            RunError::Changed => Self::Changed,
            RunError::Busy => Self::Evidence(AppendError::Busy),
            RunError::Evidence(error) => Self::Evidence(error),
            RunError::Unknown(error) => Self::Unknown(error),
            RunError::Port(error) => Self::Port(error),
            RunError::Record(error) => Self::Record(error),
            RunError::Json(error) => Self::Json(error),
            RunError::Invalid(invalid) => Self::Invalid(invalid),
            RunError::OtherDigest => Self::OtherDigest,
            RunError::Full => Self::Full,
            RunError::Denied(_) | RunError::NotSecond(_) | RunError::OpenActions { .. } => {
                Self::Port(PortError::new(PortErrorKind::Corrupt, "taking a step"))
            }
        }
    }
}

fn of_ended(state: RunState) -> String {
    format!("part of a run that is {state}")
}

/// The change of a row that an action is. Only repairs come here.
fn plan_of(action: &Action) -> Result<&RepairPlan, PortError> {
    let corrupt = || PortError::new(PortErrorKind::Corrupt, "reading the plan of a repair");
    action.repair().ok_or_else(corrupt)
}

/// What repairs need from outside.
#[derive(Clone)]
pub struct RepairPorts {
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// State.
    pub state: Arc<dyn State>,
    /// Opens credentials.
    pub vault: Vault,
    /// The customer's database.
    pub databases: Arc<dyn AppDatabase>,
    /// Stripe.
    pub billing: Arc<dyn BillingAccounts>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids and salts.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for RepairPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RepairPorts")
    }
}

impl RepairPorts {
    /// The use case of governed runs, on the same ports.
    pub fn runs(&self) -> GovernedRuns {
        GovernedRuns {
            evidence: self.evidence.clone(),
            state: self.state.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
        }
    }

    async fn project(&self, ctx: &TenantCtx) -> Result<Project, ActionError> {
        let found = Directory::of(self.state.as_ref())
            .project(ctx.project())
            .await?;
        let project = found.ok_or(ActionError::NotFound)?.value;
        if project.workspace == ctx.workspace() {
            Ok(project)
        } else {
            Err(ActionError::NotFound)
        }
    }

    fn records<'a>(&'a self, ctx: &'a TenantCtx) -> Records<'a> {
        Records::of(self.state.as_ref(), ctx)
    }

    /// Whoever proposed something, as they are now.
    async fn proposer_now(
        &self,
        ctx: &TenantCtx,
        proposer: &Principal,
    ) -> Result<Principal, ActionError> {
        let proposer = as_they_are(self.state.as_ref(), ctx.workspace(), proposer);
        Ok(Box::pin(proposer).await?)
    }

    /// Whoever broke the glass for an action, while they are an owner: somebody who was removed since
    /// stands in for nobody, as their approval would not count either.
    async fn broken(
        &self,
        ctx: &TenantCtx,
        action: &Action,
    ) -> Result<Option<Overridden>, ActionError> {
        let Some(broken) = &action.overridden else {
            return Ok(None);
        };
        let directory = Directory::of(self.state.as_ref());
        let member = directory.member(ctx.workspace(), broken.by).await?;
        let owner = member.is_some_and(|member| member.value.role == Role::Owner);
        Ok(owner.then(|| broken.clone()))
    }

    /// Whoever asks has the role that they had when they were let in.
    ///
    /// # Errors
    /// [`ActionError::Changed`], where it is another one.
    async fn still_as_they_came(&self, ctx: &TenantCtx) -> Result<(), ActionError> {
        let now = self.proposer_now(ctx, ctx.principal()).await?;
        if now.role() == ctx.principal().role() {
            Ok(())
        } else {
            Err(ActionError::Changed)
        }
    }

    /// Every use of break-glass in the workspace.
    async fn uses(&self, ctx: &TenantCtx) -> Result<Vec<OverrideUse>, ActionError> {
        let of_workspace = WorkspaceCtx::new(ctx.workspace(), ctx.principal().clone());
        let records = Records::of(self.state.as_ref(), &of_workspace);
        let uses = records.list::<OverrideUse>().await?.into_iter();
        Ok(uses.map(|used| used.value).collect())
    }

    /// A text that is not an id names nothing, and the table is not asked for it.
    async fn incident(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<Incident>, ActionError> {
        let id: IncidentId = id.parse().map_err(|_| ActionError::NotFound)?;
        let found = self.records(ctx).get::<Incident>(&id.to_string()).await?;
        found.ok_or(ActionError::NotFound)
    }

    /// The pseudonym of the customer whom an incident is about, or of the row where no customer
    /// belongs to it. Records lead to the entries as well, so an outage of the key service costs an
    /// entry nothing else.
    async fn about(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        incident: &Incident,
    ) -> Option<String> {
        self.pseudonym(ctx, project, incident).await.ok()
    }

    /// The same for a judgement, which there is none without it: a rule may be about this customer. What
    /// was proposed knows whom it is about.
    async fn customer(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        incident: &Incident,
        action: Option<&Action>,
    ) -> Result<String, ActionError> {
        match self.pseudonym(ctx, project, incident).await {
            Ok(customer) => Ok(customer),
            Err(error) => {
                let known = action.and_then(|action| action.about.clone());
                Ok(known.ok_or(error)?)
            }
        }
    }

    async fn pseudonym(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        incident: &Incident,
    ) -> Result<String, VaultError> {
        let records = self.records(ctx);
        let whom = incident.finding.whom();
        self.vault.pseudonym(&records, ctx, project, whom).await
    }

    async fn action(&self, ctx: &TenantCtx, id: &str) -> Result<Versioned<Action>, ActionError> {
        let id: ActionId = id.parse().map_err(|_| ActionError::NotFound)?;
        let records = self.records(ctx);
        let found = records.get::<Action>(&id.to_string()).await?;
        // Both families are read, so that what is absent costs what is there.
        let in_run = records.get::<RunAction>(&id.to_string()).await?;
        if let Some(in_run) = in_run {
            return Ok(in_run.into_action());
        }
        let mut found = found.ok_or(ActionError::NotFound)?;
        // The first version of an action is explained by its decision; later ones remember it.
        if found.value.decided.is_none() {
            found.value.decided.clone_from(&found.evidence);
        }
        Ok(found)
    }
}
