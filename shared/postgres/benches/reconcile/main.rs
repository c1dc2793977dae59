//! What comparing everybody costs, beside what it cannot cost less than, and beside `DuckDB`:
//!
//! ```sh
//! cargo bench -p counterfoil-postgres --bench reconcile                      # 100,000 accounts
//! cargo bench -p counterfoil-postgres --bench reconcile -- --accounts 1000000 --rounds 3
//! cargo bench -p counterfoil-postgres --bench reconcile -- --data FOLDER     # other data of this form
//! cargo bench -p counterfoil-postgres --bench reconcile -- --copies 10      # ten times as many customers
//! ```
//!
//! Every contestant is a process of its own, one after the other in each round, on the same files
//! and the same table of a real Postgres. Compared are CPU seconds (user and system) of the client
//! and its peak memory, as ratios within a round, of which the middle one is printed; absolute times
//! say more about the machine than about the engine. Each answer
//! is held against the known differences of the data: a wrong one ends the benchmark.
//!
//! `DuckDB` comes from the packages of `duckdb-requirements.txt`, in a virtual environment beside the
//! build output. Without Python or network it is left out, and that is said.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    clippy::float_arithmetic,
    reason = "a benchmark takes arguments and prints ratios"
)]

mod cost;
mod data;
mod duckdb;
mod engine;
mod floor;
mod truth;

use std::path::{Path, PathBuf};
use std::process::Command;

use counterfoil_local::Postgres;

use cost::median;

const PASSWORD: &str = "only-for-the-benchmark";

/// What the command line asks for.
struct Wanted {
    accounts: u64,
    rounds: usize,
    copies: u8,
    data: Option<PathBuf>,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["parse", folder] => floor::parse(Path::new(folder)),
        ["engine", folder, url, out, copies] => {
            engine::run(
                Path::new(folder),
                url,
                Path::new(out),
                copies.parse().unwrap(),
            );
        }
        _ => measure(&wanted(&words)),
    }
}

fn wanted(words: &[&str]) -> Wanted {
    let after = |name: &str| {
        let place = words.iter().position(|word| *word == name)?;
        words.get(place + 1).map(|word| (*word).to_owned())
    };
    Wanted {
        accounts: after("--accounts").map_or(100_000, |text| text.parse().unwrap()),
        rounds: after("--rounds").map_or(3, |text| text.parse().unwrap()),
        copies: after("--copies").map_or(1, |text| text.parse().unwrap()),
        data: after("--data").map(PathBuf::from),
    }
}

fn measure(wanted: &Wanted) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = wanted.data.clone().unwrap_or_else(|| {
        let folder = target.join(format!("reconcile-{}", wanted.accounts));
        data::write(&folder, wanted.accounts);
        folder
    });
    let truth = truth::read(&folder);
    eprintln!("loading the app's table into Postgres");
    let postgres = Postgres::start(&|line| eprintln!("{line}")).unwrap();
    let admin = load(&postgres, &folder);
    let reader = postgres.url("bench_read", PASSWORD, "bench");
    let peer = duckdb::prepare(target);
    if let Err(why) = &peer {
        println!("DuckDB is left out: {why}");
    }
    if wanted.copies > 1 {
        return many(wanted, &folder, &reader, target);
    }
    let out = target.join("reconcile-found.tsv");
    let (mut parse, mut copy, mut ours, mut theirs) = (vec![], vec![], vec![], vec![]);
    let mut customers = 0;
    for round in 1..=wanted.rounds {
        eprintln!("round {round} of {}", wanted.rounds);
        parse.push(cost::of(&mut worker(&["parse", &text(&folder)])));
        copy.push(floor::copy(&admin));
        let arguments = ["engine", &text(&folder), &reader, &text(&out), "1"];
        let cost = cost::of(&mut worker(&arguments));
        customers = cost.customers;
        ours.push(cost);
        truth.must_equal(&out, "the engine");
        if let Ok(peer) = &peer {
            theirs.push(peer.run(&folder, &reader, &out));
            truth.must_equal(&out, "DuckDB");
        }
    }
    let floors: Vec<f64> = parse
        .iter()
        .zip(&copy)
        .map(|(a, b)| a.cpu + b.cpu)
        .collect();
    let over_floor = ours
        .iter()
        .zip(&floors)
        .map(|(ours, floor)| ours.cpu / floor);
    let peak = ours.iter().map(|cost| cost.peak).max().unwrap();
    let bound = 80 * customers + 32_000_000;
    println!(
        "{customers} customers, {} differences, all found and no other",
        truth.len()
    );
    println!(
        "parsing with serde      {:>7.2} CPU s",
        median(parse.iter().map(|it| it.cpu))
    );
    println!(
        "COPY by psql            {:>7.2} CPU s",
        median(copy.iter().map(|it| it.cpu))
    );
    println!(
        "the engine              {:>7.2} CPU s  {:>7.1} MB",
        median(ours.iter().map(|it| it.cpu)),
        mega(peak)
    );
    println!(
        "  = {:.2} x the two above; the bound is 2.0",
        median(over_floor)
    );
    println!(
        "  = {:.2} of the memory bound of 80 B x customers + 32 MB = {:.1} MB",
        peak as f64 / bound as f64,
        mega(bound)
    );
    if !theirs.is_empty() {
        let times = theirs
            .iter()
            .zip(&ours)
            .map(|(theirs, ours)| theirs.cpu / ours.cpu);
        let least = theirs.iter().map(|cost| cost.peak).min().unwrap();
        println!(
            "DuckDB, 2 threads       {:>7.2} CPU s  {:>7.1} MB",
            median(theirs.iter().map(|it| it.cpu)),
            mega(least)
        );
        println!(
            "  = {:.2} x the engine's CPU (bound 1.2), {:.1} x its memory (bound 5)",
            median(times),
            least as f64 / peak as f64
        );
    }
}

/// The same files several times over, with other ids in each copy.
fn many(wanted: &Wanted, folder: &Path, reader: &str, target: &Path) {
    let out = target.join("reconcile-found.tsv");
    let copies = wanted.copies.to_string();
    let cost = cost::of(&mut worker(&[
        "engine",
        &text(folder),
        reader,
        &text(&out),
        &copies,
    ]));
    let bound = 80 * cost.customers + 32_000_000;
    println!(
        "{} customers in {copies} copies: {:.1} CPU s, peak {:.1} MB, {:.2} of the memory bound of {:.1} MB",
        cost.customers,
        cost.cpu,
        mega(cost.peak),
        cost.peak as f64 / bound as f64,
        mega(bound)
    );
}

fn worker(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments);
    command
}

/// Makes the table and a role that can only read it; answers the owner's address.
fn load(postgres: &Postgres, folder: &Path) -> String {
    let admin = postgres.create_database("bench").unwrap();
    let status = Command::new("psql")
        .args([
            "--no-psqlrc",
            "--quiet",
            "--variable",
            "ON_ERROR_STOP=1",
            "--file",
            "schema.sql",
        ])
        .arg(&admin)
        .current_dir(folder)
        .status()
        .unwrap();
    assert!(status.success(), "the table could not be loaded");
    let role = format!(
        "CREATE ROLE bench_read LOGIN PASSWORD '{PASSWORD}'; \
         REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT SELECT ON app_users TO bench_read"
    );
    postgres.sql("bench", &role).unwrap();
    admin
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
