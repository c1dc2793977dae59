//! Roles, leaving, removing, and the last owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::auth::AuthError;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ports::{AppendError, Batch, EntryRef, EvidenceAppend};
use counterfoil_core::tenancy::{Capability, Principal, Role};
use counterfoil_core::usecases::{AdminError, Members, NewApiKey};

use super::bench::{Bench, Person, READING, denied};

async fn change(bench: &Bench, by: &str, of: &Person, role: Role) -> Result<(), AdminError> {
    let ctx = bench.ctx(by).await;
    let id = of.id.to_string();
    let version = bench.members().get(&ctx, &id).await?.version;
    let done = bench.members().change_role(&ctx, &id, role, version).await;
    done.map(drop)
}

async fn remove(bench: &Bench, by: &str, of: &Person) -> Result<(), AdminError> {
    let ctx = bench.ctx(by).await;
    let done = bench.members().remove(&ctx, &of.id.to_string()).await;
    done.map(drop)
}

#[tokio::test]
async fn an_owner_gives_another_role_and_it_counts_with_the_next_request() {
    let bench = Bench::new().await;
    let ben = bench.join("ben", Role::Viewer).await;
    change(&bench, "ann", &ben, Role::Admin).await.unwrap();
    let role = bench.ctx("ben").await.principal().role();
    assert_eq!(role, Some(Role::Admin));
    let entries = bench.entries();
    let (_, facts) = entries
        .iter()
        .find(|(kind, _)| *kind == Kind::AccessChanged)
        .unwrap();
    let text = String::from_utf8(facts.canonical()).unwrap();
    assert!(text.contains("\"role\":\"admin\""), "{text}");
    assert!(text.contains(&ben.id.to_string()), "{text}");
    assert!(text.contains("\"decision\":"), "{text}");
}

#[tokio::test]
async fn only_owners_change_who_is_a_member() {
    let bench = Bench::new().await;
    let ben = bench.join("ben", Role::Viewer).await;
    for role in [Role::Admin, Role::Approver, Role::Auditor, Role::Viewer] {
        let eve = bench.join("eve", role).await;
        denied(
            change(&bench, "eve", &ben, Role::Admin).await,
            "default-deny",
        );
        denied(remove(&bench, "eve", &ben).await, "default-deny");
        remove(&bench, "ann", &eve).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_changes_their_own_role_and_the_last_owner_stays() {
    let bench = Bench::new().await;
    denied(
        change(&bench, "ann", &bench.ann, Role::Viewer).await,
        "base.forbid.last-owner",
    );
    denied(
        remove(&bench, "ann", &bench.ann).await,
        "base.forbid.last-owner",
    );
    let ben = bench.join("ben", Role::Owner).await;
    denied(
        change(&bench, "ben", &ben, Role::Admin).await,
        "base.forbid.own-role",
    );
    change(&bench, "ben", &bench.ann, Role::Admin)
        .await
        .unwrap();
    denied(remove(&bench, "ben", &ben).await, "base.forbid.last-owner");
    assert_eq!(bench.owners().await, 1);
}

#[tokio::test]
async fn anybody_may_leave_and_reaches_nothing_any_more() {
    let bench = Bench::new().await;
    for role in [Role::Owner, Role::Admin, Role::Auditor, Role::Viewer] {
        let ben = bench.join("ben", role).await;
        remove(&bench, "ben", &ben).await.unwrap();
        let gone = bench.reach("ben").await.unwrap_err();
        assert!(matches!(gone, AuthError::NotFound), "{gone:?}");
        let caller = bench.sign_in("ben").await;
        assert_eq!(bench.workspaces().mine(&caller).await.unwrap(), []);
    }
    assert_eq!(bench.owners().await, 1);
}

#[tokio::test]
async fn a_stale_sign_in_changes_nobody() {
    let bench = Bench::new().await;
    let ben = bench.join("ben", Role::Viewer).await;
    let ctx = bench.ctx("ann").await;
    let id = ben.id.to_string();
    bench.later(Duration::from_secs(301));
    let done = bench.members().remove(&ctx, &id).await;
    denied(done, "base.forbid.stale-login-admin");
}

#[tokio::test]
async fn a_role_is_changed_from_the_version_that_was_seen() {
    let bench = Bench::new().await;
    let ben = bench.join("ben", Role::Viewer).await;
    let ctx = bench.ctx("ann").await;
    let id = ben.id.to_string();
    let done = bench.members().change_role(&ctx, &id, Role::Admin, 9).await;
    assert!(matches!(done, Err(AdminError::Precondition)));
    assert_eq!(bench.count(Kind::AccessChanged), 0);
}

/// Evidence; before the first act is written, another owner acts.
struct Meanwhile {
    bench: Arc<Bench>,
    victim: String,
    remove: bool,
    done: AtomicBool,
}

#[async_trait]
impl EvidenceAppend for Meanwhile {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        if !self.done.swap(true, Ordering::SeqCst) {
            let members = self.bench.members();
            let ctx = self.bench.ctx("ben").await;
            if self.remove {
                members.remove(&ctx, &self.victim).await.unwrap();
            } else {
                let seen = members.get(&ctx, &self.victim).await.unwrap().version;
                let done = members.change_role(&ctx, &self.victim, Role::Viewer, seen);
                done.await.unwrap();
            }
        }
        self.bench.store.append(stream, batch).await
    }
}

#[tokio::test]
async fn two_owners_who_act_on_each_other_at_once_leave_one() {
    for (first_removes, then_removes) in
        [(false, false), (false, true), (true, false), (true, true)]
    {
        let bench = Arc::new(Bench::new().await);
        let ben = bench.join("ben", Role::Owner).await;
        let ctx = bench.ctx("ann").await;
        let racing = Meanwhile {
            bench: bench.clone(),
            victim: bench.ann.id.to_string(),
            remove: then_removes,
            done: AtomicBool::new(false),
        };
        let ports = bench.ports_with(Arc::new(racing));
        let members = Members { ports };
        let id = ben.id.to_string();
        let lost = if first_removes {
            members.remove(&ctx, &id).await
        } else {
            members.change_role(&ctx, &id, Role::Viewer, 1).await
        };
        denied(lost, "base.forbid.last-owner");
        assert_eq!(bench.owners().await, 1, "{first_removes} {then_removes}");
    }
}

#[tokio::test]
async fn what_a_removed_person_had_ends_with_them() {
    let bench = Bench::new().await;
    let ben = bench.join("ben", Role::Owner).await;
    let own = ben.id.to_string();
    let approving = NewApiKey {
        capability: Capability::Repair,
        approver: Some(&own),
        ..READING
    };
    let (_, approver) = bench.make_key("ben", &approving).await.unwrap();
    let (_, plain) = bench.make_key("ben", &READING).await.unwrap();
    let speaks = bench.present(&approver).await.unwrap();
    assert_eq!(speaks.principal().person(), Some(ben.id));
    remove(&bench, "ann", &ben).await.unwrap();
    let stopped = bench.present(&approver).await.unwrap_err();
    assert!(matches!(stopped, AuthError::Unauthenticated));
    let still = bench.present(&plain).await.unwrap();
    let Principal::ApiKey { owner_role, .. } = still.principal() else {
        panic!("{still:?}");
    };
    assert_eq!(*owner_role, None, "a key of nobody exports nothing");
    assert_eq!(ben.name, "ben");
}
