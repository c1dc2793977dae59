//! A data key seals one value, so no nonce can be used twice under one key; and nonces alone are
//! unique over a million seals.

use std::collections::BTreeSet;

use counterfoil_core::ids::{ProjectId, SecretId, WorkspaceId};
use counterfoil_core::ports::Random;
use counterfoil_core::redacted::Redacted;
use counterfoil_core::sealed::{Purpose, SealContext, Sealed};
use counterfoil_core::usecases::VaultError;
use counterfoil_lambda::system::OsRandom;

use super::super::world::World;

const SEALS: u64 = 1_000_000;

/// As the vault seals, with the random source of the operating system that the functions use.
#[test]
fn no_two_of_a_million_seals_have_the_same_nonce() {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = u64::try_from(workers).unwrap();
    let sealing = (0..workers).map(|_| std::thread::spawn(move || some(SEALS.div_ceil(workers))));
    let mut all = Vec::new();
    for sealed in sealing.collect::<Vec<_>>() {
        all.extend(sealed.join().unwrap());
    }
    let count = all.len();
    assert!(u64::try_from(count).unwrap() >= SEALS);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

fn some(count: u64) -> Vec<String> {
    let place = SealContext {
        workspace: WorkspaceId::from_bits(1),
        project: ProjectId::from_bits(1),
        purpose: Purpose::Read,
        secret: SecretId::from_bits(1),
        version: 1,
    };
    let key = Redacted::new(OsRandom.bytes32());
    let seal = |_| Sealed::fresh(&place, &key, &OsRandom, b"x").unwrap().nonce;
    (0..count).map(seal).collect()
}

/// The name of a data key is that of one version of one secret, and it is taken once.
#[tokio::test]
async fn a_data_key_seals_one_value() {
    let world = World::new().await;
    let place = world.place(SecretId::from_bits(3), Purpose::Read, 1);
    let first = world.vault.seal(&place, b"one").await.unwrap();
    for _ in 0..3 {
        let again = world.vault.seal(&place, b"two").await;
        assert!(matches!(again, Err(VaultError::Taken)), "{again:?}");
    }
    let opened = world.vault.open(&place, &first).await.unwrap();
    assert_eq!(opened.reveal(), b"one");
    let (version, _) = world.vault.seal_above(&place, 0, b"two").await.unwrap();
    assert_eq!(version, 2, "the next one under the next key");
    let names = world.key_names(Purpose::Read).await;
    let unique: BTreeSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
}
