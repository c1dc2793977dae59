//! A check of one customer: what it says, and what it leaves to scans.

use counterfoil_core::cell::Cell;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::PortErrorKind;
use counterfoil_core::reconcile::{FindingKind, NotRepairable};

use super::world::{World, customer, subscription};

async fn check(world: &World, customer: &str) {
    let request = world.check_of(customer, "webhook");
    world.reconcile().handle(&request).await.unwrap();
    world.deliver_checks().await;
}

async fn of_kind(world: &World, kind: FindingKind) -> Option<Incident> {
    let mut all = world.incidents().await.into_iter();
    all.find(|incident| incident.finding.kind == kind)
}

#[tokio::test]
async fn it_finds_what_a_customer_lacks_and_offers_to_add_it() {
    let world = World::new().await;
    check(&world, "cus_1").await;
    let incident = world.incident().await;
    assert_eq!(incident.finding.kind, FindingKind::PaidNoAccess);
    assert_eq!(incident.finding.not_repairable, None);
}

#[tokio::test]
async fn a_check_that_cannot_read_a_side_says_which() {
    for side in ["stripe", "app"] {
        let world = World::new().await;
        let refused = Some(PortErrorKind::Refused);
        world
            .billing
            .break_catalog(refused.filter(|_| side == "stripe"));
        world.app.unreadable(side == "app");
        check(&world, "cus_1").await;
        let closed = world.facts("run.close");
        let unread = closed[0].get("unread").and_then(|it| it.get("what"));
        assert_eq!(unread.and_then(Json::as_str), Some(side));
        assert!(world.incidents().await.is_empty());
    }
}

/// Another customer, who names the user in the metadata alone, pays: no look at the first one can
/// find that.
#[tokio::test]
async fn it_never_says_that_a_row_gives_too_much() {
    let world = World::new().await;
    world.billing.add_customer(customer("cus_other", "u2"));
    world
        .billing
        .add_subscription(subscription("sub_other", "cus_other"));
    world.billing.cancel_all("cus_2");
    check(&world, "cus_2").await;
    assert!(world.incidents().await.is_empty());
    world.set_row("u1", true);
    world.scan().await;
    assert_eq!(
        world.incident().await.finding.kind,
        FindingKind::DuplicateCustomer
    );
}

#[tokio::test]
async fn what_nobody_pays_for_is_left_to_the_next_scan() {
    let world = World::new().await;
    world.set_row("u1", true);
    world.billing.cancel_all("cus_2");
    check(&world, "cus_2").await;
    assert!(world.incidents().await.is_empty());
    world.scan().await;
    let incident = world.incident().await;
    assert_eq!(incident.finding.kind, FindingKind::AccessWithoutPayment);
    assert_eq!(incident.finding.not_repairable, None);
    // What it cannot say it cannot take back either.
    check(&world, "cus_2").await;
    assert_eq!(world.incident().await.state, IncidentState::Open);
    world.set_row("u2", false);
    world.scan().await;
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
}

/// Both customers of a row belong to the incident; one of them alone says nothing about it.
#[tokio::test]
async fn it_does_not_resolve_what_it_sees_half_of() {
    let world = World::new().await;
    world.set_row("u1", true);
    world.billing.add_customer(customer("cus_other", "u2"));
    world.scan().await;
    let kind = FindingKind::DuplicateCustomer;
    check(&world, "cus_2").await;
    let incident = of_kind(&world, kind).await.unwrap();
    assert_eq!(incident.state, IncidentState::Open);
}

/// A repair that would also lower something is not offered: the plan may be another customer's.
#[tokio::test]
async fn it_offers_no_repair_that_takes_something_away() {
    let world = World::new().await;
    let row = Cell::Text("u1".to_owned());
    let cells = [
        ("stripe_customer_id", Cell::Null),
        ("plan", Cell::Text("team".to_owned())),
        ("premium", Cell::Bool(false)),
    ];
    world.app.put(row, cells);
    check(&world, "cus_1").await;
    let found = world.incident().await.finding;
    assert_eq!(found.kind, FindingKind::PaidNoAccess);
    assert_eq!(found.not_repairable, Some(NotRepairable::OneCustomer));
    assert!(found.changes.is_empty());
}
