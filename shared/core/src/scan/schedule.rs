//! How often a project is scanned: the setting, its bounds, and what is due.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The longest interval between two scans, in hours: 30 days.
const LONGEST_HOURS: u64 = 720;

/// How often changes of the catalogue alone lead to a scan: some shops make a price for every sale.
const CATALOGUE_HOURS: u64 = 4;

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
    /// Hours from the beginning of any scan to the next one, which reads only what has changed, 1 to
    /// 720; `None` for full scans only.
    #[serde(default)]
    pub incremental_every_hours: Option<u64>,
    /// Transactions of the Stripe account in 30 days, as a person has stated them: what Stripe
    /// grants in reads depends on it, and no list tells it cheaply.
    #[serde(default)]
    pub transactions: u64,
}

impl Default for ScanSchedule {
    fn default() -> Self {
        Self {
            full_every_hours: 168,
            // Every hour would use 5,040 of the 5,000 reads that an account without sales may use.
            incremental_every_hours: Some(2),
            transactions: 0,
        }
    }
}

/// What kind of scan is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// One that reads everything.
    Full,
    /// One that reads what has changed since an earlier one, and the app's side whole.
    Incremental,
}

/// When things were read or changed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scanned {
    /// When the latest complete scan of everything began.
    pub full: Option<Timestamp>,
    /// When the latest complete scan of any kind began.
    pub latest: Option<Timestamp>,
    /// When an event said that prices, products or features have changed.
    pub catalogue: Option<Timestamp>,
    /// When the latest scan began that was not complete, where no complete one came after it, and how
    /// many there were in a row.
    pub failed: Option<(Timestamp, u32)>,
}

impl ScanSchedule {
    /// What is out of bounds: the field, and the rule that it breaks.
    pub const fn fault(&self) -> Option<(&'static str, &'static str)> {
        const fn out_of_bounds(hours: u64) -> bool {
            hours < 1 || hours > LONGEST_HOURS
        }
        if out_of_bounds(self.full_every_hours) {
            return Some(("/full_every_hours", "must be 1 to 720"));
        }
        if let Some(hours) = self.incremental_every_hours
            && out_of_bounds(hours)
        {
            return Some((
                "/incremental_every_hours",
                "must be 1 to 720, or null for none",
            ));
        }
        if self.transactions > MOST_TRANSACTIONS {
            return Some(("/transactions", "must be 0 to 1000000000"));
        }
        None
    }

    /// Whether it may scan more often than `other`, in any way.
    pub fn is_more_often_than(&self, other: &Self) -> bool {
        let never = u64::MAX;
        let incremental = |it: &Self| it.incremental_every_hours.unwrap_or(never);
        self.full_every_hours < other.full_every_hours || incremental(self) < incremental(other)
    }

    /// What is due at `now`. What was never scanned is. A change of the catalogue, which may concern
    /// everybody, is followed within four hours. After a scan that could not read everything the next
    /// one waits an hour, and after each further one twice as long, up to eight hours.
    pub fn due(&self, scanned: Scanned, now: Timestamp) -> Option<Due> {
        let is_due = |last: Option<Timestamp>, hours: u64| {
            let every = Duration::from_hours(hours.clamp(1, LONGEST_HOURS));
            last.is_none_or(|last| now.since(last).saturating_add(SLACK) >= every)
        };
        if let Some((at, times)) = scanned.failed
            && !is_due(Some(at), 1 << times.saturating_sub(1).min(3))
        {
            return None;
        }
        let catalogue = scanned.catalogue > scanned.latest;
        let changes = |hours| is_due(scanned.latest, hours);
        if is_due(scanned.full, self.full_every_hours) {
            Some(Due::Full)
        } else if self.incremental_every_hours.is_some_and(changes)
            || catalogue && changes(CATALOGUE_HOURS)
        {
            Some(Due::Incremental)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: ScanSchedule = ScanSchedule {
        full_every_hours: 24,
        incremental_every_hours: None,
        transactions: 0,
    };

    fn began() -> Timestamp {
        Timestamp::from_millis(1_795_392_100_000)
    }

    fn after(minutes: u64) -> Timestamp {
        began().plus(Duration::from_mins(minutes))
    }

    fn full_then(latest: u64) -> Scanned {
        Scanned {
            full: Some(began()),
            latest: Some(after(latest)),
            catalogue: None,
            failed: None,
        }
    }

    #[test]
    fn a_scan_is_due_after_its_interval_whenever_the_clock_ticks() {
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
            let schedule = ScanSchedule {
                full_every_hours: every,
                ..FULL
            };
            let found = schedule.due(full_then(0), after(minutes));
            let expected = due.then_some(Due::Full);
            assert_eq!(found, expected, "every {every} h after {minutes} min");
            let never = schedule.due(Scanned::default(), after(minutes));
            assert_eq!(never, Some(Due::Full), "never scanned");
        }
    }

    #[test]
    fn what_has_changed_is_read_after_any_scan_and_everything_after_a_full_one() {
        let schedule = ScanSchedule {
            incremental_every_hours: Some(2),
            ..FULL
        };
        for (latest, minutes, due) in [
            (0, 60, None),
            (0, 119, Some(Due::Incremental)),
            (120, 180, None),
            (120, 240, Some(Due::Incremental)),
            (22 * 60, 24 * 60, Some(Due::Full)),
        ] {
            let found = schedule.due(full_then(latest), after(minutes));
            assert_eq!(found, due, "{latest}, {minutes}");
        }
    }

    #[test]
    fn a_changed_catalogue_is_looked_at_once_and_not_all_the_time() {
        let changed = |latest| Scanned {
            catalogue: Some(after(30)),
            ..full_then(latest)
        };
        assert_eq!(FULL.due(changed(0), after(60)), None);
        assert_eq!(FULL.due(changed(0), after(240)), Some(Due::Incremental));
        assert_eq!(FULL.due(changed(240), after(480)), None);
    }

    #[test]
    fn each_failure_in_a_row_makes_the_next_scan_wait_longer() {
        for (times, hours) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (99, 8)] {
            let scanned = Scanned {
                failed: Some((began(), times)),
                ..Scanned::default()
            };
            let due = |minutes| FULL.due(scanned, after(minutes));
            assert_eq!(due(hours * 60 - 20), None, "{times} times");
            assert_eq!(due(hours * 60), Some(Due::Full), "{times} times");
        }
    }

    #[test]
    fn each_field_has_bounds() {
        let fault = |full_every_hours, incremental_every_hours, transactions| {
            let schedule = ScanSchedule {
                full_every_hours,
                incremental_every_hours,
                transactions,
            };
            schedule.fault().map(|(field, _)| field)
        };
        for (every, changes, transactions, field) in [
            (0, None, 0, Some("/full_every_hours")),
            (1, None, 0, None),
            (720, Some(720), 1_000_000_000, None),
            (721, None, 0, Some("/full_every_hours")),
            (24, Some(0), 0, Some("/incremental_every_hours")),
            (24, Some(721), 0, Some("/incremental_every_hours")),
            (24, None, 1_000_000_001, Some("/transactions")),
        ] {
            let found = fault(every, changes, transactions);
            assert_eq!(found, field, "{every}, {changes:?}, {transactions}");
        }
        assert_eq!(ScanSchedule::default().fault(), None);
    }

    #[test]
    fn a_clock_that_went_back_starts_nothing() {
        let before = Timestamp::from_millis(1_795_392_000_000);
        assert_eq!(ScanSchedule::default().due(full_then(0), before), None);
    }
}
