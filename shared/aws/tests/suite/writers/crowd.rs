//! Many writers and two sealers on one stream, some of them over a network that loses answers, and a
//! reader; and what must be true of it afterwards.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use counterfoil_aws::Clients;
use counterfoil_aws::dynamodb::DynamoEvidence;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{AppendError, Batch, EvidenceAppend, EvidenceRead};
use counterfoil_testkit::contract::{Call, Sample, Told, agrees_with, sealed, whole};
use counterfoil_testkit::http_faults::{Fault, FaultProxy};
use tokio::task::JoinSet;

use super::seals;
use crate::cloud::Cloud;

const RUN: &str = "run_shared";
/// What happens to every seventh write of the unlucky.
const LOSSES: [Fault; 7] = [
    Fault::DropReply,
    Fault::DropReply,
    Fault::DropRequest,
    Fault::TruncateReply,
    Fault::ErrorAfterWrite,
    Fault::Slow(Duration::from_millis(150)),
    Fault::CONFLICT,
];
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How often an entry is tried again after "the stream is busy", as a client of the API would.
const TRIES: usize = 20;

/// Who takes part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) writers: usize,
    /// Entries of each writer.
    pub(crate) appends: usize,
    /// So many of the writers, and one of the sealers, reach the tables through the fault proxy.
    pub(crate) unlucky: usize,
    /// So many of the writers write to one run.
    pub(crate) in_run: usize,
    /// Between two looks of a sealer, and of the reader.
    pub(crate) pause: Duration,
    /// No append begins later than that: on a machine that is too busy, fewer are made.
    pub(crate) at_most: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) entries: usize,
    pub(crate) acknowledged: usize,
    pub(crate) unknown: usize,
    /// Answers "the stream is busy".
    pub(crate) busy: usize,
    pub(crate) seals: usize,
    /// Looks of the reader.
    pub(crate) reads: usize,
    /// Requests that met a fault.
    pub(crate) injured: usize,
    /// Of the writing alone.
    pub(crate) time: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.time.as_millis().max(1);
        let per_second = u128::try_from(self.acknowledged * 1_000).unwrap() / millis;
        write!(
            f,
            "{} entries in {millis} ms ({per_second}/s), {} acknowledged, {} unknown, {} times busy, \
             {} requests injured, {} reads, {} seals",
            self.entries,
            self.acknowledged,
            self.unknown,
            self.busy,
            self.injured,
            self.reads,
            self.seals
        )
    }
}

/// The highest position that was acknowledged to anybody.
#[derive(Debug, Default)]
struct Acknowledged(AtomicU64);

impl Acknowledged {
    fn add(&self, seq: u64) {
        self.0.fetch_max(seq, Ordering::SeqCst);
    }

