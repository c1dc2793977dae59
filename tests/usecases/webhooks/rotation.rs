//! Rolling the signing secret of an endpoint.

use std::time::Duration;

use counterfoil_core::ids::SecretId;
use counterfoil_core::ports::{Clock, State, StateWrite};
use counterfoil_core::records::{Directory, Records, Secret, WebhookSecret};
use counterfoil_core::sealed::{Purpose, SealContext};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{Received, WebhookError};

use super::super::world::{WEBHOOK_SECRET, World};
use super::{EVENT, send};

const NEXT: &str = "whsec_next";

/// Adds a secret to the project; the others are accepted until `retire_at`.
async fn roll(world: &World, value: &str, retire_at: Timestamp) {
    let now = world.clock.now();
    let directory = Directory::of(world.store.as_ref());
    let mut project = directory.project(world.project.id).await.unwrap().unwrap();
    let ctx = Directory::system(&project.value, "test");
    let id = SecretId::new(now, world.vault.random.bits128());
    let context = SealContext {
        workspace: ctx.workspace(),
        project: ctx.project(),
        purpose: Purpose::Webhook,
        secret: id,
        version: 1,
    };
    let sealed = world.vault.seal(&context, value.as_bytes()).await.unwrap();
    let secret = Secret::first(id, Purpose::Webhook, "whsec_…", 1, sealed, now);
    for old in &mut project.value.webhook_secrets {
        old.retire_at = Some(retire_at);
    }
    project.value.webhook_secrets.push(WebhookSecret {
        id,
        added_at: now,
        retire_at: None,
    });
    let row = serde_json::to_value(&project.value).unwrap();
    let key = Directory::project_key(world.project.id);
    let records = Records::of(world.store.as_ref(), &ctx);
    let writes = vec![
        records.create(&secret).unwrap(),
        StateWrite::replace(key, project.version, row),
    ];
    assert!(world.store.write(writes).await.unwrap());
}

#[tokio::test]
async fn a_secret_that_was_just_added_is_accepted_although_the_project_is_known() {
    let world = World::new().await;
    let receive = world.webhook();
    send(&world, &receive, WEBHOOK_SECRET, EVENT).await.unwrap();
    world.clock.advance(Duration::from_secs(11));
    roll(
        &world,
        NEXT,
        world.clock.now().plus(Duration::from_hours(24)),
    )
    .await;
    let second = EVENT.replace("evt_1", "evt_2");
    let third = EVENT.replace("evt_1", "evt_3");
    for (secret, body) in [(NEXT, &second), (WEBHOOK_SECRET, &third)] {
        let received = send(&world, &receive, secret, body).await.unwrap();
        assert_eq!(received, Received::Queued);
    }
}

#[tokio::test]
async fn a_retired_secret_is_refused_from_its_second_on_also_by_a_process_that_knows_it() {
    let world = World::new().await;
    roll(
        &world,
        NEXT,
        world.clock.now().plus(Duration::from_secs(30)),
    )
    .await;
    let receive = world.webhook();
    let body = |id| EVENT.replace("evt_1", id);
    send(&world, &receive, WEBHOOK_SECRET, &body("evt_1"))
        .await
        .unwrap();
    world.clock.advance(Duration::from_millis(29_999));
    send(&world, &receive, WEBHOOK_SECRET, &body("evt_2"))
        .await
        .unwrap();
    world.clock.advance(Duration::from_millis(1));
    for receive in [&receive, &world.webhook()] {
        let refused = send(&world, receive, WEBHOOK_SECRET, &body("evt_3")).await;
        assert!(matches!(refused, Err(WebhookError::Signature(_))));
    }
    let received = send(&world, &receive, NEXT, &body("evt_3")).await.unwrap();
    assert_eq!(received, Received::Queued);
}
