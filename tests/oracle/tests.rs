//! The comparison.

use std::collections::BTreeMap;
use std::thread;

use counterfoil_core::billing::Catalog;
use counterfoil_core::cell::AppRow;
use counterfoil_core::mapping::{Artifact, Mapping, compile};
use counterfoil_core::reconcile::{Outcome, Scan};
use counterfoil_core::time::Timestamp;

use crate::naive::look;
use crate::random::Random;
use crate::shop::{Knobs, catalog};
use crate::world::{AS_OF, World};

const WORLDS: u64 = 100_000;
const SEED: u64 = 27;

/// A mapping, as the oracle and as the engine understand it.
struct Flow {
    knobs: Knobs,
    artifact: Artifact,
}

fn flows() -> Vec<Flow> {
    let mut random = Random::new(SEED);
    let flow = |_| {
        let knobs = Knobs::random(&mut random);
        let mapping = Mapping::from_toml(&knobs.toml()).unwrap();
        let artifact =
            compile(&mapping).unwrap_or_else(|errors| panic!("{errors}\n{}", knobs.toml()));
        Flow { knobs, artifact }
    };
    (0..400).map(flow).collect()
}

/// What the engine finds; about whom it concludes nothing is not the oracle's question.
fn engine(world: &World, artifact: &Artifact, catalog: &Catalog) -> Outcome {
    let mut scan = Scan::new(
        artifact,
        catalog,
        Timestamp::from_secs(AS_OF),
        world.livemode,
    );
    world.customers.iter().for_each(|it| scan.customer(it));
    world
        .subscriptions
        .iter()
        .for_each(|it| scan.subscription(it));
    world.invoices.iter().for_each(|it| scan.invoice(it));
    let mut join = scan.seal();
    let columns = artifact.table().columns;
    for row in &world.rows {
        let cells = columns
            .iter()
            .map(|column| row.cells[column.as_str()].clone());
        join.row(&AppRow {
            key: row.key.clone(),
            cells: cells.collect(),
        });
    }
    Outcome {
        undecided: Vec::new(),
        ..join.finish()
    }
}

/// The world of a number, in an order of its own, some of it twice.
fn world(number: u64) -> (World, usize) {
    let mut random = Random::new(SEED.wrapping_mul(1_000_003).wrapping_add(number));
    let flow = random.below(400);
    (World::random(&mut random), flow)
}

fn disordered(mut world: World, number: u64) -> World {
    let mut random = Random::new(number);
    let again = |things: usize, random: &mut Random| -> Vec<usize> {
        (0..things).filter(|_| random.one_in(3)).collect()
    };
    for place in again(world.customers.len(), &mut random) {
        world.customers.push(world.customers[place].clone());
    }
    for place in again(world.subscriptions.len(), &mut random) {
        world.subscriptions.push(world.subscriptions[place].clone());
    }
    for place in again(world.invoices.len(), &mut random) {
        world.invoices.push(world.invoices[place].clone());
    }
    random.shuffle(&mut world.customers);
    random.shuffle(&mut world.subscriptions);
    random.shuffle(&mut world.invoices);
    random.shuffle(&mut world.rows);
    world
}

fn disagree(world: &World, flow: &Flow, catalog: &Catalog) -> bool {
    engine(world, &flow.artifact, catalog) != look(world, &flow.knobs)
}

/// Takes things out of a world as long as the two still disagree.
fn smallest(mut world: World, flow: &Flow, catalog: &Catalog) -> World {
    let without = [
        |world: &mut World, place: usize| {
            (place < world.rows.len()).then(|| drop(world.rows.remove(place)))
        },
        |world: &mut World, place: usize| {
            (place < world.customers.len()).then(|| drop(world.customers.remove(place)))
        },
        |world: &mut World, place: usize| {
            (place < world.subscriptions.len()).then(|| drop(world.subscriptions.remove(place)))
        },
        |world: &mut World, place: usize| {
            (place < world.invoices.len()).then(|| drop(world.invoices.remove(place)))
        },
    ];
    loop {
        let places = without
            .iter()
            .flat_map(|it| (0..20).map(move |place| (it, place)));
        let smaller = places.filter_map(|(take, place)| {
            let mut smaller = world.clone();
            take(&mut smaller, place)?;
            Some(smaller)
        });
        let Some(smaller) = smaller.into_iter().find(|it| disagree(it, flow, catalog)) else {
            return world;
        };
        world = smaller;
    }
}

fn report(number: u64, world: World, flow: &Flow, catalog: &Catalog) -> String {
    let world = smallest(world, flow, catalog);
    let (engine, oracle) = (
        engine(&world, &flow.artifact, catalog),
        look(&world, &flow.knobs),
    );
    format!(
        "world {number}\n{world:?}\n{:?}\nengine {engine:?}\noracle {oracle:?}",
        flow.knobs
    )
}

/// How often each kind was found in a part of the worlds, or the first disagreement.
fn part(from: u64, step: u64, flows: &[Flow]) -> Result<BTreeMap<&'static str, u64>, String> {
    let catalog = catalog();
    let mut kinds = BTreeMap::new();
    let mut number = from;
    while number < WORLDS {
        let (world, flow) = world(number);
        let flow = &flows[flow];
        let found = look(&world, &flow.knobs);
        for finding in &found.findings {
            *kinds.entry(finding.kind.name()).or_default() += 1;
        }
        // Order and repetition change nothing: the oracle looked at the world as it was made.
        if engine(&disordered(world.clone(), number), &flow.artifact, &catalog) != found {
            return Err(report(number, world, flow, &catalog));
        }
        number += step;
    }
    Ok(kinds)
}

#[test]
fn the_engine_finds_what_a_naive_reading_finds() {
    let flows = flows();
    let threads = u64::try_from(thread::available_parallelism().map_or(1, usize::from)).unwrap();
    let parts: Vec<_> = thread::scope(|scope| {
        let flows = &flows;
        let parts: Vec<_> = (0..threads)
            .map(|from| scope.spawn(move || part(from, threads, flows)))
            .collect();
        parts.into_iter().map(|part| part.join().unwrap()).collect()
    });
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for part in parts {
        for (kind, count) in part.unwrap_or_else(|disagreement| panic!("{disagreement}")) {
            *kinds.entry(kind).or_default() += count;
        }
    }
    println!("{WORLDS} worlds: {kinds:?}");
    // Worlds in which a kind hardly occurs would prove nothing about it.
    assert_eq!(kinds.len(), 14, "{kinds:?}");
    assert!(
        kinds.values().all(|count| *count > WORLDS / 200),
        "{kinds:?}"
    );
}
