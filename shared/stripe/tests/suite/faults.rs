//! What goes wrong on the way: repeated where that helps, and never a short list.

use std::time::Duration;

use counterfoil_core::ports::{Billing, PortErrorKind};
use counterfoil_stripe::{Retries, StripeError};
use counterfoil_testkit::stripe::{Fault, FaultKind};

use crate::support::{ALL, QUICK, World, cause, client};

const CUSTOMERS: &str = "/v1/customers";
const PASSING: [FaultKind; 7] = [
    FaultKind::TooManyRequests { should_retry: None },
    FaultKind::TooManyRequests {
        should_retry: Some(true),
    },
    FaultKind::Status(409),
    FaultKind::Status(500),
    FaultKind::Status(503),
    FaultKind::BrokenOff,
    FaultKind::HalfBody,
];

#[tokio::test]
async fn a_passing_fault_on_any_page_is_waited_out() {
    for kind in PASSING {
        let world = World::sample(230).await;
        world
            .stripe
            .fail(Fault::on(CUSTOMERS, kind).after(1).times(2));
        assert_eq!(world.customers().await.unwrap().len(), 230, "{kind:?}");
        assert_eq!(world.stripe.requests().len(), 5, "{kind:?}");
    }
}

#[tokio::test]
async fn a_page_that_keeps_failing_fails_the_whole_call() {
    for kind in PASSING {
        let world = World::sample(230).await;
        world
            .stripe
            .fail(Fault::on(CUSTOMERS, kind).after(1).times(100));
        let error = world.customers().await.unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Unavailable, "{kind:?}");
        let attempts = usize::try_from(QUICK.attempts).unwrap();
        assert_eq!(world.stripe.requests().len(), 1 + attempts, "{kind:?}");
    }
}

#[tokio::test]
async fn the_rest_of_the_items_failing_fails_the_subscriptions() {
    let world = World::sample(20).await;
    world.stripe.change(|shop| shop.embed_items(0));
    world
        .stripe
        .fail(Fault::on("/v1/subscription_items", FaultKind::Status(500)).times(100));
    let error = world.subscriptions().await.unwrap_err();
    assert_eq!(cause(&error), StripeError::Status { status: 500 });
}

#[tokio::test]
async fn stripe_may_say_that_repeating_is_useless() {
    let world = World::sample(1).await;
    let fault = FaultKind::TooManyRequests {
        should_retry: Some(false),
    };
    world.stripe.fail(Fault::on(CUSTOMERS, fault).times(100));
    let error = world.customers().await.unwrap_err();
    assert_eq!(cause(&error), StripeError::RateLimited);
    assert_eq!(world.stripe.requests().len(), 1);
}

#[tokio::test]
async fn pages_that_turn_in_a_circle_end_with_an_error() {
    let world = World::sample(230).await;
    world.stripe.fail(
        Fault::on(CUSTOMERS, FaultKind::SameCursor)
            .after(2)
            .times(100),
    );
    let error = world.customers().await.unwrap_err();
    assert_eq!(cause(&error), StripeError::Loop { what: "customers" });
    assert_eq!(error.kind, PortErrorKind::Corrupt);
    assert!(world.stripe.requests().len() < 6);
}

#[tokio::test]
async fn an_answer_of_another_shape_is_an_alarm_and_not_repeated() {
    let world = World::sample(1).await;
    world
        .stripe
        .fail(Fault::on(CUSTOMERS, FaultKind::WrongShape).times(100));
    let error = world.customers().await.unwrap_err();
    assert!(matches!(
        cause(&error),
        StripeError::Shape {
            what: "customers",
            ..
        }
    ));
    assert_eq!(error.kind, PortErrorKind::Corrupt);
    assert_eq!(world.stripe.requests().len(), 1);
}

#[tokio::test]
async fn a_slow_answer_is_given_up_at_the_deadline() {
    let world = World::sample(1).await;
    let hurry = Retries {
        attempt: Duration::from_millis(50),
        page: Duration::from_millis(120),
        ..QUICK
    };
    let client = client(&world.stripe, &world.stripe.restricted_key()).with_retries(hurry);
    let fault = FaultKind::Slow(Duration::from_mins(1));
    world.stripe.fail(Fault::on(CUSTOMERS, fault).times(100));
    let error = client.customer_page(ALL, None).await.unwrap_err();
    assert_eq!(cause(&error), StripeError::Deadline { what: "customers" });
    assert_eq!(error.kind, PortErrorKind::Unavailable);
}

#[tokio::test]
async fn nobody_listening_is_one_sentence() {
    let world = World::sample(1).await;
    let key = world.stripe.restricted_key();
    let other = World::sample(1).await;
    let client = client(&other.stripe, &key);
    drop(other);
    let error = client.catalog(true).await.unwrap_err();
    assert_eq!(cause(&error), StripeError::Network);
    assert!(cause(&error).to_string().contains("cannot be reached"));
}
