//! Who came while a repair waited: asked for only where they could matter, and never without a limit.

use std::time::Duration;

use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::Clock;
use counterfoil_core::reconcile::FindingKind;
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::usecases::{ActionError, LookError, ReadActions, Voted};
use counterfoil_testkit::memory::ApplyFault;

use super::world::{NOW, World, customer, subscription};

const DAY: Duration = Duration::from_hours(24);

/// A world in which u2 has access that nobody pays for, or u1 has not what they pay for.
async fn drifted(kind: FindingKind) -> World {
    let world = World::new().await;
    if kind == FindingKind::AccessWithoutPayment {
        world.set_row("u1", true);
        world.billing.cancel_all("cus_2");
    }
    world.billing.page_of(10);
    world.scan().await;
    assert_eq!(world.incident().await.finding.kind, kind);
    world
}

async fn proposed(world: &World) -> Action {
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), true);
    proposed.await.unwrap().action
}

async fn approve(world: &World, action: &Action) -> Result<(), ActionError> {
    let vote = Voted {
        kind: VoteKind::Approve,
        digest: &action.digest,
        reason: "checked the invoice",
        version: None,
    };
    let (votes, id) = (world.vote(), action.id.to_string());
    // An approver key does not live as long as some of these worlds.
    let ben = world.sign_in("Ben").await;
    Box::pin(votes.vote(&ben, &id, &vote)).await.map(drop)
}

async fn state(world: &World, action: &Action) -> ActionState {
    let ports = world.ports();
    let read = ReadActions { ports };
    let found = read.get(&world.ann, &action.id.to_string()).await.unwrap();
    found.value.state
}

/// The state of the incident about access that nobody paid for.
async fn leak(world: &World) -> IncidentState {
    let mut all = world.incidents().await.into_iter();
    let leak = all.find(|it| it.finding.kind == FindingKind::AccessWithoutPayment);
    leak.unwrap().state
}

/// Customers who have nothing to do with anybody, all of them created now.
fn come(world: &World, name: &str, count: usize) {
    for place in 0..count {
        let id = format!("cus_{name}{place}");
        pays(world, &id, &format!("{name}{place}"), false);
    }
}

fn pays(world: &World, id: &str, user: &str, subscribed: bool) {
    let mut new = customer(id, user);
    new.created = world.clock.now().as_secs();
    assert!(new.created >= NOW);
    world.billing.add_customer(new);
    if subscribed {
        world
            .billing
            .add_subscription(subscription(&format!("sub_of_{id}"), id));
    }
}

#[tokio::test]
async fn a_repair_that_takes_nothing_away_asks_for_no_newcomers() {
    let world = drifted(FindingKind::PaidNoAccess).await;
    world.clock.advance(DAY);
    come(&world, "new", 600);
    let action = proposed(&world).await;
    let before = world.billing.pages_read();
    approve(&world, &action).await.unwrap();
    assert_eq!(world.billing.pages_read(), before);
    assert_eq!(state(&world, &action).await, ActionState::Verified);
}

/// Not those who came since the incident opened, two months ago.
#[tokio::test]
async fn a_repair_that_takes_access_away_lists_who_came_since_a_scan_has_last_seen_the_difference()
{
    let world = drifted(FindingKind::AccessWithoutPayment).await;
    for day in 0..60 {
        world.clock.advance(DAY);
        come(&world, &format!("day{day}_"), 20);
    }
    world.clock.advance(Duration::from_hours(2));
    world.scan().await;
    come(&world, "today", 15);
    let action = proposed(&world).await;
    let before = world.billing.pages_read();
    approve(&world, &action).await.unwrap();
    assert_eq!(state(&world, &action).await, ActionState::Verified);
    assert!(!world.granted("u2"));
    // Two pages before it, and none after it, because nothing is left to explain.
    assert_eq!(world.billing.pages_read() - before, 2);
}

#[tokio::test]
async fn whoever_came_after_the_last_scan_and_pays_keeps_the_access() {
    let world = drifted(FindingKind::AccessWithoutPayment).await;
    let action = proposed(&world).await;
    world.clock.advance(DAY);
    pays(&world, "cus_new", "u2", true);
    approve(&world, &action).await.unwrap();
    assert_eq!(state(&world, &action).await, ActionState::Stale);
    assert_eq!(world.app.updates(), 0);
    assert_eq!(leak(&world).await, IncidentState::Open);
}

