//! Somebody who is in a workspace without having been invited.

use counterfoil_core::auth::login_digest;
use counterfoil_core::ids::{UserId, WorkspaceId};
use counterfoil_core::ports::{Login, State, StateKey, StateWrite};
use counterfoil_core::records::{Directory, Member, Person};
use counterfoil_core::tenancy::Role;
use counterfoil_core::time::Timestamp;

/// Lets somebody in who signs in as `login`.
pub(crate) async fn let_in(
    state: &dyn State,
    workspace: WorkspaceId,
    (id, name): (UserId, &str),
    (role, since): (Role, Timestamp),
    login: Login,
) {
    let digest = login_digest(&login);
    let key = StateKey {
        pk: format!("login#{digest}"),
        sk: "person".to_owned(),
    };
    let member = Member {
        id,
        name: name.to_owned(),
        role,
        login: Some(digest),
        since,
        role_since: None,
    };
    let person = Person {
        id,
        issuer: login.issuer,
        subject: login.subject,
    };
    let rows = vec![
        StateWrite::create(
            Directory::member_key(workspace, id),
            serde_json::to_value(&member).unwrap(),
        ),
        StateWrite::create(key, serde_json::to_value(&person).unwrap()),
    ];
    assert!(state.write(rows).await.unwrap());
}
