//! What is left of somebody who leaves their last workspace.

use std::sync::Arc;

use async_trait::async_trait;
use counterfoil_core::auth::login_digest;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{AppendError, Batch, Clock, EntryRef, EvidenceAppend};
use counterfoil_core::records::{Directory, Workspace};
use counterfoil_core::tenancy::{Role, WorkspaceCtx};
use counterfoil_core::usecases::{AdminPorts, Members, NewWorkspace};
use tokio::sync::Mutex;

use super::bench::Bench;
use crate::world::{World, login, signing_in};

/// Does something just before the first append.
struct Before<F> {
    inner: Arc<dyn EvidenceAppend>,
    first: Mutex<Option<F>>,
}

#[async_trait]
impl<F: Future<Output = ()> + Send> EvidenceAppend for Before<F> {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        if let Some(first) = self.first.lock().await.take() {
            first.await;
        }
        self.inner.append(stream, batch).await
    }
}

fn ports(bench: &Bench) -> AdminPorts {
    let world = &bench.shop.world;
    AdminPorts {
        evidence: world.store.clone(),
        state: world.store.clone(),
        clock: Arc::new(world.clock.clone()),
        random: bench.shop.random.clone(),
    }
}

fn ann(world: &World) -> String {
    login_digest(&login("Ann", world.clock.now()))
}

/// Another workspace, of which Olga is the owner and Ann a member.
async fn third(world: &World) -> Workspace {
    let [olga, ann] = ["Olga", "Ann"].map(|name| login(name, world.clock.now()));
    let people = [
        signing_in("Olga", Role::Owner, &olga),
        signing_in("Ann", Role::Viewer, &ann),
    ];
    let new = NewWorkspace {
        name: "Third",
        people: &people,
    };
    world.create.workspace(&new).await.unwrap().0
}

async fn owner(world: &World, name: &str, workspace: &Workspace) -> WorkspaceCtx {
    let asked = workspace.id.to_string();
    let caller = world.presence(name).await;
    let ctx = caller.workspace(world.store.as_ref(), &asked).await;
    ctx.unwrap()
}

#[tokio::test]
async fn nothing_is_left_of_whoever_is_removed_from_their_last_workspace() {
    let bench = Bench::new().await;
    let world = &bench.shop.world;
    let id = world.ann.principal().id();
    let by = owner(world, "Ben", &world.workspace).await;
    let ports = ports(&bench);
    Members { ports }.remove(&by, &id).await.unwrap();
    let rows = bench.partitions(&format!("login#{}", ann(world)));
    assert_eq!(rows, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_is_in_another_workspace_stays_who_they_are() {
    let bench = Bench::new().await;
    let world = &bench.shop.world;
    let third = third(world).await;
    let directory = Directory::of(world.store.as_ref());
    let before = directory.person(&ann(world)).await.unwrap().unwrap();
    let id = before.value.id.to_string();
    let by = owner(world, "Ben", &world.workspace).await;
    let ports = ports(&bench);
    Members { ports }.remove(&by, &id).await.unwrap();
    let after = directory.person(&ann(world)).await.unwrap().unwrap();
    assert_eq!(after.value, before.value);
    let left = directory.memberships(&ann(world)).await.unwrap();
    assert_eq!(left, [third.id]);
}

#[tokio::test]
async fn two_removals_at_once_leave_nothing_of_a_person() {
    let bench = Bench::new().await;
    let world = &bench.shop.world;
    let third = third(world).await;
    let id = world.ann.principal().id();
    let (here, there) = (
        owner(world, "Ben", &world.workspace).await,
        owner(world, "Olga", &third).await,
    );
    let others = Members {
        ports: ports(&bench),
    };
    let same = id.clone();
    let first = async move {
        others.remove(&there, &same).await.unwrap();
    };
    let evidence = Before {
        inner: world.store.clone(),
        first: Mutex::new(Some(first)),
    };
    let ports = AdminPorts {
        evidence: Arc::new(evidence),
        ..ports(&bench)
    };
    Members { ports }.remove(&here, &id).await.unwrap();
    let rows = bench.partitions(&format!("login#{}", ann(world)));
    assert_eq!(rows, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_joins_a_workspace_while_they_leave_their_last_one_stays_who_they_are() {
    let bench = Arc::new(Bench::new().await);
    let world = &bench.shop.world;
    let id = world.ann.principal().id();
    let by = owner(world, "Ben", &world.workspace).await;
    let same = bench.clone();
    let first = async move {
        third(&same.shop.world).await;
    };
    let evidence = Before {
        inner: world.store.clone(),
        first: Mutex::new(Some(first)),
    };
    let ports = AdminPorts {
        evidence: Arc::new(evidence),
        ..ports(&bench)
    };
    Members { ports }.remove(&by, &id).await.unwrap();
    let directory = Directory::of(world.store.as_ref());
    let person = directory.person(&ann(world)).await.unwrap().unwrap();
    assert_eq!(person.value.id.to_string(), id);
    assert_eq!(directory.memberships(&ann(world)).await.unwrap().len(), 1);
}
