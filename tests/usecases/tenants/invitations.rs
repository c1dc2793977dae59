//! Invitations: once, for seven days, from somebody who is an owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ports::{AppendError, Batch, EntryRef, EvidenceAppend};
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::{AdminError, INVITATION_VALID, Invitations, NewInvitation};

use super::bench::{Bench, READING, denied, waiting};

#[track_caller]
fn nothing(done: Result<impl std::fmt::Debug, AdminError>) {
    let error = done.unwrap_err();
    assert!(matches!(error, AdminError::NotFound), "{error:?}");
}

#[tokio::test]
async fn a_token_lets_one_person_in_once_and_is_stored_nowhere() {
    let bench = Bench::new().await;
    let token = bench.invite(Role::Auditor).await;
    let token = token.reveal();
    assert!(token.starts_with("cfi_"));
    assert!(!bench.rows().contains(token.as_str()));
    bench.accept("ben", token).await.unwrap();
    let role = bench.ctx("ben").await.principal().role();
    assert_eq!(role, Some(Role::Auditor));
    nothing(bench.accept("cleo", token).await);
    assert_eq!(waiting(&bench, &bench.ctx("ann").await).await, []);
    assert!(!bench.rows().contains("invitation#"), "both rows are gone");
}

#[tokio::test]
async fn a_token_that_is_unknown_over_or_revoked_leads_nowhere() {
    let bench = Bench::new().await;
    let over = bench.invite(Role::Viewer).await;
    let owner = bench.ctx("ann").await;
    bench.later(INVITATION_VALID);
    nothing(bench.accept("ben", over.reveal()).await);
    let revoked = bench.invite(Role::Viewer).await;
    let waiting = waiting(&bench, &owner).await;
    let id = waiting.last().unwrap().value.id.to_string();
    let owner = bench.ctx("ann").await;
    bench.invitations().revoke(&owner, &id).await.unwrap();
    nothing(bench.accept("ben", revoked.reveal()).await);
    nothing(bench.invitations().revoke(&owner, &id).await);
    nothing(bench.accept("ben", "cfi_nonsense").await);
    nothing(bench.accept("ben", "").await);
}

#[tokio::test]
async fn only_owners_invite_and_members_do_not_join_again() {
    let bench = Bench::new().await;
    bench.join("ben", Role::Admin).await;
    let new = NewInvitation {
        name: "Eve",
        email: Some("eve@example.com"),
        role: Role::Owner,
    };
    let admin = bench.ctx("ben").await;
    denied(
        bench.invitations().make(&admin, &new, None).await,
        "default-deny",
    );
    let token = bench.invite(Role::Owner).await;
    let again = bench.accept("ben", token.reveal()).await.unwrap_err();
    assert!(matches!(again, AdminError::WrongState(_)), "{again:?}");
    let role = bench.ctx("ben").await.principal().role();
    assert_eq!(role, Some(Role::Admin), "no way up by oneself");
}

#[tokio::test]
async fn a_key_neither_joins_nor_founds() {
    let bench = Bench::new().await;
    let (_, key) = bench.make_key("ann", &READING).await.unwrap();
    let token = bench.invite(Role::Viewer).await;
    let now = counterfoil_core::ports::Clock::now(&bench.clock);
    let store = bench.store.as_ref();
    let caller = counterfoil_core::auth::authenticate_key(store, key.reveal(), now);
    let caller = caller.await.unwrap();
    let joined = bench
        .invitations()
        .accept(&caller, token.reveal(), "Key", None)
        .await;
    assert!(matches!(joined, Err(AdminError::NotAPerson)));
    let founded = bench
        .workspaces()
        .found(&caller, "Other", "Key", None)
        .await;
    assert!(matches!(founded, Err(AdminError::NotAPerson)));
}

#[tokio::test]
async fn an_invitation_counts_while_whoever_made_it_is_an_owner() {
    let bench = Bench::new().await;
    let ben = bench.join("ben", Role::Owner).await;
    let token = bench.invite(Role::Viewer).await;
    let ctx = bench.ctx("ben").await;
    let ann = bench.ann.id.to_string();
    bench.members().remove(&ctx, &ann).await.unwrap();
    nothing(bench.accept("cleo", token.reveal()).await);
    assert_eq!(bench.owners().await, 1);
    assert_eq!(ben.name, "ben");
}

/// Evidence; before somebody's acceptance is written, something happens.
struct Meanwhile {
    bench: Arc<Bench>,
    token: String,
    removes_inviter: bool,
    done: AtomicBool,
}

#[async_trait]
impl EvidenceAppend for Meanwhile {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        if !self.done.swap(true, Ordering::SeqCst) {
            if self.removes_inviter {
                let ctx = self.bench.ctx("ben").await;
                let inviter = self.bench.ann.id.to_string();
                let members = self.bench.members();
                members.remove(&ctx, &inviter).await.unwrap();
            } else {
                self.bench.accept("dora", &self.token).await.unwrap();
            }
        }
        self.bench.store.append(stream, batch).await
    }
}

#[tokio::test]
async fn two_who_accept_at_once_or_an_inviter_who_goes_meanwhile_let_nobody_in_twice() {
    for removes_inviter in [false, true] {
        let bench = Arc::new(Bench::new().await);
        bench.join("ben", Role::Owner).await;
        let token = bench.invite(Role::Viewer).await;
        let racing = Meanwhile {
            bench: bench.clone(),
            token: token.reveal().clone(),
            removes_inviter,
            done: AtomicBool::new(false),
        };
        let ports = bench.ports_with(Arc::new(racing));
        let caller = bench.sign_in("cleo").await;
        let joined = Invitations { ports };
        nothing(joined.accept(&caller, token.reveal(), "Cleo", None).await);
        assert!(bench.reach("cleo").await.is_err());
    }
}

#[tokio::test]
async fn bad_input_is_named() {
    let bench = Bench::new().await;
    let ctx = bench.ctx("ann").await;
    let make = async |name, email| {
        let role = Role::Viewer;
        let new = NewInvitation { name, email, role };
        let made = bench.invitations().make(&ctx, &new, None).await;
        match made.map(drop).unwrap_err() {
            AdminError::Invalid { field, .. } => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(make("", None).await, "/name");
    assert_eq!(make("a\nb", None).await, "/name");
    assert_eq!(make("Ben", Some("nobody")).await, "/email");
    assert_eq!(make("Ben", Some("a b@example.com")).await, "/email");
    assert_eq!(bench.count(Kind::AccessGranted), 1, "only the founder");
    bench.later(Duration::from_secs(1));
}
