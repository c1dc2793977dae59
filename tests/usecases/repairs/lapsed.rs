//! Who has approved an action and counts no more: whoever looks at it is told, and why.

use std::time::Duration;

use counterfoil_core::ids::UserId;
use counterfoil_core::ports::{Clock as _, State as _, StateWrite};
use counterfoil_core::records::{Directory, Member, Versioned};
use counterfoil_core::repair::{Action, ActionState};
use counterfoil_core::tenancy::{Role, TenantCtx};
use counterfoil_core::usecases::{Lapse, Lapsed, ReadActions};

use super::super::world::World;
use super::approve;
use super::keys::revoke;
use super::standing::needing;

fn person(who: &TenantCtx) -> UserId {
    who.principal().person().unwrap()
}

async fn member(world: &World, who: &TenantCtx) -> Versioned<Member> {
    let directory = Directory::of(world.store.as_ref());
    let found = directory.member(who.workspace(), person(who)).await;
    found.unwrap().unwrap()
}

async fn becomes(world: &World, who: &TenantCtx, change: impl FnOnce(&mut Member)) {
    let mut found = member(world, who).await;
    change(&mut found.value);
    let key = Directory::member_key(who.workspace(), person(who));
    let row = serde_json::to_value(&found.value).unwrap();
    let write = StateWrite::replace(key, found.version, row);
    assert!(world.store.write(vec![write]).await.unwrap());
}

async fn leaves(world: &World, who: &TenantCtx) {
    let key = Directory::member_key(who.workspace(), person(who));
    let write = StateWrite::delete(key);
    assert!(world.store.write(vec![write]).await.unwrap());
}

/// What is told of every action that waits.
async fn told(world: &World) -> Vec<Vec<Lapsed>> {
    let waiting = world.inbox(&world.read_key).await;
    let read = ReadActions {
        ports: world.ports(),
    };
    read.lapsed(&world.read_key, &waiting).await.unwrap()
}

async fn of(world: &World, action: &Action) -> Vec<Lapsed> {
    let read = ReadActions {
        ports: world.ports(),
    };
    let found = read.get(&world.read_key, &action.id.to_string()).await;
    let told = read.lapsed(&world.read_key, &[found.unwrap()]).await;
    told.unwrap().remove(0)
}

/// docs/incidents.md: an action has its approvals once as many people as it needs may still approve it.
#[tokio::test]
async fn whoever_has_approved_and_counts_no_more_is_named_and_others_are_waited_for() {
    let world = World::new().await;
    for name in ["Dora", "Emil", "Finn"] {
        world.join(name, Role::Approver).await;
    }
    world.under(&needing("repair.execute", 2)).await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), true);
    let action = proposed.await.unwrap().action;
    assert_eq!(told(&world).await, [vec![]]);
    let (dora, emil, finn) = (
        world.sign_in("Dora").await,
        world.sign_in("Emil").await,
        world.sign_in("Finn").await,
    );
    let mut lapsed = Vec::new();
    for who in [&world.ann, &world.ben, &dora, &emil] {
        let state = approve(&world, who, &action).await.unwrap();
        assert_eq!(state, ActionState::Held, "one of two");
        assert_eq!(told(&world).await, [lapsed.clone()], "this one counts");
        let why = if person(who) == person(&world.ann) {
            becomes(&world, who, |it| it.role = Role::Viewer).await;
            Lapse::RoleLower
        } else if person(who) == person(&world.ben) {
            revoke(&world, who).await;
            Lapse::KeyRevoked
        } else if person(who) == person(&dora) {
            leaves(&world, who).await;
            Lapse::Left
        } else {
            world.clock.advance(Duration::from_mins(1));
            let now = world.clock.now();
            becomes(&world, who, |it| {
                it.role = Role::Admin;
                it.role_since = Some(now);
            })
            .await;
            Lapse::RoleNewer
        };
        lapsed.push(Lapsed {
            person: person(who),
            why,
        });
        lapsed.sort_by_key(|it| it.person);
        assert_eq!(told(&world).await, [lapsed.clone()]);
        assert_eq!(of(&world, &action).await, lapsed);
    }
    // Ben approves again, as himself.
    let ben = world.sign_in("Ben").await;
    let state = approve(&world, &ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Held);
    lapsed.retain(|it| it.person != person(&ben));
    assert_eq!(told(&world).await, [lapsed]);
    let state = approve(&world, &finn, &action).await.unwrap();
    assert_eq!(state, ActionState::Verified);
    // What counted then was decided then.
    becomes(&world, &finn, |it| it.role = Role::Viewer).await;
    assert_eq!(of(&world, &action).await, []);
}
