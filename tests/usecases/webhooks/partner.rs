//! Events of an event bus: the consequences of a delivery, without a signature.

use counterfoil_core::ids::ProjectId;
use counterfoil_core::ports::CheckRequest;
use counterfoil_core::usecases::{ReceiveWebhook, Received, WebhookError};
use counterfoil_core::webhook::{PartnerError, PartnerSource};
use serde_json::{Value, json};

use super::super::world::{WEBHOOK_SECRET, World};
use super::{EVENT, send};

const SOURCE: &str = "aws.partner/stripe.com/ed_1";

/// The endpoint of a deployment whose event source belongs to this project.
fn receive(world: &World, project: ProjectId) -> ReceiveWebhook {
    let trusted = PartnerSource {
        source: SOURCE.to_owned(),
        account: "111122223333".to_owned(),
        project,
    };
    ReceiveWebhook {
        partner: Some(trusted),
        ..world.webhook()
    }
}

fn envelope(event: &str) -> Value {
    let detail: Value = serde_json::from_str(event).unwrap();
    json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": detail["type"], "source": SOURCE, "account": "111122223333",
        "time": "2026-11-23T00:00:00Z", "region": "eu-central-1", "resources": [], "detail": detail,
    })
}

#[tokio::test]
async fn an_event_is_the_same_event_whichever_way_it_comes() {
    let world = World::new().await;
    let receive = receive(&world, world.project.id);
    let invocation = envelope(EVENT);
    let first = receive.receive_partner(&invocation).await.unwrap();
    assert_eq!(first, Received::Queued);
    let again = receive.receive_partner(&invocation).await.unwrap();
    assert_eq!(again, Received::Duplicate);
    let signed = send(&world, &receive, WEBHOOK_SECRET, EVENT).await.unwrap();
    assert_eq!(signed, Received::Duplicate);
    let checks = world.mail.take_checks();
    let [
        (
            CheckRequest::Customer {
                customer, project, ..
            },
            delay,
        ),
    ] = checks.as_slice()
    else {
        panic!("{checks:?}");
    };
    assert_eq!((customer.as_str(), *project), ("cus_1", world.project.id));
    assert_eq!(*delay, receive.delay);
    let view = world.read_webhook_health().get(&world.read_key).await;
    let today = view.unwrap().unwrap().today.tally;
    // The duplicates wait for the next write.
    assert_eq!(today.total(false), 1);
}

#[tokio::test]
async fn the_project_is_the_deployments_whatever_the_event_says() {
    let world = World::new().await;
    let stranger = world.another_project().await;
    let receive = receive(&world, world.project.id);
    let mut invocation = envelope(EVENT);
    for (place, value) in [
        ("/project", json!(stranger.project())),
        ("/detail/project", json!(stranger.project())),
    ] {
        let (parent, name) = place.rsplit_once('/').unwrap();
        invocation.pointer_mut(parent).unwrap()[name] = value;
    }
    receive.receive_partner(&invocation).await.unwrap();
    let checks = world.mail.take_checks();
    assert_eq!(checks.len(), 1);
    assert!(!format!("{checks:?}").contains(&stranger.project().to_string()));
}

#[tokio::test]
async fn what_is_of_another_mode_or_account_is_refused_and_counted() {
    let world = World::new().await;
    let receive = receive(&world, world.project.id);
    let mut test_mode = envelope(EVENT);
    test_mode["detail"]["livemode"] = json!(false);
    let refused = receive.receive_partner(&test_mode).await.unwrap_err();
    assert!(matches!(refused, WebhookError::WrongMode), "{refused}");
    let mut connected = envelope(EVENT);
    connected["detail"]["account"] = json!("acct_1");
    let refused = receive.receive_partner(&connected).await.unwrap_err();
    assert!(matches!(refused, WebhookError::WrongAccount), "{refused}");
    assert!(world.mail.take_checks().is_empty());
    receive.receive_partner(&envelope(EVENT)).await.unwrap();
    let view = world.read_webhook_health().get(&world.read_key).await;
    let today = view.unwrap().unwrap().today.tally;
    assert_eq!((today.total(true), today.total(false)), (2, 1));
}

#[tokio::test]
async fn nothing_is_taken_without_a_source_or_for_a_project_that_is_gone() {
    let world = World::new().await;
    let invocation = envelope(EVENT);
    let refused = world.webhook().receive_partner(&invocation).await;
    let refused = refused.unwrap_err();
    let unknown = WebhookError::Partner(PartnerError::NotConfigured);
    assert_eq!(refused.to_string(), unknown.to_string());
    let gone = receive(&world, ProjectId::from_bits(7));
    let refused = gone.receive_partner(&invocation).await.unwrap_err();
    assert!(matches!(refused, WebhookError::NoProject), "{refused}");
    assert!(world.mail.take_checks().is_empty());
}
