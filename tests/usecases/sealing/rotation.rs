//! One seal key replaces another: an entry, a seal of both, and then the old key is not used again.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::evidence::code::Code;
use counterfoil_core::evidence::seal::Seal;
use counterfoil_core::ports::{SealSigner, SealStore};
use counterfoil_core::usecases::{RotateError, RotateKey, Rotated, SealError, SealStream, Sealing};
use counterfoil_testkit::memory::MemSigner;

use super::faulty::{Ends, Fault, Faulty, Step};
use super::truth::verdict;
use crate::world::World;

fn next_key() -> Arc<MemSigner> {
    Arc::new(MemSigner::from_seed(9))
}

fn rotate(world: &World, sealer: SealStream) -> RotateKey {
    RotateKey {
        sealer,
        evidence: world.store.clone(),
        state: world.store.clone(),
    }
}

/// The key ids of each seal's lines.
async fn signers(world: &World) -> Vec<Vec<[u8; 4]>> {
    let seals = world.store.all(world.stream()).await.unwrap();
    let ids = |note: &str| {
        let seal = Seal::parse(note).unwrap();
        seal.lines.iter().map(|line| line.key_id).collect()
    };
    seals.iter().map(|seal| ids(&seal.note)).collect()
}

#[tokio::test]
async fn a_stream_is_handed_over_and_the_old_key_is_not_used_again() {
    let world = World::new().await;
    let (old, next) = (world.seal_key().await, next_key());
    let new = next.key().await.unwrap();
    world.sealer().seal(world.stream()).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.scan().await;
    let sealer = world.sealer_with(&next);
    // Until it is handed over it is sealed with the old key.
    sealer.seal(world.stream()).await.unwrap();
    world.clock.advance(Duration::from_secs(1));

    let rotation = rotate(&world, sealer.clone());
    assert_eq!(
        rotation.rotate(world.stream()).await.unwrap(),
        Rotated::HandedOver
    );
    assert_eq!(
        rotation.rotate(world.stream()).await.unwrap(),
        Rotated::Already
    );
    assert_eq!(world.count("key.rotate"), 1);
    world.clock.advance(Duration::from_secs(1));
    world.scan().await;
    sealer.seal(world.stream()).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.scan().await;
    let alone = SealStream {
        retiring: None,
        ..sealer
    };
    alone.seal(world.stream()).await.unwrap();

    let (old_id, new_id) = (old.id(), new.id());
    assert_eq!(
        signers(&world).await,
        [
            vec![old_id],
            vec![old_id],
            vec![new_id, old_id],
            vec![new_id],
            vec![new_id]
        ]
    );
    let both = [old.clone(), new.clone()];
    let verdict_of_both = verdict(&world, world.stream(), &both).await;
    assert!(
        verdict_of_both.is_accepted(),
        "{}",
        verdict_of_both.first_line()
    );
    // The old key alone does not reach beyond the handover.
    let of_old = verdict(&world, world.stream(), &[old]).await;
    assert!(
        matches!(&of_old.result, Err(fault) if fault.code == Code::NoTrustedSig),
        "{}",
        of_old.first_line()
    );
}

#[tokio::test]
async fn a_stream_that_was_never_sealed_is_handed_over_too() {
    let world = World::new().await;
    let next = next_key();
    let rotation = rotate(&world, world.sealer_with(&next));
    assert_eq!(
        rotation.rotate(world.stream()).await.unwrap(),
        Rotated::HandedOver
    );
    let both = [world.seal_key().await, next.key().await.unwrap()];
    let verdict = verdict(&world, world.stream(), &both).await;
    assert!(verdict.is_accepted(), "{}", verdict.first_line());
}

#[tokio::test]
async fn two_operators_at_once_rotate_once() {
    let world = World::new().await;
    let next = next_key();
    let stream = world.stream();
    let both = [0, 1].map(|_| {
        let rotation = rotate(&world, world.sealer_with(&next));
        tokio::spawn(async move { rotation.rotate(stream).await })
    });
    for operator in both {
        let result = operator.await.unwrap();
        assert!(
            matches!(
                &result,
                Ok(Rotated::HandedOver | Rotated::Already)
                    | Err(RotateError::Seal(SealError::Busy))
            ),
            "{result:?}"
        );
    }
    rotate(&world, world.sealer_with(&next))
        .rotate(stream)
        .await
        .unwrap();
    assert_eq!(world.count("key.rotate"), 1);
    let both = [world.seal_key().await, next.key().await.unwrap()];
    let verdict = verdict(&world, stream, &both).await;
    assert!(verdict.is_accepted(), "{}", verdict.first_line());
}

#[tokio::test]
async fn a_rotation_that_dies_after_its_entry_is_finished_by_the_next_run() {
    let world = World::new().await;
    let next = next_key();
    let stream = world.stream();
    world.sealer().seal(stream).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let ports = Faulty::new(
        &world,
        Fault {
            step: Step::Commit,
            happened: false,
            ends: Ends::Error,
        },
    );
    let rotation = rotate(
        &world,
        SealStream {
            seals: ports,
            ..world.sealer_with(&next)
        },
    );
    let refused = rotation.rotate(stream).await.unwrap_err();
    assert!(
        matches!(refused, RotateError::Seal(SealError::Port(_))),
        "{refused:?}"
    );
    assert_eq!(world.count("key.rotate"), 1);
    // The ordinary run makes the handover seal; a second rotation has nothing to do.
    let sealer = world.sealer_with(&next);
    assert!(matches!(
        sealer.seal(stream).await.unwrap(),
        Sealing::Sealed { .. }
    ));
    let again = rotate(&world, sealer).rotate(stream).await.unwrap();
    assert_eq!(again, Rotated::Already);
    assert_eq!(signers(&world).await.last().unwrap().len(), 2);
}

#[tokio::test]
async fn without_a_retiring_key_nothing_is_rotated() {
    let world = World::new().await;
    let refused = rotate(&world, world.sealer()).rotate(world.stream()).await;
    assert!(
        matches!(refused, Err(RotateError::NothingToRetire)),
        "{refused:?}"
    );
    assert_eq!(world.count("key.rotate"), 0);
}

#[tokio::test]
async fn a_sealer_without_the_key_in_force_refuses_and_may_get_it_back() {
    let world = World::new().await;
    let next = next_key();
    let stream = world.stream();
    let alone = SealStream {
        signer: next.clone(),
        ..world.sealer()
    };
    // Before the first seal the descriptor says so, afterwards the last seal.
    for _ in 0..2 {
        let refused = alone.seal(stream).await.unwrap_err();
        assert!(matches!(refused, SealError::NoKey), "{refused:?}");
        world.sealer().seal(stream).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
        world.scan().await;
    }
    assert!(matches!(
        world.sealer_with(&next).seal(stream).await.unwrap(),
        Sealing::NothingNew | Sealing::Sealed { .. }
    ));
}
