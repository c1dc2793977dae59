//! Wrapping data keys anew.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::ids::SecretId;
use counterfoil_core::ports::{Clock, DataKey, KeyWrapper, PortError, WrappedKeys};
use counterfoil_core::records::Records;
use counterfoil_core::redacted::Redacted;
use counterfoil_core::sealed::Purpose;
use counterfoil_core::usecases::{REWRAP_EVERY, Rewrap, RewrapSummary, Rewrapped, Vault};

use super::super::world::World;
use super::Failing;

const WITHIN: Duration = Duration::from_mins(1);
const OF_SCHEDULE: &[Purpose] = &[Purpose::Read, Purpose::Pseudonym];

fn rewrap(world: &World, vault: Vault) -> Rewrap {
    Rewrap {
        state: world.store.clone(),
        vault,
        clock: Arc::new(world.clock.clone()),
        purposes: OF_SCHEDULE,
        within: WITHIN,
    }
}

async fn run(world: &World) -> RewrapSummary {
    rewrap(world, world.vault.clone()).run().await.unwrap()
}

async fn progress(world: &World, purpose: Purpose) -> Option<Rewrapped> {
    let ctx = world.system();
    let records = Records::of(world.store.as_ref(), &ctx);
    let found = records.get::<Rewrapped>(purpose.name()).await.unwrap();
    found.map(|found| found.value)
}

async fn stored(world: &World, purpose: Purpose) -> Vec<Vec<u8>> {
    let project = &world.project;
    let owner = format!("{}#{}#{}", project.workspace, project.id, purpose.name());
    let mut all = Vec::new();
    for name in world.key_names(purpose).await {
        let key = world.vault.wrapped.get(&owner, &name).await.unwrap();
        all.push(key.unwrap());
    }
    all
}

/// Enough keys for several writes of the progress.
async fn many(world: &World, count: u32) {
    for number in 0..count {
        let id = SecretId::from_bits(u128::from(number) + 1_000);
        let place = world.place(id, Purpose::Read, 1);
        world.vault.seal(&place, b"value").await.unwrap();
    }
}

#[tokio::test]
async fn every_key_of_its_purposes_is_wrapped_anew_and_opens_the_same_values() {
    let world = World::new().await;
    let before = world.row(world.project.stripe_key.unwrap()).await;
    let of = async |purposes: &[Purpose]| {
        let mut all = Vec::new();
        for purpose in purposes {
            all.extend(stored(&world, *purpose).await);
        }
        all
    };
    let others = [Purpose::Repair, Purpose::Webhook];
    let (ours, theirs) = (of(OF_SCHEDULE).await, of(&others).await);
    let summary = run(&world).await;
    assert_eq!((summary.done, summary.gone, summary.more), (3, 0, false));
    assert!(summary.failed.is_empty());
    let after = of(OF_SCHEDULE).await;
    assert!(ours.iter().all(|old| !after.contains(old)), "all are new");
    assert_eq!(of(&others).await, theirs, "other purposes are untouched");
    assert_eq!(world.row(world.project.stripe_key.unwrap()).await, before);
    for (id, value) in [
        (world.project.stripe_key.unwrap(), "rk_live_x"),
        (world.project.read_database.unwrap(), "postgres://reader"),
    ] {
        assert_eq!(world.opened(id, Purpose::Read).await.unwrap(), value);
    }
    let read = progress(&world, Purpose::Read).await.unwrap();
    assert_eq!(
        (read.total, read.done, read.failed, read.gone),
        (2, 2, 0, 0)
    );
    assert!(read.finished_at.is_some());
    assert_eq!(progress(&world, Purpose::Repair).await, None);
}

#[tokio::test]
async fn a_pass_that_is_done_is_not_begun_again_before_it_is_due() {
    let world = World::new().await;
    assert_eq!(run(&world).await.done, 3);
    let keys = stored(&world, Purpose::Read).await;
    let almost = REWRAP_EVERY.checked_sub(Duration::from_millis(1));
    world.clock.advance(almost.unwrap());
    assert_eq!(run(&world).await.done, 0);
    assert_eq!(stored(&world, Purpose::Read).await, keys);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(run(&world).await.done, 3);
}

/// Killed after every possible number of writes: each time the next worker ends what is left, and
/// every value opens.
#[tokio::test]
async fn a_worker_that_dies_half_way_is_gone_on_from() {
    for writes in [0, 1, 19, 20, 21, 45, 51] {
        let world = World::new().await;
        many(&world, 50).await;
        let dying = rewrap(&world, Failing::vault(&world.vault, writes));
        let summary = dying.run().await.unwrap();
        assert_eq!(summary.done, u64::try_from(writes).unwrap());
        assert!(!summary.failed.is_empty());
        let before = progress(&world, Purpose::Read).await.unwrap();
        assert_eq!(before.finished_at, None);
        assert_eq!(before.done, u64::try_from(writes).unwrap());

        let summary = run(&world).await;
        assert!(summary.failed.is_empty(), "{:?}", summary.failed);
        let read = progress(&world, Purpose::Read).await.unwrap();
        assert_eq!((read.total, read.done, read.failed), (52, 52, 0));
        assert!(read.finished_at.is_some());
        let value = world
            .opened(world.project.stripe_key.unwrap(), Purpose::Read)
            .await;
        assert_eq!(value.unwrap(), "rk_live_x");
    }
}

