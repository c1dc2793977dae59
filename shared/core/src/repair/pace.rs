//! How fast a project is repaired: what limits of an hour and of a day are counted by.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::records::Record;
use crate::time::Timestamp;

/// Repairs that are begun within 60 minutes, at most: one every 72 seconds is what one person can read.
pub const HOUR_MAX: u64 = 50;
/// Repairs that are begun within 24 hours, at most.
pub const DAY_MAX: u64 = 200;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// When repairs of a project were begun, for as long as a limit looks back. Every execution reads it,
/// is judged by it and writes it in its own transaction, so two cannot both take the last place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    begun: Vec<Timestamp>,
}

/// There is one for each project.
impl Record for Pace {
    const FAMILY: &'static str = "pace";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}

impl Pace {
    /// Where it is.
    pub const ID: &'static str = "repairs";

    /// Repairs that were begun within 60 minutes.
    pub fn hour(&self, now: Timestamp) -> u64 {
        self.within(HOUR, now)
    }

    /// Repairs that were begun within 24 hours.
    pub fn day(&self, now: Timestamp) -> u64 {
        self.within(DAY, now)
    }

    fn within(&self, span: Duration, now: Timestamp) -> u64 {
        let begun = self.begun.iter().filter(|begun| now.since(**begun) < span);
        u64::try_from(begun.count()).unwrap_or(u64::MAX)
    }

    /// The same with one more, and without what no limit looks at any more.
    #[must_use]
    pub fn with(mut self, now: Timestamp) -> Self {
        self.begun.retain(|begun| now.since(*begun) < DAY);
        self.begun.push(now);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_and_a_day_are_counted_back_from_now() {
        let start = Timestamp::from_millis(1_764_000_000_000);
        let mut pace = Pace::default();
        for minute in [0, 30, 59, 90] {
            pace = pace.with(start.plus(Duration::from_mins(minute)));
        }
        let now = start.plus(Duration::from_mins(90));
        assert_eq!((pace.hour(now), pace.day(now)), (2, 4));
        let tomorrow = start.plus(DAY);
        assert_eq!(pace.day(tomorrow), 3, "exactly a day ago is over");
        assert_eq!(pace.with(tomorrow).begun.len(), 4);
    }
}
