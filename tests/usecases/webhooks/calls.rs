//! How many AWS calls a delivery costs, counted at the ports: each of their methods that is used
//! here is one request of its adapter when nothing fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::ports::{
    CheckRequest, Checks, DataKey, KeyWrapper, PortError, State, StateKey, StateWrite, Stored,
    WrappedKey, WrappedKeys,
};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::usecases::{ReceiveWebhook, Received, Vault};

use super::super::world::{WEBHOOK_SECRET, World};
use super::{EVENT, send};

type Context = BTreeMap<String, String>;

struct Counted<T: ?Sized> {
    of: Arc<T>,
    calls: Arc<AtomicUsize>,
}

impl<T: ?Sized> Counted<T> {
    fn call(&self) -> &T {
        self.calls.fetch_add(1, Ordering::SeqCst);
        &self.of
    }
}

#[async_trait]
impl State for Counted<dyn State> {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        self.call().get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.call().list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        self.call().write(writes).await
    }
}

#[async_trait]
impl Checks for Counted<dyn Checks> {
    async fn send(&self, request: &CheckRequest, delay: Duration) -> Result<(), PortError> {
        self.call().send(request, delay).await
    }
}

#[async_trait]
impl KeyWrapper for Counted<dyn KeyWrapper> {
    async fn generate(&self, context: &Context) -> Result<DataKey, PortError> {
        self.call().generate(context).await
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &Context,
    ) -> Result<Redacted<[u8; 32]>, PortError> {
        self.call().unwrap(wrapped, context).await
    }

    async fn wrap(
        &self,
        plain: &Redacted<[u8; 32]>,
        context: &Context,
    ) -> Result<Vec<u8>, PortError> {
        self.call().wrap(plain, context).await
    }
}

#[async_trait]
impl WrappedKeys for Counted<dyn WrappedKeys> {
    async fn put(&self, owner: &str, name: &str, wrapped: &[u8]) -> Result<bool, PortError> {
        self.call().put(owner, name, wrapped).await
    }

    async fn get(&self, owner: &str, name: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.call().get(owner, name).await
    }

    async fn replace(
        &self,
        owner: &str,
        name: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, PortError> {
        self.call().replace(owner, name, old, new).await
    }

    async fn list(&self, owner: &str, after: &str) -> Result<Vec<WrappedKey>, PortError> {
        self.call().list(owner, after).await
    }

    async fn shred(&self, owner: &str, name: &str) -> Result<(), PortError> {
        self.call().shred(owner, name).await
    }
}

fn counted<T: ?Sized>(of: Arc<T>, calls: &Arc<AtomicUsize>) -> Arc<Counted<T>> {
    let calls = calls.clone();
    Arc::new(Counted { of, calls })
}

struct Bench {
    world: World,
    receive: ReceiveWebhook,
    calls: Arc<AtomicUsize>,
}

impl Bench {
    async fn new() -> Self {
        let world = World::new().await;
        let calls = Arc::new(AtomicUsize::new(0));
        let plain = world.webhook();
        let receive = ReceiveWebhook {
            state: counted(plain.state.clone(), &calls),
            checks: counted(plain.checks.clone(), &calls),
            vault: Vault {
                keys: counted(plain.vault.keys.clone(), &calls),
                wrapped: counted(plain.vault.wrapped.clone(), &calls),
                random: plain.vault.random.clone(),
            },
            ..plain
        };
        Self {
            world,
            receive,
            calls,
        }
    }

    /// The calls that one delivery cost, and what became of it.
    async fn cost(&self, secret: &str, body: &str) -> (usize, Option<Received>) {
        self.calls.store(0, Ordering::SeqCst);
        let received = send(&self.world, &self.receive, secret, body).await;
        (self.calls.load(Ordering::SeqCst), received.ok())
    }
}

fn event(id: &str, kind: &str) -> String {
    EVENT
        .replace("evt_1", id)
        .replace("customer.subscription.updated", kind)
}

#[tokio::test]
async fn a_warm_delivery_costs_three_calls_at_most_whatever_it_is() {
    let bench = Bench::new().await;
    let (cold, _) = bench.cost(WEBHOOK_SECRET, EVENT).await;
    assert_eq!(cold, 7);
    let queued = Some(Received::Queued);
    let noted = Some(Received::Noted);
    for (kind, most, received) in [
        ("customer.subscription.deleted", 3, queued.clone()),
        ("invoice.paid", 3, queued.clone()),
        ("price.updated", 2, noted.clone()),
        ("account.application.deauthorized", 3, queued),
        ("charge.refunded", 0, noted.clone()),
        ("made.up", 0, noted),
    ] {
        let body = event(&format!("evt_{kind}"), kind);
        let cost = bench.cost(WEBHOOK_SECRET, &body).await;
        assert_eq!(cost, (most, received), "{kind}");
    }
    let duplicate = bench.cost(WEBHOOK_SECRET, EVENT).await;
    assert_eq!(duplicate, (1, Some(Received::Duplicate)));
}

#[tokio::test]
async fn who_sends_rubbish_does_not_make_the_product_work() {
    let bench = Bench::new().await;
    bench.cost(WEBHOOK_SECRET, EVENT).await;
    let mut calls = 0;
    for _ in 0..1_000 {
        bench.world.clock.advance(Duration::from_millis(10));
        let (cost, received) = bench.cost("whsec_made_up", EVENT).await;
        assert_eq!(received, None);
        calls += cost;
    }
    // In ten seconds: the secrets once more, and no write.
    assert_eq!(calls, 4);
    bench.world.clock.advance(Duration::from_mins(1));
    let (cost, _) = bench.cost("whsec_made_up", EVENT).await;
    // The project is looked up again, and its counts are written.
    assert_eq!(cost, 5);
}
