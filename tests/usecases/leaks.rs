//! A key that came in a URL is recorded in the stream of its workspace: once an hour, and without
//! anything of its text.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::ids::{KeyId, UserId, WorkspaceId};
use counterfoil_core::ports::{Clock, StoredPart};
use counterfoil_core::records::ApiKey;
use counterfoil_core::tenancy::Capability;
use counterfoil_core::usecases::{Noted, RecordLeak};

use super::world::World;

const HANDLE: &str = "canaryhand";

fn leaks(world: &World) -> RecordLeak {
    RecordLeak {
        evidence: world.store.clone(),
        state: world.store.clone(),
        clock: Arc::new(world.clock.clone()),
    }
}

fn key(world: &World, number: u128) -> ApiKey {
    ApiKey {
        id: KeyId::from_bits(number),
        handle: HANDLE.to_owned(),
        hash: "canaryhash".to_owned(),
        name: "canaryname".to_owned(),
        workspace: world.workspace.id,
        project: None,
        live: false,
        capability: Capability::Read,
        approver: None,
        agent: false,
        owner: UserId::from_bits(1),
        created_at: world.clock.now(),
        expires_at: world.clock.now(),
        revoked_at: None,
        replaced_by: None,
    }
}

/// Facts of the leaks in the workspace's stream.
fn recorded(world: &World) -> Vec<Json> {
    let stream: Hash = world.workspace.stream.parse().unwrap();
    let facts = world.store.stream(stream).into_iter().map(|entry| {
        let Some(StoredPart::Present { bytes, .. }) = entry.facts else {
            panic!("facts are kept");
        };
        Json::parse(&bytes).unwrap()
    });
    let topic = |facts: &Json| facts.get("topic").and_then(Json::as_str) == Some("key.leaked");
    facts.filter(topic).collect()
}

#[tokio::test]
async fn a_flood_of_leaks_is_one_entry_an_hour_for_each_key() {
    let world = World::new().await;
    let (leaks, one, other) = (leaks(&world), key(&world, 1), key(&world, 2));
    assert!(matches!(
        leaks.in_url(&one).await.unwrap(),
        Noted::Recorded(_)
    ));
    for _ in 0..20 {
        world.clock.advance(Duration::from_mins(2));
        assert_eq!(leaks.in_url(&one).await.unwrap(), Noted::Known);
    }
    assert!(matches!(
        leaks.in_url(&other).await.unwrap(),
        Noted::Recorded(_)
    ));
    world.clock.advance(Duration::from_mins(20));
    assert!(matches!(
        leaks.in_url(&one).await.unwrap(),
        Noted::Recorded(_)
    ));
    assert_eq!(leaks.in_url(&one).await.unwrap(), Noted::Known);
    assert_eq!(recorded(&world).len(), 3);
}

#[tokio::test]
async fn the_entry_names_the_key_by_its_id_and_holds_nothing_else_of_it() {
    let world = World::new().await;
    let revoked = ApiKey {
        revoked_at: Some(world.clock.now()),
        ..key(&world, 1)
    };
    leaks(&world).in_url(&revoked).await.unwrap();
    let [facts] = recorded(&world).try_into().unwrap();
    let target = facts.get("target").unwrap();
    let id = revoked.id.to_string();
    assert_eq!(target.get("id").and_then(Json::as_str), Some(id.as_str()));
    assert_eq!(facts.get("result").and_then(Json::as_str), Some("alarm"));
    assert_eq!(facts.get("revoked"), Some(&Json::from(true)));
    let text = format!("{facts:?}{:?}", world.store.dump());
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn several_that_report_the_same_leak_at_once_make_one_entry() {
    let world = World::new().await;
    let reports = [0; 4].map(|_| {
        let (leaks, key) = (leaks(&world), key(&world, 1));
        tokio::spawn(async move { leaks.in_url(&key).await.unwrap() })
    });
    for report in reports {
        report.await.unwrap();
    }
    assert_eq!(recorded(&world).len(), 1);
}

/// A key whose workspace is gone has nobody to tell.
#[tokio::test]
async fn without_its_workspace_a_key_has_no_entry() {
    let world = World::new().await;
    let orphan = ApiKey {
        workspace: WorkspaceId::from_bits(77),
        ..key(&world, 1)
    };
    assert_eq!(leaks(&world).in_url(&orphan).await.unwrap(), Noted::NoOwner);
    assert!(recorded(&world).is_empty());
}
