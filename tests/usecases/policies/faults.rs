//! Every durable step failed, or failed but happened; and two requests at once.

use std::sync::Arc;

use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ports::{EvidenceAppend, State};
use counterfoil_core::usecases::{AdminError, NewBundle, Policies, PolicyError};

use super::desk::{Desk, PERMIT, STRICT};
use crate::erasure::faults::{Plan, faulty};

fn failing(desk: &Desk, happens: bool) -> Policies {
    let plan = Plan::new(0, happens);
    let evidence: Arc<dyn EvidenceAppend> = desk.bench.store.clone();
    let state: Arc<dyn State> = desk.bench.store.clone();
    desk.with(faulty(evidence, &plan), faulty(state, &plan))
}

#[tokio::test]
async fn a_lost_answer_brings_a_bundle_into_force_once() {
    for happens in [false, true] {
        let desk = Desk::new().await;
        let digest = desk.stored(PERMIT, 1, None).await;
        desk.activate("ann", &digest).await.unwrap();
        let ben = desk.ctx("ben").await;
        let lost = failing(&desk, happens).activate(&ben, &digest).await;
        assert!(lost.is_err());
        assert_eq!(desk.active().await.is_some(), happens);
        let again = desk.activate("ben", &digest).await.unwrap();
        assert_eq!(again.decision.is_none(), happens, "nothing is done twice");
        assert_eq!(desk.active().await, Some(digest));
        assert_eq!(desk.bench.count(Kind::PolicyActivated), 1);
    }
}

#[tokio::test]
async fn a_lost_answer_proposes_once() {
    for happens in [false, true] {
        let desk = Desk::new().await;
        let digest = desk.stored(PERMIT, 1, None).await;
        let before = desk.bench.count(Kind::RunDecision);
        let ann = desk.ctx("ann").await;
        assert!(
            failing(&desk, happens)
                .activate(&ann, &digest)
                .await
                .is_err()
        );
        assert!(desk.activate("ann", &digest).await.unwrap().waits);
        assert_eq!(desk.bench.count(Kind::RunDecision), before + 1);
        desk.activate("ben", &digest).await.unwrap();
        assert_eq!(desk.active().await, Some(digest));
    }
}

#[tokio::test]
async fn a_lost_answer_uploads_and_revokes_once() {
    for happens in [false, true] {
        let desk = Desk::new().await;
        let ann = desk.ctx("ann").await;
        let sent = desk.signed(STRICT, 1, None);
        let manifest = sent.manifest.to_string();
        let new = NewBundle {
            manifest: &manifest,
            signature: &sent.signature,
            files: &sent.files,
        };
        assert!(failing(&desk, happens).upload(&ann, new).await.is_err());
        let stored = desk.upload("ann", &sent).await.unwrap();
        assert_eq!(stored.new, !happens);
        let digest = stored.bundle.digest;
        assert!(failing(&desk, happens).revoke(&ann, &digest).await.is_err());
        desk.revoke("ann", &digest).await.unwrap();
        assert_eq!(desk.bench.count(Kind::PolicyRevoked), 1);
    }
}

#[tokio::test]
async fn of_two_activations_at_once_one_wins() {
    let desk = Desk::new().await;
    let one = desk.stored(PERMIT, 1, None).await;
    desk.activate("ann", &one).await.unwrap();
    let ben = desk.ctx("ben").await;
    let (first, second) = (desk.policies(), desk.policies());
    let (first, second) = tokio::join!(first.activate(&ben, &one), second.activate(&ben, &one));
    let won = [&first, &second]
        .into_iter()
        .filter(|it| it.is_ok())
        .count();
    assert!(won >= 1, "{first:?} {second:?}");
    for done in [first, second] {
        let fine = matches!(&done, Ok(it) if !it.waits)
            || matches!(done, Err(PolicyError::Admin(AdminError::Changed)));
        assert!(fine);
    }
    assert_eq!(desk.bench.count(Kind::PolicyActivated), 1);
}

#[tokio::test]
async fn a_bundle_that_was_revoked_in_between_is_not_brought_in() {
    let desk = Desk::new().await;
    let digest = desk.stored(PERMIT, 1, None).await;
    desk.activate("ann", &digest).await.unwrap();
    desk.revoke("ben", &digest).await.unwrap();
    assert!(desk.activate("ben", &digest).await.is_err());
    assert_eq!(desk.active().await, None);
}