/// A scan leaves an incident alone whose repair waits, so that it has listed somebody does not mean
/// that the repair knows of them.
#[tokio::test]
async fn whoever_pays_and_was_listed_by_a_scan_while_the_repair_waited_keeps_the_access() {
    let world = drifted(FindingKind::AccessWithoutPayment).await;
    let action = proposed(&world).await;
    world.clock.advance(DAY);
    pays(&world, "cus_new", "u2", true);
    world.clock.advance(Duration::from_hours(5));
    world.scan().await;
    world.clock.advance(Duration::from_hours(5));
    assert_eq!(leak(&world).await, IncidentState::Repairing);
    approve(&world, &action).await.unwrap();
    assert_eq!(state(&world, &action).await, ActionState::Stale);
    assert_eq!(world.app.updates(), 0);
}

#[tokio::test]
async fn too_many_newcomers_are_a_side_that_was_not_read_until_a_scan_has_read_them() {
    let world = drifted(FindingKind::AccessWithoutPayment).await;
    let action = proposed(&world).await;
    world.clock.advance(DAY);
    come(&world, "crowd", 600);
    let before = world.billing.pages_read();
    let refused = approve(&world, &action).await.unwrap_err();
    let too_many = matches!(refused, ActionError::Look(LookError::TooManyNewcomers));
    assert!(too_many, "{refused:?}");
    assert!(refused_says(&refused).contains("scan, then try again"));
    assert_eq!(world.billing.pages_read() - before, 50);
    assert_eq!(state(&world, &action).await, ActionState::Approved);
    assert_eq!(world.app.updates(), 0);
    assert_eq!(world.count("repair.started"), 0);
    world.clock.advance(Duration::from_hours(2));
    world.scan().await;
    assert_eq!(world.sweep().sweep().await.unwrap().finished, 1);
    assert_eq!(state(&world, &action).await, ActionState::Verified);
    assert!(!world.granted("u2"));
}

fn refused_says(error: &ActionError) -> String {
    let source = std::error::Error::source(error);
    source.map(ToString::to_string).unwrap_or_default()
}

/// The row was changed, the check of it had to wait, and by then somebody pays and has the access.
#[tokio::test]
async fn what_a_newcomer_explains_after_the_repair_is_no_difference() {
    let world = drifted(FindingKind::AccessWithoutPayment).await;
    let action = proposed(&world).await;
    world.app.fail_next(ApplyFault::ThenUnreadable);
    approve(&world, &action).await.unwrap();
    assert_eq!(state(&world, &action).await, ActionState::Executed);
    world.app.unreadable(false);
    world.clock.advance(Duration::from_hours(2));
    pays(&world, "cus_new", "u2", true);
    world.set_row("u2", true);
    assert_eq!(world.sweep().sweep().await.unwrap().finished, 1);
    assert_eq!(state(&world, &action).await, ActionState::Verified);
    assert_eq!(leak(&world).await, IncidentState::Resolved);
}

/// And where they are too many to tell, the repair ends all the same, and a scan ends the incident.
#[tokio::test]
async fn a_difference_that_too_many_newcomers_could_explain_is_open_until_the_next_scan() {
    let world = drifted(FindingKind::AccessWithoutPayment).await;
    let action = proposed(&world).await;
    world.app.fail_next(ApplyFault::ThenUnreadable);
    approve(&world, &action).await.unwrap();
    world.app.unreadable(false);
    world.clock.advance(Duration::from_hours(2));
    pays(&world, "cus_new", "u2", true);
    world.set_row("u2", true);
    come(&world, "crowd", 600);
    assert_eq!(world.sweep().sweep().await.unwrap().finished, 1);
    assert_eq!(state(&world, &action).await, ActionState::Verified);
    assert_eq!(leak(&world).await, IncidentState::Open);
    world.scan().await;
    assert_eq!(leak(&world).await, IncidentState::Resolved);
    assert_eq!(world.app.updates(), 1);
}
