//! Replacing, retiring and revoking.

use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::ports::{AppendError, Clock};
use counterfoil_core::records::{Records, VersionError};
use counterfoil_core::sealed::Purpose;
use counterfoil_core::usecases::{Revoke, SecretError, Tidied, VaultError};

use super::super::world::World;
use super::{Failing, OVERLAP};

async fn replaced(world: &World, value: &str) {
    let (secrets, ctx) = (world.secrets(), world.system());
    let id = world.project.stripe_key.unwrap();
    let change = secrets
        .replaced(&ctx, id, "rk_live_…", value.as_bytes(), OVERLAP)
        .await
        .unwrap();
    secrets.commit(&ctx, &world.project, change).await.unwrap();
}

async fn at(world: &World, version: u64) -> Result<String, VaultError> {
    let ctx = world.system();
    let records = Records::of(world.store.as_ref(), &ctx);
    let id = world.project.stripe_key.unwrap();
    let when = (version, world.clock.now());
    let opened = world
        .vault
        .secret_at(&records, &ctx, id, Purpose::Read, when)
        .await?;
    Ok(String::from_utf8(opened.reveal().clone()).unwrap())
}

fn last_change(world: &World) -> (String, String, u64) {
    let facts = world.facts("secret.changed").pop().unwrap();
    let text = |name| facts.get(name).and_then(Json::as_str).unwrap().to_owned();
    let version = facts.get("version").and_then(Json::as_uint).unwrap();
    (text("change"), text("purpose"), version)
}

fn is_version(found: &Result<String, VaultError>, expected: VersionError) -> bool {
    matches!(found, Err(VaultError::Version(error)) if *error == expected)
}

#[tokio::test]
async fn a_replaced_secret_is_read_at_once_and_the_one_before_until_it_is_retired() {
    let world = World::new().await;
    let id = world.project.stripe_key.unwrap();
    replaced(&world, "rk_live_two").await;
    assert_eq!(last_change(&world), ("replaced".into(), "read".into(), 2));
    assert_eq!(
        world.opened(id, Purpose::Read).await.unwrap(),
        "rk_live_two"
    );
    assert_eq!(at(&world, 1).await.unwrap(), "rk_live_x");
    assert_eq!(at(&world, 2).await.unwrap(), "rk_live_two");
    let almost = OVERLAP.checked_sub(Duration::from_millis(1));
    world.clock.advance(almost.unwrap());
    assert_eq!(at(&world, 1).await.unwrap(), "rk_live_x");
    world.clock.advance(Duration::from_millis(1));
    let retired = at(&world, 1).await;
    assert!(
        is_version(&retired, VersionError::Retired(1)),
        "{retired:?}"
    );
    assert_eq!(world.key_names(Purpose::Read).await.len(), 3);

    let tidied = world.secrets().tidy().await.unwrap().remove(0).1.unwrap();
    assert_eq!(tidied.retired, 1);
    assert_eq!(last_change(&world), ("retired".into(), "read".into(), 1));
    assert_eq!(world.key_names(Purpose::Read).await.len(), 2, "shredded");
    let gone = at(&world, 1).await;
    assert!(is_version(&gone, VersionError::Unknown(1)), "{gone:?}");
    assert_eq!(
        world.opened(id, Purpose::Read).await.unwrap(),
        "rk_live_two"
    );
    let again = world.secrets().tidy().await.unwrap().remove(0).1.unwrap();
    assert_eq!(again, Tidied::default());
}

#[tokio::test]
async fn a_version_that_was_never_stored_is_an_error_and_no_other_version() {
    let world = World::new().await;
    for version in [0, 2, u64::MAX] {
        let found = at(&world, version).await;
        let unknown = VersionError::Unknown(version);
        assert!(is_version(&found, unknown), "{found:?}");
    }
}

#[tokio::test]
async fn a_revoked_secret_opens_in_no_copy_and_is_used_again_once_replaced() {
    let world = World::new().await;
    let (secrets, ctx) = (world.secrets(), world.system());
    let id = world.project.stripe_key.unwrap();
    replaced(&world, "rk_live_two").await;
    let before = world.row(id).await;
    let change = secrets.revoked(&ctx, id, Revoke::All).await.unwrap();
    secrets.commit(&ctx, &world.project, change).await.unwrap();
    assert_eq!(last_change(&world), ("revoked".into(), "read".into(), 2));
    let refused = world.opened(id, Purpose::Read).await;
    assert!(is_version(&refused, VersionError::Revoked), "{refused:?}");
    for version in &before.versions {
        let place = world.place(id, Purpose::Read, version.version);
        let copy = world.vault.open(&place, &version.sealed).await;
        assert!(matches!(copy, Err(VaultError::Shredded)), "{copy:?}");
    }
    let again = secrets.revoked(&ctx, id, Revoke::All).await;
    assert!(matches!(
        again,
        Err(SecretError::Version(VersionError::Revoked))
    ));
    replaced(&world, "rk_live_three").await;
    assert_eq!(last_change(&world).2, 3, "numbers are not used again");
    assert_eq!(
        world.opened(id, Purpose::Read).await.unwrap(),
        "rk_live_three"
    );
}

