//! What one look alone has seen is shown, and repaired only once a second one says the same.

use std::time::Duration;

use counterfoil_core::cell::Cell;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::incident::{IgnoreTerms, Incident, IncidentState};
use counterfoil_core::ports::{CheckRequest, Clock, State};
use counterfoil_core::records::Records;
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::run::{Run, RunStep};

use super::super::world::{World, customer};
use super::vote;

const GRACE: Duration = Duration::from_mins(10);

/// What somebody asks for: one look, now.
async fn asked(world: &World) -> Incident {
    let request = world.check_of("cus_1", "manual");
    world.reconcile().handle(&request).await.unwrap();
    world.incident().await
}

async fn proposed(world: &World) -> (ActionState, String) {
    let id = world.incident().await.id.to_string();
    let ports = world.propose();
    let words = Some("support asked for it");
    let proposed = ports.propose(&world.ann, &id, words, false).await.unwrap();
    (proposed.action.state, proposed.action.rule)
}

#[tokio::test]
async fn what_one_look_has_opened_is_repaired_after_a_second_one() {
    let world = World::new().await;
    let incident = asked(&world).await;
    assert_eq!(incident.state, IncidentState::Open);
    assert!(!incident.is_confirmed());
    world.deliver_checks().await;
    let after = world.incident().await;
    assert!(after.is_confirmed());
    assert_eq!(after.opened_by, incident.opened_by);
    // The run that has confirmed it proposes it now, as it does what it has opened itself.
    let [(_, run, proposed)] = world.mail.take_proposals()[..] else {
        panic!("one is proposed");
    };
    assert_eq!((run, proposed), (after.seen_by, after.id));
}

#[tokio::test]
async fn the_repair_of_what_one_look_has_opened_is_denied() {
    let world = World::new().await;
    asked(&world).await;
    let (state, rule) = proposed(&world).await;
    assert_eq!(state, ActionState::Denied);
    assert_eq!(rule, "base.forbid.unconfirmed");
}

#[tokio::test]
async fn nothing_that_one_look_has_opened_is_proposed_by_a_machine() {
    let world = World::new().await;
    asked(&world).await;
    assert!(world.mail.take_proposals().is_empty());
    let waits = world.mail.take_checks();
    let (request, delay) = &waits[0];
    assert_eq!((waits.len(), *delay), (1, GRACE));
    let CheckRequest::Customer {
        customer, reason, ..
    } = request
    else {
        panic!("{request:?}");
    };
    assert_eq!(
        (customer.as_str(), reason.as_str()),
        ("cus_1", "second-look")
    );
}

#[tokio::test]
async fn the_second_look_ends_what_the_app_was_about_to_grant() {
    let world = World::new().await;
    asked(&world).await;
    world.set_row("u1", true);
    world.deliver_checks().await;
    assert_eq!(world.incident().await.state, IncidentState::Resolved);
    assert!(world.mail.take_proposals().is_empty());
}

/// Two looks that follow one another at once are one look.
#[tokio::test]
async fn asking_twice_confirms_nothing_until_the_grace_is_over() {
    let world = World::new().await;
    asked(&world).await;
    world.clock.advance(Duration::from_secs(599));
    assert!(!asked(&world).await.is_confirmed());
    world.clock.advance(Duration::from_secs(1));
    assert!(asked(&world).await.is_confirmed());
}

/// Another difference has not lasted because the one before it had.
#[tokio::test]
async fn another_difference_of_the_same_incident_begins_the_grace_again() {
    let world = World::new().await;
    give_plan(&world, "free");
    world.scan().await;
    assert!(world.incident().await.is_confirmed());
    give_plan(&world, "gold");
    let changed = asked(&world).await;
    assert!(!changed.is_confirmed());
    world.deliver_checks().await;
    assert!(world.incident().await.is_confirmed());
}

