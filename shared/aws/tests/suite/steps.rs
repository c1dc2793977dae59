//! Every durable step of an append under every fault: the writer goes on, stays stuck, or is dropped
//! there; then another writer goes on, and what was under way arrives before or after it. The rows
//! are in [`table`].

mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil_aws::dynamodb::DynamoEvidence;
use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, State, StateKey, StateWrite,
};
use counterfoil_testkit::contract::{Call, Link, Sample, Told, agrees_with, whole};
use counterfoil_testkit::http_faults::{Effect, Fault, FaultProxy};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::table::{Learns, Left, Row, Step, TABLE, Then};
use super::cloud::Cloud;

const RUN: &str = "run_1";
const WRITES: &str = "TransactWriteItems";
const READS: &str = "GetItem";
/// How long a writer that is stuck tries.
const PATIENCE: Duration = Duration::from_millis(300);
/// More often than anything is tried in that time.
const FOR_EVER: usize = 60;
/// Cases that run at the same time.
const PARALLEL: usize = 12;

/// What the batch does beside its one observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    BeginsStream,
    OpensRun,
    InRun,
    ClosesRun,
}

impl Shape {
    /// What must be there before.
    fn before(self, sample: &Sample) -> Vec<Draft> {
        match self {
            Self::BeginsStream => Vec::new(),
            Self::OpensRun => vec![sample.genesis()],
            Self::InRun | Self::ClosesRun => vec![sample.genesis(), Sample::open(RUN)],
        }
    }

    fn drafts(self, sample: &Sample, id: &str) -> Vec<Draft> {
        let seen = Sample::seen(id);
        match self {
            Self::BeginsStream => vec![sample.genesis(), seen],
            Self::OpensRun => vec![Sample::open(RUN), seen.in_run(RUN)],
            Self::InRun => vec![seen.in_run(RUN)],
            Self::ClosesRun => vec![seen.in_run(RUN), Sample::close(RUN, 0)],
        }
    }

    /// Which of the drafts is the observation.
    fn index(self) -> usize {
        usize::from(matches!(self, Self::BeginsStream | Self::OpensRun))
    }

    /// Whether only one batch of this shape can ever be there.
    fn is_once(self) -> bool {
        self != Self::InRun
    }

    /// A run that the batch opens itself is not read before.
    fn reads_run(self) -> bool {
        matches!(self, Self::InRun | Self::ClosesRun)
    }
}

/// Whether a request that takes effect late arrives before another writer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrives {
    BeforeOther,
    AfterOther,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    row: Row,
    shape: Shape,
    arrives: Arrives,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for row in TABLE {
            let (step, effect, ..) = row;
            let late = effect == Effect::Later && step == Step::Write;
            // What a batch does makes no difference to reads.
            let shapes: &[Shape] = if step == Step::Write {
                &[
                    Shape::BeginsStream,
                    Shape::OpensRun,
                    Shape::InRun,
                    Shape::ClosesRun,
                ]
            } else {
                &[Shape::InRun]
            };
            for &shape in shapes {
                for arrives in [Arrives::BeforeOther, Arrives::AfterOther] {
                    if late || arrives == Arrives::BeforeOther {
                        cases.push(Self {
                            row,
                            shape,
                            arrives,
                        });
                    }
                }
            }
        }
        cases
    }

    /// Plans the fault of this case.
    fn plan(self, proxy: &FaultProxy) {
        let (step, effect, then, ..) = self.row;
        let fault = match (then, effect) {
            (Then::Fatal, effect) => Fault::Silence(effect),
            (_, Effect::Never) => Fault::DropRequest,
            (_, Effect::Now) => Fault::DropReply,
            (_, Effect::Later) => Fault::HoldBack,
        };
        let times = if then == Then::Stuck { FOR_EVER } else { 1 };
        let faults = std::iter::repeat_n(fault, times);
        let first_reads = 1 + usize::from(self.shape.reads_run());
        let (lost, reads_before) = match step {
            Step::Write => {
                proxy.plan(WRITES, faults);
                return;
            }
            Step::Head => (None, 0),
            Step::Run => (None, 1),
            Step::HeadAfterWrite => (Some(Fault::DropReply), first_reads),
            Step::EntryAfterWrite => (Some(Fault::DropReply), first_reads + 1),
            Step::HeadAfterNothing => (Some(Fault::DropRequest), first_reads),
            Step::EntryAfterNothing => (Some(Fault::DropRequest), first_reads + 1),
        };
        proxy.plan(WRITES, lost);
        let before = std::iter::repeat_n(Fault::None, reads_before);
        proxy.plan(READS, before.chain(faults));
    }

    fn is_left(self) -> bool {
        match self.row.4 {
            Left::Batch => true,
            Left::Nothing => false,
            Left::IfInTime => self.arrives == Arrives::BeforeOther,
        }
    }
}

fn row_of(number: usize, who: &str) -> StateKey {
    StateKey {
        pk: "ws_steps#rows".to_owned(),
        sk: format!("{number:03}#{who}"),
    }
}

/// One writer's append, with a row of state that its observation explains.
struct Writer<'a> {
    case: Case,
    number: usize,
    sample: &'a Sample,
    who: &'static str,
}

