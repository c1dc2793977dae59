//! Who may sign.

use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ports::{State as _, StateWrite};
use counterfoil_core::records::{Directory, Member};
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::{AdminError, PolicyError};

use super::desk::{Desk, PERMIT, STRICT, key, unfit};

#[tokio::test]
async fn two_owners_register_a_key() {
    let desk = Desk::keyless().await;
    assert!(desk.register("ann", 1, None).await.unwrap().waits);
    assert!(desk.register("ann", 1, None).await.unwrap().waits);
    let ctx = desk.ctx("ann").await;
    let view = desk.policies().view(&ctx).await.unwrap();
    assert!(view.state.value.keys.is_empty());
    assert_eq!(view.key.unwrap().by, desk.bench.ann.id);
    let before = desk.bench.count(Kind::ConfigChanged);
    assert!(!desk.register("ben", 1, None).await.unwrap().waits);
    let view = desk.policies().view(&ctx).await.unwrap();
    let keys = &view.state.value.keys;
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].fingerprint, key(1).public().fingerprint());
    assert!(view.key.is_none());
    assert_eq!(desk.bench.count(Kind::ConfigChanged), before + 1);
    // What is registered stays so.
    assert_eq!(desk.register("ann", 1, None).await.unwrap().decision, None);
}

#[tokio::test]
async fn another_key_than_the_proposed_one_is_a_proposal_of_its_own() {
    let desk = Desk::keyless().await;
    assert!(desk.register("ann", 1, None).await.unwrap().waits);
    assert!(desk.register("ben", 2, None).await.unwrap().waits);
    let ctx = desk.ctx("ann").await;
    let view = desk.policies().view(&ctx).await.unwrap();
    assert!(view.state.value.keys.is_empty());
}

#[tokio::test]
async fn a_key_does_not_replace_itself_and_a_sixth_one_replaces_another() {
    let desk = Desk::new().await;
    let itself = desk.register("ann", 1, Some(1)).await;
    let is_said = matches!(
        itself,
        Err(PolicyError::Admin(AdminError::Invalid {
            field: "/replaces",
            ..
        }))
    );
    assert!(is_said, "{itself:?}");
    for seed in 2..=5 {
        for who in ["ann", "ben"] {
            desk.register(who, seed, None).await.unwrap();
        }
    }
    let more = desk.register("ann", 6, None).await;
    unfit(more, "name one that it replaces");
    for who in ["ann", "ben"] {
        desk.register(who, 6, Some(2)).await.unwrap();
    }
    let ctx = desk.ctx("ann").await;
    let keys = desk.policies().view(&ctx).await.unwrap().state.value.keys;
    assert_eq!(keys.len(), 5);
    let replaced = key(2).public().fingerprint();
    assert!(keys.iter().all(|it| it.fingerprint != replaced));
}

/// Owners alone say who signs, and a proposal counts while whoever made it is one.
#[tokio::test]
async fn a_key_that_somebody_proposed_who_is_no_owner_any_more_is_proposed_anew() {
    let desk = Desk::keyless().await;
    assert!(desk.register("ann", 1, None).await.unwrap().waits);
    let (store, workspace) = (desk.bench.store.as_ref(), desk.bench.workspace.id);
    let directory = Directory::of(store);
    let found = directory.member(workspace, desk.bench.ann.id).await;
    let found = found.unwrap().unwrap();
    let admin = Member {
        role: Role::Admin,
        ..found.value
    };
    let row = serde_json::to_value(&admin).unwrap();
    let key = Directory::member_key(workspace, desk.bench.ann.id);
    let write = StateWrite::replace(key, found.version, row);
    assert!(store.write(vec![write]).await.unwrap());
    assert!(desk.register("ben", 1, None).await.unwrap().waits);
    let ctx = desk.ctx("ben").await;
    let view = desk.policies().view(&ctx).await.unwrap();
    assert!(view.state.value.keys.is_empty());
    assert_eq!(Some(view.key.unwrap().by), ctx.principal().person());
}

#[tokio::test]
async fn a_key_is_replaced_once_the_active_bundle_does_not_need_it() {
    let desk = Desk::new().await;
    let first = desk.in_force(STRICT, 1, None).await;
    unfit(desk.register("ann", 2, Some(1)).await, "would go");
    for who in ["ann", "ben"] {
        desk.register(who, 2, None).await.unwrap();
    }
    let sent = desk.signed_by(2, PERMIT, 2, Some(&first));
    let second = desk.upload("ann", &sent).await.unwrap().bundle.digest;
    for who in ["ann", "ben"] {
        desk.activate(who, &second).await.unwrap();
    }
    for who in ["ann", "ben"] {
        desk.register(who, 2, Some(1)).await.unwrap();
    }
    assert_eq!(desk.failure().await, None);
    let old = desk.signed_by(1, STRICT, 3, Some(&second));
    assert!(desk.upload("ann", &old).await.is_err());
}

#[tokio::test]
async fn what_is_no_key_is_refused_with_its_field() {
    let desk = Desk::keyless().await;
    let ctx = desk.ctx("ann").await;
    for text in ["", "AAAA", "not base64 at all"] {
        let done = desk.policies().register_key(&ctx, text, None).await;
        let field = match done {
            Err(PolicyError::Admin(AdminError::Invalid { field, .. })) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field, "/public_key");
    }
}
