//! What a credential reaches (docs/design/0004-tenants.md), and that what it does not reach costs the
//! same reads as what does not exist.

use std::sync::Mutex;

use async_trait::async_trait;
use counterfoil_core::auth::{AuthError, Authenticated, authenticate_key};
use counterfoil_core::ports::{Clock, PortError, State, StateKey, StateWrite, Stored};
use counterfoil_core::records::Directory;
use counterfoil_core::tenancy::{Capability, Principal, Role};
use counterfoil_core::usecases::{NewWorkspace, Projects};

use crate::world::{World, login, signing_in};

const NEVER_ISSUED: &str = "prj_01ARZ3NDEKTSV4RRFFQ69G5FAV";
const NO_WORKSPACE: &str = "ws_01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// A workspace with two projects, another one with one, and who calls.
struct Tenants {
    world: World,
    /// Of the first workspace.
    projects: [String; 2],
    /// Of the other workspace, and its project.
    foreign: [String; 2],
    project_key: Authenticated,
    workspace_key: Authenticated,
    /// A member of the first workspace only.
    ann: Authenticated,
    /// A member of both.
    ben: Authenticated,
    /// Signed in, and a member of none.
    stranger: Authenticated,
}

impl Tenants {
    async fn new() -> Self {
        let world = World::new().await;
        let second = world.another_project().await.project();
        let ben = login("Ben", world.clock.now());
        let people = [signing_in("Ben", Role::Viewer, &ben)];
        let new = NewWorkspace {
            name: "Other",
            people: &people,
        };
        let (other, _) = world.create.workspace(&new).await.unwrap();
        let foreign = world.project_of(&other).await;
        let owner = world.ann.principal().person().unwrap();
        let by = Principal::System {
            duty: "setup".to_owned(),
        };
        let key = world
            .create
            .api_key(&world.project, &by, Capability::Read, owner, None);
        let key = key.await.unwrap();
        let presented = async || {
            let caller = authenticate_key(world.store.as_ref(), key.reveal(), world.clock.now());
            caller.await.unwrap()
        };
        let project_key = presented().await;
        let handle = project_key.key().unwrap().handle.clone();
        let row = Directory::of(world.store.as_ref())
            .api_key(&handle)
            .await
            .unwrap()
            .unwrap();
        let mut whole = row.value;
        whole.project = None;
        let doc = serde_json::to_value(&whole).unwrap();
        let write = StateWrite::replace(Directory::api_key_key(&handle), row.version, doc);
        assert!(world.store.write(vec![write]).await.unwrap());
        let workspace_key = presented().await;
        Self {
            projects: [world.project.id.to_string(), second.to_string()],
            foreign: [other.id.to_string(), foreign.id.to_string()],
            project_key,
            workspace_key,
            ann: world.presence("Ann").await,
            ben: world.presence("Ben").await,
            stranger: world.presence("nobody we know").await,
            world,
        }
    }
}

fn word<T>(found: &Result<T, AuthError>) -> &'static str {
    match found {
        Ok(_) => "reached",
        Err(AuthError::NotFound) => "absent",
        Err(AuthError::ProjectNotNamed) => "not named",
        Err(AuthError::Unauthenticated) => "unauthenticated",
        Err(AuthError::NotForAgents) => "not for agents",
        Err(AuthError::Scope) => "scope",
        Err(AuthError::Unavailable(_)) => "unavailable",
    }
}

#[tokio::test]
async fn a_credential_reaches_its_projects_and_no_other() {
    let it = Tenants::new().await;
    let [own, second] = &it.projects;
    let foreign = &it.foreign[1];
    let asked = [
        None,
        Some(own.as_str()),
        Some(second),
        Some(foreign),
        Some(NEVER_ISSUED),
        Some("prj_"),
    ];
    let table = [
        (
            &it.project_key,
            ["reached", "reached", "absent", "absent", "absent", "absent"],
        ),
        (
            &it.workspace_key,
            [
                "not named",
                "reached",
                "reached",
                "absent",
                "absent",
                "absent",
            ],
        ),
        (
            &it.ann,
            [
                "not named",
                "reached",
                "reached",
                "absent",
                "absent",
                "absent",
            ],
        ),
        (
            &it.ben,
            [
                "not named",
                "reached",
                "reached",
                "reached",
                "absent",
                "absent",
            ],
        ),
        (
            &it.stranger,
            [
                "not named",
                "absent",
                "absent",
                "absent",
                "absent",
                "absent",
            ],
        ),
    ];
    for (caller, expected) in table {
        for (asked, expected) in asked.iter().zip(expected) {
            let found = caller.project(it.world.store.as_ref(), *asked).await;
            assert_eq!(word(&found), expected, "{caller:?} asks for {asked:?}");
            if let (Ok(ctx), Some(asked)) = (found, asked) {
                assert_eq!(ctx.project().to_string(), *asked);
            }
        }
    }
    let role = it
        .ben
        .project(it.world.store.as_ref(), Some(foreign))
        .await
        .unwrap();
    assert_eq!(
        role.principal().role(),
        Some(Role::Viewer),
        "a role is of one workspace"
    );
}

