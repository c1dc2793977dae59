//! Every step of append-and-seal fails, with and without having happened, and the process goes on or
//! ends there: there is a correct seal at the end, and never two of one size.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::usecases::{SealError, SealStream, Sealing};

use super::faulty::{Ends, Fault, Faulty, Step};
use super::truth::is_sound;
use crate::world::World;

fn sealer(world: &World, ports: &Arc<Faulty>) -> SealStream {
    SealStream {
        evidence: ports.clone(),
        seals: ports.clone(),
        signer: ports.clone(),
        archive: ports.clone(),
        ..world.sealer()
    }
}

/// A stream with a seal and something after it.
async fn grown() -> World {
    let world = World::new().await;
    world.sealer().seal(world.stream()).await.unwrap();
    world.clock.advance(Duration::from_mins(1));
    world.scan().await;
    world
}

/// Runs a sealer into a fault; `None` when its process ended there.
async fn run(world: &World, ports: &Arc<Faulty>) -> Option<Result<Sealing, SealError>> {
    let sealer = sealer(world, ports);
    tokio::select! {
        biased;
        result = sealer.seal(world.stream()) => Some(result),
        () = async {
            ports.reached.notified().await;
            tokio::task::yield_now().await;
        } => None,
    }
}

fn faults() -> Vec<Fault> {
    let mut faults = Vec::new();
    let fault = |step, happened, ends| Fault {
        step,
        happened,
        ends,
    };
    for ends in [Ends::Error, Ends::Death] {
        for step in Step::READS {
            faults.push(fault(step, true, ends));
        }
        for step in Step::DURABLE {
            if step == Step::KeepProgress {
                continue;
            }
            for happened in [false, true] {
                faults.push(fault(step, happened, ends));
            }
        }
    }
    faults
}

#[tokio::test]
async fn whatever_fails_the_next_run_ends_with_one_correct_seal() {
    let mut cases = 0;
    for fault in faults() {
        let world = grown().await;
        let ports = Faulty::new(&world, fault);
        let case = format!("{fault:?}");
        match run(&world, &ports).await {
            Some(Err(SealError::Port(_))) => assert_eq!(fault.ends, Ends::Error, "{case}"),
            None => assert_eq!(fault.ends, Ends::Death, "{case}"),
            Some(other) => panic!("{case}: {other:?}"),
        }
        assert!(ports.happened(), "{case}: the step was not reached");
        // The fault passes; an entry comes in between, or does not.
        for between in [false, true] {
            if between {
                world.clock.advance(Duration::from_mins(1));
                world.scan().await;
            }
            world.clock.advance(Duration::from_secs(1));
            world.sealer().seal(world.stream()).await.unwrap();
            is_sound(&world, world.stream(), &case).await;
        }
        cases += 1;
    }
    assert_eq!(cases, 2 * (6 + 2 * 5));
}

#[tokio::test]
async fn a_first_seal_survives_the_same_faults() {
    for fault in faults() {
        if fault.step == Step::GetCopy {
            continue; // There is no copy to look at before the first seal.
        }
        let world = World::new().await;
        let ports = Faulty::new(&world, fault);
        drop(run(&world, &ports).await);
        let case = format!("first: {fault:?}");
        assert!(ports.happened(), "{case}: the step was not reached");
        world.clock.advance(Duration::from_secs(1));
        world.sealer().seal(world.stream()).await.unwrap();
        is_sound(&world, world.stream(), &case).await;
    }
}

#[tokio::test]
async fn a_sealer_that_is_overtaken_at_any_step_discards_its_own() {
    for step in [Step::READS.as_slice(), Step::DURABLE.as_slice()].concat() {
        if step == Step::KeepProgress {
            continue;
        }
        let world = grown().await;
        let fault = Fault {
            step,
            happened: true,
            ends: Ends::Pause,
        };
        let ports = Faulty::new(&world, fault);
        let slow = sealer(&world, &ports);
        let stream = world.stream();
        let overtaken = tokio::spawn(async move { slow.seal(stream).await });
        ports.reached.notified().await;
        world.clock.advance(Duration::from_secs(1));
        world.sealer().seal(stream).await.unwrap();
        world.clock.advance(Duration::from_mins(1));
        world.scan().await;
        world.sealer().seal(stream).await.unwrap();
        ports.go_on();
        let result = overtaken.await.unwrap();
        assert!(
            matches!(&result, Ok(_) | Err(SealError::Busy)),
            "{step:?}: {result:?}"
        );
        is_sound(&world, stream, &format!("overtaken at {step:?}")).await;
    }
}

#[tokio::test]
async fn two_sealers_at_once_make_one_seal() {
    for _ in 0..20 {
        let world = grown().await;
        let (one, two) = (world.sealer(), world.sealer());
        let stream = world.stream();
        let both = [
            tokio::spawn(async move { one.seal(stream).await }),
            tokio::spawn(async move { two.seal(stream).await }),
        ];
        for sealer in both {
            let result = sealer.await.unwrap();
            assert!(
                matches!(&result, Ok(_) | Err(SealError::Busy)),
                "{result:?}"
            );
        }
        is_sound(&world, stream, "two at once").await;
    }
}
