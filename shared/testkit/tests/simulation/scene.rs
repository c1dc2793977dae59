//! Fifty writers and two sealers, for many seeds.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{Batch, EvidenceAppend, SealSigner};
use counterfoil_core::usecases::{SEGMENT, SealError, SealStream};
use counterfoil_testkit::contract::{Call, Sample, Told, agrees_with, sealed, whole};

use super::faulty::{Luck, Process, World};
use super::time::Mortal;

const SEEDS: std::ops::Range<u64> = 0..24;
const WRITERS: u64 = 50;
const APPENDS: u64 = 4;
/// So many of the writers write to one run.
const IN_RUN: u64 = 10;
const RUN: &str = "run_shared";
/// Looks of each sealer.
const LOOKS: u64 = 60;
/// How far the clocks of writers are ahead at most, ms; half of them are behind instead.
const WRITERS_AHEAD: u64 = 50_000;
/// How far the sealers' clocks are ahead, ms.
const SEALERS_AHEAD: [i64; 2] = [4_000, -4_000];
/// Every so manieth append and look is the last thing that a process does.
const DIES: u64 = 10;

pub(super) fn process(world: &Arc<World>, ahead: i64, luck: Luck) -> Process {
    Process {
        world: Arc::clone(world),
        ahead,
        luck,
        dead: Arc::default(),
    }
}

pub(super) fn sealer(process: Process) -> SealStream {
    let process = Arc::new(process);
    SealStream {
        evidence: process.clone(),
        seals: process.clone(),
        signer: process.clone(),
        retiring: None,
        archive: process.clone(),
        clock: process,
        origin_prefix: "counterfoil.test/s/".to_owned(),
        budget: Duration::from_mins(1),
        segment: SEGMENT,
    }
}

/// How many waits a process may still live through, drawn so that some die in the middle.
fn life(world: &World) -> u64 {
    if world.draw(DIES) == 0 {
        1 + world.draw(12)
    } else {
        u64::MAX
    }
}

struct Scene {
    seed: u64,
    world: Arc<World>,
    stream: Hash,
    start: Instant,
    calls: Mutex<Vec<Call>>,
    alarms: Mutex<Vec<SealError>>,
}

impl Scene {
    fn at(&self) -> Instant {
        self.start + Duration::from_millis(self.world.time.now())
    }

    async fn write(self: Arc<Self>, writer: u64) {
        let world = &self.world;
        let ahead = i64::try_from(world.draw(2 * WRITERS_AHEAD)).unwrap();
        let process = process(
            world,
            ahead - i64::try_from(WRITERS_AHEAD).unwrap(),
            Luck::Bad,
        );
        for n in 0..APPENDS {
            world.time.sleep(world.draw(20 * 60_000)).await;
            let id = format!("{writer}/{n}");
            let mut draft = Sample::seen(&id);
            if writer < IN_RUN {
                draft = draft.in_run(RUN);
            }
            let begun = self.at();
            let append = process.append(self.stream, Batch::of([draft]));
            let mortal = Mortal {
                life: Box::pin(append),
                waits: life(world),
                dead: Arc::default(),
            };
            let told = mortal.await.map(|result| Told::of(&result, 0));
            let call = Call {
                id,
                begun,
                ended: self.at(),
                told: told.unwrap_or(Told::Unknown),
            };
            self.calls.lock().unwrap().push(call);
        }
    }

    /// A process that died is followed by another one.
    async fn seal(self: Arc<Self>, ahead: i64) {
        let world = &self.world;
        let sealer = sealer(process(world, ahead, Luck::Bad));
        for _ in 0..LOOKS {
            world.time.sleep(world.draw(2 * 60_000)).await;
            let mortal = Mortal {
                life: Box::pin(sealer.seal(self.stream)),
                waits: life(world),
                dead: Arc::default(),
            };
            match mortal.await {
                None | Some(Ok(_) | Err(SealError::Busy | SealError::Port(_))) => {}
                Some(Err(alarm)) => self.alarms.lock().unwrap().push(alarm),
            }
        }
    }

    /// Everything, when everything has arrived.
    async fn check(self: Arc<Self>) -> (usize, usize) {
        let honest = process(&self.world, 0, Luck::Good);
        let links = whole(&honest, self.stream).await;
        let calls = self.calls.lock().unwrap().clone();
        let told = agrees_with(&calls, &links);
        assert_eq!(told, Ok(()), "seed {}", self.seed);
        let alarms = std::mem::take(&mut *self.alarms.lock().unwrap());
        assert!(
            alarms.is_empty(),
            "seed {}: {} false alarms, the first: {:?}",
            self.seed,
            alarms.len(),
            alarms.first()
        );
        let seals = sealed(&sealer(honest), self.stream, &links).await;
        (links.len(), seals)
    }
}

/// Runs a future that nothing else runs beside, and returns what it gives.
pub(super) fn alone<T: Send + 'static>(
    world: &World,
    future: impl Future<Output = T> + Send + 'static,
) -> T {
    let given = Arc::new(Mutex::new(None));
    let give = Arc::clone(&given);
    world.time.spawn(async move {
        let value = future.await;
        *give.lock().unwrap() = Some(value);
    });
    world.time.run();
    given.lock().unwrap().take().unwrap()
}

fn play(seed: u64) -> (usize, usize) {
    let world = World::new(seed);
    let first = process(&world, 0, Luck::Good);
    let sample = alone(&world, async move {
        let key = first.key().await.unwrap();
        let sample = Sample::named("simulation").sealed_by(key.hash());
        let sample = sample.begin(&first).await;
        sample.append(&first, Batch::of([Sample::open(RUN)])).await;
        sample
    });
    let scene = Arc::new(Scene {
        seed,
        stream: sample.id(),
        start: Instant::now(),
        calls: Mutex::default(),
        alarms: Mutex::default(),
        world: Arc::clone(&world),
    });
    for writer in 0..WRITERS {
        world.time.spawn(Arc::clone(&scene).write(writer));
    }
    for ahead in SEALERS_AHEAD {
        world.time.spawn(Arc::clone(&scene).seal(ahead));
    }
    world.time.run();
    alone(&world, scene.check())
}

#[test]
fn writers_and_sealers_with_pauses_deaths_and_clocks_apart_leave_one_sealed_chain() {
    let mut all = 0;
    for seed in SEEDS {
        let played = std::panic::catch_unwind(|| play(seed));
        let Ok((entries, seals)) = played else {
            panic!("seed {seed}");
        };
        println!("seed {seed}: {entries} entries, {seals} seals");
        assert!(entries > 100 && seals > 2, "seed {seed}");
        all += seals;
    }
    assert!(all > 15 * SEEDS.count(), "{all} seals");
}
