//! Requests to the routes of `repair-approve`: what waiting costs, and what leaves no record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::ids::{ActionId, UserId};
use counterfoil_core::rate::Rate;
use counterfoil_core::repair::Action;
use counterfoil_core::tenancy::{Capability, Principal};
use counterfoil_core::usecases::LimitRate;
use counterfoil_lambda::Front;
use counterfoil_lambda::http::{Authentication, Repeats, Tokens};
use counterfoil_repair_approve::{Service, router};
use serde_json::{Value, json};

use super::world::World;

/// The routes of `repair-approve`, with so many requests a minute for each credential.
fn front(world: &World, per_minute: u64) -> Front {
    let clock = Arc::new(world.clock.clone());
    let rate = Rate::per_minute(per_minute);
    let limit = LimitRate::new(world.store.clone(), clock.clone(), rate);
    let authentication = Authentication {
        state: world.store.clone(),
        clock: clock.clone(),
        tokens: Tokens::Never,
        limit: Some(limit),
        leaks: None,
    };
    router(Service {
        agents: authentication.clone(),
        authentication,
        repeats: Repeats {
            state: world.store.clone(),
            clock,
            random: world.random(),
        },
        ports: world.ports(),
    })
}

/// A key of the project, as it is given out; an approver key of this person.
async fn key(world: &World, approver: Option<UserId>) -> String {
    let by = Principal::System {
        duty: "setup".to_owned(),
    };
    let owner = world.ben.principal().person().unwrap();
    let create = world.create();
    let key = create.api_key(&world.project, &by, Capability::Repair, owner, approver);
    key.await.unwrap().reveal().clone()
}

/// An answer, and for how long it was waited for.
struct Answer {
    status: u16,
    said: Value,
    decision: Option<String>,
    took: Duration,
}

async fn send(front: &Front, request: Request<Body>) -> Answer {
    let began = Instant::now();
    let answer = front.clone().answer(request).await;
    let decision = answer.headers().get("counterfoil-decision");
    let (status, decision) = (answer.status().as_u16(), decision.cloned());
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
    Answer {
        status,
        said: serde_json::from_slice(&body.unwrap()).unwrap(),
        decision: decision.map(|it| it.to_str().unwrap().to_owned()),
        took: began.elapsed(),
    }
}

async fn wait(front: &Front, key: &str, id: ActionId, seconds: u64) -> Answer {
    let request = Request::get(format!("/v1/actions/{id}?wait={seconds}"))
        .header("authorization", format!("Bearer {key}"))
        .body(Body::empty());
    send(front, request.unwrap()).await
}

async fn vote(front: &Front, key: &str, id: ActionId, body: &Value) -> Answer {
    let request = Request::post(format!("/v1/actions/{id}/approvals"))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .header("idempotency-key", body.to_string().len().to_string())
        .header("if-match", "\"1\"")
        .body(Body::from(body.to_string()));
    send(front, request.unwrap()).await
}

/// A world with a repair that waits for people.
async fn held() -> (World, Action) {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let proposed = world.propose();
    let proposed = proposed.propose(&world.repair_key, &incident, Some("support asked"), true);
    let action = proposed.await.unwrap().action;
    (world, action)
}

#[tokio::test]
async fn each_second_of_waiting_is_a_request_and_the_limit_ends_the_wait() {
    let (world, action) = held().await;
    let (front, key, other) = (
        front(&world, 3),
        key(&world, None).await,
        key(&world, None).await,
    );
    let waited = wait(&front, &key, action.id, 20).await;
    assert_eq!(
        (waited.status, &waited.said["state"]),
        (200, &json!("held"))
    );
    // The request and two seconds of it.
    assert!(waited.took >= Duration::from_secs(2), "{:?}", waited.took);
    assert!(waited.took < Duration::from_secs(10), "{:?}", waited.took);
    let refused = wait(&front, &key, action.id, 0).await;
    assert_eq!(
        (refused.status, &refused.said["code"]),
        (429, &json!("rate-limited"))
    );
    // Whoever else asks has a quota of their own.
    assert_eq!(wait(&front, &other, action.id, 0).await.status, 200);
    // A wait is never longer than asked for.
    world.clock.advance(Duration::from_mins(1));
    let waited = wait(&front, &key, action.id, 1).await;
    assert_eq!(waited.status, 200);
    assert!(waited.took < Duration::from_secs(10), "{:?}", waited.took);
    // What is not held is not waited for.
    world.clock.advance(Duration::from_mins(1));
    let (votes, id) = (world.vote(), action.id.to_string());
    votes.cancel(&world.repair_key, &id).await.unwrap();
    for left in (0..3).rev() {
        let read = wait(&front, &key, action.id, 20).await;
        let said = (read.status, &read.said["state"]);
        assert_eq!(said, (200, &json!("cancelled")), "{left}");
    }
}

#[tokio::test]
async fn a_refusal_is_recorded_where_the_request_can_be_read_and_only_there() {
    let (world, action) = held().await;
    let owner = world.ben.principal().person();
    let (front, machine, person) = (
        front(&world, 600),
        key(&world, None).await,
        key(&world, owner).await,
    );
    let before = world.kinds().len();
    let malformed = json!({ "vote": "approve" });
    let refused = vote(&front, &machine, action.id, &malformed).await;
    assert_eq!(
        (refused.status, refused.decision),
        (403, None),
        "{}",
        refused.said
    );
    let bad = vote(&front, &person, action.id, &malformed).await;
    assert_eq!((bad.status, bad.decision), (400, None), "{}", bad.said);
    assert_eq!(world.kinds().len(), before);

    let whole = json!({
        "vote": "approve", "reason": "checked the invoice", "action_digest": action.digest,
    });
    let refused = vote(&front, &machine, action.id, &whole).await;
    assert_eq!(refused.status, 403, "{}", refused.said);
    let recorded = world.facts("run.decision").pop().unwrap();
    let recorded = recorded.get("decision").and_then(Json::as_str);
    assert_eq!(refused.decision.as_deref(), recorded);
    assert!(recorded.is_some());
}
