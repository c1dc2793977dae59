//! A sealed value opens where it was sealed and nowhere else; a backup of it opens nowhere once the
//! data keys are gone.

use std::collections::BTreeMap;

use counterfoil_core::ids::{ProjectId, SecretId, WorkspaceId};
use counterfoil_core::records::{Records, Secret};
use counterfoil_core::sealed::{Purpose, SealContext};
use counterfoil_core::usecases::VaultError;

use super::super::world::World;

/// Every other place that a copied item may be given.
fn elsewhere(here: &SealContext) -> Vec<SealContext> {
    let mut places = vec![
        SealContext {
            workspace: WorkspaceId::from_bits(9),
            ..here.clone()
        },
        SealContext {
            project: ProjectId::from_bits(9),
            ..here.clone()
        },
        SealContext {
            secret: SecretId::from_bits(9),
            ..here.clone()
        },
        SealContext {
            version: here.version + 1,
            ..here.clone()
        },
    ];
    let other = Purpose::ALL.into_iter().filter(|it| *it != here.purpose);
    places.extend(other.map(|purpose| SealContext {
        purpose,
        ..here.clone()
    }));
    places
}

fn key_of(place: &SealContext) -> (String, String) {
    let (workspace, project) = (place.workspace, place.project);
    let owner = format!("{workspace}#{project}#{}", place.purpose.name());
    (owner, format!("{}#{}", place.secret, place.version))
}

/// With and without its wrapped data key, and with the key of the place that it is moved to.
#[tokio::test]
async fn a_sealed_value_that_is_moved_does_not_open_whatever_is_moved_with_it() {
    let world = World::new().await;
    let here = world.place(world.project.stripe_key.unwrap(), Purpose::Read, 1);
    let sealed = world.row(here.secret).await.versions.remove(0).sealed;
    world.vault.open(&here, &sealed).await.unwrap();
    let (owner, name) = key_of(&here);
    let wrapped = world.vault.wrapped.get(&owner, &name).await.unwrap();
    let wrapped = wrapped.unwrap();
    for place in elsewhere(&here) {
        let alone = world.vault.open(&place, &sealed).await;
        assert!(matches!(alone, Err(VaultError::Shredded)), "{alone:?}");
        let (owner, name) = key_of(&place);
        let keys = &world.vault.wrapped;
        assert!(keys.put(&owner, &name, &wrapped).await.unwrap());
        let with_key = world.vault.open(&place, &sealed).await;
        assert!(matches!(with_key, Err(VaultError::Port(_))), "{with_key:?}");
        keys.shred(&owner, &name).await.unwrap();
        world.vault.seal(&place, b"something else").await.unwrap();
        let with_theirs = world.vault.open(&place, &sealed).await;
        assert!(
            matches!(with_theirs, Err(VaultError::Sealed(_))),
            "{with_theirs:?}"
        );
    }
}

/// Everything sealed of a project, copied before it is deleted.
async fn backup(world: &World) -> BTreeMap<SecretId, Secret> {
    let ctx = world.system();
    let records = Records::of(world.store.as_ref(), &ctx);
    let rows = records.list::<Secret>().await.unwrap().into_iter();
    rows.map(|row| (row.value.id, row.value)).collect()
}

#[tokio::test]
async fn a_backup_of_a_projects_secrets_opens_nowhere_once_its_data_keys_are_destroyed() {
    let world = World::new().await;
    let other = world.another_project().await;
    let backup = backup(&world).await;
    assert_eq!(backup.len(), 5);
    let kept = SealContext {
        project: other.project(),
        ..world.place(SecretId::from_bits(5), Purpose::Snapshot, 1)
    };
    let kept_value = world.vault.seal(&kept, b"kept").await.unwrap();
    let run = world.place(SecretId::from_bits(6), Purpose::Snapshot, 1);
    let snapshot = world.vault.seal(&run, b"a run's inputs").await.unwrap();

    let gone = world.vault.shred_project(&world.system()).await.unwrap();
    assert_eq!(gone, 6);
    let mut tried = 0;
    for secret in backup.values() {
        for version in &secret.versions {
            let place = world.place(secret.id, secret.purpose, version.version);
            let opened = world.vault.open(&place, &version.sealed).await;
            assert!(matches!(opened, Err(VaultError::Shredded)), "{opened:?}");
            tried += 1;
        }
    }
    assert_eq!(tried, 5);
    let opened = world.vault.open(&run, &snapshot).await;
    assert!(matches!(opened, Err(VaultError::Shredded)), "{opened:?}");
    world.vault.open(&kept, &kept_value).await.unwrap();
    assert_eq!(world.vault.shred_project(&world.system()).await.unwrap(), 0);

    assert_eq!(world.vault.shred_project(&other).await.unwrap(), 6);
    let opened = world.vault.open(&kept, &kept_value).await;
    assert!(matches!(opened, Err(VaultError::Shredded)), "{opened:?}");
}

/// A wrong key service alone would not help: the place is authenticated by the cipher as well.
#[tokio::test]
async fn a_value_cut_short_at_any_length_does_not_open() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let world = World::new().await;
    let here = world.place(world.project.stripe_key.unwrap(), Purpose::Read, 1);
    let sealed = world.row(here.secret).await.versions.remove(0).sealed;
    let whole = STANDARD.decode(&sealed.ciphertext).unwrap();
    for length in 0..whole.len() {
        let mut cut = sealed.clone();
        cut.ciphertext = STANDARD.encode(&whole[..length]);
        let opened = world.vault.open(&here, &cut).await;
        assert!(matches!(opened, Err(VaultError::Sealed(_))), "{opened:?}");
    }
    world.vault.open(&here, &sealed).await.unwrap();
}
