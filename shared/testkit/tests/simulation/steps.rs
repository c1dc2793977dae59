//! Every call of a sealer: it fails, happens anyway, or happens later; then the sealer goes on, or
//! dies there; then another one goes on.

use std::sync::{Arc, Mutex};

use counterfoil_core::ports::{Batch, SealSigner};
use counterfoil_core::usecases::{SealError, Sealing};
use counterfoil_testkit::contract::{Sample, sealed, whole};
use counterfoil_testkit::http_faults::Effect;

use super::faulty::{Luck, Planned, World};
use super::scene::{alone, process, sealer};
use super::time::Mortal;

/// A late call arrives before the other sealer begins, or long after it is done.
const SOON: u64 = 1;
const LATE: u64 = 30 * 60_000;

/// Whether the sealer got as far as the planned call.
fn play(planned: Planned) -> bool {
    let world = World::new(1);
    let honest = process(&world, 0, Luck::Good);
    let plan = Arc::new(Mutex::new(Some(planned)));
    let unlucky = process(&world, 0, Luck::One(Arc::clone(&plan)));
    let time = world.time.clone();
    alone(&world, async move {
        let key = honest.key().await.unwrap();
        let sample = Sample::named("steps of a sealer").sealed_by(key.hash());
        let sample = sample.begin(&honest).await;
        let stream = sample.id();
        // There is a seal already, so that every kind of step occurs.
        sealer(honest.clone()).seal(stream).await.unwrap();
        let seen = |id| Batch::of([Sample::seen(id)]);
        sample.append(&honest, seen("one")).await;
        time.sleep(1_000).await;

        let dead = Arc::clone(&unlucky.dead);
        let first = sealer(unlucky);
        let mortal = Mortal {
            life: Box::pin(first.seal(stream)),
            waits: u64::MAX,
            dead,
        };
        match mortal.await {
            None | Some(Ok(_) | Err(SealError::Busy | SealError::Port(_))) => {}
            Some(Err(alarm)) => panic!("{planned:?}: a false alarm: {alarm:?}"),
        }
        time.sleep(2 * SOON).await;
        sample.append(&honest, seen("two")).await;
        let second = sealer(honest.clone()).seal(stream).await;
        assert_eq!(
            second.unwrap(),
            Sealing::Sealed { size: 3 },
            "{planned:?}: the other sealer goes on"
        );
        time.sleep(2 * LATE).await;
        sample.append(&honest, seen("three")).await;
        let links = whole(&honest, stream).await;
        let seals = sealed(&sealer(honest.clone()), stream, &links).await;
        assert!((3..=4).contains(&seals), "{planned:?}: {seals} seals");
    });
    plan.lock().unwrap().is_none()
}

#[test]
fn every_call_of_a_sealer_may_fail_happen_anyway_or_happen_later() {
    let mut call = 0;
    loop {
        let mut happened = false;
        for (effect, late) in [
            (Effect::Never, SOON),
            (Effect::Now, SOON),
            (Effect::Later, SOON),
            (Effect::Later, LATE),
        ] {
            for fatal in [false, true] {
                let planned = Planned {
                    call,
                    effect,
                    late,
                    fatal,
                };
                happened |= play(planned);
            }
        }
        if !happened {
            break;
        }
        call += 1;
    }
    println!("{call} calls of a sealer, 8 cases each");
    assert!(call > 10, "only {call} calls");
}
