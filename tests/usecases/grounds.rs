//! What happens at once stands on rows, too: what is acknowledged between the question and the act is heard.

use std::collections::BTreeMap;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::governed_run::Registered;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::{Clock as _, StateWrite};
use counterfoil_core::reconcile::Finding;
use counterfoil_core::records::Records;
use counterfoil_core::repair::{Action, ActionState};
use counterfoil_core::usecases::{FlowChange, IncidentError, Incidents};

use super::governed::action;
use super::incidents::{ignore, incidents};
use super::repairs::keys::ended;
use super::repairs::meanwhile::{before, demoted, frozen, writing};
use super::world::World;

fn rule(world: &World) -> String {
    let last = world.facts("run.decision").pop().unwrap();
    last.get("rule").and_then(Json::as_str).unwrap().to_owned()
}

fn destructive() -> BTreeMap<String, Registered> {
    BTreeMap::from([("mail.send".to_owned(), Registered { destructive: true })])
}

/// What an agent proposes that its flow registered as harmless, with something in between.
async fn proposed(world: &World, act: impl Future<Output = ()> + Send + 'static) -> Action {
    let run = world.open_run().await;
    let runs = world.governed_on(before(world, Kind::RunDecision, act));
    let new = action("mail.send", "ticket-1");
    let proposed = runs.propose(&world.repair_key, &run, &new).await;
    proposed.unwrap().action.value
}

#[tokio::test]
async fn an_action_is_not_allowed_in_a_project_that_is_frozen_meanwhile() {
    let world = World::new().await;
    world.register().await;
    let stop = writing(&world, vec![frozen(&world).await]);
    let denied = proposed(&world, stop).await;
    assert_eq!(denied.state, ActionState::Denied);
    assert_eq!(world.count("run.decision"), 1, "what counts");
    assert_eq!(rule(&world), "base.forbid.frozen");
}

#[tokio::test]
async fn an_action_is_not_allowed_to_a_key_that_is_revoked_meanwhile() {
    let world = World::new().await;
    world.register().await;
    let revoked = ended(&world, &world.repair_key, "revoked_at").await;
    let denied = proposed(&world, writing(&world, vec![revoked])).await;
    assert_eq!(denied.state, ActionState::Denied);
    assert_eq!(world.count("run.decision"), 1, "what counts");
    assert_eq!(rule(&world), "default-deny");
}

/// A kind that another flow registers as destructive is destructive in every flow, from then on.
#[tokio::test]
async fn an_action_is_not_allowed_that_another_flow_registers_as_destructive_meanwhile() {
    let world = World::new().await;
    world.register().await;
    let (runs, ben) = (world.governed(), world.sign_in("Ben").await);
    let held = proposed(&world, async move {
        let done = runs.register(&ben, "sandbox", destructive(), None, 0).await;
        assert!(matches!(done, Ok(FlowChange::Done(_))), "{done:?}");
    });
    assert_eq!(held.await.state, ActionState::Held);
    let made = world.count("run.decision");
    assert_eq!(
        made, 2,
        "that of the registration, and what counts of the proposal"
    );
}

/// A mass drift stops machines from its transaction on.
#[tokio::test]
async fn an_action_is_not_allowed_while_a_mass_drift_opens() {
    let world = World::new().await;
    world.register().await;
    world.scan().await;
    let run = world.incident().await.seen_by;
    let finding = Finding::mass_drift(9, 50);
    let drift = Incident::open(world.project.id, finding, run, world.clock.now());
    let records = Records::of(world.store.as_ref(), &world.ann);
    let opened = writing(&world, vec![records.create(&drift).unwrap()]);
    let denied = proposed(&world, opened).await;
    assert_eq!(denied.state, ActionState::Denied);
    assert_eq!(world.count("run.decision"), 1, "what counts");
    assert_eq!(rule(&world), "base.forbid.breaker");
}

async fn ignored(world: &World, writes: Vec<StateWrite>) -> Result<(), IncidentError> {
    world.scan().await;
    let id = world.incident().await.id.to_string();
    let people = Incidents {
        evidence: before(world, Kind::IncidentIgnored, writing(world, writes)),
        ..incidents(world)
    };
    let acted = people.act(&world.ann, &id, "k1", &ignore(world, 7)).await;
    assert_eq!(world.incident().await.state, IncidentState::Open);
    assert_eq!(world.count("run.decision"), 1, "what counts");
    acted.map(drop)
}

#[tokio::test]
async fn nothing_is_ignored_at_once_in_a_project_that_is_frozen_meanwhile() {
    let world = World::new().await;
    let refused = ignored(&world, vec![frozen(&world).await]).await;
    assert!(
        matches!(refused, Err(IncidentError::Denied(_))),
        "{refused:?}"
    );
    assert_eq!(rule(&world), "base.forbid.frozen");
}

#[tokio::test]
async fn nothing_is_ignored_at_once_by_whoever_is_demoted_or_loses_their_key_meanwhile() {
    for key in [true, false] {
        let world = World::new().await;
        let write = if key {
            ended(&world, &world.ann, "revoked_at").await
        } else {
            demoted(&world.store, &world.ann).await
        };
        let refused = ignored(&world, vec![write]).await;
        assert!(
            matches!(refused, Err(IncidentError::Denied(_))),
            "{refused:?}"
        );
        assert_eq!(rule(&world), "default-deny");
    }
}
