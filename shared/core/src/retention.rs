//! How long snapshots are kept: the setting, its bounds, and the filter for readers.
//!
//! Entries and incidents are kept for the life of the workspace; what a run read and found is not.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::run::Run;
use crate::time::Timestamp;

/// The shortest window that can be chosen. An action may be held for 30 days and its run may be
/// open for 35; what the run read must not go before the last person who
/// can decide on it has decided.
pub const FLOOR_DAYS: u64 = 35;
/// The longest one, and what holds where nothing was chosen: what the product promises about
/// copies of row values.
pub const MOST_DAYS: u64 = 90;

const DAY: Duration = Duration::from_hours(24);

/// A workspace's setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Days for which snapshots are kept, [`FLOOR_DAYS`] to [`MOST_DAYS`].
    pub snapshot_days: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            snapshot_days: MOST_DAYS,
        }
    }
}

impl Retention {
    /// The window in force, within its bounds whatever a row says.
    pub fn window(&self) -> Duration {
        let days = self.snapshot_days.clamp(FLOOR_DAYS, MOST_DAYS);
        DAY.saturating_mul(u32::try_from(days).unwrap_or(90))
    }

    /// Whether snapshots of a run may still be read at `now`. Deleting follows later; whoever reads
    /// asks this first.
    pub fn keeps(&self, run: &Run, now: Timestamp) -> bool {
        run.pruned.is_none() && now.since(run.as_of) < self.window()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_out_of_bounds_is_taken_as_the_nearest_one() {
        let window = |snapshot_days| {
            let setting = Retention { snapshot_days };
            setting.window().as_secs() / 86_400
        };
        assert_eq!(window(0), FLOOR_DAYS);
        assert_eq!(window(40), 40);
        assert_eq!(window(u64::MAX), MOST_DAYS);
        assert_eq!(Retention::default().snapshot_days, MOST_DAYS);
    }
}
