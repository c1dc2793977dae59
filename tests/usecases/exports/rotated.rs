//! Exports of a stream whose seal key was replaced.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::evidence::verify::{Accepted, Package, PinnedKey, Trust, verify};
use counterfoil_core::export::ExportScope;
use counterfoil_core::ports::{Clock, SealSigner};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{RotateKey, Rotated};
use counterfoil_testkit::memory::MemSigner;

use super::desk::{Desk, SealNow, unpack};
use super::requests::some_run;

/// A desk whose stream was sealed by one key and is sealed by another one now.
async fn rotated() -> (Desk, Trust) {
    let mut desk = Desk::new().await;
    desk.export(ExportScope::All).await;
    desk.world.clock.advance(Duration::from_secs(1));
    let next = Arc::new(MemSigner::from_seed(9));
    let sealer = desk.world.sealer_with(&next);
    let rotate = RotateKey {
        sealer: sealer.clone(),
        evidence: desk.world.store.clone(),
        state: desk.world.store.clone(),
    };
    let stream = desk.world.stream();
    assert_eq!(rotate.rotate(stream).await.unwrap(), Rotated::HandedOver);
    desk.world.clock.advance(Duration::from_secs(1));
    // The workspace's stream is not handed over yet.
    desk.exports.retiring = Some(desk.exports.signer.clone());
    desk.exports.signer = next.clone();
    desk.exports.sealer = Arc::new(SealNow(sealer));
    let keys = [next.key().await.unwrap(), desk.world.seal_key().await];
    let trust = Trust::of(keys.map(PinnedKey::from).to_vec(), stream);
    (desk, trust)
}

#[tokio::test]
async fn a_stream_that_is_not_handed_over_yet_is_exported_under_its_old_key() {
    let mut desk = Desk::new().await;
    desk.exports.retiring = Some(desk.exports.signer.clone());
    desk.exports.signer = Arc::new(MemSigner::from_seed(9));
    let fetched = desk.export(ExportScope::All).await;
    let members = unpack(&fetched.bytes);
    let old = desk.world.seal_key().await;
    let key = format!("keys/{}.pem", old.hash());
    let trust = Trust::new(old, desk.world.stream());
    accepted(Package::Tar(&members["evidence.tar"]), &trust);
    let keys = members.keys().filter(|name| name.starts_with("keys/"));
    assert_eq!(keys.collect::<Vec<_>>(), [&key]);
}

fn accepted(package: Package<'_>, trust: &Trust) -> Accepted {
    verify(package, trust).result.unwrap()
}

#[tokio::test]
async fn both_keys_come_along_and_everything_verifies() {
    let (desk, trust) = Box::pin(rotated()).await;
    let fetched = desk.export(ExportScope::All).await;
    let members = unpack(&fetched.bytes);
    accepted(Package::Tar(&members["evidence.tar"]), &trust);
    let keys = members.keys().filter(|name| name.starts_with("keys/"));
    assert_eq!(keys.count(), 2);
}

#[tokio::test]
async fn a_period_and_a_run_carry_the_rotation_that_lies_outside() {
    let (desk, trust) = Box::pin(rotated()).await;
    let from = Timestamp::from_millis(1);
    let to = desk.world.clock.now();
    for (from, to) in [(from, to), (to, to.plus(Duration::from_secs(1)))] {
        desk.world.clock.advance(Duration::from_secs(2));
        let fetched = desk.export(ExportScope::Period { from, to }).await;
        let members = unpack(&fetched.bytes);
        accepted(Package::Tar(&members["evidence.tar"]), &trust);
    }
    let run_id = some_run(&desk).await;
    let fetched = desk.export(ExportScope::Run { run_id }).await;
    let text = String::from_utf8(fetched.bytes.clone()).unwrap();
    assert!(text.contains("\"kind\":\"key.rotate\""));
    accepted(Package::Document(&fetched.bytes), &trust);
}