/// Somebody has said no to its repair: that it was another one in between asks nobody again.
#[tokio::test]
async fn what_comes_and_goes_is_proposed_once() {
    let world = World::new().await;
    give_plan(&world, "free");
    world.scan().await;
    assert_eq!(world.mail.take_proposals().len(), 1);
    let id = world.incident().await.id.to_string();
    let ports = world.propose();
    let words = Some("support asked for it");
    let held = ports.propose(&world.repair_key, &id, words, false).await;
    let held = held.unwrap().action;
    let no = vote(&held, VoteKind::Reject, "it is on purpose");
    let (votes, action) = (world.vote(), held.id.to_string());
    Box::pin(votes.vote(&world.ben, &action, &no))
        .await
        .unwrap();
    for plan in ["gold", "free"] {
        give_plan(&world, plan);
        world.clock.advance(Duration::from_hours(1));
        world.scan().await;
        let incident = world.incident().await;
        assert_eq!(incident.state, IncidentState::Open);
        assert!(incident.is_confirmed());
        assert!(world.mail.take_proposals().is_empty(), "{plan}");
    }
}

fn give_plan(world: &World, plan: &str) {
    let cells = [
        ("stripe_customer_id", Cell::Null),
        ("plan", Cell::Text(plan.to_owned())),
        ("premium", Cell::Bool(true)),
    ];
    world.app.put(Cell::Text("u1".to_owned()), cells);
}

/// Both sides as a webhook's check sees them, twice.
async fn checked(world: &World) -> Incident {
    let request = world.check_of("cus_1", "webhook");
    world.reconcile().handle(&request).await.unwrap();
    world.deliver_checks().await;
    world.incident().await
}

/// A worker that died when its run was closed, and is taken up after others have looked.
#[tokio::test]
async fn a_run_that_is_taken_up_late_writes_over_nothing_newer() {
    let world = World::new().await;
    give_plan(&world, "free");
    let run = checked(&world).await.seen_by;
    world.clock.advance(Duration::from_mins(1));
    give_plan(&world, "gold");
    let newer = checked(&world).await;
    assert_ne!(newer.seen_by, run);
    let terms = IgnoreTerms {
        until: world.clock.now().plus(Duration::from_hours(24)),
        reason: "a friend of the house".to_owned(),
    };
    let ignored = newer.ignore("usr_1", &terms, world.clock.now()).unwrap();
    let records = Records::of(world.store.as_ref(), &world.ann);
    let row = records
        .get::<Incident>(&ignored.id.to_string())
        .await
        .unwrap();
    let written = records.replace(row.unwrap().version, &ignored).unwrap();
    let dead = records.get::<Run>(&run.to_string()).await.unwrap().unwrap();
    let mut left = dead.value;
    left.step = RunStep::Recording;
    let mut taken_up = records.replace(dead.version, &left).unwrap();
    taken_up.cites = dead.evidence;
    let writes = vec![written, taken_up];
    assert!(world.store.write(writes).await.unwrap());
    world.clock.advance(Duration::from_mins(1));
    let again = CheckRequest::Confirm {
        workspace: world.workspace.id,
        project: world.project.id,
        run,
    };
    world.reconcile().handle(&again).await.unwrap();
    assert_eq!(world.incident().await, ignored);
    let closed = records.get::<Run>(&run.to_string()).await.unwrap().unwrap();
    assert_eq!(closed.value.step, RunStep::Done);
}

/// A mass drift is so many customers, however many differences each of them has.
#[tokio::test]
async fn a_mass_drift_is_so_many_customers_and_not_so_many_differences() {
    let world = World::new().await;
    for number in 3..6 {
        let (user, id) = (format!("u{number}"), format!("cus_{number}"));
        world.add_user(&user, &id, false);
    }
    // Two customers of one row: a second difference of the same subject.
    world.billing.add_customer(customer("cus_twin", "u3"));
    world.scan().await;
    let findings = |at: usize| {
        world.facts("run.close")[at]
            .get("findings")
            .and_then(Json::as_uint)
    };
    let result = |at: usize| {
        let close = world.facts("run.close").remove(at);
        close
            .get("result")
            .and_then(Json::as_str)
            .unwrap()
            .to_owned()
    };
    let drift = world.incident().await;
    assert_eq!(
        (drift.finding.actual.text().as_str(), result(0).as_str()),
        ("4", "mass-drift")
    );
    assert!(findings(0) > Some(4), "{:?}", findings(0));
}
