//! The saga of a repair.

mod again;
mod asked;
pub(crate) mod keys;
mod lapsed;
pub(crate) mod meanwhile;
mod protected;
mod settling;
pub(crate) mod standing;
mod unconfirmed;
mod undo;
pub(crate) mod unread;
mod votes;
mod whole;
mod words;

use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{ActionError, Voted};

use super::world::World;

/// A world with one open incident and its repair proposed by Ann, executing on approval.
async fn proposed() -> (World, Action) {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let proposed = world
        .propose()
        .propose(&world.repair_key, &incident, Some("support asked"), true)
        .await
        .unwrap();
    (world, proposed.action)
}

fn vote<'a>(action: &'a Action, kind: VoteKind, reason: &'a str) -> Voted<'a> {
    Voted {
        kind,
        digest: &action.digest,
        reason,
        version: None,
    }
}

pub(crate) async fn approve(
    world: &World,
    who: &TenantCtx,
    action: &Action,
) -> Result<ActionState, ActionError> {
    let vote = vote(action, VoteKind::Approve, "checked the invoice");
    let (votes, id) = (world.vote(), action.id.to_string());
    let after = Box::pin(votes.vote(who, &id, &vote)).await?;
    Ok(after.action.value.state)
}
