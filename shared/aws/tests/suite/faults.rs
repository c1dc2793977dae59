//! Every durable write under every fault of the network: what the caller is told is true, now and
//! when everything that was under way has arrived.

mod rivals;
mod subjects;

use std::sync::Arc;
use std::time::Duration;

use counterfoil_aws::Clients;
use counterfoil_testkit::http_faults::{Fault, FaultProxy};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::subjects::{Append, Archived, DataKey, Seal, StateRows, Subject};
use super::cloud::Cloud;

/// How long a client waits for one answer here, instead of seconds.
const ATTEMPT: Duration = Duration::from_secs(1);
/// Longer than that.
const LATE: Duration = Duration::from_millis(1_500);
/// Cases that run at the same time.
const PARALLEL: usize = 12;

/// What a caller is told about its write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Written,
    Nothing,
    Unknown,
}

/// What happens to the writes of a case, and whether its reads fail as well.
#[derive(Debug, Clone)]
struct Weather {
    writes: Vec<Fault>,
    reads: Vec<Fault>,
    /// What must come out, where that is certain.
    told: Option<Told>,
}

/// It may have been written, or will be: what no later answer can take back.
const DOUBTS: [Fault; 8] = [
    Fault::DropRequest,
    Fault::DropReply,
    Fault::TruncateReply,
    Fault::CutStatus,
    Fault::ErrorAfterWrite,
    Fault::Delay(LATE),
    Fault::Slow(LATE),
    Fault::HoldBack,
];
/// It was not written, and the service says so.
const REFUSALS: [Fault; 4] = [
    Fault::CONFLICT,
    Fault::THROTTLED,
    Fault::THROUGHPUT,
    Fault::DENIED,
];
/// More often than anything is tried.
const FOR_EVER: usize = 40;

fn weathers() -> Vec<Weather> {
    let weather = |writes: Vec<Fault>, told| Weather {
        writes,
        reads: Vec::new(),
        told,
    };
    let mut all = vec![
        weather(Vec::new(), Some(Told::Written)),
        weather(vec![Fault::DENIED], Some(Told::Nothing)),
    ];
    let passing = DOUBTS.iter().chain(&REFUSALS).chain([&Fault::IN_PROGRESS]);
    for fault in passing.filter(|fault| **fault != Fault::DENIED) {
        for times in [1, 3] {
            all.push(weather(vec![*fault; times], Some(Told::Written)));
        }
        all.push(weather(vec![*fault; FOR_EVER], None));
    }
    for doubt in [Fault::DropReply, Fault::DropRequest, Fault::HoldBack] {
        for refusal in REFUSALS {
            all.push(weather(vec![doubt, refusal], None));
            let mut for_ever = vec![refusal; FOR_EVER];
            for_ever.insert(0, doubt);
            all.push(weather(for_ever, None));
        }
        all.push(Weather {
            writes: vec![doubt; FOR_EVER],
            reads: vec![Fault::DropReply; 4 * FOR_EVER],
            told: Some(Told::Unknown),
        });
    }
    all
}

/// A client that gives up soon.
fn hasty(clients: &Clients) -> Clients {
    let time = clients.dynamodb.config().timeout_config().cloned();
    let time = time
        .unwrap()
        .to_builder()
        .operation_attempt_timeout(ATTEMPT);
    let dynamodb = clients.dynamodb.config().to_builder();
    let s3 = clients.s3.config().to_builder();
    Clients {
        dynamodb: aws_sdk_dynamodb::Client::from_conf(
            dynamodb.timeout_config(time.clone().build()).build(),
        ),
        s3: aws_sdk_s3::Client::from_conf(s3.timeout_config(time.build()).build()),
        ..clients.clone()
    }
}

/// One write in one weather: what is told is compared with what is there.
async fn play<S: Subject>(cloud: &'static Cloud, number: usize, weather: Weather) {
    let direct = cloud.clients().await;
    let proxy = FaultProxy::start(&cloud.deployment.endpoint).await.unwrap();
    let proxied = hasty(&cloud.clients_at(&proxy.endpoint()).await);
    let short = weather.writes.len() >= FOR_EVER;
    let subject = S::prepare(cloud, &proxied, number, short).await;
    let before = proxy.count(S::WRITES);
    proxy.plan(
        S::WRITES,
        weather.writes.iter().map(|fault| S::dialect(*fault)),
    );
    proxy.plan(S::READS, weather.reads.iter().copied());

    let told = subject.write().await;
    let sent = proxy.count(S::WRITES) - before;
    proxy.calm();
    let what = format!(
        "case {number}, {:?}, {sent} sent: {told:?}",
        weather.writes.first()
    );
    let there = subject.is_there(cloud, &direct).await;
    proxy.release().await.unwrap();
    let later = subject.is_there(cloud, &direct).await;

    match told {
        Told::Written => assert!(there, "success without the write: {what}"),
        Told::Nothing => {
            assert!(!there, "\"nothing was written\", and it was: {what}");
            assert!(!later, "\"nothing was written\", and then it was: {what}");
        }
        Told::Unknown => {}
    }
    assert!(later || !there, "what was there is gone: {what}");
    let expected = weather.told.unwrap_or(told);
    assert_eq!(told, expected, "{what} ({:?})", &weather.writes);
}

async fn every_weather<S: Subject>() {
    let cloud = Cloud::shared();
    let few = Arc::new(Semaphore::new(PARALLEL));
    let mut cases = JoinSet::new();
    for (number, weather) in weathers().into_iter().enumerate() {
        let few = Arc::clone(&few);
        cases.spawn(async move {
            let _turn = few.acquire().await.unwrap();
            play::<S>(cloud, number, weather).await;
        });
    }
    while let Some(done) = cases.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn an_append_is_told_as_it_is() {
    every_weather::<Append>().await;
}

#[tokio::test]
async fn a_state_write_is_told_as_it_is() {
    every_weather::<StateRows>().await;
}

#[tokio::test]
async fn a_seal_is_told_as_it_is() {
    every_weather::<Seal>().await;
}

#[tokio::test]
async fn a_data_key_is_told_as_it_is() {
    every_weather::<DataKey>().await;
}

#[tokio::test]
async fn a_locked_object_is_told_as_it_is() {
    every_weather::<Archived>().await;
}
