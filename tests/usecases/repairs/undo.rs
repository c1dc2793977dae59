//! Taking a repair back.

use counterfoil_core::evidence::json::Json;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::repair::{Action, ActionState};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::ActionError;

use super::super::world::World;
use super::{approve, proposed};

/// Proposes to take back what an action wrote.
async fn undo(world: &World, who: &TenantCtx, action: &Action) -> Result<Action, ActionError> {
    let (propose, id) = (world.propose(), action.id.to_string());
    let proposed = propose.undo(who, &id, Some("it was mapped wrongly"), true);
    Ok(proposed.await?.action)
}

#[tokio::test]
async fn an_undo_is_a_new_action_that_writes_what_was_there_before() {
    let (world, action) = proposed().await;
    approve(&world, &world.ben, &action).await.unwrap();
    assert!(world.granted("u1"));
    let back = undo(&world, &world.repair_key, &action).await.unwrap();
    assert_eq!(back.state, ActionState::Held);
    assert_eq!(back.undo.unwrap().of, action.id);
    assert_ne!(back.digest, action.digest);
    let state = approve(&world, &world.ben, &back).await.unwrap();
    assert_eq!(state, ActionState::Verified);
    assert!(!world.granted("u1"));
    assert_eq!(world.app.updates(), 2);
    // Stripe still promises it, so the difference is open again.
    assert_eq!(world.incident().await.state, IncidentState::Open);
    let facts = world.facts("run.decision");
    let change = facts.last().unwrap().get("request").unwrap().get("context");
    let change = change.unwrap().get("change").unwrap();
    assert_eq!(
        change.get("direction").and_then(Json::as_str),
        Some("revoke")
    );
}

#[tokio::test]
async fn an_undo_of_what_was_changed_since_writes_nothing() {
    let (world, action) = proposed().await;
    approve(&world, &world.ben, &action).await.unwrap();
    let back = undo(&world, &world.repair_key, &action).await.unwrap();
    world.set_row("u1", false);
    let state = approve(&world, &world.ben, &back).await.unwrap();
    assert_eq!(state, ActionState::Stale);
    assert_eq!(world.app.updates(), 1);
    let is = world.incident().await.state;
    assert_eq!(is, IncidentState::Resolved, "as it was before");
}

#[tokio::test]
async fn what_was_not_executed_cannot_be_undone() {
    let (world, action) = proposed().await;
    let refused = undo(&world, &world.repair_key, &action).await;
    assert!(matches!(refused, Err(ActionError::WrongState { .. })));
    let refused = undo(&world, &world.read_key, &action).await;
    assert!(matches!(refused, Err(ActionError::MissingCapability)));
}
