//! What Stripe lists of a day and what did not come: counted, and closed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::ports::{CheckRequest, Checks, Clock, PortError, PortErrorKind};
use counterfoil_core::usecases::{HealthError, RecordWebhookHealth, Vault};
use counterfoil_core::webhook::event_of;
use counterfoil_testkit::memory::MemKeys;
use serde_json::{Value, json};

use super::super::world::{WEBHOOK_SECRET, World};
use super::health::{at_one, observed, to_next_day};
use super::send;

/// An event of Stripe's about a customer, `seconds` after now.
fn event(world: &World, id: &str, kind: &str, customer: &str, seconds: i64) -> Value {
    let object = if kind.starts_with("customer.subscription") || kind.starts_with("invoice") {
        json!({ "id": "x_1", "customer": customer })
    } else {
        json!({ "id": customer })
    };
    json!({
        "id": id, "object": "event", "type": kind, "livemode": true,
        "created": world.clock.now().as_secs() + seconds, "data": { "object": object },
    })
}

/// Stripe has it in its list.
fn list(world: &World, event: &Value) {
    world.billing.add_event(event_of(event.clone()).unwrap());
}

/// Stripe has it in its list and delivers it.
async fn deliver(world: &World, event: &Value) {
    list(world, event);
    let (receive, body) = (world.webhook(), event.to_string());
    let sent = send(world, &receive, WEBHOOK_SECRET, &body).await;
    sent.unwrap();
}

/// A world in which yesterday is recorded and the checks of the day so far are done.
async fn morning() -> World {
    let world = at_one().await;
    let health = world.webhook_health();
    assert_eq!(health.record(&world.project).await.unwrap(), 1);
    world
}

/// `missed` of the last day that was recorded.
fn missed(world: &World) -> Value {
    observed(world).pop().unwrap()["missed"].clone()
}

fn customers(world: &World) -> Vec<String> {
    let checks = world.mail.take_checks().into_iter();
    let asked = checks.map(|(request, delay)| match request {
        CheckRequest::Customer {
            customer, reason, ..
        } => {
            assert_eq!((reason.as_str(), delay), ("missed-webhook", Duration::ZERO));
            customer
        }
        other => panic!("{other:?}"),
    });
    asked.collect()
}

#[tokio::test]
async fn events_that_did_not_come_are_counted_by_type_and_their_customers_checked_once() {
    let world = morning().await;
    for (id, kind, customer) in [
        ("evt_1", "customer.subscription.updated", "cus_2"),
        ("evt_2", "invoice.paid", "cus_3"),
    ] {
        deliver(&world, &event(&world, id, kind, customer, 0)).await;
    }
    world.mail.take_checks();
    for (id, kind, customer) in [
        ("evt_3", "customer.subscription.updated", "cus_3"),
        ("evt_4", "invoice.paid", "cus_3"),
        ("evt_5", "invoice.paid", "cus_4"),
        // It names no customer that could be looked at.
        ("evt_6", "invoice.paid", "gone"),
    ] {
        list(&world, &event(&world, id, kind, customer, 60));
    }
    to_next_day(&world);
    let health = world.webhook_health();
    assert_eq!(health.record(&world.project).await.unwrap(), 1);
    let expected = json!({
        "listed": 5, "missing": 3, "complete": true, "asked": 2, "looked": 0, "left": 0,
        "kinds": [
            { "kind": "customer.subscription.updated", "missing": 1 },
            { "kind": "invoice.paid", "missing": 2 },
        ],
    });
    assert_eq!(missed(&world), expected);
    assert_eq!(observed(&world).pop().unwrap()["result"], "warning");
    assert_eq!(customers(&world), ["cus_3", "cus_4"]);
}

