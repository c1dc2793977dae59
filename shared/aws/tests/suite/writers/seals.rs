//! Sealers at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use counterfoil_aws::Clients;
use counterfoil_aws::kms::KmsSigner;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::Clock;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{SEGMENT, SealError, SealStream};

use crate::cloud::{Cloud, now};

struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        now()
    }
}

pub(crate) fn sealer(cloud: &Cloud, clients: &Clients) -> SealStream {
    let key = cloud.setting("SEAL_KEY_ID");
    SealStream {
        evidence: Arc::new(cloud.evidence(clients)),
        seals: Arc::new(cloud.seals(clients)),
        signer: Arc::new(KmsSigner::new(clients.kms.clone(), key)),
        retiring: None,
        archive: Arc::new(cloud.archive(clients)),
        clock: Arc::new(MachineClock),
        origin_prefix: cloud.setting("SEAL_ORIGIN_PREFIX"),
        budget: Duration::from_mins(1),
        segment: SEGMENT,
    }
}

/// Seals again and again, with a pause in between. A sealer may lose to the other one or to the
/// network; everything else would be a false alarm.
pub(crate) async fn seal_until(
    sealer: SealStream,
    stream: Hash,
    done: &AtomicBool,
    pause: Duration,
) {
    while !done.load(Ordering::SeqCst) {
        match sealer.seal(stream).await {
            Ok(_) | Err(SealError::Busy | SealError::Port(_)) => {}
            Err(alarm) => panic!("{alarm:?}"),
        }
        tokio::time::sleep(pause).await;
    }
}
