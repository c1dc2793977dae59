//! What Stripe sends: to the endpoint, and over its event bus.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use counterfoil_testkit::stripe::sign_event;
use serde_json::json;

use super::super::stage::now;
use super::real::Real;
use super::{SOURCE, Says, output, says};

pub(super) async fn deliveries(real: &Real<'_>) {
    let mut statuses = Vec::new();
    for name in [
        "subscription-updated",
        "subscription-updated-base64",
        "secret-being-rolled",
        "thin-event",
        "altered-body",
        "not-signed",
    ] {
        let mut event = real.event("stripe-webhook", name, &[]);
        let signed = if name == "altered-body" {
            real.event("stripe-webhook", "subscription-updated", &[])
        } else {
            event.clone()
        };
        let body = signed["body"].as_str().unwrap();
        let body = match signed["isBase64Encoded"].as_bool() {
            Some(true) => STANDARD.decode(body).unwrap(),
            _ => body.as_bytes().to_vec(),
        };
        let secrets = ["whsec_test_secret_old", &real.tenant.webhook_secret];
        let secrets = if name == "secret-being-rolled" {
            &secrets[..]
        } else {
            &secrets[1..]
        };
        if let Some(header) = event.pointer_mut("/headers/stripe-signature") {
            *header = json!(sign_event(secrets, &body, now().as_secs()));
        }
        statuses.push((name, real.answered("stripe-webhook", &event).await.0));
    }
    let expected = [
        ("subscription-updated", 200),
        ("subscription-updated-base64", 200),
        ("secret-being-rolled", 200),
        ("thin-event", 200),
        ("altered-body", 400),
        ("not-signed", 400),
    ];
    assert_eq!(statuses, expected);
}

/// An event of the event bus, before and after the function knows whose it is.
pub(super) async fn event_bus_of(real: &Real<'_>) {
    let account = [("111122223333", real.stack.deployment.account.as_str())];
    let event = real.event("stripe-webhook", "from-event-bus", &account);
    // The parameter names the project of the examples, which is not there.
    assert_eq!(
        says(real.stack, "stripe-webhook", &event).await,
        Says::Failed
    );
    let project = real.tenant.project.id.to_string();
    real.stack
        .configure(output("stripe-webhook"), "STRIPE_EVENT_PROJECT", &project)
        .await;
    let mut outcomes = Vec::new();
    let mut test = event.clone();
    test["detail"]["livemode"] = json!(false);
    let mut other = event.clone();
    other["source"] = json!(format!("{SOURCE}2"));
    for event in [&event, &event, &test, &other] {
        outcomes.push(says(real.stack, "stripe-webhook", event).await);
    }
    let outcome = |name: &str| Says::Answer(json!({ "outcome": name }));
    let expected = [
        outcome("queued"),
        outcome("duplicate"),
        outcome("refused"),
        Says::Failed,
    ];
    assert_eq!(outcomes, expected);
}
