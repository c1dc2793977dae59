//! Turns that all workers of the product share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::budget::{LANES, LATE, account_name};
use counterfoil_core::ports::{Clock, Lease, RequestBudget, Urgency};
use counterfoil_core::time::Timestamp;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::error::StripeError;
use crate::pace::Pacing;

/// Waits for slots of the account's budget.
pub(crate) struct Turns {
    budget: Arc<dyn RequestBudget>,
    clock: Arc<dyn Clock>,
    account: String,
    prompt: Mutex<Held>,
    bulk: Mutex<Held>,
}

/// What was taken and is not used yet.
struct Held {
    slots: VecDeque<Timestamp>,
    /// Lanes to ask for next.
    lanes: usize,
    /// Slots of the last lease.
    taken: usize,
    /// Those of them that passed before there was a request for them.
    missed: usize,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            slots: VecDeque::new(),
            lanes: 2,
            taken: 0,
            missed: 0,
        }
    }
}

impl Held {
    /// The next slot that has not passed.
    fn next(&mut self, now: Timestamp) -> Option<Timestamp> {
        while let Some(slot) = self.slots.pop_front() {
            if now.since(slot) <= LATE {
                return Some(slot);
            }
            self.missed += 1;
        }
        None
    }

    /// Judges the last lease: slots that lay too close for the answers to come between them are
    /// wasted, and a worker that missed none can do with more.
    fn judge(&mut self) {
        if self.missed.saturating_mul(4) > self.taken {
            self.lanes = (self.lanes / 2).max(1);
        } else if self.taken > 0 && self.missed == 0 {
            self.lanes = (self.lanes + 1).min(LANES);
        }
        (self.taken, self.missed) = (0, 0);
    }
}

impl Turns {
    pub(crate) fn new(budget: Arc<dyn RequestBudget>, clock: Arc<dyn Clock>, key: &str) -> Self {
        Self {
            budget,
            clock,
            account: account_name(key),
            prompt: Mutex::default(),
            bulk: Mutex::default(),
        }
    }

    /// The next slot, from a new lease where none is left.
    async fn slot(&self, urgency: Urgency) -> Result<Timestamp, StripeError> {
        let held = match urgency {
            Urgency::Prompt => &self.prompt,
            Urgency::Bulk => &self.bulk,
        };
        let mut held = held.lock().await;
        loop {
            if let Some(slot) = held.next(self.clock.now()) {
                return Ok(slot);
            }
            held.judge();
            let lease = self.budget.lease(&self.account, urgency, held.lanes).await;
            match lease.map_err(|error| StripeError::budget(&error))? {
                Lease::Slots(slots) => {
                    held.taken = slots.len();
                    held.slots = slots.into();
                }
                Lease::Busy(until) => self.wait(until, jitter()).await,
            }
        }
    }

    async fn wait(&self, until: Timestamp, longer: Duration) {
        sleep(until.since(self.clock.now()).saturating_add(longer)).await;
    }
}

#[async_trait]
impl Pacing for Turns {
    async fn take(&self, urgency: Urgency) -> Result<(), StripeError> {
        loop {
            let slot = self.slot(urgency).await?;
            self.wait(slot, Duration::ZERO).await;
            // Waking up may take long on a busy machine.
            if self.clock.now().since(slot) <= LATE {
                return Ok(());
            }
        }
    }

    async fn slow_down(&self) {
        if let Err(error) = self.budget.slow_down(&self.account).await {
            tracing::warn!(%error, "the rate of requests to Stripe could not be lowered");
        }
        for held in [&self.prompt, &self.bulk] {
            held.lock().await.slots.clear();
        }
    }
}

/// So that workers that wait for the same slot do not ask at the same moment.
fn jitter() -> Duration {
    let random = getrandom::u32().unwrap_or(0);
    Duration::from_millis(u64::from(random % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_392_000_000);

    fn after(lanes: usize, taken: usize, missed: usize) -> usize {
        let mut held = Held {
            lanes,
            taken,
            missed,
            ..Held::default()
        };
        held.judge();
        held.lanes
    }

    #[test]
    fn a_slot_that_has_passed_is_not_used() {
        let ago = |millis| Timestamp::from_millis(NOW.as_millis() - millis);
        let mut held = Held {
            slots: [ago(900), ago(41), ago(40), NOW].into(),
            ..Held::default()
        };
        assert_eq!(held.next(NOW), Some(ago(40)));
        assert_eq!(held.missed, 2);
        assert_eq!(held.next(NOW), Some(NOW));
        assert_eq!(held.next(NOW), None);
    }

    #[test]
    fn a_worker_takes_as_many_lanes_as_it_can_use() {
        assert_eq!(after(2, 10, 0), 3);
        assert_eq!(after(8, 40, 0), 8);
        assert_eq!(after(3, 15, 2), 3);
        assert_eq!(after(4, 20, 10), 2);
        assert_eq!(after(1, 5, 5), 1);
        assert_eq!(after(2, 0, 0), 2, "nothing was learned");
    }
}
