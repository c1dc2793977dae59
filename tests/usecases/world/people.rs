//! People of the world's workspace who come later.

use counterfoil_core::ids::UserId;
use counterfoil_core::ports::Clock as _;
use counterfoil_core::tenancy::Role;

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
