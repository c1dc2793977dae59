//! What waits for a person, when much does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use counterfoil_core::ports::{PortError, State, StateKey, StateWrite, Stored};
use counterfoil_core::records::{OverrideUse, Versioned};
use counterfoil_core::repair::Action;
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{ActionError, Page, PageOf, ReadActions, RepairPorts};
use counterfoil_testkit::memory::MemStore;

use super::world::World;

const ONE: PageOf<'static> = PageOf {
    cursor: None,
    limit: 100,
};

/// Counts reads that are on their way at the same moment.
struct Crowded {
    inner: Arc<MemStore>,
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

#[async_trait]
impl State for Crowded {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.all.fetch_add(1, Ordering::SeqCst);
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

/// Of 500 that wait, only those of the page are read: one after the other, all would take longer than an
/// answer may.
#[tokio::test]
async fn what_waits_comes_in_pages_and_a_page_is_read_side_by_side_and_not_all_at_once() {
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
        all: AtomicUsize::new(0),
    });
    let read = ReadActions {
        ports: RepairPorts {
            state: state.clone(),
            ..world.ports()
        },
    };
    let mut listed = Vec::new();
    let mut next: Option<String> = None;
    let mut sizes = Vec::new();
    loop {
        let (cursor, limit) = (next.as_deref(), 18);
        let before = state.all.load(Ordering::SeqCst);
        let page = read.waiting(&world.ben, PageOf { cursor, limit }).await;
        let Page { items, next_cursor } = page.unwrap();
        // Each is looked for among repairs and among actions of runs. Besides: the key of cursors.
        let reads = state.all.load(Ordering::SeqCst) - before;
        assert!(reads <= 2 * items.len() + 2, "{reads} for {}", items.len());
        sizes.push(items.len());
        let values = items.iter().map(|it| &it.value);
        listed.extend(values.map(|it| (it.binding.expires_at, it.id)));
        next = next_cursor;
        if next.is_none() {
            break;
        }
        // It is of this list, and of no other.
        let (cursor, limit) = (next.as_deref(), 18);
        let other = read.unreviewed(&world.ben, PageOf { cursor, limit }).await;
        assert!(matches!(other, Err(ActionError::Invalid(_))), "{other:?}");
    }
    assert_eq!(sizes, [18, 18, 4]);
    assert_eq!(listed, proposed);
    let most = state.most.load(Ordering::SeqCst);
    assert!((8..=16).contains(&most), "{most} at once");
}

impl World {
    /// What waits for somebody, where that is one page.
    pub(crate) async fn inbox(&self, ctx: &TenantCtx) -> Vec<Versioned<Action>> {
        let ports = self.ports();
        let page = ReadActions { ports }.waiting(ctx, ONE).await.unwrap();
        assert_eq!(page.next_cursor, None);
        page.items
    }

    /// Uses of break-glass that wait for a review, where that is one page.
    pub(crate) async fn unreviewed(&self) -> Vec<(OverrideUse, Versioned<Action>)> {
        let read = ReadActions {
            ports: self.ports(),
        };
        let page = read.unreviewed(&self.read_key, ONE).await.unwrap();
        assert_eq!(page.next_cursor, None);
        page.items
    }
}
