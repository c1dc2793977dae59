//! Small histories of appends and reads, judged by a general checker of linearizability: a stream is
//! a list that only grows at its end. The checker finds an order by itself; [`agrees_with`] relies on
//! the positions that were told. They must not differ.

use std::time::{Duration, Instant};

use counterfoil_aws::dynamodb::DynamoEvidence;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{Batch, EvidenceAppend, EvidenceRead};
use counterfoil_testkit::contract::{Call, Link, Sample, Told, agrees_with, whole};
use counterfoil_testkit::http_faults::{Fault, FaultProxy};
use porcupine_rs::{Model, Operation, check_operations};
use tokio::task::JoinSet;

use super::cloud::Cloud;

const HISTORIES: usize = 10;
const APPENDS: usize = 4;
const READS: usize = 4;
/// How long the writer tries whose writes never get through.
const PATIENCE: Duration = Duration::from_millis(200);
/// What happens to every third write of the others.
const LOSSES: [Fault; 5] = [
    Fault::HoldBack,
    Fault::DropReply,
    Fault::DropRequest,
    Fault::ErrorAfterWrite,
    Fault::Slow(Duration::from_millis(40)),
];

/// A stream, after its genesis.
#[derive(Debug, Clone)]
struct List;

#[derive(Debug, Clone)]
enum Op {
    /// The entry, and its position if that was told.
    Append(String, Option<usize>),
    /// How many there are.
    Count(usize),
    /// All of them.
    Read(Vec<String>),
}

impl Model for List {
    type State = Vec<String>;
    type Op = Op;
    type Metadata = ();

    fn init() -> Self::State {
        Vec::new()
    }

    fn step(state: &Self::State, op: &Self::Op) -> (bool, Self::State) {
        let mut after = state.clone();
        let fits = match op {
            Op::Append(id, at) => {
                after.push(id.clone());
                at.is_none_or(|at| at == state.len())
            }
            Op::Count(count) => *count == state.len(),
            Op::Read(all) => all == state,
        };
        (fits, after)
    }
}

/// An operation from `begun` to `ended`, ns; for ever if nobody knows when it takes place, if at all.
fn operation(begun: i64, ended: Option<i64>, op: Op) -> Operation<List> {
    Operation {
        client_id: None,
        call_time: begun,
        return_time: ended.unwrap_or(i64::MAX),
        op,
        metadata: None,
    }
}

fn of_call(call: &Call, start: Instant) -> Option<Operation<List>> {
    let (at, ended) = match &call.told {
        Told::At(seq, _) => (Some(place(*seq)), Some(nanos(call.ended, start))),
        Told::Unknown => (None, None),
        Told::Nothing => return None,
    };
    let op = Op::Append(call.id.clone(), at);
    Some(operation(nanos(call.begun, start), ended, op))
}

/// Positions count from the entry after the genesis.
fn place(seq: u64) -> usize {
    usize::try_from(seq).unwrap() - 1
}

fn nanos(at: Instant, start: Instant) -> i64 {
    i64::try_from(at.duration_since(start).as_nanos()).unwrap()
}

async fn append(store: DynamoEvidence, stream: Hash, writer: usize) -> Vec<Call> {
    let mut calls = Vec::new();
    for n in 0..APPENDS {
        let id = format!("{writer}/{n}");
        let begun = Instant::now();
        let result = store.append(stream, Batch::of([Sample::seen(&id)])).await;
        calls.push(Call {
            id,
            begun,
            ended: Instant::now(),
            told: Told::of(&result, 0),
        });
    }
    calls
}

