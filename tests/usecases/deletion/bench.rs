//! A workspace with a project that has everything, another one, and another workspace.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::auth::AuthError;
use counterfoil_core::deletion::{DELAY, Deletion, DeletionScope};
use counterfoil_core::ports::Clock;
use counterfoil_core::records::{Directory, Project, Versioned, Workspace};
use counterfoil_core::tenancy::{Role, TenantCtx, WorkspaceCtx};
use counterfoil_core::usecases::{
    CarriedOut, Decided, Delete, DeletionError, DeletionOf, NewWorkspace,
};

use crate::erasure::bench::Bench as Shop;
use crate::world::{login, signing_in};

pub(super) const REASON: &str = "we sold the shop";
/// Longer than any worker lives.
pub(super) const SETTLED: Duration = Duration::from_mins(31);

pub(super) struct Bench {
    pub(super) shop: Shop,
    /// Another project of the same workspace.
    pub(super) sibling: Project,
    /// Another workspace, of which Ben is an owner too, and its project.
    pub(super) foreign: (Workspace, Project),
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::around(Shop::new().await).await
    }

    /// With runs, incidents, repairs, snapshots and findings.
    pub(super) async fn full() -> Self {
        Self::around(Shop::repaired().await).await
    }

    async fn around(shop: Shop) -> Self {
        let world = &shop.world;
        let sibling = world.another_project().await.project();
        let sibling = Directory::of(world.store.as_ref()).project(sibling).await;
        let sibling = sibling.unwrap().unwrap().value;
        let ben = login("Ben", world.clock.now());
        let people = [signing_in("Ben", Role::Owner, &ben)];
        let new = NewWorkspace {
            name: "Other",
            people: &people,
        };
        let (other, _) = world.create.workspace(&new).await.unwrap();
        let project = world.project_of(&other).await;
        Self {
            sibling,
            foreign: (other, project),
            shop,
        }
    }

    pub(super) fn delete(&self) -> Delete {
        let world = &self.shop.world;
        Delete {
            evidence: world.store.clone(),
            reader: world.store.clone(),
            state: world.store.clone(),
            objects: world.objects.clone(),
            vault: world.vault.clone(),
            clock: Arc::new(world.clock.clone()),
            random: self.shop.random.clone(),
        }
    }

    pub(super) fn later(&self, by: Duration) {
        self.shop.world.clock.advance(by);
    }

    /// Somebody who signs in now, in the workspace.
    pub(super) async fn office(&self, ctx: &TenantCtx) -> WorkspaceCtx {
        let world = &self.shop.world;
        let directory = Directory::of(world.store.as_ref());
        let id = ctx.principal().person().unwrap();
        let member = directory.member(ctx.workspace(), id).await.unwrap();
        let caller = world.presence(&member.unwrap().value.name).await;
        let asked = ctx.workspace().to_string();
        caller
            .workspace(world.store.as_ref(), &asked)
            .await
            .unwrap()
    }

    pub(super) async fn propose(&self) -> Result<Decided<Versioned<Deletion>>, DeletionError> {
        let owner = self.shop.fresh(&self.shop.owner).await;
        let of = DeletionOf::Project(&owner);
        self.delete().propose(of, REASON, None).await
    }

    pub(super) async fn confirm(&self) -> Result<Decided<Versioned<Deletion>>, DeletionError> {
        let admin = self.shop.fresh(&self.shop.admin).await;
        let of = DeletionOf::Project(&admin);
        self.delete().confirm(of, None, None).await
    }

    pub(super) async fn propose_all(&self) -> Result<Decided<Versioned<Deletion>>, DeletionError> {
        let owner = self.office(&self.shop.owner).await;
        let of = DeletionOf::Workspace(&owner);
        self.delete().propose(of, REASON, None).await
    }

    pub(super) async fn confirm_all(&self) -> Result<Decided<Versioned<Deletion>>, DeletionError> {
        let second = self.office(&self.shop.second).await;
        let of = DeletionOf::Workspace(&second);
        self.delete().confirm(of, None, None).await
    }

    pub(super) async fn carry_out(&self) -> CarriedOut {
        self.delete().carry_out().await.unwrap()
    }

    /// The project is proposed, confirmed and due.
    pub(super) async fn due(&self) {
        self.propose().await.unwrap();
        self.confirm().await.unwrap();
        self.later(DELAY);
    }

    /// The workspace is.
    pub(super) async fn all_due(&self) {
        self.propose_all().await.unwrap();
        self.confirm_all().await.unwrap();
        self.later(DELAY);
    }

    /// Turns of the duty until nothing is left.
    pub(super) async fn to_the_end(&self) {
        for _ in 0..10 {
            drop(self.delete().carry_out().await);
            self.later(SETTLED);
        }
        let rows = self.left().await;
        let done = rows.iter().all(|row| row.value.done_at.is_some());
        assert!(!rows.is_empty() && done, "{rows:?}");
    }

    pub(super) async fn left(&self) -> Vec<Versioned<counterfoil_core::deletion::Deleted>> {
        let directory = Directory::of(self.shop.world.store.as_ref());
        directory.deleted().await.unwrap()
    }

    pub(super) fn project(&self) -> DeletionScope {
        DeletionScope::Project(self.shop.world.project.id)
    }

    /// Partitions of the state table that start like this.
    pub(super) fn partitions(&self, of: &str) -> Vec<String> {
        let all = self.shop.world.store.partitions().into_iter();
        all.filter(|name| name.starts_with(of)).collect()
    }

    pub(super) fn objects(&self) -> Vec<String> {
        let id = self.shop.world.project.id.to_string();
        let keys = self.shop.world.objects.all_keys().into_iter();
        keys.filter(|key| key.contains(&id)).collect()
    }

    /// Whether an owner still reaches the project.
    pub(super) async fn reaches(&self) -> Result<TenantCtx, AuthError> {
        let world = &self.shop.world;
        let caller = world.presence("Ben").await;
        let id = world.project.id.to_string();
        caller.project(world.store.as_ref(), Some(&id)).await
    }

    /// Kinds of a stream's entries, in order.
    pub(super) fn kinds(&self, stream: &str) -> Vec<String> {
        use counterfoil_core::evidence::json::Json;
        let entries = self.shop.world.store.stream(stream.parse().unwrap());
        let kind = |bytes: &[u8]| {
            let header = Json::parse(bytes).unwrap();
            let kind = header.get("kind").and_then(Json::as_str);
            kind.unwrap().to_owned()
        };
        entries.iter().map(|entry| kind(&entry.header)).collect()
    }

    pub(super) async fn stream_verifies(&self, stream: &str) {
        let verdict = self.shop.verdict_of(stream.parse().unwrap()).await;
        assert!(verdict.is_accepted(), "{:?}", verdict.result);
    }

    /// How many entries of a stream still have contents of people.
    pub(super) fn subjects(&self, stream: &str) -> usize {
        use counterfoil_core::ports::StoredPart;
        let entries = self.shop.world.store.stream(stream.parse().unwrap());
        let present = |part: &Option<StoredPart>| matches!(part, Some(StoredPart::Present { .. }));
        entries.iter().filter(|it| present(&it.subject)).count()
    }
}

#[track_caller]
pub(super) fn denied<T>(done: Result<T, DeletionError>, rule: &str) {
    match done.map(drop).unwrap_err() {
        DeletionError::Denied {
            judgement,
            decision,
        } => {
            assert_eq!(judgement.rule, rule);
            assert!(decision.is_some(), "a refusal is recorded");
        }
        other => panic!("{other:?}"),
    }
}
