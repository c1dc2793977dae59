//! Many writers and two sealers on one stream, some of them over a network that loses answers.

mod history;
mod seals;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use counterfoil_aws::Clients;
use counterfoil_aws::dynamodb::DynamoEvidence;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{AppendError, Batch, EvidenceAppend, EvidenceRead};
use counterfoil_core::usecases::Sealing;
use counterfoil_testkit::contract::{Sample, recompute};
use counterfoil_testkit::http_faults::{Fault, FaultProxy};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::history::{Call, Told};
use super::cloud::Cloud;

const WRITERS: usize = 16;
const APPENDS: usize = 20;
/// Writers from this one on go through the proxy.
const UNLUCKY: usize = 10;
/// Writers up to this one share a run.
const IN_RUN: usize = 4;
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

async fn write(
    store: DynamoEvidence,
    stream: Hash,
    writer: usize,
    acknowledged: Arc<Acknowledged>,
) -> Vec<Call> {
    let mut calls = Vec::new();
    for n in 0..APPENDS {
        let id = format!("writer {writer}, entry {n}");
        let mut draft = Sample::seen(&id);
        if writer < IN_RUN {
            draft = draft.in_run(RUN);
        }
        let begun = Instant::now();
        let told = match store.append(stream, Batch::of([draft])).await {
            Ok(refs) => Told::At(refs[0].seq, refs[0].leaf.clone()),
            Err(AppendError::OutcomeUnknown(_)) => Told::Unknown,
            Err(AppendError::Busy) => Told::Nothing,
            Err(error) => panic!("{id}: {error:?}"),
        };
        if let Told::At(seq, _) = &told {
            acknowledged.add(*seq);
        }
        calls.push(Call {
            id,
            begun,
            ended: Instant::now(),
            told,
        });
    }
    calls
}

/// Reads the head until the writers are done: it is never behind what was acknowledged before.
async fn read(
    store: DynamoEvidence,
    stream: Hash,
    acknowledged: Arc<Acknowledged>,
    done: Arc<AtomicBool>,
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
        tokio::task::yield_now().await;
    }
    reads
}

struct Stage {
    cloud: Cloud,
    direct: Clients,
    proxy: FaultProxy,
    sample: Sample,
    acknowledged: Arc<Acknowledged>,
    done: Arc<AtomicBool>,
}

impl Stage {
    async fn new() -> Self {
        let cloud = Cloud::new();
        let direct = cloud.clients().await;
        let proxy = FaultProxy::start(&cloud.deployment.endpoint).await.unwrap();
        let first = cloud.evidence(&direct);
        let sample = Sample::begun("many writers", &first).await;
        sample.append(&first, Batch::of([Sample::open(RUN)])).await;
        proxy.chances("TransactWriteItems", 143, LOSSES, 2026);
        Self {
            cloud,
            direct,
            proxy,
            sample,
            acknowledged: Arc::default(),
            done: Arc::default(),
        }
    }

    /// Everybody's calls, after all of them and everything that was still under way.
    async fn play(&self) -> Vec<Call> {
        let stream = self.sample.id();
        let unlucky = self.cloud.clients_at(&self.proxy.endpoint()).await;
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let clients = if writer < UNLUCKY {
                &self.direct
            } else {
                &unlucky
            };
            let store = self.cloud.evidence(clients);
            writers.spawn(write(store, stream, writer, Arc::clone(&self.acknowledged)));
        }
        let store = self.cloud.evidence(&self.direct);
        let reader = read(
            store,
            stream,
            Arc::clone(&self.acknowledged),
            Arc::clone(&self.done),
        );
        let reader = tokio::spawn(reader);
        let seal =
            |clients| seals::seal_until(seals::sealer(&self.cloud, clients), stream, &self.done);
        let written = async {
            let mut calls = Vec::new();
            while let Some(ended) = writers.join_next().await {
                calls.extend(ended.unwrap());
            }
            self.done.store(true, Ordering::SeqCst);
            calls
        };
        let (calls, (), ()) = tokio::join!(written, seal(&self.direct), seal(&unlucky));
        assert!(reader.await.unwrap() > 0);
        self.proxy.calm();
        self.proxy.release().await.unwrap();
        calls
    }
}

#[tokio::test]
async fn sixteen_writers_and_two_sealers_make_one_chain() {
    let stage = Stage::new().await;
    let calls = stage.play().await;
    let stream = stage.sample.id();
    let store = stage.cloud.evidence(&stage.direct);
    let entries = store.entries(stream, 0, u64::MAX >> 1).await.unwrap();
    let (links, root) = recompute(stream, &entries);
    history::agrees_with(&calls, &links);

    let head = store.head(stream).await.unwrap().unwrap();
    let last = links.last().unwrap();
    assert_eq!(head.size, u64::try_from(links.len()).unwrap());
    assert_eq!((head.prev, head.at), (last.leaf, last.header.at));
    assert_eq!(head.frontier.root(), root);

    let of_run = store.run(stream, RUN).await.unwrap();
    let expected = links.iter().filter(|link| link.header.run.is_some());
    assert!(of_run.len() > APPENDS, "several writers were in the run");
    for (n, (entry, link)) in of_run.iter().zip(expected).enumerate() {
        let place = link.header.run.as_ref().unwrap();
        assert_eq!(
            (entry.seq, place.n),
            (link.header.seq, u64::try_from(n).unwrap())
        );
    }

    seals::agree_with(&stage.cloud, &stage.direct, stream, &links).await;
    let injured = stage
        .proxy
        .log()
        .iter()
        .filter(|passed| passed.fault.is_some())
        .count();
    assert!(injured > 10, "only {injured} requests met a fault");
}

/// One sealer stops after it has read the newest seal; the other one seals and publishes; the first
/// goes on and finds a newer copy in the locked bucket than it knows of.
#[tokio::test]
async fn a_sealer_that_was_overtaken_raises_no_alarm() {
    let cloud = Cloud::new();
    let direct = cloud.clients().await;
    let proxy = FaultProxy::start(&cloud.deployment.endpoint).await.unwrap();
    let proxied = cloud.clients_at(&proxy.endpoint()).await;
    let store = cloud.evidence(&direct);
    let sample = Sample::begun("two sealers", &store).await;
    let stream = sample.id();
    let (slow, fast) = (
        seals::sealer(&cloud, &proxied),
        seals::sealer(&cloud, &direct),
    );
    for size in 1..4 {
        proxy.plan("GET ", [Fault::Wait]);
        let overtake = async {
            proxy.somebody_waits().await;
            let sealed = fast.seal(stream).await.unwrap();
            assert_eq!(sealed, Sealing::Sealed { size });
            proxy.go_on();
        };
        let both = async { tokio::join!(slow.seal(stream), overtake) };
        let (sealed, ()) = timeout(Duration::from_secs(30), both).await.unwrap();
        assert_eq!(sealed.unwrap(), Sealing::NothingNew);
        sample
            .append(&store, Batch::of([Sample::seen("more")]))
            .await;
    }
    let entries = store.entries(stream, 0, 9).await.unwrap();
    let (links, _) = recompute(stream, &entries);
    seals::agree_with(&cloud, &direct, stream, &links).await;
}
