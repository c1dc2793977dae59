//! A workspace that somebody founded by signing in, and people who join it.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::auth::{AuthError, Authenticated, authenticate_key, authenticate_person};
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::header::Header;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ids::{UserId, WorkspaceId};
use counterfoil_core::ports::{Clock, EvidenceAppend, Login, State, StoredPart};
use counterfoil_core::records::{Invitation, Versioned, Workspace};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::tenancy::{Capability, Role, WorkspaceCtx};
use counterfoil_core::usecases::{
    AdminError, AdminPorts, Invitations, Keys, Members, NewApiKey, NewInvitation, PageOf,
    Workspaces,
};
use counterfoil_testkit::memory::{MemSigner, MemStore, SeededRandom, SetClock};

use crate::derived::Derived;
use crate::world::NOW;

/// Somebody in a workspace.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) id: UserId,
}

pub(crate) struct Bench {
    pub(crate) clock: SetClock,
    pub(crate) store: Arc<MemStore>,
    pub(crate) random: Arc<SeededRandom>,
    pub(crate) signer: Arc<MemSigner>,
    pub(crate) workspace: Workspace,
    /// Founded it.
    pub(crate) ann: Person,
    _derived: Derived,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let at = u64::try_from(NOW).unwrap() * 1_000;
        let clock = SetClock::at(counterfoil_core::time::Timestamp::from_millis(at));
        let store = Arc::new(MemStore::new(clock.clone()));
        let random = Arc::new(SeededRandom::new(5));
        let signer = Arc::new(MemSigner::from_seed(3));
        let mut bench = Self {
            _derived: Derived(store.clone()),
            clock,
            store,
            random,
            signer,
            workspace: Workspace {
                id: WorkspaceId::from_bits(0),
                name: String::new(),
                stream: String::new(),
            },
            ann: Person {
                name: "ann",
                id: UserId::from_bits(0),
            },
        };
        let ann = bench.sign_in("ann").await;
        let founded = bench.workspaces().found(&ann, "Acme", "Ann", None).await;
        let (workspace, id) = founded.unwrap();
        bench.workspace = workspace;
        bench.ann.id = id;
        bench
    }

    pub(crate) fn ports(&self) -> AdminPorts {
        self.ports_with(self.store.clone())
    }

    pub(crate) fn ports_with(&self, evidence: Arc<dyn EvidenceAppend>) -> AdminPorts {
        AdminPorts {
            evidence,
            state: self.store.clone(),
            clock: Arc::new(self.clock.clone()),
            random: self.random.clone(),
        }
    }

    pub(crate) fn workspaces(&self) -> Workspaces {
        Workspaces {
            ports: self.ports(),
            signer: self.signer.clone(),
        }
    }

    pub(crate) fn members(&self) -> Members {
        let ports = self.ports();
        Members { ports }
    }

    pub(crate) fn invitations(&self) -> Invitations {
        let ports = self.ports();
        Invitations { ports }
    }

    pub(crate) fn keys(&self) -> Keys {
        let ports = self.ports();
        Keys { ports }
    }

    pub(crate) fn login(&self, name: &str) -> Login {
        Login {
            issuer: "https://login.example".to_owned(),
            subject: name.to_owned(),
            authenticated_at: self.clock.now(),
            second_factor: true,
        }
    }

    /// Signs in now.
    pub(crate) async fn sign_in(&self, name: &str) -> Authenticated {
        let login = self.login(name);
        authenticate_person(self.store.as_ref(), login)
            .await
            .unwrap()
    }

    /// The context of somebody who signs in now.
    pub(crate) async fn ctx(&self, name: &str) -> WorkspaceCtx {
        self.reach(name).await.unwrap()
    }

    pub(crate) async fn reach(&self, name: &str) -> Result<WorkspaceCtx, AuthError> {
        let caller = self.sign_in(name).await;
        let id = self.workspace.id.to_string();
        caller.workspace(self.store.as_ref(), &id).await
    }

    /// The context of a key.
    pub(crate) async fn present(&self, key: &Redacted<String>) -> Result<WorkspaceCtx, AuthError> {
        let store = self.store.as_ref();
        let caller = authenticate_key(store, key.reveal(), self.clock.now()).await?;
        caller
            .workspace(store, &self.workspace.id.to_string())
            .await
    }

    /// Ann invites somebody; the token.
    pub(crate) async fn invite(&self, role: Role) -> Redacted<String> {
        let new = NewInvitation {
            name: "Somebody",
            email: None,
            role,
        };
        let ctx = self.ctx("ann").await;
        self.invitations().make(&ctx, &new, None).await.unwrap().1
    }

    pub(crate) async fn accept(&self, name: &str, token: &str) -> Result<UserId, AdminError> {
        let caller = self.sign_in(name).await;
        let joined = self.invitations().accept(&caller, token, name, None).await;
        joined.map(|joined| joined.person)
    }

    /// Somebody joins.
    pub(crate) async fn join(&self, name: &'static str, role: Role) -> Person {
        let token = self.invite(role).await;
        let id = self.accept(name, token.reveal()).await.unwrap();
        Person { name, id }
    }

    pub(crate) async fn make_key(
        &self,
        by: &str,
        new: &NewApiKey<'_>,
    ) -> Result<(String, Redacted<String>), AdminError> {
        let ctx = self.ctx(by).await;
        let (made, secret) = self.keys().make(&ctx, new, None).await?;
        Ok((made.record.value.id.to_string(), secret))
    }

    /// The kinds of the workspace's entries, and their facts.
    pub(crate) fn entries(&self) -> Vec<(Kind, Json)> {
        let stream: Hash = self.workspace.stream.parse().unwrap();
        let entries = self.store.stream(stream).into_iter();
        let read = entries.map(|entry| {
            let Some(StoredPart::Present { bytes, .. }) = &entry.facts else {
                panic!("entry {} has no facts", entry.seq);
            };
            let header = Header::parse(&entry.header, stream).unwrap();
            (header.kind, Json::parse(bytes).unwrap())
        });
        read.collect()
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.entries().iter().filter(|(it, _)| *it == kind).count()
    }

    /// What all rows hold, to compare.
    pub(crate) fn rows(&self) -> String {
        self.store.dump()
    }

    pub(crate) async fn owners(&self) -> usize {
        let partition = format!("{}#member", self.workspace.id);
        let rows = self.store.list(&partition, "").await.unwrap();
        rows.iter().filter(|row| row.doc["role"] == "owner").count()
    }

    pub(crate) fn later(&self, by: Duration) {
        self.clock.advance(by);
    }
}

/// A reading key of the workspace.
pub(crate) const READING: NewApiKey<'static> = NewApiKey {
    name: "dashboard",
    project: None,
    live: true,
    capability: Capability::Read,
    approver: None,
    agent: false,
    days: None,
};

/// The invitations that wait, in one page.
pub(crate) async fn waiting(bench: &Bench, ctx: &WorkspaceCtx) -> Vec<Versioned<Invitation>> {
    let all = PageOf {
        cursor: None,
        limit: 100,
    };
    bench.invitations().list(ctx, all).await.unwrap().items
}

#[track_caller]
pub(crate) fn denied<T>(done: Result<T, AdminError>, rule: &str) {
    match done.map(drop).unwrap_err() {
        AdminError::Denied {
            judgement,
            decision,
        } => {
            assert_eq!(judgement.rule, rule);
            assert!(decision.is_some(), "a refusal is recorded");
        }
        other => panic!("{other:?}"),
    }
}
