//! What happens to lists while they are read, and what may come in them.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use counterfoil_core::billing::Customer;
use counterfoil_core::listing;
use counterfoil_core::ports::{Billing, CreatedRange, ListCursor, PortErrorKind};
use counterfoil_stripe::{STRIPE_VERSION, StripeError};
use counterfoil_testkit::stripe::{Crowd, Fault, FaultKind, Sample, Shop, Weather};
use serde_json::json;

use crate::reads::spec;
use crate::support::{ALL, World, cause, now};

#[tokio::test]
async fn bad_weather_changes_nothing_in_what_is_read() {
    let crowd = Arc::new(Crowd::new(21, 3_000, now()));
    let calm = World::crowd(&crowd).await;
    let stormy = World::crowd(&crowd).await;
    stormy.stripe.weather(
        Weather::new(8)
            .with(FaultKind::TooManyRequests { should_retry: None }, 30)
            .with(
                FaultKind::TooManyRequests {
                    should_retry: Some(true),
                },
                10,
            )
            .with(FaultKind::Status(500), 30)
            .with(FaultKind::Status(503), 10)
            .with(FaultKind::HalfBody, 20)
            .with(FaultKind::BrokenOff, 20)
            .with(FaultKind::Slow(Duration::from_millis(20)), 50),
    );
    assert_eq!(
        calm.customers().await.unwrap(),
        stormy.customers().await.unwrap()
    );
    assert_eq!(
        calm.subscriptions().await.unwrap(),
        stormy.subscriptions().await.unwrap()
    );
    assert_eq!(
        calm.open_invoices().await.unwrap(),
        stormy.open_invoices().await.unwrap()
    );
    let (calm, stormy) = (calm.stripe.requests(), stormy.stripe.requests());
    assert!(
        stormy.len() > calm.len() + 3,
        "{} {}",
        stormy.len(),
        calm.len()
    );
    assert!(
        stormy
            .iter()
            .all(|it| it.version.as_deref() == Some(STRIPE_VERSION))
    );
}

/// 250 customers of one second, as an import makes them.
fn imported() -> Shop {
    let mut shop = Shop::new();
    for number in 0..250 {
        let id = format!("cus_{number:03}");
        shop.put(json!({"object": "customer", "id": id, "created": 1_795_000_000}));
    }
    shop
}

#[tokio::test]
async fn an_import_of_one_second_is_walked_by_its_cursor() {
    let world = World::of(imported()).await;
    let customers = world.customers().await.unwrap();
    let ids: BTreeSet<&str> = customers.iter().map(|it| it.id.as_str()).collect();
    assert_eq!((customers.len(), ids.len()), (250, 250));
    assert_eq!(world.stripe.requests().len(), 3);
}

#[tokio::test]
async fn an_import_of_one_second_is_read_although_every_cursor_is_deleted_once() {
    let world = World::of(imported()).await;
    let mut read = BTreeSet::new();
    let mut cursor: Option<ListCursor> = None;
    for deletions in 0_u8.. {
        let page = world
            .client
            .customer_page(ALL, cursor.as_ref())
            .await
            .unwrap();
        read.extend(page.data.into_iter().map(|it| it.id));
        let Some(next) = page.next else { break };
        if deletions < 2 {
            let gone = next.after.clone();
            world
                .stripe
                .change(|shop| shop.delete_customer(&gone, 1_795_000_001));
        }
        cursor = Some(next);
    }
    assert_eq!(read.len(), 250);
}

#[tokio::test]
async fn an_item_that_is_removed_between_two_pages_hides_no_other_item() {
    let mut shop = Shop::new();
    shop.put_subscription(&spec(30));
    let world = World::of(shop).await;
    // Stripe refuses the cursor once: the item behind which the reader goes on is gone.
    world
        .stripe
        .fail(Fault::on("/v1/subscription_items", FaultKind::NoSuchCursor));
    let subscriptions = world.subscriptions().await.unwrap();
    let ids: BTreeSet<&str> = subscriptions[0]
        .items
        .data
        .iter()
        .map(|it| it.id.as_str())
        .collect();
    assert_eq!((subscriptions[0].items.data.len(), ids.len()), (30, 30));
    assert!(!subscriptions[0].items.has_more);
}

#[tokio::test]
async fn a_cursor_that_nobody_knows_twice_is_an_error() {
    let world = World::sample(230).await;
    let first = world.client.customer_page(ALL, None).await.unwrap();
    let fault = Fault::on("/v1/customers", FaultKind::NoSuchCursor).times(2);
    world.stripe.fail(fault);
    let again = world.client.customer_page(ALL, first.next.as_ref()).await;
    let error = again.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Refused);
    assert!(matches!(
        cause(&error),
        StripeError::Refused { status: 400, .. }
    ));
}

