//! Looking at actions.

use futures::{StreamExt, TryStreamExt, stream};

use super::{ActionError, Lapsed, RepairPorts};
use crate::governed_run::{GovernedRun, RunState, is_open};
use crate::ids::ActionId;
use crate::records::{OverrideUse, Versioned};
use crate::repair::{Action, ActionState, OUTCOME_UNKNOWN};
use crate::tenancy::TenantCtx;
use crate::usecases::Waiting;
use crate::usecases::pages::{Cursors, Page, PageOf};

/// The list as its cursors name it.
const ROUTE: &str = "approvals";

/// Why nobody can begin an action any more: its run has ended.
const RUN_ENDED: &str = "run-ended";

/// How many actions are read at once. An answer has 30 seconds.
const AT_ONCE: usize = 16;

/// Reads actions.
#[derive(Debug, Clone)]
pub struct ReadActions {
    /// Ports.
    pub ports: RepairPorts,
}

impl ReadActions {
    /// One action, as what may still come of it. What can be neither approved nor begun any more has
    /// expired, whether or not that is recorded yet: its time is over, or the run has ended that it is in.
    /// What was begun in a run that has ended is an effect whose outcome nobody knows, or will tell.
    pub async fn get(&self, ctx: &TenantCtx, id: &str) -> Result<Versioned<Action>, ActionError> {
        let mut action = self.ports.action(ctx, id).await?;
        let value = &mut action.value;
        let of_run = value.is_external() && is_open(value.state);
        if of_run && !self.in_open_run(ctx, value).await? {
            let (state, failure) = match value.state {
                ActionState::Executing => (ActionState::Failed, OUTCOME_UNKNOWN),
                _ => (ActionState::Expired, RUN_ENDED),
            };
            value.state = state;
            value.failure = Some(failure.to_owned());
        }
        if value.state.is_waiting() && value.binding.expires_at <= self.ports.clock.now() {
            value.state = ActionState::Expired;
        }
        Ok(action)
    }

    async fn in_open_run(&self, ctx: &TenantCtx, action: &Action) -> Result<bool, ActionError> {
        let records = self.ports.records(ctx);
        let run = action.binding.run.to_string();
        let run = records.get::<GovernedRun>(&run).await?;
        Ok(run.is_some_and(|run| run.value.state == RunState::Open))
    }

    /// Actions that wait for approvals or to be started, soonest expiry first. Of the others of the list
    /// only the row is read that says that they wait.
    ///
    /// # Errors
    /// [`ActionError::Invalid`] when the cursor is not of this list; when they cannot be read.
    pub async fn waiting(
        &self,
        ctx: &TenantCtx,
        page: PageOf<'_>,
    ) -> Result<Page<Versioned<Action>>, ActionError> {
        let cursors = self.cursors(ctx, "approval").await?;
        let now = self.ports.clock.now();
        let mut waiting = self.ports.records(ctx).list::<Waiting>().await?;
        waiting.retain(|it| it.value.expires_at > now);
        let place = |it: &Versioned<Waiting>| (it.value.expires_at, it.value.id);
        let page = cursors.page(waiting, place, page)?;
        let ids = page.items.iter().map(|it| it.value.id).collect();
        let mut items = self.all(ctx, ids).await?;
        items.retain(|action| action.value.state.is_waiting());
        Ok(Page {
            items,
            next_cursor: page.next_cursor,
        })
    }

    /// Who has approved each of these actions and does not count any more. Of what waits no more nobody is
    /// asked: what counted was decided then.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn lapsed(
        &self,
        ctx: &TenantCtx,
        actions: &[Versioned<Action>],
    ) -> Result<Vec<Vec<Lapsed>>, ActionError> {
        let of = |action: &Versioned<Action>| {
            let action = action.value.clone();
            async move {
                if action.state.is_waiting() {
                    self.ports.lapsed(ctx, &action).await
                } else {
                    Ok(Vec::new())
                }
            }
        };
        let read = stream::iter(actions.iter().map(of)).buffered(AT_ONCE);
        read.try_collect().await
    }

    async fn cursors(&self, ctx: &TenantCtx, list: &str) -> Result<Cursors, ActionError> {
        let ports = (self.ports.state.as_ref(), self.ports.random.as_ref());
        Ok(Cursors::of(ports, ctx, ROUTE, &list).await?)
    }

    /// Actions, in the order of their ids in the list. A row that leads to one may be seen a moment before
    /// it is: the next page or the next reading has it.
    async fn all(
        &self,
        ctx: &TenantCtx,
        ids: Vec<ActionId>,
    ) -> Result<Vec<Versioned<Action>>, ActionError> {
        let read = |id: ActionId| async move {
            match self.ports.action(ctx, &id.to_string()).await {
                Err(ActionError::NotFound) => Ok(None),
                found => found.map(Some),
            }
        };
        let read = stream::iter(ids).map(read).buffered(AT_ONCE);
        read.try_filter_map(|found| async move { Ok(found) })
            .try_collect()
            .await
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
    /// As [`Self::waiting`].
    pub async fn unreviewed(
        &self,
        ctx: &TenantCtx,
        page: PageOf<'_>,
    ) -> Result<Page<(OverrideUse, Versioned<Action>)>, ActionError> {
        let cursors = self.cursors(ctx, "review").await?;
        let mut uses = self.ports.uses(ctx).await?;
        uses.retain(|used| used.project == ctx.project() && used.reviewed.is_none());
        let page = cursors.page(uses, |used| (used.at, used.number), page)?;
        let ids = page.items.iter().map(|used| used.id).collect();
        let actions = self.all(ctx, ids).await?;
        let of = |used: OverrideUse| {
            let action = actions.iter().find(|action| action.value.id == used.id);
            action.cloned().map(|action| (used, action))
        };
        Ok(Page {
            items: page.items.into_iter().filter_map(of).collect(),
            next_cursor: page.next_cursor,
        })
    }
}
