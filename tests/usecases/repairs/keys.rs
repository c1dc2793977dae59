//! What approver keys have approved and proposed, once they are not valid any more.

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ids::KeyId;
use counterfoil_core::ports::{Clock, State, StateKey, StateWrite};
use counterfoil_core::repair::{Action, ActionState, Vote, VoteKind};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::ReadActions;

use super::super::world::World;
use super::meanwhile::votes;
use super::{approve, proposed, vote};

const TWO: &str = "@id(\"ws.require.two\") @why(\"two people\") @role(\"approver\")\nforbid (principal, action == CF::Action::\"repair.execute\", resource) unless { context.base.approvals.count >= 2 };\n";

/// The row of somebody's key with the time `field` moved to this moment.
pub(crate) async fn ended(world: &World, who: &TenantCtx, field: &str) -> StateWrite {
    let key = StateKey {
        pk: format!("{}#key", world.workspace.id),
        sk: who.principal().key().unwrap().to_string(),
    };
    let mut row = world.store.get(&key).await.unwrap().unwrap();
    row.doc[field] = serde_json::to_value(world.clock.now()).unwrap();
    StateWrite::replace(key, row.version, row.doc)
}

pub(crate) async fn revoke(world: &World, who: &TenantCtx) {
    end(world, who, "revoked_at").await;
}

async fn end(world: &World, who: &TenantCtx, field: &str) {
    let write = ended(world, who, field).await;
    assert!(world.store.write(vec![write]).await.unwrap());
}

/// A repair that `who` proposed, and that somebody begins later.
async fn later(world: &World, who: &TenantCtx) -> Action {
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(who, &incident, Some("support asked"), false);
    proposed.await.unwrap().action
}

async fn start(world: &World, who: &TenantCtx, action: &Action) -> (ActionState, String) {
    let (votes, id) = (world.vote(), action.id.to_string());
    let after = Box::pin(votes.execute(who, &id, Some(&action.digest))).await;
    (after.unwrap().value.state, rule(world))
}

fn rule(world: &World) -> String {
    let last = world.facts("run.decision").pop().unwrap();
    last.get("rule").and_then(Json::as_str).unwrap().to_owned()
}

async fn given(world: &World, action: &Action) -> Vec<Vote> {
    let read = ReadActions {
        ports: world.ports(),
    };
    let found = read.get(&world.ann, &action.id.to_string()).await;
    found.unwrap().value.votes
}

/// Nobody knows whose approval it was that came with a key which was taken back. One that came with a key
/// whose time is over since is its person's, like that of a sign-in.
#[tokio::test]
async fn an_approval_counts_no_more_when_its_key_is_revoked() {
    for (field, state) in [
        ("revoked_at", ActionState::Stale),
        ("expires_at", ActionState::Verified),
    ] {
        let world = World::new().await;
        let action = later(&world, &world.repair_key).await;
        let approved = approve(&world, &world.ben, &action).await.unwrap();
        assert_eq!(approved, ActionState::Approved);
        let via: Vec<Option<KeyId>> = given(&world, &action)
            .await
            .iter()
            .map(|it| it.via)
            .collect();
        assert_eq!(via, [world.ben.principal().key()]);
        end(&world, &world.ben, field).await;
        let (came, rule) = start(&world, &world.repair_key, &action).await;
        assert_eq!(came, state, "{field}");
        let stale = state == ActionState::Stale;
        assert_eq!(rule == "base.require.machine-live", stale, "{rule}");
        assert_eq!(world.app.updates(), u64::from(!stale));
    }
}

#[tokio::test]
async fn what_a_person_proposed_with_a_key_that_was_revoked_since_is_not_carried_out() {
    for (field, state) in [
        ("revoked_at", ActionState::Stale),
        ("expires_at", ActionState::Verified),
    ] {
        let world = World::new().await;
        let action = later(&world, &world.ann).await;
        assert_eq!(action.state, ActionState::Allowed);
        end(&world, &world.ann, field).await;
        let (came, rule) = start(&world, &world.ben, &action).await;
        assert_eq!(came, state, "{field}");
        let stale = state == ActionState::Stale;
        assert_eq!(rule == "default-deny", stale, "{rule}");
        assert_eq!(world.app.updates(), u64::from(!stale));
    }
}

/// Taking a key back is heard like every other stop.
#[tokio::test]
async fn a_key_that_is_revoked_meanwhile_has_approved_nothing() {
    let (world, action) = proposed().await;
    let writes = vec![ended(&world, &world.ben, "revoked_at").await];
    let votes = votes(&world, Kind::RepairStarted, writes);
    let yes = vote(&action, VoteKind::Approve, "checked the invoice");
    let after = Box::pin(votes.vote(&world.ben, &action.id.to_string(), &yes)).await;
    assert_eq!(after.unwrap().action.value.state, ActionState::Stale);
    assert_eq!(rule(&world), "base.require.machine-live");
    assert_eq!(world.app.updates(), 0);
}

/// It ends nothing that still waits, and its person may approve themselves.
#[tokio::test]
async fn whoever_lost_a_key_approves_again_by_signing_in() {
    let world = World::new().await;
    world.under(TWO).await;
    let action = later(&world, &world.repair_key).await;
    assert_eq!((action.state, action.approvals), (ActionState::Held, 2));
    approve(&world, &world.ben, &action).await.unwrap();
    end(&world, &world.ben, "revoked_at").await;
    let state = approve(&world, &world.ann, &action).await.unwrap();
    assert_eq!(state, ActionState::Held, "one of two");
    let ben = world.sign_in("Ben").await;
    let state = approve(&world, &ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Approved);
    let (state, _) = start(&world, &world.repair_key, &action).await;
    assert_eq!((state, world.app.updates()), (ActionState::Verified, 1));
}
