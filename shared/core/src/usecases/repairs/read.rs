//! Looking at actions.

use super::{ActionError, RepairPorts};
use crate::records::Versioned;
use crate::repair::Action;
use crate::tenancy::TenantCtx;
use crate::usecases::Waiting;

/// Reads actions.
#[derive(Debug, Clone)]
pub struct ReadActions {
    /// Ports.
    pub ports: RepairPorts,
}

impl ReadActions {
    /// One action.
    pub async fn get(&self, ctx: &TenantCtx, id: &str) -> Result<Versioned<Action>, ActionError> {
        self.ports.action(ctx, id).await
    }

    /// Actions that wait for approvals or to be started, soonest expiry first.
    pub async fn waiting(&self, ctx: &TenantCtx) -> Result<Vec<Versioned<Action>>, ActionError> {
        let now = self.ports.clock.now();
        let mut waiting = self.ports.records(ctx).list::<Action>().await?;
        waiting.retain(|action| {
            action.value.state.is_waiting() && action.value.binding.expires_at > now
        });
        for held in self.ports.records(ctx).list::<Waiting>().await? {
            if held.value.expires_at > now {
                waiting.push(self.ports.action(ctx, &held.value.id.to_string()).await?);
            }
        }
        waiting.sort_by_key(|action| (action.value.binding.expires_at, action.value.id));
        Ok(waiting)
    }
}