#[tokio::test]
async fn a_day_on_which_everything_came_is_a_good_day() {
    let world = morning().await;
    let paid = event(&world, "evt_1", "invoice.paid", "cus_2", 0);
    deliver(&world, &paid).await;
    to_next_day(&world);
    world.mail.take_checks();
    let health = world.webhook_health();
    assert_eq!(health.record(&world.project).await.unwrap(), 1);
    let facts = observed(&world).pop().unwrap();
    assert_eq!(facts["result"], "ok");
    assert_eq!(facts["missed"]["listed"], 1);
    assert_eq!(facts["missed"]["missing"], 0);
    assert!(customers(&world).is_empty());
}

#[tokio::test]
async fn the_gap_is_closed_by_the_checks() {
    let world = morning().await;
    let lost = event(&world, "evt_1", "invoice.paid", "cus_1", 0);
    list(&world, &lost);
    to_next_day(&world);
    let health = world.webhook_health();
    health.record(&world.project).await.unwrap();
    world.deliver_checks().await;
    world.deliver_checks().await;
    assert_eq!(world.incident().await.finding.subject, "u1");
}

#[tokio::test]
async fn whoever_was_looked_at_since_is_not_checked_again() {
    let world = morning().await;
    for (id, customer, seconds) in [("evt_1", "cus_2", -60), ("evt_2", "cus_9", -60)] {
        let lost = event(&world, id, "customer.updated", customer, seconds);
        list(&world, &lost);
    }
    // Another event of the same customer came, and led to a check.
    let came = event(&world, "evt_3", "invoice.paid", "cus_2", 0);
    deliver(&world, &came).await;
    world.deliver_checks().await;
    to_next_day(&world);
    world.webhook_health().record(&world.project).await.unwrap();
    let missed = missed(&world);
    assert_eq!(
        (&missed["missing"], &missed["looked"], &missed["asked"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(customers(&world), ["cus_9"]);
}

#[tokio::test]
async fn a_day_with_more_than_is_looked_at_says_so_and_asks_for_a_bounded_number_of_checks() {
    let world = morning().await;
    world.billing.page_of(10);
    for number in 0..400 {
        let (id, customer) = (format!("evt_{number}"), format!("cus_m{number}"));
        let lost = event(&world, &id, "customer.updated", &customer, number * 200);
        list(&world, &lost);
    }
    to_next_day(&world);
    world.webhook_health().record(&world.project).await.unwrap();
    let missed = missed(&world);
    assert_eq!(missed["complete"], false);
    let count = |name: &str| missed[name].as_u64().unwrap();
    assert!(count("listed") > 230 && count("listed") < 300, "{missed}");
    assert_eq!(count("missing"), count("listed"));
    assert_eq!(count("asked"), 200);
    assert_eq!(count("left"), count("missing") - 200);
    assert_eq!(customers(&world).len(), 200);
}

#[tokio::test]
async fn a_stripe_that_does_not_answer_is_waited_for_and_then_the_number_is_absent_not_zero() {
    let world = morning().await;
    let health = world.webhook_health();
    let before = observed(&world).len();
    to_next_day(&world);
    world.billing.break_events(Some(PortErrorKind::Unavailable));
    for _ in 0..2 {
        let waits = health.record(&world.project).await.unwrap_err();
        assert!(matches!(waits, HealthError::Stripe(_)), "{waits:?}");
        world.clock.advance(Duration::from_hours(2));
    }
    assert_eq!(observed(&world).len(), before);
    world.clock.advance(Duration::from_hours(2));
    assert_eq!(health.record(&world.project).await.unwrap(), 1);
    assert_eq!(missed(&world), json!({ "absent": "unavailable" }));
    assert_eq!(observed(&world).pop().unwrap()["result"], "warning");
}

#[tokio::test]
async fn a_stripe_that_answers_late_is_in_time() {
    let world = morning().await;
    let health = world.webhook_health();
    let lost = event(&world, "evt_1", "customer.updated", "cus_9", 0);
    list(&world, &lost);
    to_next_day(&world);
    world.billing.break_events(Some(PortErrorKind::Unavailable));
    health.record(&world.project).await.unwrap_err();
    world.billing.break_events(None);
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(health.record(&world.project).await.unwrap(), 1);
    assert_eq!(missed(&world)["missing"], 1);
    assert_eq!(customers(&world), ["cus_9"]);
}

#[tokio::test]
async fn what_cannot_be_listed_ever_is_recorded_at_once_with_its_cause() {
    for (kind, cause) in [
        (PortErrorKind::Refused, "refused"),
        (PortErrorKind::Corrupt, "unreadable"),
    ] {
        let world = morning().await;
        to_next_day(&world);
        world.billing.break_events(Some(kind));
        let health = world.webhook_health();
        assert_eq!(health.record(&world.project).await.unwrap(), 1);
        assert_eq!(missed(&world), json!({ "absent": cause }));
    }
}

#[tokio::test]
async fn a_day_before_the_project_and_a_day_long_ago_are_not_asked_for() {
    let world = morning().await;
    assert_eq!(missed(&world), json!({ "absent": "before_project" }));
    for _ in 0..9 {
        to_next_day(&world);
    }
    let health = world.webhook_health();
    assert_eq!(health.record(&world.project).await.unwrap(), 9);
    let days = observed(&world);
    let absent = |facts: &&Value| facts["missed"]["absent"] == "too_old";
    assert_eq!(days.iter().filter(absent).count(), 3);
    assert_eq!(missed(&world)["listed"], 0);
}

/// The day after Stripe made an event that never came.
async fn a_day_with_a_lost_event() -> World {
    let world = morning().await;
    let lost = event(&world, "evt_1", "customer.updated", "cus_9", 0);
    list(&world, &lost);
    to_next_day(&world);
    world
}

#[tokio::test]
async fn a_day_that_could_not_be_recorded_is_recorded_with_its_checks_by_the_next_schedule() {
    let world = a_day_with_a_lost_event().await;
    let before = observed(&world).len();
    let health = world.webhook_health();
    world.store.appends_left(Some(0));
    health.record(&world.project).await.unwrap_err();
    world.store.appends_left(None);
    assert_eq!(observed(&world).len(), before);
    assert_eq!(health.record(&world.project).await.unwrap(), 1);
    assert_eq!(observed(&world).len(), before + 1);
    assert_eq!(customers(&world), ["cus_9", "cus_9"], "asked for twice");
}

/// A queue that takes nothing.
struct NoQueue;

#[async_trait]
impl Checks for NoQueue {
    async fn send(&self, _: &CheckRequest, _: Duration) -> Result<(), PortError> {
        Err(PortError::new(PortErrorKind::Unavailable, "sending"))
    }
}

#[tokio::test]
async fn a_day_whose_checks_could_not_be_asked_for_is_not_recorded() {
    let world = a_day_with_a_lost_event().await;
    let before = observed(&world).len();
    let health = world.webhook_health();
    let without = RecordWebhookHealth {
        checks: Arc::new(NoQueue),
        ..health.clone()
    };
    let failed = without.record(&world.project).await.unwrap_err();
    assert!(matches!(failed, HealthError::Port(_)), "{failed:?}");
    assert_eq!(observed(&world).len(), before);
    assert_eq!(health.record(&world.project).await.unwrap(), 1);
    assert_eq!(customers(&world), ["cus_9"]);
}

#[tokio::test]
async fn a_key_that_does_not_open_is_waited_for_and_then_named() {
    let world = morning().await;
    to_next_day(&world);
    let keys = Arc::new(MemKeys::default());
    let shredded = Vault {
        keys: keys.clone(),
        wrapped: keys,
        random: world.vault.random.clone(),
    };
    let health = RecordWebhookHealth {
        vault: shredded,
        ..world.webhook_health()
    };
    let waits = health.record(&world.project).await.unwrap_err();
    assert!(matches!(waits, HealthError::Vault(_)), "{waits:?}");
    world.clock.advance(Duration::from_hours(6));
    assert_eq!(health.record(&world.project).await.unwrap(), 1);
    assert_eq!(missed(&world), json!({ "absent": "key_unavailable" }));
}
