//! API keys: who makes which, how long they last, and how they end.

use std::time::Duration;

use counterfoil_core::auth::{AuthError, authenticate_key};
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ports::{Clock, State, StateWrite};
use counterfoil_core::records::{Directory, Project};
use counterfoil_core::tenancy::{Capability, Role};
use counterfoil_core::usecases::{AdminError, NewApiKey};

use super::bench::{Bench, READING, denied};
use crate::world::World;

const DAY: Duration = Duration::from_hours(24);

async fn project(bench: &Bench) -> Project {
    let world = World::new().await;
    let mut project = world.project.clone();
    project.workspace = bench.workspace.id;
    let doc = serde_json::to_value(&project).unwrap();
    let write = StateWrite::create(Directory::project_key(project.id), doc);
    assert!(bench.store.write(vec![write]).await.unwrap());
    project
}

#[tokio::test]
async fn a_key_is_shown_once_and_stored_as_its_hash() {
    let bench = Bench::new().await;
    let (id, secret) = bench.make_key("ann", &READING).await.unwrap();
    assert!(!bench.rows().contains(secret.reveal().as_str()));
    let text = format!("{:?}", bench.entries());
    assert!(!text.contains(secret.reveal().as_str()));
    let ctx = bench.ctx("ann").await;
    let key = bench.keys().get(&ctx, &id).await.unwrap().value;
    assert_eq!(key.expires_at, key.created_at.plus(90 * DAY));
    bench.present(&secret).await.unwrap();
    bench.later(90 * DAY);
    let over = bench.present(&secret).await.unwrap_err();
    assert!(matches!(over, AuthError::Unauthenticated));
}