impl Writer<'_> {
    fn batch(&self) -> Batch {
        let drafts = self.case.shape.drafts(self.sample, self.who);
        let create = StateWrite::create(row_of(self.number, self.who), json!(self.who));
        Batch::of(drafts).with(create.explained_by(self.case.shape.index()))
    }

    async fn append(&self, store: &DynamoEvidence) -> Call {
        let begun = Instant::now();
        let result = store.append(self.sample.id(), self.batch()).await;
        self.call(begun, &result)
    }

    fn call(&self, begun: Instant, result: &Result<Vec<EntryRef>, AppendError>) -> Call {
        Call {
            id: self.who.to_owned(),
            begun,
            ended: Instant::now(),
            told: Told::of(result, self.case.shape.index()),
        }
    }

    /// Appends until the fault, and no further.
    async fn append_and_die(&self, store: DynamoEvidence, proxy: &FaultProxy) -> Call {
        let begun = Instant::now();
        let (stream, batch) = (self.sample.id(), self.batch());
        let process = tokio::spawn(async move { store.append(stream, batch).await });
        proxy.somebody_waits().await;
        process.abort();
        assert!(process.await.unwrap_err().is_cancelled());
        Call {
            id: self.who.to_owned(),
            begun,
            ended: Instant::now(),
            told: Told::Unknown,
        }
    }
}

async fn play(cloud: &'static Cloud, number: usize, case: Case) {
    let proxy = FaultProxy::start(&cloud.deployment.endpoint).await.unwrap();
    let store = cloud.evidence(&cloud.clients_at(&proxy.endpoint()).await);
    let store = match case.row.2 {
        Then::Stuck => store.patience(PATIENCE),
        Then::Progress | Then::Fatal => store,
    };
    let others = cloud.evidence(&cloud.clients().await);
    let sample = Sample::named(&format!("steps: {number}"));
    let before = case.shape.before(&sample);
    if !before.is_empty() {
        sample.append(&others, Batch::of(before)).await;
    }
    let writer = |who| Writer {
        case,
        number,
        sample: &sample,
        who,
    };

    case.plan(&proxy);
    let ours = match case.row.2 {
        Then::Fatal => writer("ours").append_and_die(store, &proxy).await,
        Then::Progress | Then::Stuck => writer("ours").append(&store).await,
    };
    proxy.calm();
    if case.arrives == Arrives::BeforeOther {
        proxy.release().await.unwrap();
    }
    let other = writer("other").append(&others).await;
    proxy.release().await.unwrap();
    let last = Sample::seen("last");
    sample.append(&others, Batch::of([last])).await;

    let links = whole(&others, sample.id()).await;
    let state = cloud.state(&cloud.clients().await);
    for who in ["ours", "other"] {
        let row = state.get(&row_of(number, who)).await.unwrap();
        let entry = position(&links, who).map(|link| EntryRef {
            stream: sample.id().to_string(),
            seq: link.header.seq,
            leaf: link.leaf.to_string(),
        });
        assert_eq!(
            row.map(|row| row.evidence.unwrap()),
            entry,
            "{case:?}: the row of {who} is there with its entry"
        );
    }
    judge(case, &links, [ours, other]);
}

fn position<'a>(links: &'a [Link], id: &str) -> Option<&'a Link> {
    links
        .iter()
        .find(|link| Sample::id_of(&link.facts) == Some(id))
}

fn judge(case: Case, links: &[Link], [ours, other]: [Call; 2]) {
    let (.., then, learns, _) = case.row;
    let learned = match (then, &ours.told) {
        (Then::Fatal, _) => Learns::NoAnswer,
        (_, Told::At(..)) => Learns::Written,
        (_, Told::Nothing) => Learns::Nothing,
        (_, Told::Unknown) => Learns::Unknown,
    };
    assert_eq!(learned, learns, "{case:?}: what the caller learns");
    let is_left = position(links, "ours").is_some();
    assert_eq!(is_left, case.is_left(), "{case:?}: what is left");
    let other_is_in = matches!(other.told, Told::At(..));
    assert_eq!(
        other_is_in,
        !(case.shape.is_once() && is_left),
        "{case:?}: the other writer: {other:?}"
    );
    assert_eq!(
        Sample::id_of(&links.last().unwrap().facts),
        Some("last"),
        "{case:?}: the stream goes on"
    );
    let last = Call {
        id: "last".to_owned(),
        told: Told::Unknown,
        ..other.clone()
    };
    if let Err(lie) = agrees_with(&[ours, other, last], links) {
        panic!("{case:?}: {lie}");
    }
}

#[tokio::test]
async fn every_step_of_an_append_may_fail_happen_anyway_or_happen_later() {
    let cloud = Cloud::shared();
    let few = Arc::new(Semaphore::new(PARALLEL));
    let mut cases = JoinSet::new();
    for (number, case) in Case::all().into_iter().enumerate() {
        let few = Arc::clone(&few);
        cases.spawn(async move {
            let _turn = few.acquire().await.unwrap();
            play(cloud, number, case).await;
        });
    }
    while let Some(done) = cases.join_next().await {
        done.unwrap();
    }
}
