//! Many writers on one stream, as in the tests but with as many as you like, against both emulators.
//!
//! ```text
//! cargo run -p counterfoil-aws --example writers            # 64 writers, 100 entries each
//! cargo run -p counterfoil-aws --example writers -- 16 20   # 16 writers, 20 entries each
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test with a report: what is not as it should be ends it"
)]

#[path = "../tests/suite/cloud.rs"]
mod cloud;
#[path = "../tests/suite/writers/crowd.rs"]
mod crowd;
#[path = "../tests/suite/writers/seals.rs"]
mod seals;
#[path = "../tests/suite/second.rs"]
mod second;

use std::time::Duration;

use cloud::Cloud;
use crowd::{Outcome, Size};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse().unwrap());
    let writers = numbers.next().unwrap_or(64);
    let appends = numbers.next().unwrap_or(100);
    let size = Size {
        writers,
        appends,
        unlucky: writers / 4,
        in_run: writers / 8,
        pause: Duration::from_millis(500),
        at_most: Duration::MAX,
    };
    println!("{writers} writers, {appends} entries each, two sealers, one reader");
    report("ministack", size, &crowd::play(&Cloud::new(), size).await);
    if let Some(cloud) = Cloud::with_second().await {
        report("dynoxide", size, &crowd::play(&cloud, size).await);
    }
}

/// Every check of [`crowd::play`] held, or the program would not have come here.
fn report(server: &str, size: Size, outcome: &Outcome) {
    let through = outcome.acknowledged + outcome.unknown;
    let given_up = size.writers * size.appends - through;
    println!("{server}: {outcome}, {given_up} given up as busy for good");
    println!("  one dense chain, nothing lost, in real-time order, every seal agrees");
}
