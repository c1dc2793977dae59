//! Requests per second: Stripe's limit is shared with the customer's own app, so most of it is left.

use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::ports::Urgency;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::error::StripeError;

/// How long after a 429 the pace stays lowered before it grows again.
const RECOVERY: Duration = Duration::from_secs(10);

/// When the next request may be sent.
#[async_trait]
pub(crate) trait Pacing: Send + Sync {
    /// Waits until one request may be sent.
    async fn take(&self, urgency: Urgency) -> Result<(), StripeError>;

    /// Stripe said that it is too fast.
    async fn slow_down(&self);
}

/// The pace of one process: a token bucket that holds one second's worth of tokens.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Requests per second that were configured.
    full: u32,
    /// Requests per second now.
    current: u32,
    /// When the bucket would be full again.
    full_at: Instant,
    /// When the pace was last changed.
    changed: Instant,
}

impl Pace {
    /// At most `rate` requests in any second, on average and (from the second one on) exactly.
    pub(crate) fn new(rate: u32) -> Self {
        let (now, full) = (Instant::now(), rate.max(1));
        Self {
            state: Mutex::new(State {
                full,
                current: full,
                full_at: now,
                changed: now,
            }),
        }
    }
}

#[async_trait]
impl Pacing for Pace {
    async fn take(&self, _: Urgency) -> Result<(), StripeError> {
        let until = self.state.lock().await.take(Instant::now());
        sleep_until(until).await;
        Ok(())
    }

    async fn slow_down(&self) {
        self.state.lock().await.slow_down(Instant::now());
    }
}

impl State {
    fn take(&mut self, now: Instant) -> Instant {
        self.recover(now);
        let token = Duration::from_secs(1) / self.current;
        let burst = token.saturating_mul(self.current.saturating_sub(1));
        self.full_at = self.full_at.max(now) + token;
        (self.full_at.checked_sub(token + burst)).map_or(now, |free| free.max(now))
    }

    fn slow_down(&mut self, now: Instant) {
        self.current = (self.current / 2).max(1);
        // Without tokens in hand, or the rest of the burst would go out at the old pace.
        self.full_at = self.full_at.max(now + Duration::from_secs(1));
        self.changed = now;
    }

    fn recover(&mut self, now: Instant) {
        if self.current < self.full && now.duration_since(self.changed) >= RECOVERY {
            self.current = self.current.saturating_mul(2).min(self.full);
            self.changed = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(state: &mut State, now: Instant, count: usize) -> Vec<u128> {
        (0..count)
            .map(|_| state.take(now).duration_since(now).as_millis())
            .collect()
    }

    fn state(rate: u32, now: Instant) -> State {
        State {
            full: rate,
            current: rate,
            full_at: now,
            changed: now,
        }
    }

    #[test]
    fn one_second_of_tokens_is_free_and_then_they_come_evenly() {
        let now = Instant::now();
        let mut state = state(4, now);
        assert_eq!(waits(&mut state, now, 7), [0, 0, 0, 0, 250, 500, 750]);
        let later = now + Duration::from_secs(10);
        assert_eq!(waits(&mut state, later, 5), [0, 0, 0, 0, 250]);
    }

    #[test]
    fn a_429_halves_the_pace_for_a_while() {
        let now = Instant::now();
        let mut state = state(4, now);
        state.slow_down(now);
        assert_eq!(state.current, 2);
        assert_eq!(waits(&mut state, now, 3), [500, 1_000, 1_500]);
        state.slow_down(now);
        state.slow_down(now);
        assert_eq!(state.current, 1);
        state.take(now + RECOVERY);
        assert_eq!(state.current, 2);
        state.take(now + RECOVERY + RECOVERY);
        assert_eq!(state.current, 4);
    }
}