/// Stripe says the same of a customer that is not there and of a cursor that is not there any more.
#[tokio::test]
async fn a_customer_who_is_not_there_has_nothing_and_half_a_list_is_an_error() {
    let mut shop = Shop::new();
    for number in 0..120 {
        let mut one = spec(1);
        one.id = format!("sub_{number}");
        shop.put_subscription(&one);
    }
    let world = World::of(shop).await;
    let missing = |skip| Fault::on("/v1/subscriptions", FaultKind::NoSuchCursor).after(skip);
    world.stripe.fail(missing(0));
    let none = world.client.subscriptions_of("cus_many").await.unwrap();
    assert!(none.is_empty());
    world.stripe.fail(missing(1));
    let half = world.client.subscriptions_of("cus_many").await;
    assert_eq!(half.unwrap_err().kind, PortErrorKind::Refused);
    let all = world.client.subscriptions_of("cus_many").await.unwrap();
    assert_eq!(all.len(), 120);
}

#[tokio::test]
async fn a_page_that_has_its_own_cursor_leads_nowhere() {
    let world = World::of(imported()).await;
    let first = world.client.customer_page(ALL, None).await.unwrap();
    world
        .stripe
        .fail(Fault::on("/v1/customers", FaultKind::SameCursor));
    let again = world.client.customer_page(ALL, first.next.as_ref()).await;
    let error = again.unwrap_err();
    assert_eq!(cause(&error), StripeError::Loop { what: "customers" });
}

#[tokio::test]
async fn words_that_stripe_adds_are_read_as_they_are() {
    let sample = Sample::new(7, 50, now());
    let ids: Vec<String> = (sample.accounts.iter())
        .filter_map(|it| it.subscription.clone())
        .collect();
    let world = World::of(sample.shop).await;
    world.stripe.change(|shop| {
        for id in &ids {
            shop.change_subscription(id, |it| {
                it["status"] = json!("hibernating");
                it["billing_mode"] = json!({"type": "quantum"});
                it["pause_collection"] = json!({"behavior": "shrug", "resumes_at": null});
                it["items"]["data"][0]["price"]["recurring"]["interval"] = json!("fortnight");
            });
            let invoice = format!("in_{}", id.trim_start_matches("sub_"));
            shop.change_invoice(&invoice, |it| {
                it["billing_reason"] = json!("whim");
                it["parent"]["type"] = json!("foster");
            });
        }
    });
    for subscription in world.subscriptions().await.unwrap() {
        let known = ids.contains(&subscription.id);
        assert_eq!(subscription.status.as_str() == "hibernating", known);
    }
    assert!(world.open_invoices().await.unwrap().len() > 1);
}

#[tokio::test]
async fn what_stripe_dates_after_our_clock_is_left_for_the_next_run() {
    let mut shop = Sample::new(7, 10, now()).shop;
    for (id, created) in [("cus_now", 0), ("cus_ahead", 1), ("cus_far", 90)] {
        let created = now().as_secs() + created;
        shop.put(json!({"object": "customer", "id": id, "created": created}));
    }
    let world = World::of(shop).await;
    let mut read = Vec::new();
    let range = CreatedRange::up_to(now());
    listing::customers(&world.client, range, &mut |it: Customer| read.push(it.id))
        .await
        .unwrap();
    assert_eq!(read.len(), 11);
    assert_eq!(read[0], "cus_now");
}

#[tokio::test]
async fn one_connection_and_gzip_serve_a_whole_list() {
    let crowd = Arc::new(Crowd::new(21, 1_500, now()));
    let world = World::crowd(&crowd).await;
    world.stripe.compress();
    world.client.catalog(true).await.unwrap();
    assert_eq!(world.customers().await.unwrap().len(), crowd.counts().0);
    assert!(world.stripe.requests().iter().all(|it| it.takes_gzip));
    assert_eq!(world.stripe.connections(), 1);
    // An answer that breaks off costs its connection, and no more.
    world
        .stripe
        .fail(Fault::on("/v1/customers", FaultKind::BrokenOff).after(3));
    world.customers().await.unwrap();
    assert_eq!(world.stripe.connections(), 2);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_of_the_key_the_account_or_a_customer_is_logged() {
    let log = Log::default();
    let to = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || to.clone())
        .finish();
    // With one subscriber alone, `tracing` asks that of the thread that comes first to a place in the
    // code, which may be another test's, whether the place matters to anybody. With two it asks both.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::sample(230).await;
    let key = world.stripe.restricted_key();
    world
        .stripe
        .fail(Fault::on("/v1/customers", FaultKind::Status(500)).times(2));
    world.customers().await.unwrap();
    world
        .stripe
        .fail(Fault::on("/v1/invoices", FaultKind::Status(500)).times(99));
    world.open_invoices().await.unwrap_err();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("a request to Stripe is repeated"),
        "the log was seen"
    );
    let secret = key
        .trim_start_matches("rk_test_")
        .trim_end_matches(char::is_numeric);
    for word in [
        secret,
        "rk_test",
        "acct_",
        "req_Sample",
        "cus_",
        "example.com",
    ] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}
