//! Every durable step of an erasure, failed or failed but happened, and the same request again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::erasure::ErasureState;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::{
    AppendError, Batch, EntryRef, EvidenceAppend, KeyWrapper, Objects, PortError, PortErrorKind,
    State, StateKey, StateWrite, Stored, WrappedKey, WrappedKeys,
};
use counterfoil_core::repair::{ActionState, VoteKind};
use counterfoil_core::usecases::{Erase, EraseRequest, Vault};

use super::bench::{Bench, CANARY, request};

/// Lets `left` durable steps through, then one fails, before or after it has happened.
pub(crate) struct Plan {
    left: AtomicU32,
    happens: bool,
}

impl Plan {
    pub(crate) fn new(steps: u32, happens: bool) -> Arc<Self> {
        let left = AtomicU32::new(steps);
        Arc::new(Self { left, happens })
    }

    /// Whether the step that was to fail came.
    pub(crate) fn struck(&self) -> bool {
        self.left.load(Ordering::SeqCst) > 1_000
    }

    fn fails(&self) -> bool {
        let before = self.left.load(Ordering::SeqCst);
        self.left.store(before.wrapping_sub(1), Ordering::SeqCst);
        before == 0
    }

    fn error(&self) -> PortError {
        let kind = if self.happens {
            PortErrorKind::OutcomeUnknown
        } else {
            PortErrorKind::Unavailable
        };
        PortError::new(kind, "a planned failure")
    }

    /// Does a step, or not.
    async fn step<T>(
        &self,
        step: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        if !self.fails() {
            return step.await;
        }
        if self.happens {
            drop(step.await);
        }
        Err(self.error())
    }
}

pub(crate) struct Faulty<T: ?Sized> {
    inner: Arc<T>,
    plan: Arc<Plan>,
}

#[async_trait]
impl EvidenceAppend for Faulty<dyn EvidenceAppend> {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        if !self.plan.fails() {
            return self.inner.append(stream, batch).await;
        }
        if self.plan.happens {
            drop(self.inner.append(stream, batch).await);
            return Err(AppendError::OutcomeUnknown(self.plan.error()));
        }
        Err(AppendError::Unavailable(self.plan.error()))
    }
}

#[async_trait]
impl State for Faulty<dyn State> {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        self.inner.get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.inner.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        self.plan.step(self.inner.write(writes)).await
    }
}

#[async_trait]
impl Objects for Faulty<dyn Objects> {
    async fn put(&self, key: &str, bytes: Vec<u8>, kind: &str) -> Result<(), PortError> {
        self.plan.step(self.inner.put(key, bytes, kind)).await
    }

