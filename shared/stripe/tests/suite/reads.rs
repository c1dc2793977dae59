//! What is read, and with which requests.

use std::collections::BTreeSet;

use counterfoil_core::billing::{Customer, Discount, Status};
use counterfoil_core::listing;
use counterfoil_core::ports::{Billing, CreatedRange};
use counterfoil_core::webhook::Hint;
use counterfoil_stripe::{PATHS, STRIPE_VERSION};
use counterfoil_testkit::stripe::{
    FakeStripe, Interval, ItemSpec, PLANS, Sample, Shop, Standing, SubscriptionSpec, event,
};

use crate::support::{ALL, World, client, now};

pub(crate) fn spec(items: usize) -> SubscriptionSpec {
    let item = |number| ItemSpec {
        id: format!("si_{number}"),
        plan: &PLANS[1],
        interval: Interval::Month,
        quantity: 1,
    };
    SubscriptionSpec {
        id: "sub_many".to_owned(),
        customer: "cus_many".to_owned(),
        status: "active".to_owned(),
        created: 1_795_000_000,
        items: (0..items).map(item).collect(),
        period_start: 1_795_000_000,
        period_end: 1_797_000_000,
        trial_end: None,
        ended_at: None,
        cancel_at_period_end: false,
        pause_collection: false,
        free: false,
    }
}

#[tokio::test]
async fn a_scan_reads_every_object_once_whatever_its_state() {
    let world = World::sample(250).await;
    let customers = world.customers().await.unwrap();
    let ids: BTreeSet<&str> = customers
        .iter()
        .map(|customer| customer.id.as_str())
        .collect();
    assert_eq!((customers.len(), ids.len()), (250, 250));

    let subscriptions = world.subscriptions().await.unwrap();
    let ids: BTreeSet<&str> = subscriptions.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids.len(), subscriptions.len());
    let states: BTreeSet<&str> = subscriptions.iter().map(|it| it.status.as_str()).collect();
    let all = [
        "active",
        "canceled",
        "incomplete",
        "past_due",
        "paused",
        "trialing",
        "unpaid",
    ];
    assert_eq!(states, BTreeSet::from(all));
    assert!(subscriptions.len() > 200);
}

#[tokio::test]
async fn every_request_is_a_get_of_a_published_path_in_the_pinned_version() {
    let world = World::sample(20).await;
    let known = world.client.catalog(true).await.unwrap();
    world.customers().await.unwrap();
    world.subscriptions().await.unwrap();
    world.client.customer("cus_none").await.unwrap();
    world.client.subscriptions_of("cus_none").await.unwrap();
    world.client.open_invoices_of("cus_none").await.unwrap();
    world.open_invoices().await.unwrap();
    world.client.event_page(ALL, None).await.unwrap();
    let requests = world.stripe.requests();
    assert!(requests.len() > 8);
    for request in requests {
        let path = known
            .products
            .keys()
            .fold(request.path.clone(), |path, product| {
                path.replace(product.as_str(), "{id}")
            });
        let path = path.replace("cus_none", "{id}");
        assert!(PATHS.contains(&path.as_str()), "{path}");
        assert_eq!(request.method, "GET");
        assert_eq!(request.version.as_deref(), Some(STRIPE_VERSION));
        assert!(request.takes_gzip);
    }
}

#[tokio::test]
async fn the_catalogue_has_prices_products_and_features() {
    let world = World::sample(1).await;
    let catalog = world.client.catalog(true).await.unwrap();
    assert_eq!((catalog.prices.len(), catalog.products.len()), (8, 4));
    for plan in &PLANS {
        assert_eq!(catalog.features[&plan.product()], plan.features);
        let price = &catalog.prices[&plan.price(Interval::Year)];
        assert_eq!(price.monthly(), Some(plan.monthly * 10 / 12));
        assert_eq!(
            price.lookup_key.as_deref(),
            Some(format!("{}_yearly", plan.name).as_str())
        );
    }
}