    fn highest(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

struct Writer {
    store: DynamoEvidence,
    stream: Hash,
    number: usize,
    size: Size,
    acknowledged: Arc<Acknowledged>,
}

impl Writer {
    /// Every call. A busy stream is tried again with another entry, so that it shows if the first one
    /// is there after all.
    async fn write(self) -> Vec<Call> {
        let mut calls = Vec::new();
        let begun = Instant::now();
        for n in 0..self.size.appends {
            for attempt in 0..TRIES {
                if begun.elapsed() > self.size.at_most {
                    return calls;
                }
                let call = self.append(n, attempt).await;
                let busy = call.told == Told::Nothing;
                calls.push(call);
                if !busy {
                    break;
                }
            }
        }
        calls
    }

    async fn append(&self, n: usize, attempt: usize) -> Call {
        let id = format!("writer {}, entry {n}, try {attempt}", self.number);
        let mut draft = Sample::seen(&id);
        if self.number < self.size.in_run {
            draft = draft.in_run(RUN);
        }
        let begun = Instant::now();
        let result = self.store.append(self.stream, Batch::of([draft])).await;
        let told = Told::of(&result, 0);
        match &told {
            Told::At(seq, _) => self.acknowledged.add(*seq),
            Told::Unknown => {}
            Told::Nothing => assert!(matches!(result, Err(AppendError::Busy)), "{result:?}"),
        }
        Call {
            id,
            begun,
            ended: Instant::now(),
            told,
        }
    }
}

/// Reads the head until the writers are done: it is never behind what was acknowledged before.
async fn read(
    store: DynamoEvidence,
    stream: Hash,
    acknowledged: Arc<Acknowledged>,
    done: Arc<AtomicBool>,
    pause: Duration,
) -> usize {
    let mut reads = 0;
    while !done.load(Ordering::SeqCst) {
        let known = acknowledged.highest();
        let head = store.head(stream).await.unwrap().unwrap();
        assert!(
            head.size > known,
            "{known} was acknowledged, the head has {}",
            head.size
        );
        reads += 1;
        tokio::time::sleep(pause).await;
    }
    reads
}

/// Clients that wait longer for an answer: 64 writers fill the queue of an emulator, and giving up
/// and asking again makes it longer.
fn patient(clients: Clients) -> Clients {
    let time = clients.dynamodb.config().timeout_config().cloned();
    let time = time
        .unwrap()
        .to_builder()
        .operation_attempt_timeout(ANSWER)
        .operation_timeout(4 * ANSWER)
        .build();
    let config = clients.dynamodb.config().to_builder().timeout_config(time);
    Clients {
        dynamodb: aws_sdk_dynamodb::Client::from_conf(config.build()),
        ..clients
    }
}

/// Writes, seals and reads at the same time; then everything is read and compared: one dense chain
/// without a fork, every acknowledged entry once and where it was said to be, nothing that was
/// refused, in real-time order; and every seal says what the whole stream says.
pub(crate) async fn play(cloud: &Cloud, size: Size) -> Outcome {
    let direct = patient(cloud.clients().await);
    let proxy = FaultProxy::start(cloud.dynamodb()).await.unwrap();
    let unlucky = patient(cloud.clients_through(&proxy).await);
    let store = cloud.evidence(&direct);
    let key = seals::sealer(cloud, &direct).signer.key().await.unwrap();
    let sample = Sample::named("many writers").sealed_by(key.hash());
    let sample = sample.begin(&store).await;
    sample.append(&store, Batch::of([Sample::open(RUN)])).await;
    proxy.chances("TransactWriteItems", 143, LOSSES, 2026);

    let begun = Instant::now();
    let (calls, reads) = work(cloud, &sample, size, (&direct, &unlucky)).await;
    let time = begun.elapsed();
    proxy.calm();
    proxy.release().await.unwrap();

    let links = whole(&store, sample.id()).await;
    agrees_with(&calls, &links).unwrap();
    let seals = sealed(&seals::sealer(cloud, &direct), sample.id(), &links).await;
    let injured = proxy.log();
    let injured = injured.iter().filter(|passed| passed.fault.is_some());
    let told = |told: fn(&Told) -> bool| calls.iter().filter(|call| told(&call.told)).count();
    Outcome {
        entries: links.len(),
        acknowledged: told(|told| matches!(told, Told::At(..))),
        unknown: told(|told| *told == Told::Unknown),
        busy: told(|told| *told == Told::Nothing),
        seals,
        reads,
        injured: injured.count(),
        time,
    }
}

/// Everybody's calls, and how often the head was read meanwhile.
async fn work(
    cloud: &Cloud,
    sample: &Sample,
    size: Size,
    (direct, unlucky): (&Clients, &Clients),
) -> (Vec<Call>, usize) {
    let acknowledged = Arc::<Acknowledged>::default();
    let done = Arc::<AtomicBool>::default();
    let mut writers = JoinSet::new();
    for number in 0..size.writers {
        let clients = if number < size.unlucky {
            unlucky
        } else {
            direct
        };
        let writer = Writer {
            store: cloud.evidence(clients),
            stream: sample.id(),
            number,
            size,
            acknowledged: Arc::clone(&acknowledged),
        };
        writers.spawn(writer.write());
    }
    let reader = read(
        cloud.evidence(direct),
        sample.id(),
        acknowledged,
        Arc::clone(&done),
        size.pause,
    );
    let seal = |clients| {
        let sealer = seals::sealer(cloud, clients);
        seals::seal_until(sealer, sample.id(), &done, size.pause)
    };
    let written = async {
        let mut calls = Vec::new();
        while let Some(ended) = writers.join_next().await {
            calls.extend(ended.unwrap());
        }
        done.store(true, Ordering::SeqCst);
        calls
    };
    let (calls, reads, (), ()) = tokio::join!(written, reader, seal(direct), seal(unlucky));
    (calls, reads)
}
