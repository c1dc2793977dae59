//! A workspace whose people sign in.

use std::sync::Arc;

use counterfoil_core::auth::authenticate_person;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::idempotency::{Begun, Once, OnceScope, begin};
use counterfoil_core::ids::ProjectId;
use counterfoil_core::ports::{Clock, Login, StoredEntry, StoredPart};
use counterfoil_core::records::{Project, Versioned, Workspace};
use counterfoil_core::tenancy::{Role, TenantCtx, WorkspaceCtx};
use counterfoil_core::usecases::{
    AdminPorts, Invitations, Members, NewEmptyProject, NewInvitation, NewPerson, NewWorkspace,
    ProjectError, Projects,
};

use crate::world::World;

/// People of the office, by how they sign in.
pub(super) const OWNER: &str = "olga";
pub(super) const OTHER_OWNER: &str = "omar";
pub(super) const ADMIN: &str = "adam";
pub(super) const VIEWER: &str = "vera";

pub(super) struct Office {
    pub(super) world: World,
    pub(super) workspace: Workspace,
}

impl Office {
    pub(super) async fn new() -> Self {
        Self::of(&[
            (OWNER, Role::Owner),
            (OTHER_OWNER, Role::Owner),
            (ADMIN, Role::Admin),
            (VIEWER, Role::Viewer),
        ])
        .await
    }

    pub(super) async fn of(people: &[(&str, Role)]) -> Self {
        let world = World::new().await;
        let logins: Vec<Login> = people.iter().map(|(name, _)| login(&world, name)).collect();
        let people: Vec<NewPerson<'_>> = people
            .iter()
            .zip(&logins)
            .map(|((name, role), login)| NewPerson {
                name,
                role: *role,
                login: Some(login),
            })
            .collect();
        let new = NewWorkspace {
            name: "Office",
            people: &people,
        };
        let (workspace, _) = world.create().workspace(&new).await.unwrap();
        Self { world, workspace }
    }

    pub(super) fn projects(&self) -> Projects {
        Projects {
            create: self.world.create().clone(),
            reader: self.world.store.clone(),
        }
    }

    /// Somebody who has just signed in, in the workspace.
    pub(super) async fn in_workspace(&self, name: &str) -> WorkspaceCtx {
        let store = self.world.store.as_ref();
        let caller = authenticate_person(store, login(&self.world, name));
        let asked = self.workspace.id.to_string();
        caller
            .await
            .unwrap()
            .workspace(store, &asked)
            .await
            .unwrap()
    }

    /// Somebody who has just signed in, in a project.
    pub(super) async fn in_project(&self, name: &str, project: ProjectId) -> TenantCtx {
        let store = self.world.store.as_ref();
        let caller = authenticate_person(store, login(&self.world, name));
        let asked = project.to_string();
        caller
            .await
            .unwrap()
            .project(store, Some(&asked))
            .await
            .unwrap()
    }

    /// The right to do one request once.
    pub(super) async fn once(&self, ctx: &WorkspaceCtx, key: &str) -> Once {
        let scope = OnceScope {
            workspace: ctx.workspace(),
            principal: "test",
            route: "POST /v1/workspaces/{workspace_id}/projects",
            key,
            asked: key.as_bytes(),
        };
        let (now, holder) = (self.world.clock.now(), self.world.random().bytes32());
        match begin(self.world.store.as_ref(), scope, now, holder).await {
            Ok(Begun::First(once)) => once,
            other => panic!("{other:?}"),
        }
    }

    /// Kinds of a stream's entries, in order.
    pub(super) fn kinds(&self, stream: &str) -> Vec<String> {
        let entries = self.world.store.stream(stream.parse().unwrap());
        let kind = |entry: &StoredEntry| {
            let header = Json::parse(&entry.header).unwrap();
            header
                .get("kind")
                .and_then(Json::as_str)
                .unwrap()
                .to_owned()
        };
        entries.iter().map(kind).collect()
    }

    /// Facts of the last entry of a kind.
    pub(super) fn last(&self, stream: &str, kind: &str) -> Json {
        let at = self
            .kinds(stream)
            .iter()
            .rposition(|it| it == kind)
            .unwrap();
        let stored = self.world.store.stream(stream.parse().unwrap());
        let Some(StoredPart::Present { bytes, .. }) = &stored[at].facts else {
            panic!("facts are protected")
        };
        Json::parse(bytes).unwrap()
    }

    pub(super) fn ports(&self) -> AdminPorts {
        AdminPorts {
            evidence: self.world.store.clone(),
            state: self.world.store.clone(),
            clock: Arc::new(self.world.clock.clone()),
            random: self.world.random().clone(),
        }
    }

    /// Somebody joins whom an owner invited.
    pub(super) async fn join(&self, owner: &str, name: &str, role: Role) {
        let invitations = Invitations {
            ports: self.ports(),
        };
        let new = NewInvitation {
            name,
            email: None,
            role,
        };
        let ctx = self.in_workspace(owner).await;
        let (_, token) = invitations.make(&ctx, &new, None).await.unwrap();
        let login = login(&self.world, name);
        let caller = authenticate_person(self.world.store.as_ref(), login).await;
        let caller = caller.unwrap();
        let joined = invitations.accept(&caller, token.reveal(), name, None);
        joined.await.unwrap();
    }

    async fn id(&self, name: &str) -> String {
        self.in_workspace(name).await.principal().id()
    }

    pub(super) async fn give(&self, owner: &str, name: &str, role: Role) {
        let members = Members {
            ports: self.ports(),
        };
        let (ctx, id) = (self.in_workspace(owner).await, self.id(name).await);
        let version = members.get(&ctx, &id).await.unwrap().version;
        let given = members.change_role(&ctx, &id, role, version).await;
        assert_eq!(given.unwrap().record.value.role, role);
    }

    pub(super) async fn remove(&self, owner: &str, name: &str) {
        let members = Members {
            ports: self.ports(),
        };
        let (ctx, id) = (self.in_workspace(owner).await, self.id(name).await);
        members.remove(&ctx, &id).await.unwrap();
    }

    pub(super) async fn make(&self, by: &str) -> Result<Versioned<Project>, ProjectError> {
        let ctx = self.in_workspace(by).await;
        let once = self.once(&ctx, by).await;
        let new = NewEmptyProject {
            name: " Shop ".to_owned(),
            livemode: true,
        };
        self.projects().make(&ctx, &new, &once).await
    }
}

fn login(world: &World, name: &str) -> Login {
    Login {
        issuer: "https://issuer.example".to_owned(),
        subject: name.to_owned(),
        authenticated_at: world.clock.now(),
        second_factor: true,
    }
}
