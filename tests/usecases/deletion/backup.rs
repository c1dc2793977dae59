//! A copy of every table and bucket, taken before: what it is worth after.
//!
//! The table of data keys has no backup (template.yaml), so a restored copy is read with the keys that
//! are left.

use std::sync::Arc;

use counterfoil_core::ports::{Objects, State, StateWrite};
use counterfoil_core::records::{Directory, Project, Records, Secret};
use counterfoil_core::run::Run;
use counterfoil_core::usecases::{VaultError, open_snapshot};
use counterfoil_testkit::memory::{MemObjects, MemStore};

use super::bench::Bench;

/// A restored backup.
struct Copy {
    store: Arc<MemStore>,
    objects: Arc<MemObjects>,
}

impl Copy {
    async fn of(bench: &Bench) -> Self {
        let world = &bench.shop.world;
        let store = Arc::new(MemStore::new(world.clock.clone()));
        for partition in world.store.partitions() {
            for row in world.store.list(&partition, "").await.unwrap() {
                let write = StateWrite::create(row.key, row.doc);
                assert!(store.write(vec![write]).await.unwrap());
            }
        }
        let objects = Arc::new(MemObjects::default());
        for key in world.objects.all_keys() {
            let bytes = world.objects.get(&key).await.unwrap().unwrap();
            objects.put(&key, bytes, "copy").await.unwrap();
        }
        Self { store, objects }
    }

    /// How many sealed secrets and snapshots of a project open, of how many.
    async fn opens(&self, bench: &Bench, project: &Project) -> (usize, usize) {
        let vault = &bench.shop.world.vault;
        let ctx = Directory::system(project, "thief");
        let records = Records::of(self.store.as_ref(), &ctx);
        let (mut opened, mut all) = (0, 0);
        for secret in records.list::<Secret>().await.unwrap() {
            let (id, purpose) = (secret.value.id, secret.value.purpose);
            all += 1;
            match vault.secret_bytes(&records, &ctx, id, purpose).await {
                Ok(_) => opened += 1,
                Err(error) => assert!(matches!(error, VaultError::Shredded), "{error:?}"),
            }
        }
        for run in records.list::<Run>().await.unwrap() {
            for snapshot in &run.value.looks {
                all += 1;
                let objects = self.objects.as_ref();
                let file = open_snapshot(vault, objects, &ctx, snapshot).await.unwrap();
                opened += usize::from(file.is_some());
            }
        }
        (opened, all)
    }
}

#[tokio::test]
async fn nothing_sealed_in_a_backup_opens_after_its_project_is_deleted() {
    let bench = Bench::full().await;
    let project = &bench.shop.world.project;
    let copy = Copy::of(&bench).await;
    let (opened, all) = copy.opens(&bench, project).await;
    assert!(all > 5, "secrets and snapshots: {all}");
    assert_eq!(opened, all, "before, all of it opens");
    bench.due().await;
    bench.carry_out().await;
    assert_eq!(copy.opens(&bench, project).await, (0, all));
    for other in [&bench.sibling, &bench.foreign.1] {
        let (opened, all) = copy.opens(&bench, other).await;
        assert!(all > 0);
        assert_eq!(opened, all, "of another project all of it opens");
    }
    bench.stream_verifies(&project.stream).await;
}

#[tokio::test]
async fn nothing_sealed_in_a_backup_opens_after_its_workspace_is_deleted() {
    let bench = Bench::full().await;
    let copy = Copy::of(&bench).await;
    bench.all_due().await;
    bench.carry_out().await;
    for project in [&bench.shop.world.project, &bench.sibling] {
        let (opened, all) = copy.opens(&bench, project).await;
        assert!(all > 0);
        assert_eq!(opened, 0);
    }
    let (opened, all) = copy.opens(&bench, &bench.foreign.1).await;
    assert_eq!(opened, all);
}
