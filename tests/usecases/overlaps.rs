//! Runs that overlap: with each other, with checks, and with what happens meanwhile.

use std::time::Duration;

use counterfoil_core::cell::Cell;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::reconcile::FindingKind;

use super::world::{NOW, World, customer, subscription};

async fn check(world: &World, customer: &str) {
    let request = world.check_of(customer, "manual");
    world.reconcile().handle(&request).await.unwrap();
}

/// Signs up after the scan has begun, named in the metadata alone: no row leads to this customer.
#[tokio::test]
async fn a_customer_who_came_while_the_scan_read_is_found_by_the_second_look() {
    let world = World::new().await;
    world.set_row("u1", true);
    world.set_row("u9", true);
    world.clock.advance(Duration::from_mins(1));
    world.first_look().await.unwrap();
    let mut new = customer("cus_9", "u9");
    new.created = NOW + 90;
    world.billing.add_customer(new);
    let mut sold = subscription("sub_9", "cus_9");
    sold.created = NOW + 91;
    world.billing.add_subscription(sold);
    world.deliver_scans().await;
    assert!(world.incidents().await.is_empty());
}

/// The same row without anybody who pays for it is what a scan is for.
#[tokio::test]
async fn a_customer_who_came_meanwhile_and_belongs_to_another_row_excuses_nobody() {
    let world = World::new().await;
    world.set_row("u1", true);
    world.set_row("u9", true);
    world.first_look().await.unwrap();
    let mut new = customer("cus_8", "u8");
    new.created = NOW + 90;
    world.billing.add_customer(new);
    world.deliver_scans().await;
    let incident = world.incident().await;
    assert_eq!(incident.finding.kind, FindingKind::AccessWithoutPayment);
    assert_eq!(incident.finding.row, Some(Cell::Text("u9".to_owned())));
}

/// What a scan has read is older than what a check has seen since.
#[tokio::test]
async fn a_scan_that_began_earlier_does_not_resolve_what_a_check_has_opened_since() {
    let world = World::new().await;
    world.first_look().await.unwrap();
    world.clock.advance(Duration::from_mins(1));
    world.set_row("u2", false);
    check(&world, "cus_2").await;
    assert_eq!(world.incident().await.state, IncidentState::Open);
    world.set_row("u1", true);
    world.deliver_scans().await;
    let incident = world.incident().await;
    assert_eq!(incident.state, IncidentState::Open, "it is still there");
    // The next scan sees it for itself.
    world.set_row("u2", true);
    world.clock.advance(Duration::from_mins(1));
    world.scan().await;
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
}

/// A scan takes a known difference over without a second look, and looks at the others for long;
/// meanwhile a check sees it gone.
#[tokio::test]
async fn a_scan_that_began_earlier_does_not_open_again_what_was_resolved_since() {
    let world = World::new().await;
    check(&world, "cus_1").await;
    assert_eq!(world.incident().await.state, IncidentState::Open);
    world.set_row("u2", false);
    world.clock.advance(Duration::from_mins(1));
    world.first_look().await.unwrap();
    let mut scans = world.scans();
    scans.limits.again = 1;
    let (request, delay) = world.mail.take_scans().remove(0);
    world.clock.advance(delay);
    scans.handle(&request).await.unwrap();
    world.set_row("u1", true);
    check(&world, "cus_1").await;
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
    world.deliver_scans().await;
    let mut incidents = world.incidents().await;
    incidents.sort_by(|a, b| a.finding.subject.cmp(&b.finding.subject));
    let states: Vec<_> = incidents.iter().map(|it| it.state).collect();
    assert_eq!(states, [IncidentState::Resolved, IncidentState::Open]);
}
