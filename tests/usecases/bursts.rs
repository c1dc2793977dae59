//! Many checks that each open one incident: together they are a mass drift.

use std::time::Duration;

use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::CheckRequest;
use counterfoil_core::reconcile::Symbol;
use counterfoil_core::usecases::{IncidentAct, Incidents};

use super::world::World;

const USERS: [&str; 5] = ["u2", "u3", "u4", "u5", "u6"];

/// Six customers; all but u1 have what they paid for.
async fn world() -> World {
    let world = World::new().await;
    for user in &USERS[1..] {
        world.add_user(user, &user.replace('u', "cus_"), true);
    }
    world
}

/// The app takes the access of `user` away.
async fn lose(world: &World, user: &str) {
    change(world, user, false).await;
}

/// The app changes what `user` has, and a webhook asks for a check.
async fn change(world: &World, user: &str, granted: bool) {
    world.set_row(user, granted);
    world.clock.advance(Duration::from_mins(1));
    let request = CheckRequest::Customer {
        workspace: world.workspace.id,
        project: world.project.id,
        customer: user.replace('u', "cus_"),
        reason: "webhook".to_owned(),
        event: None,
        asked_at: None,
    };
    world.reconcile().handle(&request).await.unwrap();
    world.deliver_checks().await;
}

async fn drift(world: &World) -> Option<Incident> {
    let mut all = world.incidents().await.into_iter();
    all.find(|it| it.finding.is_mass_drift())
}

/// What the last run says that the breaker keeps back.
fn kept_by_the_breaker(world: &World) -> Option<u64> {
    let closed = world.facts("run.close").pop().unwrap();
    closed.get("held_back")?.get("breaker")?.as_uint()
}

#[tokio::test]
async fn checks_that_open_more_than_the_limit_together_stop_proposing() {
    let world = world().await;
    world.scan().await;
    assert_eq!(world.mail.take_proposals().len(), 1);
    for user in ["u2", "u3"] {
        lose(&world, user).await;
        assert!(
            drift(&world).await.is_none(),
            "three of six are within 60 %"
        );
        assert_eq!(world.mail.take_proposals().len(), 1);
        assert_eq!(kept_by_the_breaker(&world), None);
    }
    lose(&world, "u4").await;
    let raised = drift(&world).await.unwrap();
    assert!(raised.is_breaker());
    assert_eq!(raised.finding.actual, Symbol::Count(4));
    assert_eq!(world.count("incident.opened"), 1);
    assert!(world.mail.take_proposals().is_empty());
    assert_eq!(kept_by_the_breaker(&world), Some(1));
    lose(&world, "u5").await;
    assert!(world.mail.take_proposals().is_empty());
    assert_eq!(world.count("incident.opened"), 1, "one for all");
    // What differs is shown all the same.
    let open = world.incidents().await.into_iter();
    let open = open.filter(|it| it.state == IncidentState::Open);
    assert_eq!(open.count(), 6, "five differences and the mass drift");
}

#[tokio::test]
async fn a_person_arms_the_checks_again_for_as_many_as_they_have_seen() {
    let world = world().await;
    world.scan().await;
    for user in ["u2", "u3", "u4"] {
        lose(&world, user).await;
    }
    world.mail.take_proposals();
    let people = Incidents {
        evidence: world.store.clone(),
        state: world.store.clone(),
        vault: world.vault.clone(),
        clock: std::sync::Arc::new(world.clock.clone()),
        random: std::sync::Arc::new(counterfoil_testkit::memory::SeededRandom::new(98)),
    };
    let id = drift(&world).await.unwrap().id.to_string();
    let act = IncidentAct::Acknowledge {
        reason: "the app was restored from a backup".to_owned(),
    };
    let owner = world.sign_in("Ben").await;
    people.act(&owner, &id, "k1", &act).await.unwrap();
    // u4 gets its access back and loses it again: four of six, as the person has seen them.
    change(&world, "u4", true).await;
    lose(&world, "u4").await;
    assert_eq!(world.mail.take_proposals().len(), 1);
    lose(&world, "u5").await;
    assert!(drift(&world).await.unwrap().is_breaker(), "more than that");
    assert!(world.mail.take_proposals().is_empty());
}

#[tokio::test]
async fn without_a_complete_scan_nobody_knows_how_many_customers_there_are() {
    let world = world().await;
    for user in ["u2", "u3", "u4", "u5"] {
        lose(&world, user).await;
    }
    assert!(drift(&world).await.is_none());
    assert_eq!(world.mail.take_proposals().len(), 4);
}
