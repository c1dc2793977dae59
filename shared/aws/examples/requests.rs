//! How many requests to DynamoDB an entry costs, counted by a proxy that sees them all.
//!
//! ```text
//! cargo run -p counterfoil-aws --example requests
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement with a report"
)]

#[path = "../tests/suite/cloud.rs"]
#[expect(dead_code, reason = "nothing is sealed here")]
mod cloud;
#[path = "../tests/suite/second.rs"]
mod second;

use std::collections::BTreeMap;

use cloud::Cloud;
use counterfoil_core::ports::Batch;
use counterfoil_testkit::contract::{Sample, whole};
use counterfoil_testkit::http_faults::FaultProxy;

/// Transactions of each kind.
const ROUNDS: usize = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let cloud = Cloud::new();
    let proxy = FaultProxy::start(cloud.dynamodb()).await.unwrap();
    let clients = cloud.clients_through(&proxy).await;
    println!("entries/transaction  warm  entries  requests  requests/1000 entries");
    for group in [1, 10, 49] {
        for warm in [true, false] {
            let store = cloud.evidence(&clients);
            let name = format!("requests: {group}, warm {warm}");
            let sample = Sample::begun(&name, &store).await;
            let before = proxy.log().len();
            for round in 0..ROUNDS {
                // A store that is new knows no head, like a function after a cold start.
                let cold = cloud.evidence(&clients);
                let batch = (0..group).map(|n| Sample::seen(&format!("{round}/{n}")));
                let store = if warm { &store } else { &cold };
                sample.append(store, Batch::of(batch)).await;
            }
            let mut counts = BTreeMap::<String, usize>::new();
            for passed in proxy.log().split_off(before) {
                *counts.entry(passed.operation).or_default() += 1;
            }
            let (requests, entries) = (counts.values().sum::<usize>(), ROUNDS * group);
            let per_thousand = requests * 1_000 / entries;
            println!(
                "{group:19}  {warm:<5} {entries:7}  {requests:8}  {per_thousand:21}  {counts:?}"
            );
            assert_eq!(whole(&store, sample.id()).await.len(), entries + 1);
        }
    }
}
