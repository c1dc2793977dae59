//! A workspace that has stored as many bundles as it may can still change its rules.

use std::time::Duration;

use counterfoil_core::bundles::{MOST_STORED, PolicyState, StoredLine};
use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ports::{Clock as _, State as _, StateKey, StateWrite};
use counterfoil_core::usecases::{AdminError, PolicyError};

use super::desk::{Desk, PERMIT, STRICT};

/// Fills the list with drafts that are newer than what is there. That their rows are gone is nothing that
/// an upload minds.
async fn fill(desk: &Desk) {
    desk.bench.later(Duration::from_secs(1));
    let key = StateKey {
        pk: format!("{}#policy", desk.bench.workspace.id),
        sk: "state".to_owned(),
    };
    let store = desk.bench.store.as_ref();
    let found = store.get(&key).await.unwrap().unwrap();
    let mut state: PolicyState = serde_json::from_value(found.doc).unwrap();
    for number in state.stored.len()..MOST_STORED {
        let line = StoredLine {
            version: 2,
            at: desk.bench.clock.now(),
            by: desk.bench.ann.id,
        };
        let digest = digest_string(format!("draft {number}").as_bytes());
        state.stored.insert(digest, line);
    }
    let doc = serde_json::to_value(&state).unwrap();
    let write = StateWrite::replace(key, found.version, doc);
    assert!(store.write(vec![write]).await.unwrap());
    desk.bench.later(Duration::from_secs(1));
}

async fn stored(desk: &Desk) -> PolicyState {
    let ctx = desk.ctx("ann").await;
    let view = desk.policies().view(&ctx).await.unwrap();
    view.state.value
}

async fn is_there(desk: &Desk, digest: &str) -> bool {
    let ctx = desk.ctx("ann").await;
    let row = match desk.policies().bundle(&ctx, digest).await {
        Ok(_) => true,
        Err(PolicyError::Admin(AdminError::NotFound)) => false,
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(row, stored(desk).await.stored.contains_key(digest));
    row
}

fn dropped(desk: &Desk) -> Option<String> {
    let entries = desk.bench.entries().into_iter().rev();
    let mut seen = entries.filter(|(kind, _)| *kind == Kind::ObservationRecorded);
    let facts = seen.next().unwrap().1;
    let text = |name: &str| facts.get(name).and_then(Json::as_str);
    assert_eq!(text("topic"), Some("policy.uploaded"));
    text("dropped").map(str::to_owned)
}

#[tokio::test]
async fn the_oldest_draft_gives_way_and_what_was_in_force_never_does() {
    let desk = Desk::new().await;
    let first = desk.in_force(PERMIT, 1, None).await;
    desk.bench.later(Duration::from_secs(1));
    let second = desk.in_force(STRICT, 2, Some(&first)).await;
    desk.bench.later(Duration::from_secs(1));
    let draft = desk.stored(PERMIT, 3, Some(&second)).await;
    desk.bench.later(Duration::from_secs(1));
    let watched = desk.stored(PERMIT, 4, Some(&second)).await;
    let ctx = desk.ctx("ann").await;
    desk.policies().shadow(&ctx, &watched, true).await.unwrap();
    desk.bench.later(Duration::from_secs(1));
    let proposed = desk.stored(PERMIT, 5, Some(&second)).await;
    assert!(desk.activate("ann", &proposed).await.unwrap().waits);
    fill(&desk).await;

    let next = desk.stored(PERMIT, 6, Some(&second)).await;
    assert_eq!(dropped(&desk), Some(draft.clone()));
    assert!(!is_there(&desk, &draft).await);
    // A draft of `fill` is the next: each of these is older, and stays.
    let other = desk.stored(PERMIT, 7, Some(&second)).await;
    let gave_way = dropped(&desk).unwrap();
    for kept in [&first, &second, &watched, &proposed, &next, &other] {
        assert!(is_there(&desk, kept).await, "{kept}");
        assert_ne!(gave_way, **kept);
    }
    assert_eq!(stored(&desk).await.stored.len(), MOST_STORED);
    assert!(!desk.activate("ben", &proposed).await.unwrap().waits);
    assert_eq!(desk.active().await, Some(proposed));
}

#[tokio::test]
async fn while_there_is_room_nothing_gives_way() {
    let desk = Desk::new().await;
    let draft = desk.stored(PERMIT, 1, None).await;
    desk.bench.later(Duration::from_secs(1));
    desk.stored(STRICT, 2, None).await;
    assert_eq!(dropped(&desk), None);
    assert!(is_there(&desk, &draft).await);
}
