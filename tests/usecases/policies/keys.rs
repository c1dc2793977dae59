//! Who may sign.

use counterfoil_core::evidence::kind::Kind;
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
