//! What a run could not conclude: it opens nothing, changes nothing and ends nothing.

use counterfoil_core::billing::{Price, Subscription};
use counterfoil_core::cell::Cell;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::reconcile::FindingKind;
use counterfoil_core::records::Records;
use counterfoil_core::run::{Run, RunResult};

use super::world::{World, customer, subscription};

/// The subscription of u1 as a list that goes on and was not completed.
fn half_read() -> Subscription {
    let mut half = subscription("sub_u1", "cus_1");
    half.items.has_more = true;
    half
}

/// What u1 has, instead of what was sold before.
fn sold(world: &World, subscription: Subscription) {
    world.billing.cancel_all("cus_1");
    world.billing.add_subscription(subscription);
}

async fn last_run(world: &World) -> Run {
    let records = Records::of(world.store.as_ref(), &world.ann);
    let runs = records.list::<Run>().await.unwrap().into_iter();
    runs.map(|run| run.value).max_by_key(|run| run.id).unwrap()
}

async fn check(world: &World, customer: &str) {
    check_only(world, customer).await;
    world.deliver_checks().await;
}

/// Up to the second look, which waits for the race grace.
async fn check_only(world: &World, customer: &str) {
    let request = world.check_of(customer, "webhook");
    world.reconcile().handle(&request).await.unwrap();
}

async fn of_kind(world: &World, kind: FindingKind) -> Option<Incident> {
    let mut all = world.incidents().await.into_iter();
    all.find(|incident| incident.finding.kind == kind)
}

fn left_out(world: &World) -> Option<(u64, u64)> {
    let closed = world.facts("run.close").pop().unwrap();
    let told = closed.get("left_out")?;
    let count = |name: &str| told.get(name).and_then(Json::as_uint).unwrap();
    Some((count("too_many_customers"), count("unread_items")))
}

#[tokio::test]
async fn a_scan_that_read_half_of_the_items_ends_no_incident_and_counts_it() {
    let world = World::new().await;
    world.scan().await;
    let before = world.incident().await;
    assert_eq!(
        (before.state, left_out(&world)),
        (IncidentState::Open, None)
    );
    sold(&world, half_read());
    world.set_row("u1", true);
    world.scan().await;
    assert_eq!(world.incident().await, before, "nothing is known of it");
    let run = last_run(&world).await;
    assert_eq!(run.result, Some(RunResult::Complete));
    assert_eq!(left_out(&world), Some((0, 1)));
    sold(&world, subscription("sub_u1", "cus_1"));
    world.scan().await;
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
    assert_eq!(left_out(&world), None);
}

#[tokio::test]
async fn a_check_that_read_half_of_the_items_ends_no_incident() {
    let world = World::new().await;
    check(&world, "cus_1").await;
    let before = world.incident().await;
    sold(&world, half_read());
    check(&world, "cus_1").await;
    assert_eq!(world.incident().await, before);
    sold(&world, subscription("sub_u1", "cus_1"));
    world.set_row("u1", true);
    check(&world, "cus_1").await;
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
}

/// The row of u1 gives access by another plan than the one that was paid for.
fn give_plan(world: &World, plan: &str) {
    let cells = [
        ("plan", Cell::Text(plan.to_owned())),
        ("premium", Cell::Bool(true)),
    ];
    world.app.put(Cell::Text("u1".to_owned()), cells);
}

/// The first look sees the difference change, and the second one cannot read on.
#[tokio::test]
async fn a_second_look_that_reads_half_of_the_items_ends_nothing_either() {
    let world = World::new().await;
    give_plan(&world, "free");
    world.scan().await;
    let before = world.incident().await;
    assert_eq!(before.finding.kind, FindingKind::WrongPlan);
    give_plan(&world, "gold");
    world.first_look().await.unwrap();
    sold(&world, half_read());
    world.deliver_scans().await;
    assert_eq!(world.incident().await, before);
    assert_eq!(left_out(&world), Some((0, 1)));
}

