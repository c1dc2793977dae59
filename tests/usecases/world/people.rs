//! People of the world's workspace who come later.

use counterfoil_core::auth::login_digest;
use counterfoil_core::ids::UserId;
use counterfoil_core::ports::{Clock as _, State as _, StateKey, StateWrite};
use counterfoil_core::records::{Directory, Member, Person};
use counterfoil_core::tenancy::Role;

use super::{World, login};

impl World {
    /// Somebody is let in now.
    pub(crate) async fn join(&self, name: &str, role: Role) {
        let now = self.clock.now();
        let login = login(name, now);
        let id = UserId::new(now, u128::from(name.as_bytes()[0]));
        let digest = login_digest(&login);
        let member = Member {
            id,
            name: name.to_owned(),
            role,
            login: Some(digest.clone()),
            since: now,
            role_since: None,
        };
        let person = Person {
            id,
            issuer: login.issuer,
            subject: login.subject,
        };
        let key = StateKey {
            pk: format!("login#{digest}"),
            sk: "person".to_owned(),
        };
        let rows = vec![
            StateWrite::create(
                Directory::member_key(self.workspace.id, id),
                serde_json::to_value(&member).unwrap(),
            ),
            StateWrite::create(key, serde_json::to_value(&person).unwrap()),
        ];
        assert!(self.store.write(rows).await.unwrap());
    }
}