#[tokio::test]
async fn features_are_asked_for_only_where_they_are_needed() {
    let world = World::sample(1).await;
    let catalog = world.client.catalog(false).await.unwrap();
    let requests = world.stripe.requests().len();
    assert!(catalog.features.is_empty());
    assert_eq!((requests, catalog.requests()), (2, 2));
    let catalog = world.client.catalog(true).await.unwrap();
    let requests = world.stripe.requests().len() - requests;
    assert!(requests > 2);
    assert_eq!(u64::try_from(requests).unwrap(), catalog.requests());
}

#[tokio::test]
async fn items_that_are_not_embedded_are_fetched() {
    let mut shop = Shop::new();
    shop.put_subscription(&spec(237));
    let world = World::of(shop).await;
    for subscriptions in [
        world.subscriptions().await.unwrap(),
        world.client.subscriptions_of("cus_many").await.unwrap(),
    ] {
        let [subscription] = subscriptions.as_slice() else {
            panic!("one subscription")
        };
        let ids: BTreeSet<&str> = subscription
            .items
            .data
            .iter()
            .map(|item| item.id.as_str())
            .collect();
        assert_eq!(ids.len(), 237);
        assert!(!subscription.items.has_more);
    }
}

#[tokio::test]
async fn open_invoices_tell_since_when_a_subscription_is_overdue() {
    let sample = Sample::new(7, 50, now());
    let account = sample
        .accounts
        .iter()
        .find(|it| it.standing == Standing::PastDue)
        .unwrap();
    let (customer, subscription) = (account.customer.clone(), account.subscription.clone());
    let world = World::of(sample.shop).await;
    let listed = world.open_invoices().await.unwrap();
    assert!(listed.len() > 1);
    assert!(listed.iter().all(|it| it.status.as_deref() == Some("open")));
    let listed = listed.iter().find(|it| it.subscription == subscription);
    let asked = world.client.open_invoices_of(&customer).await.unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(listed, asked.first());
    assert_eq!(asked[0].created, Some(now().as_secs() - 3 * 86_400));
    assert_eq!(asked[0].customer, customer);
}

#[tokio::test]
async fn ranges_of_creation_divide_a_list_without_loss_and_without_overlap() {
    let world = World::sample(300).await;
    let whole = world.customers().await.unwrap();
    let end = now().as_secs() + 1;
    let bounds = [0, end - 500 * 86_400, end - 100 * 86_400, end];
    let mut parts = Vec::new();
    for pair in bounds.windows(2) {
        let range = CreatedRange {
            from: pair[0],
            to: pair[1],
        };
        let before = parts.len();
        listing::customers(&world.client, range, &mut |it| parts.push(it))
            .await
            .unwrap();
        let inside = |it: &Customer| (range.from..range.to).contains(&it.created);
        assert!(parts[before..].iter().all(inside));
    }
    let ids = |list: &[Customer]| -> Vec<String> {
        let mut ids: Vec<String> = list.iter().map(|it| it.id.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&parts), ids(&whole));
}

#[tokio::test]
async fn a_page_leads_to_the_next_with_the_creation_of_its_last_object() {
    let world = World::sample(230).await;
    let first = world.client.customer_page(ALL, None).await.unwrap();
    let cursor = first.next.unwrap();
    let last = first.data.last().unwrap();
    assert_eq!((&cursor.after, cursor.created), (&last.id, last.created));
    let second = world
        .client
        .customer_page(ALL, Some(&cursor))
        .await
        .unwrap();
    assert!(second.data[0].created <= cursor.created);
    let third = second.next.as_ref();
    let third = world.client.customer_page(ALL, third).await.unwrap();
    assert_eq!((third.data.len(), third.next), (30, None));
}

#[tokio::test]
async fn a_cursor_whose_object_was_deleted_goes_on_below_its_creation() {
    let sample = Sample::new(7, 230, now());
    let before: BTreeSet<String> = sample
        .accounts
        .iter()
        .map(|it| it.customer.clone())
        .collect();
    let world = World::of(sample.shop).await;
    let mut read = BTreeSet::new();
    let mut page = world.client.customer_page(ALL, None).await.unwrap();
    loop {
        read.extend(page.data.iter().map(|it| it.id.clone()));
        let Some(cursor) = page.next else { break };
        world
            .stripe
            .change(|shop| shop.delete_customer(&cursor.after, now().as_secs()));
        let next = world.client.customer_page(ALL, Some(&cursor)).await;
        page = next.unwrap();
    }
    assert_eq!(read, before);
}

