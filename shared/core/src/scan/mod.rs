//! A scan of all customers as work for many workers: who reads which part of which list, what is
//! read and kept, and when everything is.
//!
//! ```text
//! ScanWork::open     one shard per list, everything created up to `as_of`
//! ScanWork::walk     what a worker of one shard reads next
//! ScanWork::split    the older half of what is left, as a shard for somebody else
//! ScanWork::save     what was read is kept; whoever comes next goes on behind it
//! ScanWork::is_read  everything is read and kept: the join may begin
//! Basis, Refresh     or only what has changed since an earlier scan
//! ```
//! A worker may die anywhere and a message may come twice: only what is saved counts, and what is
//! saved cannot be saved a second time. It reads nothing, sends nothing and knows no clock.

mod allocation;
mod basis;
mod file;
mod list;
mod refresh;
mod schedule;
#[cfg(test)]
mod tests;
mod walk;
mod work;

pub use allocation::{AccountSize, Allowance, Cadence, DEFAULT_SHARE, Estimate, TooDear, granted};
pub use basis::{EVENTS, changed_in, failed, in_full, incremental, last_complete, last_full};
pub use file::{FileKind, ScanFile};
pub use list::ScanList;
pub use refresh::{Refresh, RefreshStep};
pub use schedule::{Due, ScanSchedule, Scanned};
pub use walk::{Position, Walk};
pub use work::{MOST_SHARDS, SHARDS_AT_ONCE, ScanWork, Shard, Superseded};
