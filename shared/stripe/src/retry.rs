//! Whether, and after which pause, a request is sent again. Reading again is always harmless.

use std::time::Duration;

/// How long and how often one page is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Attempts per page, the first one included.
    pub attempts: u32,
    /// Bound of the first pause; doubles with every further one.
    pub pause: Duration,
    /// Greatest bound of a pause.
    pub longest_pause: Duration,
    /// Time of one attempt.
    pub attempt: Duration,
    /// Time of one page over all attempts and pauses.
    pub page: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 6,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(8),
            attempt: Duration::from_secs(30),
            page: Duration::from_mins(2),
        }
    }
}

impl Retries {
    /// The pause before attempt `next` (1 for the first repetition): full jitter, that is anything
    /// from nothing to the bound, so that clients which failed together do not come back together.
    pub(crate) fn pause_before(&self, next: u32, random: u32) -> Duration {
        let doublings = next.saturating_sub(1).min(16);
        let bound = self
            .pause
            .saturating_mul(1 << doublings)
            .min(self.longest_pause);
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
        let share = u128::from(micros) * u128::from(random) / u128::from(u32::MAX);
        Duration::from_micros(u64::try_from(share).unwrap_or(micros))
    }
}

/// Whether an answer of this status deserves another attempt. Stripe's own word, the header
/// `Stripe-Should-Retry`, comes before the general rule.
pub(crate) fn should_retry(status: u16, told: Option<&str>) -> bool {
    match told {
        Some("true") => true,
        Some("false") => false,
        _ => matches!(status, 409 | 429 | 500..=599),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripes_own_word_comes_first() {
        assert!(should_retry(429, None) && should_retry(409, None) && should_retry(503, None));
        assert!(!should_retry(429, Some("false")));
        assert!(should_retry(400, Some("true")));
        assert!(!should_retry(403, None) && !should_retry(404, None));
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retries = Retries::default();
        let most = |next| retries.pause_before(next, u32::MAX).as_millis();
        assert_eq!(
            [1, 2, 3, 5, 6, 40].map(most),
            [500, 1_000, 2_000, 8_000, 8_000, 8_000]
        );
        assert_eq!(retries.pause_before(3, 0), Duration::ZERO);
        assert_eq!(retries.pause_before(1, u32::MAX / 2).as_millis(), 249);
    }
}