/// A process that is killed leaves no progress behind: a key is wrapped once more.
#[tokio::test]
async fn progress_that_was_lost_costs_keys_that_are_wrapped_twice_and_nothing_else() {
    let world = World::new().await;
    many(&world, 50).await;
    world.store.appends_left(None);
    let ctx = world.system();
    let dying = rewrap(&world, Failing::vault(&world.vault, 30));
    dying.run().await.unwrap();
    let mut row = {
        let records = Records::of(world.store.as_ref(), &ctx);
        records.get::<Rewrapped>("read").await.unwrap().unwrap()
    };
    row.value.after = String::new();
    row.value.done = 0;
    let records = Records::of(world.store.as_ref(), &ctx);
    let write = records.replace(row.version, &row.value).unwrap();
    let state: &dyn counterfoil_core::ports::State = world.store.as_ref();
    assert!(state.write(vec![write]).await.unwrap());
    run(&world).await;
    let read = progress(&world, Purpose::Read).await.unwrap();
    assert_eq!((read.done, read.failed), (52, 0));
    let value = world
        .opened(world.project.stripe_key.unwrap(), Purpose::Read)
        .await;
    assert_eq!(value.unwrap(), "rk_live_x");
}

#[tokio::test]
async fn a_call_whose_time_is_over_says_that_there_is_more() {
    let world = World::new().await;
    let mut short = rewrap(&world, world.vault.clone());
    short.within = Duration::ZERO;
    let summary = short.run().await.unwrap();
    assert_eq!((summary.done, summary.more), (0, true));
    assert_eq!(run(&world).await.done, 3);
}

#[tokio::test]
async fn a_key_that_does_not_open_is_left_as_it_is_and_tried_again_with_the_next_call() {
    let world = World::new().await;
    let project = &world.project;
    let owner = format!("{}#{}#read", project.workspace, project.id);
    let id = SecretId::from_bits(1);
    let name = format!("{id}#1");
    let keys = &world.vault.wrapped;
    assert!(keys.put(&owner, &name, b"damaged").await.unwrap());
    assert!(keys.put(&owner, "what is this", b"x").await.unwrap());
    let summary = run(&world).await;
    assert_eq!((summary.done, summary.failed.len()), (3, 2));
    let read = progress(&world, Purpose::Read).await.unwrap();
    assert_eq!((read.total, read.done, read.failed), (4, 2, 2));
    let damaged = keys.get(&owner, &name).await.unwrap();
    assert_eq!(damaged, Some(b"damaged".to_vec()));
    keys.shred(&owner, &name).await.unwrap();
    keys.shred(&owner, "what is this").await.unwrap();
    assert!(run(&world).await.failed.is_empty());
    assert_eq!(progress(&world, Purpose::Read).await.unwrap().failed, 0);
}

/// Another worker, or whoever shreds, acts between reading a key and replacing it.
struct Meanwhile {
    keys: Arc<dyn KeyWrapper>,
    table: Arc<dyn WrappedKeys>,
    shreds: (String, String),
}

#[async_trait]
impl KeyWrapper for Meanwhile {
    async fn generate(
        &self,
        context: &std::collections::BTreeMap<String, String>,
    ) -> Result<DataKey, PortError> {
        self.keys.generate(context).await
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &std::collections::BTreeMap<String, String>,
    ) -> Result<Redacted<[u8; 32]>, PortError> {
        self.keys.unwrap(wrapped, context).await
    }

    async fn wrap(
        &self,
        plain: &Redacted<[u8; 32]>,
        context: &std::collections::BTreeMap<String, String>,
    ) -> Result<Vec<u8>, PortError> {
        self.table.shred(&self.shreds.0, &self.shreds.1).await?;
        self.keys.wrap(plain, context).await
    }
}

#[tokio::test]
async fn a_key_that_is_destroyed_meanwhile_does_not_come_back() {
    let world = World::new().await;
    let project = &world.project;
    let owner = format!("{}#{}#read", project.workspace, project.id);
    let name = format!("{}#1", project.stripe_key.unwrap());
    let vault = Vault {
        keys: Arc::new(Meanwhile {
            keys: world.vault.keys.clone(),
            table: world.vault.wrapped.clone(),
            shreds: (owner.clone(), name.clone()),
        }),
        ..world.vault.clone()
    };
    let summary = rewrap(&world, vault).run().await.unwrap();
    assert_eq!((summary.done, summary.gone), (2, 1));
    assert!(summary.failed.is_empty());
    let gone = world.vault.wrapped.get(&owner, &name).await.unwrap();
    assert_eq!(gone, None);
}

/// A key service that wraps something else must not cost a secret.
struct Garbling(Arc<dyn KeyWrapper>);

#[async_trait]
impl KeyWrapper for Garbling {
    async fn generate(
        &self,
        context: &std::collections::BTreeMap<String, String>,
    ) -> Result<DataKey, PortError> {
        self.0.generate(context).await
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &std::collections::BTreeMap<String, String>,
    ) -> Result<Redacted<[u8; 32]>, PortError> {
        self.0.unwrap(wrapped, context).await
    }

    async fn wrap(
        &self,
        _: &Redacted<[u8; 32]>,
        context: &std::collections::BTreeMap<String, String>,
    ) -> Result<Vec<u8>, PortError> {
        self.0.wrap(&Redacted::new([0; 32]), context).await
    }
}

#[tokio::test]
async fn what_does_not_open_again_never_takes_the_place_of_what_does() {
    let world = World::new().await;
    let vault = Vault {
        keys: Arc::new(Garbling(world.vault.keys.clone())),
        ..world.vault.clone()
    };
    let summary = rewrap(&world, vault).run().await.unwrap();
    assert_eq!((summary.done, summary.failed.len()), (0, 3));
    let value = world
        .opened(world.project.stripe_key.unwrap(), Purpose::Read)
        .await;
    assert_eq!(value.unwrap(), "rk_live_x");
    let now = world.clock.now();
    assert_eq!(
        progress(&world, Purpose::Read).await.unwrap().started_at,
        now
    );
}
