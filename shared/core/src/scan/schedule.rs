//! How often a project is scanned: the setting, its bounds, and what is due.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The longest interval between two scans, in hours: 30 days.
const LONGEST_HOURS: u64 = 720;

/// The most transactions that can be stated.
const MOST_TRANSACTIONS: u64 = 1_000_000_000;

/// A schedule comes a little early or late, and a scan begins a little after it was asked for. What
/// is due so soon is due now.
const SLACK: Duration = Duration::from_mins(15);

/// A project's setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanSchedule {
    /// Hours from the beginning of one full scan to the next, 1 to 720.
    pub full_every_hours: u64,
    /// Transactions of the Stripe account in 30 days, as a person has stated them: what Stripe
    /// grants in reads depends on it, and no list tells it cheaply.
    #[serde(default)]
    pub transactions: u64,
}

impl Default for ScanSchedule {
    fn default() -> Self {
        Self {
            full_every_hours: 24,
            transactions: 0,
        }
    }
}

impl ScanSchedule {
    /// What is out of bounds: the field, and the rule that it breaks.
    pub const fn fault(&self) -> Option<(&'static str, &'static str)> {
        if self.full_every_hours < 1 || self.full_every_hours > LONGEST_HOURS {
            Some(("/full_every_hours", "must be 1 to 720"))
        } else if self.transactions > MOST_TRANSACTIONS {
            Some(("/transactions", "must be 0 to 1000000000"))
        } else {
            None
        }
    }

    /// Whether a full scan is due at `now`, when the last complete one began at `last`. What was never
    /// scanned is due.
    pub fn is_due(&self, last: Option<Timestamp>, now: Timestamp) -> bool {
        let hours = self.full_every_hours.clamp(1, LONGEST_HOURS);
        let every = Duration::from_hours(hours);
        last.is_none_or(|last| now.since(last).saturating_add(SLACK) >= every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_due_after_its_interval_whenever_the_clock_ticks() {
        let schedule = |full_every_hours| ScanSchedule {
            full_every_hours,
            ..ScanSchedule::default()
        };
        let began = Timestamp::from_millis(1_795_392_100_000);
        for (every, minutes, due) in [
            (1, 0, false),
            (1, 44, false),
            // The tick after an hour comes less than an hour after the scan began.
            (1, 59, true),
            (24, 23 * 60, false),
            (24, 24 * 60 - 2, true),
            (168, 167 * 60, false),
            (168, 169 * 60, true),
            // Out of bounds is the nearest bound.
            (0, 30, false),
            (9_999, 720 * 60, true),
        ] {
            let now = began.plus(Duration::from_mins(minutes));
            let found = schedule(every).is_due(Some(began), now);
            assert_eq!(found, due, "every {every} h after {minutes} min");
            assert!(schedule(every).is_due(None, now), "never scanned");
        }
    }

    #[test]
    fn each_field_has_bounds() {
        let fault = |full_every_hours, transactions| {
            let schedule = ScanSchedule {
                full_every_hours,
                transactions,
            };
            schedule.fault().map(|(field, _)| field)
        };
        for (every, transactions, field) in [
            (0, 0, Some("/full_every_hours")),
            (1, 0, None),
            (720, 1_000_000_000, None),
            (721, 0, Some("/full_every_hours")),
            (24, 1_000_000_001, Some("/transactions")),
        ] {
            assert_eq!(fault(every, transactions), field, "{every}, {transactions}");
        }
        assert_eq!(ScanSchedule::default().fault(), None);
    }

    #[test]
    fn a_clock_that_went_back_starts_nothing() {
        let began = Timestamp::from_millis(1_795_392_100_000);
        let before = Timestamp::from_millis(1_795_392_000_000);
        assert!(!ScanSchedule::default().is_due(Some(began), before));
    }
}
