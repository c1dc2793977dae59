//! Seals: only over what recomputes.

use counterfoil_core::ports::Archive;
use counterfoil_core::usecases::{SealError, Sealing};

use super::world::World;

#[tokio::test]
async fn a_stream_that_grew_is_sealed_once() {
    let world = World::new().await;
    world.scan().await;
    let size = u64::try_from(world.kinds().len()).unwrap();
    assert_eq!(
        world.sealer().seal(world.stream()).await.unwrap(),
        Sealing::Sealed { size }
    );
    assert_eq!(
        world.sealer().seal(world.stream()).await.unwrap(),
        Sealing::NothingNew
    );
    world.clock.advance(std::time::Duration::from_secs(1));
    world.scan().await;
    let size = u64::try_from(world.kinds().len()).unwrap();
    assert_eq!(
        world.sealer().seal(world.stream()).await.unwrap(),
        Sealing::Sealed { size }
    );
}

#[tokio::test]
async fn nothing_is_signed_over_an_entry_that_was_changed() {
    let world = World::new().await;
    world.store.tamper(world.stream(), 1);
    let refused = world.sealer().seal(world.stream()).await.unwrap_err();
    assert!(matches!(refused, SealError::Mismatch(_)), "{refused:?}");
}

#[tokio::test]
async fn a_clock_that_went_back_stops_the_sealer() {
    let world = World::new().await;
    world.sealer().seal(world.stream()).await.unwrap();
    world.scan().await;
    world.clock.turn_back(std::time::Duration::from_hours(1));
    let refused = world.sealer().seal(world.stream()).await.unwrap_err();
    assert!(matches!(refused, SealError::Clock), "{refused:?}");
}

#[tokio::test]
async fn locked_storage_that_is_ahead_of_the_table_stops_the_sealer() {
    let world = World::new().await;
    world.sealer().seal(world.stream()).await.unwrap();
    world.clock.advance(std::time::Duration::from_secs(1));
    let newer = format!(
        "seal/{}/{:016}/{:016}.note",
        world.stream(),
        99_u64,
        u64::MAX >> 12
    );
    world
        .archive
        .put_once(&newer, b"newer".to_vec())
        .await
        .unwrap();
    world.scan().await;
    let refused = world.sealer().seal(world.stream()).await.unwrap_err();
    assert!(matches!(refused, SealError::Rollback), "{refused:?}");
}
