//! Waiting for people over HTTP costs what asking each second would.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use counterfoil_core::ids::ActionId;
use counterfoil_core::rate::Rate;
use counterfoil_core::tenancy::{Capability, Principal};
use counterfoil_core::usecases::LimitRate;
use counterfoil_lambda::Front;
use counterfoil_lambda::http::{Authentication, Repeats, Tokens};
use counterfoil_repair_approve::{Service, router};
use serde_json::Value;

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

/// A key of the project, as it is given out.
async fn key(world: &World) -> String {
    let by = Principal::System {
        duty: "setup".to_owned(),
    };
    let owner = world.ben.principal().person().unwrap();
    let create = world.create();
    let key = create.api_key(&world.project, &by, Capability::Repair, owner, None);
    key.await.unwrap().reveal().clone()
}

/// Waits for an action: the status, what was said, and for how long.
async fn wait(front: &Front, key: &str, id: ActionId, seconds: u64) -> (u16, Value, Duration) {
    let request = Request::get(format!("/v1/actions/{id}?wait={seconds}"))
        .header("authorization", format!("Bearer {key}"))
        .body(Body::empty())
        .unwrap();
    let began = Instant::now();
    let answer = front.clone().answer(request).await;
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
    let said = serde_json::from_slice(&body.unwrap()).unwrap();
    (status, said, began.elapsed())
}

#[tokio::test]
async fn each_second_of_waiting_is_a_request_and_the_limit_ends_the_wait() {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let proposed = world.propose();
    let proposed = proposed.propose(&world.repair_key, &incident, Some("support asked"), true);
    let action = proposed.await.unwrap().action;

    let (front, key, other) = (front(&world, 3), key(&world).await, key(&world).await);
    let (status, said, took) = wait(&front, &key, action.id, 20).await;
    assert_eq!((status, &said["state"]), (200, &"held".into()), "{said}");
    // The request and two seconds of it.
    assert!(took >= Duration::from_secs(2), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let (status, said, _) = wait(&front, &key, action.id, 0).await;
    assert_eq!((status, &said["code"]), (429, &"rate-limited".into()));
    // Whoever else asks has a quota of their own.
    assert_eq!(wait(&front, &other, action.id, 0).await.0, 200);
    // A wait is never longer than asked for, and what is not held is not waited for.
    world.clock.advance(Duration::from_mins(1));
    let (status, _, took) = wait(&front, &key, action.id, 1).await;
    assert_eq!(status, 200);
    assert!(took < Duration::from_secs(10), "{took:?}");
    world.clock.advance(Duration::from_mins(1));
    let (votes, id) = (world.vote(), action.id.to_string());
    votes.cancel(&world.repair_key, &id).await.unwrap();
    for left in (0..3).rev() {
        let (status, said, _) = wait(&front, &key, action.id, 20).await;
        assert_eq!((status, &said["state"]), (200, &"cancelled".into()), "{left}");
    }
}
