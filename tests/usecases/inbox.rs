//! What waits for a person, when much does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use counterfoil_core::ports::{PortError, State, StateKey, StateWrite, Stored};
use counterfoil_core::usecases::{ReadActions, RepairPorts};
use counterfoil_testkit::memory::MemStore;

use super::world::World;

/// Counts reads that are on their way at the same moment.
struct Crowded {
    inner: Arc<MemStore>,
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl State for Crowded {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let found = self.inner.get(key).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        found
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.inner.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        self.inner.write(writes).await
    }
}

/// 500 actions may wait: read one after the other, they take longer than an answer may.
#[tokio::test]
async fn what_waits_is_read_side_by_side_and_not_all_at_once() {
    let world = World::new().await;
    world.register().await;
    let run = world.open_run().await;
    let mut proposed = Vec::new();
    for n in 0..40 {
        let target = format!("invoice-{n}");
        let held = world.act(&run, "refund.create", &target).await.value;
        proposed.push((held.binding.expires_at, held.id));
    }
    proposed.sort_unstable();
    let state = Arc::new(Crowded {
        inner: world.store.clone(),
        now: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
    });
    let read = ReadActions {
        ports: RepairPorts {
            state: state.clone(),
            ..world.ports()
        },
    };
    let waiting = read.waiting(&world.ben).await.unwrap();
    let listed = waiting.iter().map(|it| &it.value);
    let listed: Vec<_> = listed.map(|it| (it.binding.expires_at, it.id)).collect();
    assert_eq!(listed, proposed);
    let most = state.most.load(Ordering::SeqCst);
    assert!((8..=16).contains(&most), "{most} at once");
}