#[tokio::test]
async fn events_are_asked_for_by_time_and_lead_to_customers() {
    let at = now().as_secs();
    let mut shop = Shop::new();
    for number in 0..130 {
        let object = serde_json::json!({"id": "sub_1", "customer": format!("cus_{number}")});
        let kind = "customer.subscription.updated";
        let event = event(&format!("evt_{number}"), kind, at - number, &object);
        assert!(shop.put(serde_json::from_slice(&event).unwrap()));
    }
    let price = serde_json::json!({"id": "price_1"});
    let event = event("evt_price", "price.updated", at, &price);
    assert!(shop.put(serde_json::from_slice(&event).unwrap()));
    let world = World::of(shop).await;
    let range = CreatedRange {
        from: at - 119,
        to: at + 1,
    };
    let first = world.client.event_page(range, None).await.unwrap();
    let rest = world.client.event_page(range, first.next.as_ref()).await;
    let rest = rest.unwrap();
    assert_eq!(
        (first.data.len(), rest.data.len(), rest.next),
        (100, 20, None)
    );
    let hints: Vec<&Hint> = first
        .data
        .iter()
        .chain(&rest.data)
        .map(|it| &it.hint)
        .collect();
    let wanted = |number| Hint::Customer(format!("cus_{number}"));
    assert_eq!((hints[0], hints[119]), (&wanted(0), &wanted(119)));
}

#[tokio::test]
async fn a_coupon_of_100_percent_is_seen() {
    let sample = Sample::new(7, 50, now());
    let free = sample
        .accounts
        .iter()
        .find(|it| it.standing == Standing::Free)
        .unwrap();
    let free = free.subscription.clone().unwrap();
    let world = World::of(sample.shop).await;
    for subscription in world.subscriptions().await.unwrap() {
        assert_eq!(
            subscription.discounts().any(Discount::is_whole),
            subscription.id == free,
            "{}",
            subscription.id
        );
    }
}

#[tokio::test]
async fn a_customer_may_be_there_deleted_or_unknown() {
    let sample = Sample::new(7, 10, now());
    let (kept, gone) = (sample.accounts[0].clone(), sample.accounts[1].clone());
    let world = World::of(sample.shop).await;
    world
        .stripe
        .change(|shop| shop.delete_customer(&gone.customer, now().as_secs()));
    let read = async |id: &str| world.client.customer(id).await.unwrap();
    let customer = read(&kept.customer).await.unwrap();
    assert!(!customer.deleted && customer.email.unwrap().ends_with("@example.com"));
    assert!(read(&gone.customer).await.unwrap().deleted);
    assert!(read("cus_never").await.is_none());
    let ended = world.client.subscriptions_of(&gone.customer).await.unwrap();
    assert_eq!(ended[0].status, Status::Canceled);
    assert!(
        world
            .client
            .subscriptions_of("cus_never")
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_list_that_grows_while_it_is_read_loses_nothing_that_was_there() {
    let sample = Sample::new(7, 230, now());
    let before: BTreeSet<String> = sample
        .accounts
        .iter()
        .map(|it| it.customer.clone())
        .collect();
    let stripe = FakeStripe::start(sample.shop).await.unwrap();
    let client = client(&stripe, &stripe.restricted_key());
    let mut read = BTreeSet::new();
    listing::customers(&client, ALL, &mut |customer| {
        // New customers are put in front of the list.
        stripe.change(|shop| {
            shop.put(serde_json::json!({
                "object": "customer", "id": format!("cus_new{}", read.len()),
                "created": now().as_secs() + 1,
            }))
        });
        read.insert(customer.id);
    })
    .await
    .unwrap();
    assert!(read.is_superset(&before));
}

#[test]
fn the_source_has_no_way_to_write() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut senders = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        // The name of an endpoint that is read.
        let source = source.replace("PaymentMethods", "");
        for word in [
            ".post(",
            ".put(",
            ".patch(",
            ".delete(",
            ".request(",
            "Method",
            "POST",
        ] {
            assert!(!source.contains(word), "{word}");
        }
        senders += source.matches(".send()").count();
    }
    assert_eq!(senders, 1);
}
