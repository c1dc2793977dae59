//! How many requests an append costs, and when it is the same request again.

use std::collections::BTreeSet;

use counterfoil_aws::dynamodb::DynamoEvidence;
use counterfoil_core::ports::{Batch, EvidenceRead, SealStore, StateKey, StateWrite};
use counterfoil_testkit::contract::{Sample, recompute};
use counterfoil_testkit::http_faults::{Fault, FaultProxy};
use serde_json::json;

use super::cloud::{Cloud, now};

struct Watched {
    cloud: &'static Cloud,
    proxy: FaultProxy,
    store: DynamoEvidence,
    sample: Sample,
}

impl Watched {
    async fn stream(name: &str) -> Self {
        let cloud = Cloud::shared();
        let proxy = FaultProxy::start(&cloud.deployment.endpoint).await.unwrap();
        let store = cloud.evidence(&cloud.clients_at(&proxy.endpoint()).await);
        let sample = Sample::begun(name, &store).await;
        Self {
            cloud,
            proxy,
            store,
            sample,
        }
    }

    /// The requests that an append costs.
    async fn cost(&self, batch: Batch) -> Vec<String> {
        let before = self.proxy.log().len();
        self.sample.append(&self.store, batch).await;
        let log = self.proxy.log().split_off(before);
        log.into_iter().map(|passed| passed.operation).collect()
    }

    async fn recomputes(&self, size: usize) {
        let entries = self.store.entries(self.sample.id(), 0, 999).await.unwrap();
        assert_eq!(recompute(self.sample.id(), &entries).0.len(), size);
    }
}

const WRITE: &str = "TransactWriteItems";
const READ: &str = "GetItem";

#[tokio::test]
async fn a_writer_that_is_alone_and_warm_sends_one_request_per_append() {
    let watched = Watched::stream("requests: warm").await;
    let in_run = || Batch::of([Sample::seen("in a run").in_run("run_1")]);
    for batch in [
        Batch::of([Sample::seen("one")]),
        Batch::of([Sample::open("run_1")]),
        in_run(),
        Batch::of([Sample::seen("two")]),
        in_run(),
        Batch::of([Sample::close("run_1", 0)]),
    ] {
        assert_eq!(watched.cost(batch).await, [WRITE]);
    }
    watched.recomputes(7).await;
}

/// As the product does it: the decision, what it allows, and the rows that change with it.
#[tokio::test]
async fn a_governed_change_costs_one_request() {
    let watched = Watched::stream("requests: governed").await;
    watched.cost(Batch::of([Sample::open("run_1")])).await;
    for change in 0..5 {
        let row = |name: &str| StateKey {
            pk: "ws_requests#changes".to_owned(),
            sk: format!("{name}#{change}"),
        };
        let decided = Sample::require("run_1");
        let batch = Batch::of([decided, Sample::allow("run_1", 0)])
            .with(StateWrite::create(row("action"), json!("started")).explained_by(1))
            .with(StateWrite::create(row("approval"), json!("consumed")).explained_by(1));
        assert_eq!(watched.cost(batch).await, [WRITE]);
    }
    watched.recomputes(12).await;
}

#[tokio::test]
async fn entries_in_groups_of_49_cost_one_request_per_group() {
    let watched = Watched::stream("requests: groups").await;
    let seen = |n: usize| Sample::seen(&n.to_string());
    for size in [1, 10, 49] {
        assert_eq!(watched.cost(Batch::of((0..size).map(seen))).await, [WRITE]);
    }
    // 49 entries of one run need an item for its counter and no more: 1 + 2 x 49 + 1 = 100.
    let open = Batch::of([Sample::open("run_1")]);
    assert_eq!(watched.cost(open).await, [WRITE]);
    let in_run = (0..49).map(|n| seen(n).in_run("run_1"));
    assert_eq!(watched.cost(Batch::of(in_run)).await, [WRITE]);
    watched.recomputes(1 + 1 + 10 + 49 + 1 + 49).await;
}

#[tokio::test]
async fn a_stale_memory_costs_an_attempt_and_nothing_else() {
    let watched = Watched::stream("requests: stale").await;
    let direct = watched.cloud.clients().await;
    let others = watched.cloud.evidence(&direct);
    watched.cost(Batch::of([Sample::open("run_1")])).await;

    // Another process writes to the stream and to the run.
    let theirs = Batch::of([Sample::seen("theirs").in_run("run_1")]);
    watched.sample.append(&others, theirs).await;
    let ours = Batch::of([Sample::seen("ours").in_run("run_1")]);
    assert_eq!(watched.cost(ours).await, [WRITE, READ, READ, WRITE]);
    let more = || Batch::of([Sample::seen("more")]);
    assert_eq!(watched.cost(more()).await, [READ, WRITE], "not alone");
    assert_eq!(watched.cost(more()).await, [WRITE], "and warm again");

    // The sealer raises the floor.
    let seals = watched.cloud.seals(&direct);
    let floor = now().as_millis() + 5_000;
    let raised = seals.raise_floor(watched.sample.id(), floor).await;
    assert!(raised.unwrap().is_some());
    assert_eq!(watched.cost(more()).await, [WRITE, READ, WRITE]);
    watched.recomputes(7).await;
}

#[tokio::test]
async fn no_error_is_concluded_from_memory() {
    let watched = Watched::stream("requests: errors").await;
    let others = watched.cloud.evidence(&watched.cloud.clients().await);
    // Others open the run and redact an entry: what this process remembers would refuse both.
    let theirs = Batch::of([Sample::open("run_1"), Sample::seen_with("theirs", 10)]);
    let refs = watched.sample.append(&others, theirs).await;
    let entries = others.entries(watched.sample.id(), 2, 3).await.unwrap();
    let redact = Sample::redact(&refs[1], &entries[0]);
    assert_eq!(watched.cost(Batch::of([redact])).await, [READ, WRITE]);
    let in_run = Batch::of([Sample::seen("ours").in_run("run_1")]);
    watched.cost(in_run).await;
    watched.recomputes(5).await;
}

#[tokio::test]
async fn a_lost_answer_is_asked_again_with_its_token_and_a_lost_race_with_a_new_one() {
    let watched = Watched::stream("requests: tokens").await;
    let tokens = async |faults: &[Fault]| {
        let before = watched.proxy.log().len();
        watched.proxy.plan(WRITE, faults.iter().copied());
        let batch = Batch::of([Sample::seen("one")]);
        watched.sample.append(&watched.store, batch).await;
        let log = watched.proxy.log().split_off(before);
        let tokens: Vec<_> = log.into_iter().filter_map(|passed| passed.token).collect();
        let different: BTreeSet<_> = tokens.iter().cloned().collect();
        (tokens.len(), different.len())
    };
    assert_eq!(tokens(&[Fault::DropRequest; 2]).await, (3, 1));
    assert_eq!(tokens(&[Fault::THROTTLED; 2]).await, (3, 1));
    assert_eq!(tokens(&[Fault::CONFLICT; 2]).await, (3, 3));
    // In doubt, a conflict may be with our own first attempt.
    assert_eq!(tokens(&[Fault::DropRequest, Fault::CONFLICT]).await, (3, 1));
    assert_eq!(
        tokens(&[Fault::DropReply]).await,
        (1, 1),
        "it was found where it belongs"
    );
    watched.recomputes(6).await;
}
