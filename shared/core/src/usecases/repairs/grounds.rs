//! The rows that the judgement of an action stands on.

use super::{ActionError, RepairPorts};
use crate::governed_run::Registrations;
use crate::incident::Incident;
use crate::records::Project;
use crate::repair::Action;
use crate::tenancy::TenantCtx;
use crate::usecases::grounds::{Grounds, Rows};
use crate::usecases::incidents::breaker;

impl RepairPorts {
    /// Reads which versions they have: the project, the rules in force, the people and keys that count,
    /// the incident of a repair; and where it matters whether a mass drift waits, and what flows have
    /// registered. The project as it is then comes with them.
    pub(super) async fn grounds(
        &self,
        ctx: &TenantCtx,
        action: &Action,
    ) -> Result<(Grounds, Project), ActionError> {
        let mut rows = Rows::of(ctx.workspace())
            .asked_in(Some(ctx.project()))
            .principal(&action.proposer)
            .people(action.approvers())
            .people(action.overridden.as_ref().map(|broken| broken.by))
            .api_keys(action.votes.iter().filter_map(|vote| vote.via));
        let records = self.records(ctx);
        if let Some(incident) = action.binding.resource.incident() {
            rows = rows.row(records.key::<Incident>(&incident.to_string()));
        }
        if action.ignore().is_none() {
            rows = rows.row(breaker(&records, ctx.project()));
        }
        if action.is_external() {
            rows = rows.row(records.key::<Registrations>(Registrations::ID));
        }
        let grounds = rows.read(self.state.as_ref()).await?;
        Ok((grounds, self.project(ctx).await?))
    }
}
