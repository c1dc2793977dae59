//! People of the world's workspace who come later.

use counterfoil_core::ids::UserId;
use counterfoil_core::ports::Clock as _;
use counterfoil_core::records::Versioned;
use counterfoil_core::repair::Action;
use counterfoil_core::tenancy::{Role, TenantCtx};
use counterfoil_core::usecases::{ActionError, Glass};

use super::{World, login};
use crate::people::let_in;

impl World {
    /// Somebody is let in now.
    pub(crate) async fn join(&self, name: &str, role: Role) {
        let now = self.clock.now();
        let id = UserId::new(now, u128::from(name.as_bytes()[0]));
        let (store, who) = (self.store.as_ref(), (id, name));
        let login = login(name, now);
        let_in(store, self.workspace.id, who, (role, now), login).await;
    }
}

impl World {
    /// Replaces the approvals that an action is missing, and carries it out.
    pub(crate) async fn break_glass(
        &self,
        who: &TenantCtx,
        action: &Action,
        glass: &Glass<'_>,
    ) -> Result<Versioned<Action>, ActionError> {
        let (votes, id) = (self.vote(), action.id.to_string());
        let overridden = Box::pin(votes.override_approvals(who, &id, glass, &|| {})).await?;
        Ok(votes.carry_out(who, overridden).await?.action)
    }
}