#[tokio::test]
async fn revoking_an_older_version_leaves_the_newer_one() {
    let world = World::new().await;
    let (secrets, ctx) = (world.secrets(), world.system());
    let id = world.project.stripe_key.unwrap();
    replaced(&world, "rk_live_two").await;
    let one = secrets.revoked(&ctx, id, Revoke::Version(1)).await.unwrap();
    secrets.commit(&ctx, &world.project, one).await.unwrap();
    let gone = at(&world, 1).await;
    assert!(is_version(&gone, VersionError::Unknown(1)), "{gone:?}");
    assert_eq!(
        world.opened(id, Purpose::Read).await.unwrap(),
        "rk_live_two"
    );
}

/// The data key of a failed attempt seals nothing; it takes a number, and the next attempt the next.
#[tokio::test]
async fn a_change_whose_transaction_fails_changes_nothing_and_the_next_one_succeeds() {
    let world = World::new().await;
    let (secrets, ctx) = (world.secrets(), world.system());
    let id = world.project.stripe_key.unwrap();
    let before = world.row(id).await;
    world.store.appends_left(Some(0));
    let lost = secrets
        .replaced(&ctx, id, "rk_live_…", b"rk_live_lost", OVERLAP)
        .await
        .unwrap();
    let failed = secrets.commit(&ctx, &world.project, lost).await;
    assert!(
        matches!(failed, Err(SecretError::Evidence(_))),
        "{failed:?}"
    );
    world.store.appends_left(None);
    assert_eq!(world.row(id).await, before);
    assert_eq!(world.opened(id, Purpose::Read).await.unwrap(), "rk_live_x");

    replaced(&world, "rk_live_three").await;
    assert_eq!(world.row(id).await.version, 3);
    assert_eq!(
        world.opened(id, Purpose::Read).await.unwrap(),
        "rk_live_three"
    );
    assert_eq!(world.key_names(Purpose::Read).await.len(), 4);
    let tidied = world.secrets().tidy().await.unwrap().remove(0).1.unwrap();
    assert_eq!((tidied.retired, tidied.shredded), (0, 1), "the orphan went");
    assert_eq!(at(&world, 1).await.unwrap(), "rk_live_x", "still readable");
}

#[tokio::test]
async fn of_two_changes_planned_on_the_same_row_one_wins_and_tidying_keeps_what_it_needs() {
    let world = World::new().await;
    let (secrets, ctx) = (world.secrets(), world.system());
    let id = world.project.stripe_key.unwrap();
    let plan = async |value: &'static [u8]| {
        secrets
            .replaced(&ctx, id, "rk_live_…", value, OVERLAP)
            .await
            .unwrap()
    };
    let (one, two) = (plan(b"rk_live_one").await, plan(b"rk_live_two").await);
    // Between data key and row: what is under way stays.
    world.secrets().tidy().await.unwrap();
    secrets.commit(&ctx, &world.project, two).await.unwrap();
    let lost = secrets.commit(&ctx, &world.project, one).await;
    assert!(
        matches!(
            lost,
            Err(SecretError::Evidence(AppendError::StateChanged { .. }))
        ),
        "{lost:?}"
    );
    world.secrets().tidy().await.unwrap();
    assert_eq!(
        world.opened(id, Purpose::Read).await.unwrap(),
        "rk_live_two"
    );
    assert_eq!(at(&world, 1).await.unwrap(), "rk_live_x");
}

/// The record is durable, the shredding is not: the duty goes on.
#[tokio::test]
async fn data_keys_that_a_crash_left_after_the_record_are_destroyed_by_the_duty() {
    let world = World::new().await;
    let ctx = world.system();
    let id = world.project.stripe_key.unwrap();
    let sealed = world.row(id).await.versions.remove(0).sealed;
    let mut dying = world.secrets();
    dying.vault = Failing::vault(&world.vault, 0);
    let change = dying.revoked(&ctx, id, Revoke::All).await.unwrap();
    let left = dying.commit(&ctx, &world.project, change).await;
    assert!(matches!(left, Err(SecretError::Vault(_))), "{left:?}");
    assert_eq!(world.count("secret.changed"), 6);
    let place = world.place(id, Purpose::Read, 1);
    world.vault.open(&place, &sealed).await.unwrap();
    let tidied = world.secrets().tidy().await.unwrap().remove(0).1.unwrap();
    assert_eq!((tidied.retired, tidied.shredded), (0, 1));
    let gone = world.vault.open(&place, &sealed).await;
    assert!(matches!(gone, Err(VaultError::Shredded)), "{gone:?}");
    assert_eq!(world.count("secret.changed"), 6, "recorded once");
}

#[tokio::test]
async fn a_data_key_without_a_row_is_destroyed_only_when_nobody_can_be_storing_the_row() {
    let world = World::new().await;
    let (secrets, ctx) = (world.secrets(), world.system());
    let planned = secrets
        .created(&ctx, Purpose::Webhook, "whsec_…", b"whsec_new")
        .await
        .unwrap();
    let shredded = async || {
        let tidied = world.secrets().tidy().await.unwrap().remove(0).1;
        tidied.unwrap().shredded
    };
    assert_eq!(shredded().await, 0);
    world.clock.advance(Duration::from_hours(24));
    assert_eq!(shredded().await, 1);
    assert!(planned.drafts.len() == 1 && planned.spent.is_empty());
}

#[tokio::test]
async fn the_key_of_the_pseudonyms_is_never_replaced() {
    let world = World::new().await;
    let (secrets, ctx) = (world.secrets(), world.system());
    let refused = secrets
        .replaced(&ctx, world.project.pseudonym_key, "", &[7; 32], OVERLAP)
        .await;
    assert!(matches!(refused, Err(SecretError::NeverReplaced)));
}
