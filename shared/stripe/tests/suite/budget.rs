//! Several workers with one budget: what arrives at Stripe.

use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil_core::ports::{
    Billing, PortError, PortErrorKind, State, StateKey, StateWrite, Stored,
};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::usecases::BillingAccounts;
use counterfoil_stripe::{StripeAccounts, StripeError};
use counterfoil_testkit::memory::{MemStore, RealClock, SetClock};
use counterfoil_testkit::stripe::{FakeStripe, Fault, FaultKind, Sample};
use tokio::task::JoinSet;

use crate::support::{ALL, cause, now};

const SECOND: Duration = Duration::from_secs(1);

fn state() -> Arc<dyn State> {
    let at = SetClock::at(now());
    Arc::new(MemStore::new(at))
}

/// A worker as a function starts it: it shares nothing with others but the state table.
async fn worker(
    stripe: &FakeStripe,
    state: &Arc<dyn State>,
    rate: u32,
    key: &str,
) -> Box<dyn Billing> {
    StripeAccounts::new(Some(stripe.base_url().to_owned()), Some(rate))
        .sharing(Arc::clone(state), Arc::new(RealClock))
        .account(&Redacted::new(key.to_owned()), false)
        .await
        .unwrap()
}

#[tokio::test]
async fn no_second_has_more_requests_than_the_budget_however_many_workers_there_are() {
    const RATE: u32 = 30;
    let stripe = FakeStripe::start(Sample::new(7, 20, now()).shop)
        .await
        .unwrap();
    let (key, state) = (stripe.restricted_key(), state());
    let end = Instant::now() + 4 * SECOND;
    let mut workers = JoinSet::new();
    for number in 0..9 {
        let worker = worker(&stripe, &state, RATE, &key).await;
        workers.spawn(async move {
            while Instant::now() < end {
                if number == 0 {
                    worker.customer("cus_1").await.unwrap();
                } else {
                    worker.customer_page(ALL, None).await.unwrap();
                }
            }
        });
    }
    workers.join_all().await;
    let most = stripe.most_requests_within(SECOND);
    let all = stripe.requests().len();
    assert!(most <= 30, "{most} in one second");
    assert!(all > 60, "only {all} in four seconds");
    let prompt = stripe.requests();
    let prompt = prompt
        .iter()
        .filter(|it| it.path.ends_with("/cus_1"))
        .count();
    assert!(prompt > 3, "one customer is read between the pages");
}

#[tokio::test]
async fn one_worker_uses_most_of_a_budget_that_nobody_else_wants() {
    let stripe = FakeStripe::start(Sample::new(7, 20, now()).shop)
        .await
        .unwrap();
    let worker = worker(&stripe, &state(), 50, &stripe.restricted_key()).await;
    let begun = Instant::now();
    for _ in 0..100 {
        worker.customer_page(ALL, None).await.unwrap();
    }
    let took = begun.elapsed();
    assert!(took < 8 * SECOND, "{took:?} for what fits into 2.2 s");
    assert!(stripe.most_requests_within(SECOND) <= 50);
}

#[tokio::test]
async fn a_429_to_one_worker_slows_the_others_down() {
    let stripe = FakeStripe::start(Sample::new(7, 20, now()).shop)
        .await
        .unwrap();
    let (key, state) = (stripe.restricted_key(), state());
    let (one, other) = (
        worker(&stripe, &state, 40, &key).await,
        worker(&stripe, &state, 40, &key).await,
    );
    let fault = FaultKind::TooManyRequests { should_retry: None };
    stripe.fail(Fault::on("/v1/customers", fault));
    one.customer_page(ALL, None).await.unwrap();
    let before = stripe.requests().len();
    let end = Instant::now() + 2 * SECOND;
    while Instant::now() < end {
        other.customer_page(ALL, None).await.unwrap();
    }
    let sent = stripe.requests().len() - before;
    assert!(sent <= 41, "{sent} in two seconds at 20 per second");
}

#[tokio::test]
async fn without_the_budget_nothing_is_sent() {
    let stripe = FakeStripe::start(Sample::new(7, 20, now()).shop)
        .await
        .unwrap();
    let gone: Arc<dyn State> = Arc::new(Gone);
    let worker = worker(&stripe, &gone, 40, &stripe.restricted_key()).await;
    let error = worker.customer_page(ALL, None).await.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Unavailable);
    assert!(matches!(cause(&error), StripeError::Budget(_)));
    assert!(stripe.requests().is_empty());
}

/// A table that nobody can reach.
struct Gone;

#[async_trait::async_trait]
impl State for Gone {
    async fn get(&self, _: &StateKey) -> Result<Option<Stored>, PortError> {
        Err(gone())
    }

    async fn list(&self, _: &str, _: &str) -> Result<Vec<Stored>, PortError> {
        Err(gone())
    }

    async fn write(&self, _: Vec<StateWrite>) -> Result<bool, PortError> {
        Err(gone())
    }
}

fn gone() -> PortError {
    PortError::new(PortErrorKind::Unavailable, "reading a record")
}
