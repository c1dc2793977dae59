//! Deliveries of Stripe.

mod calls;
mod health;
mod missed;
mod partner;
mod rotation;
mod shuffled;

use counterfoil_core::ports::Clock;
use counterfoil_core::usecases::{Delivery, ReceiveWebhook, Received, WebhookError};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::world::{WEBHOOK_SECRET, World};

const EVENT: &str = r#"{"id":"evt_1","type":"customer.subscription.updated","livemode":true,"data":{"object":{"customer":"cus_1"}}}"#;

fn sign(secret: &str, time: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// An authentic delivery of `body`.
pub(crate) async fn send(
    world: &World,
    receive: &ReceiveWebhook,
    secret: &str,
    body: &str,
) -> Result<Received, WebhookError> {
    let signature = sign(secret, world.clock.now().as_secs(), body);
    let project = world.project.id.to_string();
    let delivery = Delivery {
        project: &project,
        signature: &signature,
        body: body.as_bytes(),
    };
    receive.receive(&delivery).await
}

async fn deliver(
    world: &World,
    project: &str,
    secret: &str,
    offset: i64,
    signed: &str,
    sent: &str,
) -> Result<Received, WebhookError> {
    let time = world.clock.now().as_secs() + offset;
    let signature = sign(secret, time, signed);
    let delivery = Delivery {
        project,
        signature: &signature,
        body: sent.as_bytes(),
    };
    world.webhook().receive(&delivery).await
}

#[tokio::test]
async fn a_signed_event_asks_for_one_check_and_a_repeated_one_for_none() {
    let world = World::new().await;
    let project = world.project.id.to_string();
    let first = deliver(&world, &project, WEBHOOK_SECRET, 0, EVENT, EVENT)
        .await
        .unwrap();
    assert_eq!(first, Received::Queued);
    let second = deliver(&world, &project, WEBHOOK_SECRET, 0, EVENT, EVENT)
        .await
        .unwrap();
    assert_eq!(second, Received::Duplicate);
    assert_eq!(world.mail.take_checks().len(), 1);
}

#[tokio::test]
async fn the_check_of_a_webhook_finds_what_the_customer_lacks() {
    let world = World::new().await;
    let project = world.project.id.to_string();
    deliver(&world, &project, WEBHOOK_SECRET, 0, EVENT, EVENT)
        .await
        .unwrap();
    world.deliver_checks().await;
    world.deliver_checks().await;
    assert_eq!(world.incident().await.finding.subject, "u1");
}

#[tokio::test]
async fn every_delivery_that_is_not_authentic_is_refused_and_enqueues_nothing() {
    let world = World::new().await;
    let ours = world.project.id.to_string();
    let other = World::new().await.workspace.id.to_string();
    let altered = EVENT.replace("cus_1", "cus_2");
    let test_mode = EVENT.replace("true", "false");
    let cases = [
        (
            "wrong secret",
            ours.as_str(),
            "whsec_other",
            0,
            EVENT,
            EVENT,
        ),
        ("too old", ours.as_str(), WEBHOOK_SECRET, -301, EVENT, EVENT),
        (
            "from the future",
            ours.as_str(),
            WEBHOOK_SECRET,
            301,
            EVENT,
            EVENT,
        ),
        (
            "altered body",
            ours.as_str(),
            WEBHOOK_SECRET,
            0,
            EVENT,
            altered.as_str(),
        ),
        (
            "test mode",
            ours.as_str(),
            WEBHOOK_SECRET,
            0,
            test_mode.as_str(),
            test_mode.as_str(),
        ),
        ("not an event", ours.as_str(), WEBHOOK_SECRET, 0, "[]", "[]"),
        (
            "no project",
            other.as_str(),
            WEBHOOK_SECRET,
            0,
            EVENT,
            EVENT,
        ),
    ];
    for (case, project, secret, offset, signed, sent) in cases {
        let refused = deliver(&world, project, secret, offset, signed, sent).await;
        assert!(refused.is_err(), "{case} was taken");
    }
    assert!(world.mail.take_checks().is_empty());
}
