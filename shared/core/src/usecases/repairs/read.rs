//! Looking at actions.

use futures::{StreamExt, TryStreamExt, stream};

use super::{ActionError, RepairPorts};
use crate::ids::ActionId;
use crate::records::{OverrideUse, Versioned};
use crate::repair::{Action, ActionState};
use crate::tenancy::TenantCtx;
use crate::usecases::Waiting;

/// How many actions are read at once. 500 may wait, and an answer has 30 seconds.
const AT_ONCE: usize = 16;

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
        let waits = if value.is_external() {
            value.state == ActionState::Held
        } else {
            value.state.is_waiting()
        };
        if waits && value.binding.expires_at <= self.ports.clock.now() {
            value.state = ActionState::Expired;
        }
        Ok(action)
    }

    /// Actions that wait for approvals or to be started, soonest expiry first.
    pub async fn waiting(&self, ctx: &TenantCtx) -> Result<Vec<Versioned<Action>>, ActionError> {
        let now = self.ports.clock.now();
        let waiting = self.ports.records(ctx).list::<Waiting>().await?;
        let waiting = waiting.into_iter().map(|it| it.value);
        let ids = waiting
            .filter(|it| it.expires_at > now)
            .map(|it| it.id)
            .collect();
        let mut found = self.all(ctx, ids).await?;
        found.retain(|action| action.value.state.is_waiting());
        found.sort_by_key(|action| (action.value.binding.expires_at, action.value.id));
        Ok(found)
    }

    /// Actions, in the order of their ids in the list.
    async fn all(
        &self,
        ctx: &TenantCtx,
        ids: Vec<ActionId>,
    ) -> Result<Vec<Versioned<Action>>, ActionError> {
        let read = |id: ActionId| async move { self.ports.action(ctx, &id.to_string()).await };
        let read = stream::iter(ids).map(read).buffered(AT_ONCE);
        read.try_collect().await
    }

    /// The use of break-glass that an action is, where it is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn used(
        &self,
        ctx: &TenantCtx,
        action: &Action,
    ) -> Result<Option<OverrideUse>, ActionError> {
        if action.overridden.is_none() {
            return Ok(None);
        }
        let mut uses = self.ports.uses(ctx).await?;
        uses.retain(|used| used.id == action.id);
        Ok(uses.pop())
    }

    /// Uses of break-glass in the project that nobody has acknowledged, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn unreviewed(
        &self,
        ctx: &TenantCtx,
    ) -> Result<Vec<(OverrideUse, Versioned<Action>)>, ActionError> {
        let mut uses = self.ports.uses(ctx).await?;
        uses.retain(|used| used.project == ctx.project() && used.reviewed.is_none());
        uses.sort_by_key(|used| (used.at, used.number));
        let ids = uses.iter().map(|used| used.id).collect();
        let actions = self.all(ctx, ids).await?;
        Ok(uses.into_iter().zip(actions).collect())
    }
}