#[tokio::test]
async fn only_owners_make_keys() {
    let bench = Bench::new().await;
    for role in [Role::Admin, Role::Approver, Role::Auditor, Role::Viewer] {
        let ben = bench.join("ben", role).await;
        denied(bench.make_key("ben", &READING).await, "default-deny");
        let ctx = bench.ctx("ann").await;
        bench
            .members()
            .remove(&ctx, &ben.id.to_string())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_key_makes_no_key_also_not_for_its_person() {
    let bench = Bench::new().await;
    let own = bench.ann.id.to_string();
    let approving = NewApiKey {
        capability: Capability::Repair,
        approver: Some(&own),
        ..READING
    };
    let repairing = NewApiKey {
        capability: Capability::Repair,
        ..READING
    };
    for new in [approving, repairing, READING] {
        let (id, secret) = bench.make_key("ann", &new).await.unwrap();
        let ctx = bench.present(&secret).await.unwrap();
        let rule = if new.approver.is_some() {
            "base.forbid.approver-key"
        } else {
            "base.forbid.machine-admin"
        };
        denied(bench.keys().make(&ctx, &READING, None).await, rule);
        denied(bench.keys().revoke(&ctx, &id).await, rule);
        denied(bench.keys().rotate(&ctx, &id, 0, None).await, rule);
        let rule = if new.approver.is_some() {
            rule
        } else {
            "base.forbid.last-owner"
        };
        denied(bench.members().remove(&ctx, &own).await, rule);
    }
}

#[tokio::test]
async fn a_key_that_approves_is_its_own_persons_with_a_second_factor_and_short() {
    let bench = Bench::new().await;
    let ben = bench.join("ben", Role::Approver).await;
    let (other, own) = (ben.id.to_string(), bench.ann.id.to_string());
    let speaking = |approver| NewApiKey {
        capability: Capability::Repair,
        approver: Some(approver),
        ..READING
    };
    denied(
        bench.make_key("ann", &speaking(&other)).await,
        "base.forbid.key-of-another",
    );
    denied(
        bench.make_key("ann", &speaking("usr_nobody")).await,
        "base.forbid.key-of-another",
    );
    let mut login = bench.login("ann");
    login.second_factor = false;
    let store = bench.store.as_ref();
    let caller = counterfoil_core::auth::authenticate_person(store, login);
    let caller = caller.await.unwrap();
    let workspace = bench.workspace.id.to_string();
    let ctx = caller.workspace(store, &workspace).await.unwrap();
    denied(
        bench.keys().make(&ctx, &speaking(&own), None).await,
        "base.forbid.key-second-factor",
    );
    let long = NewApiKey {
        days: Some(31),
        ..speaking(&own)
    };
    let reading = NewApiKey {
        capability: Capability::Read,
        ..speaking(&own)
    };
    for (new, wrong) in [(long, "/expires_in_days"), (reading, "/capability")] {
        match bench.make_key("ann", &new).await.unwrap_err() {
            AdminError::Invalid { field, .. } => assert_eq!(field, wrong),
            other => panic!("{other:?}"),
        }
    }
    let (_, secret) = bench.make_key("ann", &speaking(&own)).await.unwrap();
    bench.later(30 * DAY);
    assert!(bench.present(&secret).await.is_err());
}

/// docs/mcp.md: a key that is an agent's is one at every door.
#[tokio::test]
async fn a_key_of_an_agent_is_one_at_every_door_and_reaches_projects_alone() {
    let bench = Bench::new().await;
    let (store, project) = (bench.store.as_ref(), project(&bench).await);
    let own = bench.ann.id.to_string();
    let agents = NewApiKey {
        capability: Capability::Repair,
        agent: true,
        ..READING
    };
    let voting = NewApiKey {
        approver: Some(&own),
        ..agents
    };
    match bench.make_key("ann", &voting).await.unwrap_err() {
        AdminError::Invalid { field, .. } => assert_eq!(field, "/agent"),
        other => panic!("{other:?}"),
    }
    let (id, secret) = bench.make_key("ann", &agents).await.unwrap();
    let mut entries = bench.entries().into_iter().rev();
    let (_, granted) = entries
        .find(|(kind, _)| *kind == Kind::AccessGranted)
        .unwrap();
    assert_eq!(granted.get("agent"), Some(&true.into()));
    let ctx = bench.ctx("ann").await;
    let renewed = bench.keys().rotate(&ctx, &id, 1, None).await.unwrap();
    assert!(
        renewed.0.record.value.agent,
        "and so is the key that replaces it"
    );
    for secret in [secret, renewed.1] {
        let key = authenticate_key(store, secret.reveal(), bench.clock.now());
        let key = key.await.unwrap();
        let workspace = bench.workspace.id.to_string();
        let refused = key.workspace(store, &workspace).await.unwrap_err();
        assert!(matches!(refused, AuthError::NotFound));
        let plain = key
            .project(store, Some(&project.id.to_string()))
            .await
            .unwrap();
        let over_mcp = key.as_agent().unwrap();
        let over_mcp = over_mcp
            .project(store, Some(&project.id.to_string()))
            .await
            .unwrap();
        for ctx in [plain, over_mcp] {
            assert_eq!(ctx.principal().kind(), "agent");
            assert_eq!(ctx.principal().owners(), [bench.ann.id]);
        }
    }
}

#[tokio::test]
async fn a_key_of_a_project_fits_its_mode_and_reaches_nothing_else() {
    let bench = Bench::new().await;
    let project = project(&bench).await;
    let id = project.id.to_string();
    let of_project = NewApiKey {
        project: Some(&id),
        ..READING
    };
    let test = NewApiKey {
        live: false,
        ..of_project
    };
    let absent = NewApiKey {
        project: Some("prj_01KARX6M000000000000000009"),
        ..READING
    };
    for (new, wrong) in [(test, "/environment"), (absent, "/project_id")] {
        match bench.make_key("ann", &new).await.unwrap_err() {
            AdminError::Invalid { field, .. } => assert_eq!(field, wrong),
            other => panic!("{other:?}"),
        }
    }
    let (_, secret) = bench.make_key("ann", &of_project).await.unwrap();
    let out = bench.present(&secret).await.unwrap_err();
    assert!(matches!(out, AuthError::NotFound), "not its workspace");
    let store = bench.store.as_ref();
    let caller = authenticate_key(store, secret.reveal(), bench.clock.now());
    let caller = caller.await.unwrap();
    let own = caller.project(store, None).await.unwrap();
    assert_eq!(own.project(), project.id);
    assert_eq!(bench.workspaces().mine(&caller).await.unwrap(), []);
}

#[tokio::test]
async fn a_revoked_key_stops_at_once_and_once() {
    let bench = Bench::new().await;
    let (id, secret) = bench.make_key("ann", &READING).await.unwrap();
    bench.join("ben", Role::Viewer).await;
    bench.join("cleo", Role::Admin).await;
    let viewer = bench.ctx("ben").await;
    denied(bench.keys().revoke(&viewer, &id).await, "default-deny");
    let admin = bench.ctx("cleo").await;
    let first = bench.keys().revoke(&admin, &id).await.unwrap();
    assert!(first.decision.is_some());
    assert!(bench.present(&secret).await.is_err());
    let again = bench.keys().revoke(&admin, &id).await.unwrap();
    assert_eq!(again.decision, None);
    assert_eq!(bench.count(Kind::AccessRevoked), 1);
}

#[tokio::test]
async fn whoever_made_a_key_may_revoke_it_also_as_a_viewer() {
    let bench = Bench::new().await;
    let ben = bench.join("ben", Role::Owner).await;
    let (id, secret) = bench.make_key("ben", &READING).await.unwrap();
    let ctx = bench.ctx("ann").await;
    let person = ben.id.to_string();
    let seen = bench.members().get(&ctx, &person).await.unwrap().version;
    let demoted = bench
        .members()
        .change_role(&ctx, &person, Role::Viewer, seen)
        .await;
    demoted.unwrap();
    let viewer = bench.ctx("ben").await;
    bench.keys().revoke(&viewer, &id).await.unwrap();
    assert!(bench.present(&secret).await.is_err());
}

#[tokio::test]
async fn a_replaced_key_is_valid_for_its_grace_and_not_longer() {
    let bench = Bench::new().await;
    for hours in [0, 1, 72] {
        let (id, old) = bench.make_key("ann", &READING).await.unwrap();
        let ctx = bench.ctx("ann").await;
        let (made, new) = bench.keys().rotate(&ctx, &id, hours, None).await.unwrap();
        let key = made.record.value;
        assert_eq!(key.expires_at, key.created_at.plus(90 * DAY));
        assert_ne!(old.reveal(), new.reveal());
        assert_eq!(bench.present(&old).await.is_ok(), hours > 0);
        let again = bench.keys().rotate(&ctx, &id, hours, None).await;
        assert!(matches!(again, Err(AdminError::WrongState(_))));
        bench.later(Duration::from_hours(hours));
        assert!(bench.present(&old).await.is_err());
        bench.present(&new).await.unwrap();
    }
    let (id, old) = bench.make_key("ann", &READING).await.unwrap();
    let ctx = bench.ctx("ann").await;
    let long = bench.keys().rotate(&ctx, &id, 73, None).await;
    assert!(matches!(long, Err(AdminError::Invalid { .. })));
    bench.present(&old).await.unwrap();
}
