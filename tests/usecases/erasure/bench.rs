//! People who may erase and hold, and an auditor's look at what is left.

use std::sync::Arc;

use counterfoil_core::evidence::descriptor::Descriptor;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::package::ExportPackage;
use counterfoil_core::evidence::verify::{Package, Trust, Verdict, verify};
use counterfoil_core::ids::UserId;
use counterfoil_core::ports::HoldTarget;
use counterfoil_core::ports::{Clock, SealStore, StoredEntry, StoredPart};
use counterfoil_core::records::Directory;
use counterfoil_core::repair::VoteKind;
use counterfoil_core::tenancy::{Principal, Role, TenantCtx, Via};
use counterfoil_core::usecases::{
    DeclareLost, Erase, EraseRequest, HoldError, KeepRetention, LegalHolds, NewHold, ReadRun,
    Released, Voted,
};
use counterfoil_testkit::memory::SeededRandom;

use crate::people::let_in;
use crate::world::{World, login};

/// What the erased customer's data looks like anywhere.
pub(crate) const CANARY: &str = "cus_1";

/// A world with people of every role.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) random: Arc<SeededRandom>,
    /// Ben, from the world.
    pub(crate) owner: TenantCtx,
    pub(crate) second: TenantCtx,
    pub(crate) admin: TenantCtx,
    pub(crate) auditor: TenantCtx,
    pub(crate) viewer: TenantCtx,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        let random = Arc::new(SeededRandom::new(77));
        let owner = world.sign_in("Ben").await;
        let mut people = Vec::new();
        for role in [Role::Owner, Role::Admin, Role::Auditor, Role::Viewer] {
            people.push(person(&world, &random, role).await);
        }
        let [second, admin, auditor, viewer] = people.try_into().unwrap();
        Self {
            world,
            random,
            owner,
            second,
            admin,
            auditor,
            viewer,
        }
    }

    /// The same with one repaired incident of the customer and one of somebody else.
    pub(crate) async fn repaired() -> Self {
        Box::pin(Self::after_repairs()).await
    }

    async fn after_repairs() -> Self {
        let bench = Self::new().await;
        let world = &bench.world;
        world.add_user("u3", "cus_3", false);
        world.add_user("u4", "cus_4", true);
        world.scan().await;
        for incident in world.incidents().await {
            let proposed = world
                .propose()
                .propose(
                    &world.repair_key,
                    &incident.id.to_string(),
                    Some(&format!("{} wrote", incident.finding.customers[0])),
                    true,
                )
                .await
                .unwrap();
            let action = proposed.action;
            let vote = Voted {
                kind: VoteKind::Approve,
                digest: &action.digest,
                reason: "checked the invoice",
                version: None,
            };
            world
                .vote()
                .vote(&bench.owner, &action.id.to_string(), &vote)
                .await
                .unwrap();
        }
        bench
    }

    /// Looks at one customer, as somebody at a console would.
    pub(crate) async fn check(&self, customer: &str) {
        let request = self.world.check_of(customer, "manual");
        self.world.reconcile().handle(&request).await.unwrap();
    }

    pub(crate) fn erase(&self) -> Erase {
        let world = &self.world;
        Erase {
            evidence: world.store.clone(),
            reader: world.store.clone(),
            state: world.store.clone(),
            objects: world.objects.clone(),
            vault: world.vault.clone(),
            clock: Arc::new(world.clock.clone()),
            random: self.random.clone(),
        }
    }

    /// The caller, signed in at this moment where they are somebody who signs in.
    pub(crate) async fn fresh(&self, ctx: &TenantCtx) -> TenantCtx {
        match ctx.principal() {
            Principal::User {
                id,
                via: Via::Login { .. },
                ..
            } => {
                let directory = Directory::of(self.world.store.as_ref());
                let member = directory.member(ctx.workspace(), *id).await.unwrap();
                self.world.sign_in(&member.unwrap().value.name).await
            }
            _ => ctx.clone(),
        }
    }

    /// Releases a hold right after signing in.
    pub(crate) async fn release(&self, ctx: &TenantCtx, id: &str) -> Result<Released, HoldError> {
        let ctx = self.fresh(ctx).await;
        self.holds().release(&ctx, id).await
    }

    pub(crate) fn holds(&self) -> LegalHolds {
        let world = &self.world;
        LegalHolds {
            evidence: world.store.clone(),
            reader: world.store.clone(),
            state: world.store.clone(),
            clock: Arc::new(world.clock.clone()),
            random: self.random.clone(),
        }
    }

    pub(crate) fn retention(&self) -> KeepRetention {
        let world = &self.world;
        KeepRetention {
            evidence: world.store.clone(),
            reader: world.store.clone(),
            state: world.store.clone(),
            objects: world.objects.clone(),
            vault: world.vault.clone(),
            clock: Arc::new(world.clock.clone()),
            random: self.random.clone(),
        }
    }

    pub(crate) fn lost(&self) -> DeclareLost {
        let world = &self.world;
        DeclareLost {
            evidence: world.store.clone(),
            reader: world.store.clone(),
            state: world.store.clone(),
            clock: Arc::new(world.clock.clone()),
            random: self.random.clone(),
        }
    }

    pub(crate) fn runs(&self) -> ReadRun {
        ReadRun {
            reader: self.world.store.clone(),
            state: self.world.store.clone(),
        }
    }

    pub(crate) fn entries(&self) -> Vec<StoredEntry> {
        self.world.store.stream(self.world.stream())
    }

    /// Every stored `subject` of the project that is still there, as text.
    pub(crate) fn subjects(&self) -> Vec<(u64, String)> {
        let entries = self.entries().into_iter();
        entries
            .filter_map(|entry| match entry.subject {
                Some(StoredPart::Present { bytes, .. }) => {
                    Some((entry.seq, String::from_utf8(bytes).unwrap()))
                }
                _ => None,
            })
            .collect()
    }

    /// Everything that is stored anywhere, as text: parts, records, objects.
    pub(crate) fn everything(&self) -> String {
        let parts = self.subjects().into_iter().map(|(_, text)| text);
        let facts = self.entries().into_iter().map(|entry| {
            let Some(StoredPart::Present { bytes, .. }) = entry.facts else {
                panic!("entry {} has no facts", entry.seq);
            };
            String::from_utf8(bytes).unwrap()
        });
        let mut texts: Vec<String> = parts.chain(facts).collect();
        texts.push(self.world.store.dump());
        texts.push(self.world.objects.dump());
        texts.join("\n")
    }

    /// What a stranger says of a whole stream of this workspace.
    pub(crate) async fn verdict_of(&self, stream: Hash) -> Verdict {
        let world = &self.world;
        world.sealer().seal(stream).await.unwrap();
        let entries = world.store.stream(stream);
        let Some(StoredPart::Present { bytes, .. }) = &entries[0].facts else {
            panic!("no genesis");
        };
        let facts = Json::parse(bytes).unwrap();
        let descriptor = Descriptor::from_json(facts.get("descriptor").unwrap()).unwrap();
        let mut package = ExportPackage::new(&descriptor);
        for entry in &entries {
            package
                .add(&counterfoil_core::usecases::facts::segment_entry(entry))
                .unwrap();
        }
        for seal in world.store.all(stream).await.unwrap() {
            package.seal(&seal.note).unwrap();
        }
        let trust = Trust::new(world.seal_key().await, stream);
        verify(Package::Document(&package.document()), &trust)
    }

    pub(crate) async fn verifies(&self) {
        let verdict = self.verdict_of(self.world.stream()).await;
        assert!(verdict.is_accepted(), "{:?}", verdict.result);
    }

    /// Sets a hold on the project.
    pub(crate) async fn hold(&self, target: HoldTarget) -> String {
        let new = NewHold {
            idempotency_key: format!("{target:?}"),
            workspace: false,
            target,
            reason: "litigation against the shop".to_owned(),
        };
        let hold = self.holds().set(&self.admin, &new).await.unwrap();
        hold.value.id.to_string()
    }
}

pub(crate) const ALL: HoldTarget = HoldTarget::All { all: true };

pub(crate) fn request() -> EraseRequest {
    EraseRequest {
        reason: "gdpr_art_17".to_owned(),
        comment: Some("they asked for it by letter".to_owned()),
    }
}

/// A person of this role who has signed in.
async fn person(world: &World, random: &Arc<SeededRandom>, role: Role) -> TenantCtx {
    use counterfoil_core::ports::Random;
    let now = world.clock.now();
    let (id, name) = (
        UserId::new(now, random.bits128()),
        format!("{role:?} {}", random.bits128()),
    );
    let (store, who) = (world.store.as_ref(), (id, name.as_str()));
    let login = login(&name, now);
    let_in(store, world.workspace.id, who, (role, now), login).await;
    world.sign_in(&name).await
}