async fn count(store: DynamoEvidence, stream: Hash, start: Instant) -> Vec<Operation<List>> {
    let mut reads = Vec::new();
    for _ in 0..READS {
        let begun = nanos(Instant::now(), start);
        let head = store.head(stream).await.unwrap().unwrap();
        let ended = nanos(Instant::now(), start);
        reads.push(operation(begun, Some(ended), Op::Count(place(head.size))));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    reads
}

fn ids(links: &[Link]) -> Vec<String> {
    let ids = links.iter().filter_map(|link| Sample::id_of(&link.facts));
    ids.map(str::to_owned).collect()
}

/// 3 to 5 writers and a reader, and everybody's answers. All writes of one of the writers arrive in
/// the end, when it has long given up.
async fn play(cloud: &'static Cloud, number: usize) -> Vec<Call> {
    let proxy = FaultProxy::start(cloud.dynamodb()).await.unwrap();
    let unlucky = cloud.clients_through(&proxy).await;
    let direct = cloud.evidence(&cloud.clients().await);
    let sample = Sample::begun(&format!("linear: {number}"), &direct).await;
    let seed = u64::try_from(number).unwrap();
    proxy.chances("TransactWriteItems", 333, LOSSES, seed);
    let closed = FaultProxy::start(cloud.dynamodb()).await.unwrap();
    closed.chances("TransactWriteItems", 1_000, [Fault::HoldBack], seed);
    let lost = cloud.evidence(&cloud.clients_through(&closed).await);

    let start = Instant::now();
    let mut writers = JoinSet::new();
    writers.spawn(append(lost.patience(PATIENCE), sample.id(), 0));
    for writer in 1..3 + number % 3 {
        writers.spawn(append(cloud.evidence(&unlucky), sample.id(), writer));
    }
    let mut history = count(direct.clone(), sample.id(), start).await;
    let mut calls = Vec::new();
    while let Some(written) = writers.join_next().await {
        calls.extend(written.unwrap());
    }
    proxy.release().await.unwrap();
    closed.release().await.unwrap();

    let begun = nanos(Instant::now(), start);
    let links = whole(&direct, sample.id()).await;
    let ended = nanos(Instant::now(), start);
    history.push(operation(begun, Some(ended), Op::Read(ids(&links))));
    history.extend(calls.iter().filter_map(|call| of_call(call, start)));
    assert_eq!(agrees_with(&calls, &links), Ok(()), "history {number}");
    assert!(
        check_operations(&history),
        "history {number} is not that of a list: {history:#?}"
    );
    calls
}

#[tokio::test]
async fn small_histories_are_those_of_a_list() {
    let cloud = Cloud::shared();
    let mut histories = JoinSet::new();
    for number in 0..HISTORIES {
        histories.spawn(play(cloud, number));
    }
    let mut calls = Vec::new();
    while let Some(played) = histories.join_next().await {
        calls.extend(played.unwrap());
    }
    let told = |told: fn(&Told) -> bool| calls.iter().filter(|call| told(&call.told)).count();
    let written = told(|told| matches!(told, Told::At(..)));
    let unknown = told(|told| *told == Told::Unknown);
    println!(
        "{} calls, {written} written, {unknown} unknown",
        calls.len()
    );
    assert!(written >= 2 * APPENDS * HISTORIES && unknown > 0);
}

#[test]
fn histories_that_no_list_has_are_refused() {
    let append = |begun, ended, id: &str, at| {
        operation(begun, Some(ended), Op::Append(id.to_owned(), Some(at)))
    };
    let lost = |begun, id: &str| operation(begun, None, Op::Append(id.to_owned(), None));
    let count = |begun, count| operation(begun, Some(begun + 1), Op::Count(count));
    let read = |begun, all: &[&str]| {
        let all = all.iter().map(|id| (*id).to_owned()).collect();
        operation(begun, Some(begun + 1), Op::Read(all))
    };
    let right = [
        vec![
            append(0, 9, "a", 1),
            append(1, 8, "b", 0),
            read(10, &["b", "a"]),
        ],
        vec![lost(0, "a"), append(1, 2, "b", 0), read(5, &["b"])],
        vec![lost(0, "a"), append(1, 2, "b", 0), read(5, &["b", "a"])],
        vec![append(0, 5, "a", 0), count(1, 0), count(3, 1)],
    ];
    let wrong = [
        ("a stale read", vec![append(0, 1, "a", 0), count(2, 0)]),
        (
            "one place for two",
            vec![append(0, 9, "a", 0), append(1, 8, "b", 0)],
        ),
        (
            "an acknowledged entry is gone",
            vec![append(0, 1, "a", 0), read(2, &[])],
        ),
        (
            "the later one stands before the earlier one",
            vec![
                append(0, 1, "a", 1),
                append(2, 3, "b", 0),
                read(4, &["b", "a"]),
            ],
        ),
        (
            "an entry that nobody wrote, or whose failure was reported",
            vec![append(0, 1, "a", 0), read(2, &["a", "b"])],
        ),
        ("written twice", vec![lost(0, "a"), read(5, &["a", "a"])]),
        (
            "in doubt it was there, and then it was gone",
            vec![lost(0, "a"), count(1, 1), count(3, 0)],
        ),
    ];
    for history in &right {
        assert!(check_operations(history), "{history:?}");
    }
    for (what, history) in &wrong {
        assert!(!check_operations(history), "{what}");
    }
}
