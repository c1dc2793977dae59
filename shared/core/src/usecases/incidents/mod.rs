//! Incidents as people see them, and what they do to them: ignore, open again, acknowledge.
//!
//! Each act is judged and recorded in a run of its own, in one transaction with the row: `run.open`,
//! `run.decision`, `incident.ignored` or `incident.changed`, `run.close`. The words of a person are
//! the erasable part of the incident's entry. An ignore that needs approvals waits as an action, and
//! `usecases::repairs` goes on with it. Nothing here reads Stripe or the app's database.

mod act;
mod hold;
mod list;

use std::sync::Arc;

use thiserror::Error;

pub use act::{IncidentAct, IncidentActed};
pub(super) use hold::subject;
pub use list::{IncidentFilter, IncidentOrder};

use super::grounds::{Grounds, Rows, as_they_are};
use super::pages::NotACursor;
use super::vault::{Vault, VaultError};
use crate::ids::{ActionId, IncidentId, ProjectId};
use crate::incident::{Incident, Refused};
use crate::json::JsonError;
use crate::policy::{IncidentFacts, Judgement};
use crate::ports::{AppendError, Clock, EvidenceAppend, PortError, Random, State, StateKey};
use crate::reconcile::Finding;
use crate::records::{Directory, Project, RecordError, Records, Versioned};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

/// Why a request about an incident did not do what it asked.
#[derive(Debug, Error)]
pub enum IncidentError {
    /// Absent, or of another tenant: 404.
    #[error("there is no such incident")]
    NotFound,
    /// The input breaks a rule: 400.
    #[error("{field} {rule}")]
    Invalid {
        /// JSON pointer to the field.
        field: &'static str,
        /// The rule and the fix.
        rule: &'static str,
    },
    /// The incident is not in a state for this: 409.
    #[error("the incident is not in a state for this")]
    WrongState(#[source] Refused),
    /// The same key came with another request: 422.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Another ignore of the incident waits for approvals: 409.
    #[error("an ignore of the incident waits for approvals")]
    Waits(ActionId),
    /// Policy said no, and this is recorded: 403.
    #[error("policy denies this: {}", .0.reason)]
    Denied(Judgement),
    /// Somebody changed the incident in the meantime: 409, read it again.
    #[error("the incident has changed in the meantime")]
    Changed,
    /// Evidence could not be written, so nothing happened: 503.
    #[error("evidence could not be written")]
    Evidence(#[source] AppendError),
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read or written: 503.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// Whom it is about cannot be found out, so it cannot be judged: 503.
    #[error("whom it is about cannot be found out")]
    Vault(#[from] VaultError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

impl From<AppendError> for IncidentError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::StateChanged { .. } => Self::Changed,
            error => Self::Evidence(error),
        }
    }
}

/// Whether a mass drift waits for a person to look. Its id does not depend on how many differ.
pub(super) async fn is_breaker_open(
    records: &Records<'_>,
    project: ProjectId,
) -> Result<bool, RecordError> {
    let breaker = records.get::<Incident>(&drift(project)).await?;
    Ok(breaker.is_some_and(|it| it.value.is_breaker()))
}

/// The row that says so.
pub(super) fn breaker(records: &Records<'_>, project: ProjectId) -> StateKey {
    records.key::<Incident>(&drift(project))
}

fn drift(project: ProjectId) -> String {
    Incident::identity(project, &Finding::mass_drift(0, 0)).to_string()
}

/// Reads incidents and records what people do to them.
#[derive(Clone)]
pub struct Incidents {
    /// Evidence to write.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// State.
    pub state: Arc<dyn State>,
    /// Pseudonyms, so that an erasure finds a person's words.
    pub vault: Vault,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for Incidents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Incidents")
    }
}

impl Incidents {
    /// One incident of the caller's project.
    ///
    /// # Errors
    /// [`IncidentError::NotFound`] when there is none.
    pub async fn get(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<Incident>, IncidentError> {
        let id: IncidentId = id.parse().map_err(|_| IncidentError::NotFound)?;
        let records = Records::of(self.state.as_ref(), ctx);
        let found = records.get::<Incident>(&id.to_string()).await?;
        found.ok_or(IncidentError::NotFound)
    }

    async fn project(&self, ctx: &TenantCtx) -> Result<Project, IncidentError> {
        let found = Directory::of(self.state.as_ref())
            .project(ctx.project())
            .await?;
        Ok(found.ok_or(IncidentError::NotFound)?.value)
    }

    /// What an act stands on that is done at once, and whoever asks for it as they are then.
    async fn standing(&self, ctx: &TenantCtx) -> Result<(Grounds, TenantCtx), IncidentError> {
        let (state, workspace) = (self.state.as_ref(), ctx.workspace());
        let rows = Rows::of(workspace).asked_in(Some(ctx.project()));
        let grounds = rows.principal(ctx.principal()).read(state).await?;
        let principal = as_they_are(state, workspace, ctx.principal()).await?;
        Ok((grounds, TenantCtx::new(workspace, ctx.project(), principal)))
    }
}

/// What policy knows about an incident. `customer` is a pseudonym.
pub(in crate::usecases) fn incident_facts(
    incident: &Incident,
    customer: String,
    now: Timestamp,
) -> IncidentFacts {
    let finding = &incident.finding;
    IncidentFacts {
        id: incident.id.to_string(),
        kind: finding.kind.name(),
        at_risk: finding.at_risk.clone(),
        age_s: now.since(incident.opened_at).as_secs(),
        customer,
        legal_hold: false,
    }
}

impl From<NotACursor> for IncidentError {
    fn from(_: NotACursor) -> Self {
        Self::Invalid {
            field: NotACursor::FIELD,
            rule: NotACursor::RULE,
        }
    }
}