    async fn put_stream(
        &self,
        key: &str,
        content: &mut (dyn std::io::Read + Send),
        bytes: u64,
        kind: &str,
    ) -> Result<(), PortError> {
        self.inner.put_stream(key, content, bytes, kind).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.inner.get(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        self.plan.step(self.inner.delete(key)).await
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, PortError> {
        self.inner.keys(prefix).await
    }

    async fn link(&self, key: &str, name: &str, valid: Duration) -> Result<String, PortError> {
        self.inner.link(key, name, valid).await
    }
}

#[async_trait]
impl WrappedKeys for Faulty<dyn WrappedKeys> {
    async fn put(&self, owner: &str, name: &str, wrapped: &[u8]) -> Result<bool, PortError> {
        self.plan.step(self.inner.put(owner, name, wrapped)).await
    }

    async fn get(&self, owner: &str, name: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.inner.get(owner, name).await
    }

    async fn replace(
        &self,
        owner: &str,
        name: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, PortError> {
        let replaced = self.inner.replace(owner, name, old, new);
        self.plan.step(replaced).await
    }

    async fn list(&self, owner: &str, after: &str) -> Result<Vec<WrappedKey>, PortError> {
        self.inner.list(owner, after).await
    }

    async fn shred(&self, owner: &str, name: &str) -> Result<(), PortError> {
        self.plan.step(self.inner.shred(owner, name)).await
    }
}

pub(crate) fn faulty<T: ?Sized>(inner: Arc<T>, plan: &Arc<Plan>) -> Arc<Faulty<T>> {
    Arc::new(Faulty {
        inner,
        plan: plan.clone(),
    })
}

fn with(erase: Erase, plan: &Arc<Plan>) -> Erase {
    let keys: Arc<dyn KeyWrapper> = erase.vault.keys.clone();
    Erase {
        evidence: faulty(erase.evidence, plan),
        state: faulty(erase.state, plan),
        objects: faulty(erase.objects, plan),
        vault: Vault {
            keys,
            wrapped: faulty(erase.vault.wrapped, plan),
            random: erase.vault.random,
        },
        ..erase
    }
}

/// More than two transactions of redactions: many checks of the customer, and one repair.
async fn busy() -> Bench {
    let bench = Bench::repaired().await;
    for _ in 0..66 {
        bench.check(CANARY).await;
    }
    bench
}

async fn finished(bench: &Bench, request: &EraseRequest) {
    // Large erasures are spread over several requests.
    for _ in 0..10 {
        let erased = bench.erase().customer(&bench.admin, CANARY, request).await;
        if erased.unwrap().erasure.state == ErasureState::Done {
            return;
        }
    }
    panic!("not done after ten requests");
}

#[tokio::test]
async fn whatever_fails_the_same_request_ends_it_and_redacts_nothing_twice() {
    for happens in [false, true] {
        let mut steps = 0;
        loop {
            let bench = Bench::repaired().await;
            let targets = bench.subjects().len();
            let plan = Arc::new(Plan {
                left: AtomicU32::new(steps),
                happens,
            });
            let first = with(bench.erase(), &plan)
                .customer(&bench.admin, CANARY, &request())
                .await;
            let struck = plan.left.load(Ordering::SeqCst) == u32::MAX;
            assert!(first.is_ok() || steps < 200, "it ends");
            if !struck && plan.left.load(Ordering::SeqCst) < 1_000 {
                // The plan was longer than the erasure: every step has failed once.
                assert!(first.is_ok());
                assert!(steps > 8, "only {steps} durable steps");
                break;
            }
            finished(&bench, &request()).await;
            let redacts = bench.world.count("redact");
            let left = bench.subjects();
            assert!(
                !left.iter().any(|(_, text)| text.contains(CANARY)),
                "step {steps}"
            );
            // Judging again after a decision that did not happen costs nothing else.
            let comments = left
                .iter()
                .filter(|(_, text)| text.contains("by letter"))
                .count();
            assert_eq!(
                targets + comments,
                left.len() + redacts,
                "step {steps}, happened: {happens}: once each"
            );
            bench.verifies().await;
            steps += 1;
        }
    }
}

#[tokio::test]
async fn a_large_erasure_takes_several_transactions_and_goes_on_between_them() {
    let bench = busy().await;
    let targets = bench.subjects().len();
    for left in [1, 2] {
        bench.world.store.appends_left(Some(left));
        let broken = bench
            .erase()
            .customer(&bench.admin, CANARY, &request())
            .await;
        assert!(broken.is_err(), "{broken:?}");
        bench.world.store.appends_left(None);
    }
    let so_far = bench.world.count("redact");
    assert!(so_far > 0 && so_far < targets, "{so_far} of {targets}");
    finished(&bench, &request()).await;
    let erased = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await
        .unwrap();
    assert!(erased.already);
    let redacts: Vec<u64> = (0_u64..)
        .zip(bench.world.kinds())
        .filter(|(_, kind)| kind == "redact")
        .map(|(seq, _)| seq)
        .collect();
    assert_eq!(
        erased.erasure.entries, redacts,
        "it knows all of its entries"
    );
    assert_eq!(
        bench.world.count("run.open"),
        bench.world.count("run.close")
    );
    bench.verifies().await;
}

#[tokio::test]
async fn objects_are_deleted_again_and_again_until_they_are_gone() {
    let bench = Bench::repaired().await;
    bench.world.objects.refuse_deletions(true);
    let refused = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await;
    assert!(refused.is_err());
    assert!(bench.erase().finish().await.is_err());
    bench.world.objects.refuse_deletions(false);
    // docs/workspaces.md: an emergency stop stops what was decided before it.
    bench.world.freeze(true).await;
    assert_eq!(bench.erase().finish().await.unwrap(), 0);
    assert!(bench.everything().contains(CANARY));
    bench.world.freeze(false).await;
    assert_eq!(bench.erase().finish().await.unwrap(), 1, "the duty goes on");
    let keys = bench.world.objects.all_keys();
    assert!(
        !keys.iter().any(|key| key.starts_with("snapshots/")),
        "{keys:?}"
    );
    assert!(!bench.everything().contains(CANARY));
}

/// A shop goes on while an erasure is not done: what is proposed then is on its way, and its record must
/// cite its own decisions. It belongs to the next erasure.
#[tokio::test]
async fn what_is_proposed_while_an_erasure_goes_on_ends_by_its_own_decision() {
    for approved in [false, true] {
        let bench = Bench::repaired().await;
        let world = &bench.world;
        world.objects.refuse_deletions(true);
        let erase = bench.erase();
        let broken = erase.customer(&bench.admin, CANARY, &request()).await;
        assert!(broken.is_err());
        world.objects.refuse_deletions(false);
        world.set_row("u1", false);
        world.scan().await;
        let incidents = world.incidents().await.into_iter();
        let mut open = incidents.filter(|it| it.state == IncidentState::Open);
        let incident = open.next().unwrap().id.to_string();
        let propose = world.propose();
        let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), true);
        let action = proposed.await.unwrap().action;
        assert_eq!(action.state, ActionState::Held);
        assert_eq!(erase.finish().await.unwrap(), 1);
        if approved {
            let owner = bench.fresh(&bench.owner).await;
            let done = world.answer(&owner, &action, VoteKind::Approve).await;
            assert_eq!(done.unwrap(), ActionState::Verified);
        } else {
            world.clock.advance(Duration::from_hours(73));
            assert_eq!(world.sweep().sweep().await.unwrap().finished, 1);
        }
        bench.verifies().await;
        let (admin, request) = (bench.fresh(&bench.admin).await, request());
        let next = erase.customer(&admin, CANARY, &request).await.unwrap();
        assert_eq!(next.erasure.state, ErasureState::Done);
        assert!(!bench.everything().contains(CANARY));
    }
}

#[tokio::test]
async fn a_hold_keeps_copies_and_records_that_an_erasure_has_not_reached() {
    let bench = Bench::repaired().await;
    bench.world.objects.refuse_deletions(true);
    let broken = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await;
    assert!(broken.is_err());
    bench.world.objects.refuse_deletions(false);
    bench.hold(super::bench::ALL).await;
    let keys = bench.world.objects.all_keys();
    assert_eq!(bench.erase().finish().await.unwrap(), 0, "the duty waits");
    assert_eq!(bench.world.objects.all_keys(), keys);
    assert!(bench.world.store.dump().contains(CANARY));
}

#[tokio::test]
async fn a_hold_that_is_set_in_the_middle_stops_the_rest() {
    let bench = busy().await;
    bench.world.store.appends_left(Some(1));
    let broken = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await;
    assert!(broken.is_err());
    bench.world.store.appends_left(None);
    let before = bench.world.count("redact");
    bench.hold(super::bench::ALL).await;
    let held = bench
        .erase()
        .customer(&bench.admin, CANARY, &request())
        .await;
    assert!(
        matches!(
            held,
            Err(counterfoil_core::usecases::EraseError::Held { .. })
        ),
        "{held:?}"
    );
    assert_eq!(bench.erase().finish().await.unwrap(), 0, "the duty waits");
    assert_eq!(bench.world.count("redact"), before);
    bench.verifies().await;
}