/// One change is on its way to the app at each look: neither has lasted for the grace.
#[tokio::test]
async fn two_changes_in_a_row_are_no_difference_that_has_lasted() {
    let world = World::new().await;
    give_plan(&world, "free");
    world.first_look().await.unwrap();
    give_plan(&world, "gold");
    world.deliver_scans().await;
    assert!(world.incidents().await.is_empty());
    let run = last_run(&world).await;
    assert_eq!(run.left_out.still_changing, 1);
    // It stays, so the next run says it.
    world.scan().await;
    assert_eq!(world.incident().await.finding.kind, FindingKind::WrongPlan);
}

/// With a flag both looks say the same of two subscriptions that came one after the other.
#[tokio::test]
async fn another_subscription_behind_the_same_difference_begins_the_grace_again() {
    let world = World::new().await;
    check_only(&world, "cus_1").await;
    sold(&world, subscription("sub_again", "cus_1"));
    world.deliver_checks().await;
    assert!(world.incidents().await.is_empty());
    check(&world, "cus_1").await;
    let incident = world.incident().await;
    assert_eq!(incident.finding.kind, FindingKind::PaidNoAccess);
}

/// An incident that changes at each look is neither ended nor changed.
#[tokio::test]
async fn an_incident_whose_difference_still_changes_is_left_as_it_is() {
    let world = World::new().await;
    give_plan(&world, "free");
    world.scan().await;
    let before = world.incident().await;
    give_plan(&world, "gold");
    world.first_look().await.unwrap();
    let mut item = subscription("sub_u1", "cus_1");
    item.id = "sub_other".to_owned();
    sold(&world, item);
    world.deliver_scans().await;
    assert_eq!(world.incident().await, before);
}

#[tokio::test]
async fn a_price_without_a_rule_ends_no_incident_of_the_same_customer() {
    let world = World::new().await;
    world.set_row("u1", true);
    world.billing.cancel_all("cus_2");
    world.scan().await;
    let kind = FindingKind::AccessWithoutPayment;
    assert_eq!(world.incident().await.finding.kind, kind);
    let mut unknown = subscription("sub_new", "cus_2");
    unknown.items.data[0].price = Price {
        id: "price_new".to_owned(),
        ..unknown.items.data[0].price.clone()
    };
    world.billing.add_subscription(unknown);
    world.scan().await;
    let unmapped = of_kind(&world, FindingKind::UnmappedPrice).await;
    assert_eq!(unmapped.unwrap().state, IncidentState::Open);
    let before = of_kind(&world, kind).await.unwrap();
    assert_eq!(
        before.state,
        IncidentState::Open,
        "what is promised is open"
    );
}

#[tokio::test]
async fn a_row_with_too_many_customers_is_left_out_of_a_scan_and_the_others_are_not() {
    let world = World::new().await;
    world.billing.add_customer(customer("cus_twin", "u1"));
    world.scan().await;
    let kind = FindingKind::DuplicateCustomer;
    let twins = of_kind(&world, kind).await.unwrap();
    world.add_user("u3", "cus_3", false);
    world.set_row("u1", true);
    for number in 0..60 {
        let id = format!("cus_many{number}");
        world.billing.add_customer(customer(&id, "u1"));
    }
    world.scan().await;
    let run = last_run(&world).await;
    assert_eq!(run.result, Some(RunResult::Complete));
    assert_eq!(run.left_out.too_many_customers, 1);
    assert_eq!(left_out(&world), Some((1, 0)));
    assert_eq!(of_kind(&world, kind).await.unwrap(), twins, "left alone");
    let mut others = world.incidents().await;
    others.retain(|it| it.finding.kind == FindingKind::PaidNoAccess);
    others.sort_by(|a, b| a.finding.subject.cmp(&b.finding.subject));
    let states: Vec<_> = others.iter().map(|it| it.state).collect();
    // The first look, which reads everybody, has seen that u1 has what was paid for.
    assert_eq!(states, [IncidentState::Resolved, IncidentState::Open]);
}

#[tokio::test]
async fn a_row_with_too_many_customers_opens_no_incident_that_nobody_looked_at_again() {
    let world = World::new().await;
    world.set_row("u1", true);
    for number in 0..60 {
        let id = format!("cus_many{number}");
        world.billing.add_customer(customer(&id, "u1"));
    }
    world.scan().await;
    assert!(world.incidents().await.is_empty());
    assert_eq!(left_out(&world), Some((1, 0)));
}
