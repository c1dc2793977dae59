//! Many writers and two sealers on one stream, some of them over a network that loses answers.

pub(crate) mod crowd;
pub(crate) mod seals;

use std::time::Duration;

use counterfoil_core::ports::{Batch, EvidenceRead};
use counterfoil_core::usecases::Sealing;
use counterfoil_testkit::contract::{Sample, recompute, sealed};
use counterfoil_testkit::http_faults::{Fault, FaultProxy};
use tokio::time::timeout;

use self::crowd::Size;
use super::cloud::Cloud;

const CROWD: Size = Size {
    writers: 64,
    appends: 10,
    unlucky: 8,
    in_run: 4,
    pause: Duration::from_millis(500),
    at_most: Duration::from_secs(20),
};

async fn make_one_chain(cloud: Cloud) {
    let outcome = crowd::play(&cloud, CROWD).await;
    println!("{outcome}");
    let through = outcome.acknowledged + outcome.unknown;
    assert!(
        through == CROWD.writers * CROWD.appends || outcome.time > CROWD.at_most,
        "everybody got through, or time was over: {outcome}"
    );
    assert!(outcome.acknowledged > CROWD.writers, "{outcome}");
    assert!(outcome.seals > 2 && outcome.reads > 2, "{outcome}");
    assert!(outcome.injured > 4, "{outcome}");
}

#[tokio::test]
async fn sixty_four_writers_and_two_sealers_make_one_chain() {
    make_one_chain(Cloud::new()).await;
}

#[tokio::test]
async fn sixty_four_writers_and_two_sealers_make_one_chain_in_a_second_dynamodb() {
    if let Some(cloud) = Cloud::with_second().await {
        make_one_chain(cloud).await;
    }
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
    let key = seals::sealer(&cloud, &direct).signer.key().await.unwrap();
    let sample = Sample::named("two sealers").sealed_by(key.hash());
    let sample = sample.begin(&store).await;
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
    assert!(sealed(&fast, stream, &links).await > 2);
}
