//! The repair credential, while it may be what reads back an UPDATE whose reply was lost.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ids::SecretId;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::redacted::Redacted;
use counterfoil_core::repair::{Action, ActionState, OUTCOME_UNKNOWN};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{
    ConnectionKind, Connections, NewConnection, ProjectError, Projects, SWEEP_AFTER,
};
use counterfoil_testkit::memory::ApplyFault;

use super::connecting::Sides;
use crate::repairs::meanwhile::before;
use crate::repairs::unread::{begun, begun_in_run, now};
use crate::world::World;

fn projects(world: &World) -> Projects {
    Projects {
        create: world.create.clone(),
        reader: world.store.clone(),
    }
}

/// Ways in which the repair credential goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goes {
    Away,
    ForAnother,
}

impl Goes {
    const ALL: [Self; 2] = [Self::Away, Self::ForAnother];

    async fn go(self, world: &World, projects: &Projects) -> Result<(), ProjectError> {
        let ben = world.sign_in("Ben").await;
        let version = projects.read(&ben).await.unwrap().project.version;
        let kind = ConnectionKind::Repair;
        if self == Self::Away {
            return projects.disconnect(&ben, kind, version).await;
        }
        let sides = Arc::new(Sides::default());
        let connections = Connections {
            evidence: world.store.clone(),
            state: world.store.clone(),
            vault: world.vault.clone(),
            keys: sides.clone(),
            roles: sides,
            clock: Arc::new(world.clock.clone()),
        };
        let new = NewConnection {
            kind,
            secret: Redacted::new("postgres://repairer:new@db.example.com/app".to_owned()),
            hint: "shown…".to_owned(),
        };
        let connected = projects.connect(&ben, &new, version, &connections);
        connected.await.map(|_| ())
    }
}

async fn credential(world: &World, who: &TenantCtx) -> Option<SecretId> {
    let read = projects(world).read(who).await.unwrap();
    read.project.value.repair_database
}

/// What another credential reads says nothing about the database in which the old one wrote.
#[tokio::test]
async fn a_credential_that_reads_nothing_back_goes_and_what_it_began_ends_as_not_known() {
    for how in Goes::ALL {
        let (world, _, action, database) = begun_in_run(ApplyFault::LostReply).await;
        let old = credential(&world, &world.ben).await;
        let projects = projects(&world);
        let kept = how.go(&world, &projects).await;
        assert!(matches!(kept, Err(ProjectError::Repairing)), "{kept:?}");

        world.clock.advance(SWEEP_AFTER);
        assert_eq!(database.swept(&world).await.failed.len(), 1);
        how.go(&world, &projects).await.unwrap();
        assert_ne!(credential(&world, &world.ben).await, old);

        // The row could be read: it has what was to be written.
        world.clock.advance(Duration::from_mins(5));
        let swept = world.sweep().sweep().await.unwrap();
        assert_eq!((swept.finished, swept.failed.len()), (1, 0), "{how:?}");
        let ended = now(&world, &action).await;
        assert_eq!(ended.state, ActionState::Failed, "{how:?}");
        assert_eq!(ended.failure.as_deref(), Some(OUTCOME_UNKNOWN), "{how:?}");
        let results = world.count("repair.executed") + world.count("repair.failed");
        assert_eq!(results, 0, "{how:?}");
        assert_eq!(world.incident().await.state, IncidentState::Open);
        assert_eq!(world.app.updates(), 1);
        // Nothing is left that keeps the new one.
        Goes::ForAnother.go(&world, &projects).await.unwrap();
    }
}

async fn held(world: &World) -> Action {
    world.scan().await;
    let (propose, id) = (world.propose(), world.incident().await.id.to_string());
    let proposed = propose.propose(&world.repair_key, &id, Some("support asked"), true);
    proposed.await.unwrap().action
}

/// A repair that begins after it was asked whether one does, and before the credential goes.
#[tokio::test]
async fn a_repair_that_begins_meanwhile_keeps_its_credential() {
    for how in Goes::ALL {
        let world = Arc::new(World::new().await);
        let action = held(&world).await;
        let old = credential(&world, &world.ben).await;
        let (other, approved) = (world.clone(), action.clone());
        let begins = async move {
            begun(&other, &approved, ApplyFault::LostReply).await;
        };
        let mut overtaken = projects(&world);
        overtaken.create.evidence = before(&world, Kind::ConfigChanged, begins);
        let kept = how.go(&world, &overtaken).await;
        assert!(
            matches!(kept, Err(ProjectError::Repairing)),
            "{how:?}: {kept:?}"
        );
        assert_eq!(credential(&world, &world.ben).await, old, "{how:?}");
        // So what became of it is found out.
        world.clock.advance(SWEEP_AFTER);
        let swept = world.sweep().sweep().await.unwrap();
        assert_eq!((swept.finished, swept.failed.len()), (1, 0), "{how:?}");
        let settled = now(&world, &action).await.state;
        assert_eq!(settled, ActionState::Verified, "{how:?}");
        how.go(&world, &overtaken).await.unwrap();
        assert_ne!(credential(&world, &world.ben).await, old, "{how:?}");
    }
}