#[tokio::test]
async fn a_key_of_a_workspace_reaches_the_projects_of_its_environment() {
    let it = Tenants::new().await;
    let [own, second] = &it.projects;
    let (store, directory) = (
        it.world.store.as_ref(),
        Directory::of(it.world.store.as_ref()),
    );
    let id = second.parse().unwrap();
    let mut row = directory.project(id).await.unwrap().unwrap();
    assert_eq!(row.value.livemode, it.workspace_key.key().unwrap().live);
    row.value.livemode = !row.value.livemode;
    let doc = serde_json::to_value(&row.value).unwrap();
    let write = StateWrite::replace(Directory::project_key(id), row.version, doc);
    assert!(store.write(vec![write]).await.unwrap());
    let mut reads = Vec::new();
    for asked in [second.as_str(), NEVER_ISSUED] {
        let counting = Counting {
            inner: store,
            reads: Mutex::new(0),
        };
        let found = it.workspace_key.project(&counting, Some(asked)).await;
        assert_eq!(word(&found), "absent", "{asked}");
        reads.push(*counting.reads.lock().unwrap());
    }
    assert_eq!(reads[0], reads[1]);
    for (caller, projects) in [(&it.workspace_key, vec![own]), (&it.ann, vec![own, second])] {
        let workspace = it.world.workspace.id.to_string();
        let ctx = caller.workspace(store, &workspace).await.unwrap();
        let all = Projects {
            create: it.world.create().clone(),
            reader: it.world.store.clone(),
        };
        let listed = all.list(&ctx).await.unwrap();
        let listed: Vec<String> = listed.iter().map(|it| it.id.to_string()).collect();
        assert_eq!(listed.iter().collect::<Vec<_>>(), projects, "{caller:?}");
    }
}

#[tokio::test]
async fn a_key_of_one_project_reaches_nothing_of_its_workspace() {
    let it = Tenants::new().await;
    let own = it.world.workspace.id.to_string();
    let asked = [own.as_str(), it.foreign[0].as_str(), NO_WORKSPACE, "ws_"];
    let table = [
        (&it.project_key, ["absent", "absent", "absent", "absent"]),
        (&it.workspace_key, ["reached", "absent", "absent", "absent"]),
        (&it.ann, ["reached", "absent", "absent", "absent"]),
        (&it.ben, ["reached", "reached", "absent", "absent"]),
        (&it.stranger, ["absent", "absent", "absent", "absent"]),
    ];
    for (caller, expected) in table {
        for (asked, expected) in asked.iter().zip(expected) {
            let found = caller.workspace(it.world.store.as_ref(), asked).await;
            assert_eq!(word(&found), expected, "{caller:?} asks for {asked}");
        }
    }
}

/// Counts reads.
struct Counting<'a> {
    inner: &'a dyn State,
    reads: Mutex<usize>,
}

#[async_trait]
impl State for Counting<'_> {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        *self.reads.lock().unwrap() += 1;
        self.inner.get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        *self.reads.lock().unwrap() += 1;
        self.inner.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        self.inner.write(writes).await
    }
}

#[tokio::test]
async fn what_is_out_of_reach_costs_the_reads_of_what_does_not_exist() {
    let it = Tenants::new().await;
    let [foreign_workspace, foreign_project] = &it.foreign;
    for caller in [&it.project_key, &it.workspace_key, &it.ann, &it.stranger] {
        let mut reads = Vec::new();
        for (workspace, project) in [
            (foreign_workspace.as_str(), foreign_project.as_str()),
            (NO_WORKSPACE, NEVER_ISSUED),
        ] {
            let counting = Counting {
                inner: it.world.store.as_ref(),
                reads: Mutex::new(0),
            };
            assert_eq!(
                word(&caller.project(&counting, Some(project)).await),
                "absent"
            );
            assert_eq!(
                word(&caller.workspace(&counting, workspace).await),
                "absent"
            );
            reads.push(*counting.reads.lock().unwrap());
        }
        assert_eq!(reads[0], reads[1], "{caller:?}");
    }
}
