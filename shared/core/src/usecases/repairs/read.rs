//! Looking at actions.

use super::{ActionError, RepairPorts};
use crate::records::Versioned;
use crate::repair::{Action, ActionState, Work};
use crate::tenancy::TenantCtx;
use crate::usecases::Waiting;

/// Reads actions.
#[derive(Debug, Clone)]
pub struct ReadActions {
    /// Ports.
    pub ports: RepairPorts,
}

impl ReadActions {
    /// One action. What waits past its time reads as expired: nothing can come of it any more.
    pub async fn get(&self, ctx: &TenantCtx, id: &str) -> Result<Versioned<Action>, ActionError> {
        let mut action = self.ports.action(ctx, id).await?;
        let value = &mut action.value;
        let waits = match value.work {
            Work::Repair(_) => value.state.is_waiting(),
            Work::Run(_) => value.state == ActionState::Held,
        };
        if waits && value.binding.expires_at <= self.ports.clock.now() {
            value.state = ActionState::Expired;
        }
        Ok(action)
    }

    /// Actions that wait for approvals or to be started, soonest expiry first.
    pub async fn waiting(&self, ctx: &TenantCtx) -> Result<Vec<Versioned<Action>>, ActionError> {
        let now = self.ports.clock.now();
        let mut found = Vec::new();
        for waiting in self.ports.records(ctx).list::<Waiting>().await? {
            if waiting.value.expires_at > now {
                found.push(
                    self.ports
                        .action(ctx, &waiting.value.id.to_string())
                        .await?,
                );
            }
        }
        found.retain(|action| action.value.state.is_waiting());
        found.sort_by_key(|action| (action.value.binding.expires_at, action.value.id));
        Ok(found)
    }
}
