//! A request that comes again does what it asks once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use counterfoil_core::idempotency::{Begun, LEASE, OnceScope, begin};
use counterfoil_core::ports::{Clock, State};
use serde_json::json;

use super::stage::{Call, Stage};

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_does_nothing() {
    let stage = Stage::new().await;
    let first = stage
        .make("k1", json!({"name": "a", "outcome": "made"}))
        .await;
    assert_eq!(
        (first.status, first.header("idempotent-replayed")),
        (201, "")
    );
    let rows = stage.store.dump();
    // Members in another order, and blanks, ask for the same.
    let mut again = Call::post("/v1/things", r#"{ "outcome":"made",  "name":"a" }"#);
    again.once = Some("k1");
    let again = stage.send(again).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (201, "true")
    );
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(stage.store.dump(), rows);
}

#[tokio::test]
async fn a_key_belongs_to_one_request_of_one_caller_on_one_route() {
    let stage = Stage::new().await;
    stage.make("k1", json!({"name": "a"})).await;
    stage
        .make("k1", json!({"name": "b"}))
        .await
        .is(422, "idempotency-key-reused");
    let copies = |id| Call::post(id, r#"{"name":"a"}"#);
    let other_route = stage.send(copies("/v1/things/1/copies")).await;
    assert_eq!(
        (
            other_route.status,
            other_route.header("idempotent-replayed")
        ),
        (201, "")
    );
    let other_path = stage.send(copies("/v1/things/2/copies")).await;
    other_path.is(422, "idempotency-key-reused");
    let mut stranger = Call::post("/v1/things", r#"{"name":"b"}"#);
    stranger.key = Some(&stage.other_key);
    let stranger = stage.send(stranger).await;
    assert_eq!(
        (stranger.status, stranger.header("idempotent-replayed")),
        (201, "")
    );
}

/// Who may is asked before anything of an earlier request is told: not its answer, not that the key was
/// used for something else.
#[tokio::test]
async fn whoever_may_no_longer_do_it_gets_no_answer_of_before() {
    let stage = Stage::new().await;
    let first = stage.make("k1", json!({"name": "a"})).await;
    assert_eq!(first.status, 201);
    let refused = json!({"name": "b", "outcome": "forbidden"});
    stage
        .make("k2", refused.clone())
        .await
        .is(403, "action-denied");
    stage.may.store(false, Ordering::SeqCst);
    let rows = stage.store.dump();
    stage
        .make("k1", json!({"name": "a"}))
        .await
        .is(403, "action-denied");
    stage
        .make("k1", json!({"name": "other"}))
        .await
        .is(403, "action-denied");
    // A refusal tells nothing: it comes again as it was, with the decision behind it.
    let again = stage.make("k2", refused).await;
    again.is(403, "action-denied");
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(stage.store.dump(), rows);
    stage.may.store(true, Ordering::SeqCst);
    let again = stage.make("k1", json!({"name": "a"})).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (201, "true")
    );
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_a_503_is_not() {
    let stage = Stage::new().await;
    let refused = json!({"name": "a", "outcome": "refused"});
    let first = stage.make("k1", refused.clone()).await;
    first.is(409, "wrong-state");
    let again = stage.make("k1", refused).await;
    again.is(409, "wrong-state");
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_ne!(again.body["request_id"], first.body["request_id"]);
    let unavailable = json!({"name": "a", "outcome": "unavailable"});
    stage
        .make("k2", unavailable.clone())
        .await
        .is(503, "evidence-unavailable");
    let again = stage.make("k2", unavailable).await;
    again.is(503, "evidence-unavailable");
    assert_eq!(again.header("idempotent-replayed"), "");
}

/// The same request comes again after another sign-in, or once people have approved.
#[tokio::test]
async fn what_is_about_the_moment_is_no_answer() {
    let stage = Stage::new().await;
    for (outcome, status, code, challenge) in [
        (
            "stale",
            401,
            "insufficient_user_authentication",
            "max_age=\"300\"",
        ),
        ("held", 409, "action-held", ""),
    ] {
        for _ in 0..2 {
            let asked = json!({ "name": "a", "outcome": outcome });
            let asked = stage.make(outcome, asked).await;
            asked.is(status, code);
            assert_eq!(asked.header("idempotent-replayed"), "");
            let said = asked.header("www-authenticate");
            assert!(said.contains(challenge), "{said}");
        }
    }
}

#[tokio::test]
async fn a_secret_is_shown_once_and_never_stored() {
    let stage = Stage::new().await;
    let asked = json!({"name": "a", "outcome": "secret"});
    let first = stage.make("k1", asked.clone()).await;
    assert_eq!(first.body["secret"], "canary-shown-once");
    assert!(!stage.store.dump().contains("canary"));
    let again = stage.make("k1", asked).await;
    again.is(409, "already-created");
    assert_eq!(again.body["resource_id"], "thing_a");
}

/// A worker that died left its lease; when it is over another takes the request over, and what the
/// first was about to write fails.
#[tokio::test]
async fn a_lease_is_waited_for_and_then_taken_over() {
    let stage = Stage::new().await;
    stage
        .make("k1", json!({"name": "a", "outcome": "panic"}))
        .await
        .is(500, "internal");
    let asked = json!({"name": "a", "outcome": "panic"});
    let waiting = stage.make("k1", asked.clone()).await;
    waiting.is(409, "idempotency-in-flight");
    assert_eq!(waiting.header("retry-after"), "2");
    stage.clock.advance(LEASE);
    stage.make("k1", asked).await.is(500, "internal");
}

fn scope<'a>(stage: &Stage, asked: &'a [u8]) -> OnceScope<'a> {
    OnceScope {
        workspace: stage.workspace,
        principal: "key_1",
        route: "POST /v1/things",
        key: "k1",
        asked,
    }
}

#[tokio::test]
async fn a_slow_first_worker_can_no_longer_say_that_it_is_done() {
    let stage = Stage::new().await;
    let state: &dyn State = stage.store.as_ref();
    let begun = |holder| begin(state, scope(&stage, b"{}"), stage.clock.now(), [holder; 32]);
    let Begun::First(slow) = begun(1).await.unwrap() else {
        panic!("not the first");
    };
    assert!(matches!(begun(2).await.unwrap(), Begun::InFlight));
    stage.clock.advance(LEASE);
    let Begun::First(second) = begun(2).await.unwrap() else {
        panic!("not taken over");
    };
    assert!(!state.write(vec![slow.done(&"thing_1")]).await.unwrap());
    assert!(state.write(vec![second.done(&"thing_2")]).await.unwrap());
    // It is done, and the process ended before it answered.
    let Begun::AlreadyDone(id) = begun(3).await.unwrap() else {
        panic!("not done");
    };
    assert_eq!(id, "thing_2");
    stage.clock.advance(Duration::from_hours(24));
    assert!(matches!(begun(4).await.unwrap(), Begun::First(_)));
}

#[tokio::test]
async fn of_many_at_once_one_is_the_first() {
    let stage = Stage::new().await;
    let state: &dyn State = stage.store.as_ref();
    let mut first = 0;
    for holder in 0..20 {
        let begun = begin(state, scope(&stage, b"{}"), stage.clock.now(), [holder; 32]).await;
        first += u32::from(matches!(begun.unwrap(), Begun::First(_)));
    }
    assert_eq!(first, 1);
}
