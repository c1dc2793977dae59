//! [`RequestBudget`] over a [`State`]: several workers at once, in real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::budget::{LANES, LATE, account_name};
use counterfoil_core::ports::{
    Clock, Lease, PortError, PortErrorKind, RequestBudget, State, StateKey, StateWrite, Stored,
    Urgency,
};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::SharedBudget;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::memory::RealClock;

const RATE: u32 = 40;

/// Everything about the budget that is kept in a state table. Takes some seconds.
pub async fn budget(state: Arc<dyn State>) {
    no_second_has_more_than_the_rate(Arc::clone(&state)).await;
    a_lost_reply_wastes_slots_and_gives_none_twice(Arc::clone(&state)).await;
    a_429_slows_every_worker_down(Arc::clone(&state)).await;
    accounts_do_not_share_a_budget(state).await;
}

fn workers(state: Arc<dyn State>, rate: u32) -> SharedBudget {
    SharedBudget::new(state, Arc::new(RealClock), rate)
}

/// Sends in the slots of its leases, as the client does, until `end`.
async fn work(budget: SharedBudget, account: String, latency: u64, end: Timestamp) -> Vec<u64> {
    let clock = RealClock;
    let mut sent = Vec::new();
    let mut lanes = 1;
    while clock.now() < end {
        let urgency = if latency == 0 {
            Urgency::Prompt
        } else {
            Urgency::Bulk
        };
        let lease = budget.lease(&account, urgency, lanes).await;
        let slots = match lease.expect("the budget answers") {
            Lease::Slots(slots) => slots,
            Lease::Busy(until) => {
                sleep(until.since(clock.now())).await;
                continue;
            }
        };
        for slot in slots {
            if clock.now().since(slot) > LATE {
                continue;
            }
            sleep(slot.since(clock.now())).await;
            let now = clock.now();
            if now.since(slot) <= LATE {
                sent.push(now.as_millis());
                sleep(Duration::from_millis(latency)).await;
            }
        }
        lanes = (lanes % LANES) + 1;
    }
    sent
}

async fn crowd(budget: &SharedBudget, account: &str, seconds: u64) -> Vec<u64> {
    let end = RealClock.now().plus(Duration::from_secs(seconds));
    let mut workers = JoinSet::new();
    for latency in [1, 5, 20, 40, 80, 0] {
        workers.spawn(work(budget.clone(), account.to_owned(), latency, end));
    }
    let mut sent: Vec<u64> = workers.join_all().await.into_iter().flatten().collect();
    sent.sort_unstable();
    sent
}

fn most_in_a_second(sent: &[u64]) -> usize {
    let second = |from: u64| {
        let second = from..from + 1_000;
        sent.iter().filter(|at| second.contains(at)).count()
    };
    sent.iter().map(|at| second(*at)).max().unwrap_or(0)
}

async fn no_second_has_more_than_the_rate(state: Arc<dyn State>) {
    let account = account_name("rk_test_contractCrowd");
    let sent = crowd(&workers(state, RATE), &account, 3).await;
    let most = most_in_a_second(&sent);
    assert!(most <= 40, "{most} requests in one second");
    assert!(sent.len() > 30, "only {} requests in 3 seconds", sent.len());
}

/// Every third write happens, and nobody is told.
struct Forgetful {
    state: Arc<dyn State>,
    writes: AtomicU32,
}

#[async_trait]
impl State for Forgetful {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>, PortError> {
        self.state.get(key).await
    }

    async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<Stored>, PortError> {
        self.state.list(pk, prefix).await
    }

    async fn write(&self, writes: Vec<StateWrite>) -> Result<bool, PortError> {
        let answer = self.state.write(writes).await?;
        if self.writes.fetch_add(1, Ordering::SeqCst) % 3 == 1 {
            let doing = "writing a record";
            return Err(PortError::new(PortErrorKind::OutcomeUnknown, doing));
        }
        Ok(answer)
    }
}

async fn a_lost_reply_wastes_slots_and_gives_none_twice(state: Arc<dyn State>) {
    let forgetful = Arc::new(Forgetful {
        state,
        writes: AtomicU32::new(0),
    });
    let budget = workers(forgetful, RATE);
    let account = account_name("rk_test_contractForgetful");
    let mut leases = JoinSet::new();
    for _ in 0..8 {
        let (budget, account) = (budget.clone(), account.clone());
        leases.spawn(async move { budget.lease(&account, Urgency::Prompt, 2).await });
    }
    let mut slots = Vec::new();
    for lease in leases.join_all().await {
        match lease.unwrap() {
            Lease::Slots(taken) => slots.extend(taken),
            Lease::Busy(_) => panic!("prompt requests queue"),
        }
    }
    let given = slots.len();
    slots.sort_unstable();
    slots.dedup();
    assert_eq!((given, slots.len()), (16, 16), "a slot was given twice");
    let span = slots[15].since(slots[0]);
    let close = Duration::from_secs(16) / RATE;
    assert!(span > close, "nothing was wasted in {span:?}");
}

async fn a_429_slows_every_worker_down(state: Arc<dyn State>) {
    let account = account_name("rk_test_contractSlow");
    let (one, other) = (workers(Arc::clone(&state), RATE), workers(state, RATE));
    one.slow_down(&account).await.unwrap();
    one.slow_down(&account).await.unwrap();
    let lease = other.lease(&account, Urgency::Bulk, LANES).await.unwrap();
    let Lease::Slots(slots) = lease else {
        panic!("nothing is taken")
    };
    let slots: Vec<u64> = slots.iter().map(|slot| slot.as_millis()).collect();
    assert_eq!(slots.len(), 20, "half of the lanes");
    assert!(most_in_a_second(&slots) <= 20);
}

async fn accounts_do_not_share_a_budget(state: Arc<dyn State>) {
    let budget = workers(state, 1);
    for key in ["rk_test_contractA", "rk_test_contractB"] {
        let account = account_name(key);
        let lease = budget.lease(&account, Urgency::Bulk, LANES).await.unwrap();
        assert!(matches!(lease, Lease::Slots(_)), "{key}");
        let again = budget.lease(&account, Urgency::Bulk, LANES).await.unwrap();
        assert!(matches!(again, Lease::Busy(_)), "{key}");
    }
}
