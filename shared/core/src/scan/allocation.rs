//! What scans cost of an account's reads, how long one takes, and which schedule is too dear.
//!
//! Stripe grants an account 500 reads per transaction in any 30 days, and never fewer than 10,000
//! (docs.stripe.com/rate-limits, "read API request allocations"). The grant is shared with
//! everything else that reads the account, so scans keep to a share of it. Everything here is an
//! upper bound from numbers that the last scan has counted: it asks nobody and knows no clock.

use std::time::Duration;

use thiserror::Error;

use super::{MOST_SHARDS, SHARDS_AT_ONCE};
use crate::run::RunCounts;

/// Objects of a page.
const PAGE: u64 = 100;
/// Requests that read one customer again: the customer, its subscriptions, its open invoices.
const PER_CUSTOMER: u64 = 3;
/// Requests for prices and products: a few pages for most accounts. Where a mapping needs the features
/// of Stripe's products, each product is a request more.
const CATALOG: u64 = 6;
/// Events about a customer that has changed: an assumption (a renewal sends about so many).
const EVENTS: u64 = 5;
/// Reads that every account has in 30 days.
const FLOOR: u64 = 10_000;
/// Reads in 30 days for each transaction in these days.
const PER_TRANSACTION: u64 = 500;
/// The hours for which Stripe counts: 30 days.
const WINDOW_HOURS: u64 = 720;
/// Of a hundred reads, those that scans may use.
pub const DEFAULT_SHARE: u64 = 50;
/// An answer with a page takes this long: an assumption, not a measurement.
const PAGE_TIME: Duration = Duration::from_millis(400);

/// How much there is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountSize {
    /// Customers.
    pub customers: u64,
    /// Subscriptions in any state.
    pub subscriptions: u64,
    /// Open invoices.
    pub open_invoices: u64,
    /// Findings that are looked at again.
    pub findings: u64,
    /// Requests for prices, products and features.
    pub catalog: u64,
}

impl AccountSize {
    /// The size as a scan has counted it. Scans do not count open invoices: one for twenty
    /// subscriptions is assumed.
    pub const fn counted(counts: &RunCounts) -> Self {
        Self {
            customers: counts.customers,
            subscriptions: counts.subscriptions,
            open_invoices: counts.subscriptions.div_ceil(20),
            findings: counts.findings,
            catalog: if counts.catalog > CATALOG {
                counts.catalog
            } else {
                CATALOG
            },
        }
    }

    /// Requests of a full scan.
    pub fn full(self) -> u64 {
        let lists = self.lists().into_iter().fold(0, u64::saturating_add);
        lists
            .saturating_add(self.catalog)
            .saturating_add(self.again())
    }

    /// Requests of a scan of what has changed, where that is `dirty` customers: each of them, and the
    /// events that name them, of which one page is read in any case.
    pub fn incremental(self, dirty: u64) -> u64 {
        let events = dirty.saturating_mul(EVENTS).div_ceil(PAGE).max(1);
        let customers = dirty.saturating_mul(PER_CUSTOMER);
        let again = self.again();
        [events, customers, self.catalog, again]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Whether a scan of what has changed costs no more than a full one, where that is `dirty`
    /// customers.
    pub fn is_cheaper(self, dirty: u64) -> bool {
        self.incremental(dirty) <= self.full()
    }

    fn lists(self) -> [u64; 3] {
        [self.customers, self.subscriptions, self.open_invoices].map(pages)
    }

    const fn again(self) -> u64 {
        self.findings.saturating_mul(PER_CUSTOMER)
    }
}

/// Pages of a list of `objects`. Each shard that is cut off ends with a page that may hold little.
fn pages(objects: u64) -> u64 {
    let whole = objects.div_ceil(PAGE).max(1);
    let shards = u64::try_from(MOST_SHARDS).unwrap_or(u64::MAX).min(whole);
    whole.saturating_add(shards.saturating_sub(1))
}

/// Reads that Stripe grants in 30 days to an account with so many transactions in them.
pub const fn granted(transactions: u64) -> u64 {
    let earned = transactions.saturating_mul(PER_TRANSACTION);
    if earned > FLOOR { earned } else { FLOOR }
}

/// How long a full scan takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Until every list is read.
    pub reading: Duration,
    /// The second look, without the race grace before it.
    pub again: Duration,
}

impl Estimate {
    /// The time of a full scan where `rate` requests may leave in a second for the whole account.
    ///
    /// All three lists share the rate, a page takes 400 ms, and eight cursors read a list at once.
    /// Waiting in queues, cold starts, the app's table and the comparison come on top: seconds for a
    /// million customers.
    pub fn of(size: AccountSize, rate: u64) -> Self {
        let lists = size.lists();
        let all = lists.into_iter().fold(size.catalog, u64::saturating_add);
        let longest = lists.into_iter().max().unwrap_or(0);
        let cursors = u64::try_from(SHARDS_AT_ONCE).unwrap_or(1).min(longest);
        let by_cursors = times(PAGE_TIME, longest.div_ceil(cursors.max(1)));
        Self {
            reading: at_rate(all, rate).max(by_cursors),
            again: at_rate(size.again(), rate),
        }
    }

    /// Both.
    pub const fn total(self) -> Duration {
        self.reading.saturating_add(self.again)
    }
}

fn at_rate(requests: u64, rate: u64) -> Duration {
    Duration::from_secs(requests.div_ceil(rate.max(1)))
}

fn times(duration: Duration, count: u64) -> Duration {
    duration.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A share of what Stripe grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Reads granted in 30 days.
    pub granted: u64,
    /// Of a hundred, those that scans may use.
    pub share: u64,
}

impl Allowance {
    /// The default share of what an account with so many transactions in 30 days has.
    pub const fn of(transactions: u64) -> Self {
        Self {
            granted: granted(transactions),
            share: DEFAULT_SHARE,
        }
    }

    /// Reads that scans may use in 30 days.
    pub const fn reads(self) -> u64 {
        self.granted.saturating_mul(self.share).div_euclid(100)
    }

    /// Judges how often an account of this size is scanned; returns the reads in 30 days.
    ///
    /// # Errors
    /// [`TooDear`] when that is more than the share; it says what would fit.
    pub fn judge(self, size: AccountSize, cadence: Cadence) -> Result<u64, TooDear> {
        let full = reads(size.full(), cadence.full_every);
        let changed = cadence.incremental_every;
        // Where too many have changed, everything is read.
        let once = size.incremental(cadence.dirty).min(size.full());
        let more = size.full().saturating_sub(once);
        let more = more.saturating_mul(cadence.in_full.min(100)).div_ceil(100);
        let once = once.saturating_add(more);
        let changed = changed.map_or(0, |every| reads(once, every));
        let used = full.saturating_add(changed);
        if used <= self.reads() {
            return Ok(used);
        }
        Err(TooDear {
            reads: used,
            allowed: self.reads(),
            full_every: self.fitting(size.full(), changed),
            incremental_every: cadence
                .incremental_every
                .and_then(|_| self.fitting(once, full)),
        })
    }

    /// The shortest interval of something that costs `requests`, in hours, beside what `others` use;
    /// `None` when not even once in 30 days fits.
    fn fitting(self, requests: u64, others: u64) -> Option<u64> {
        let left = self.reads().saturating_sub(others);
        let runs = left.checked_div(requests)?;
        (runs > 0).then_some(WINDOW_HOURS.div_ceil(runs.max(1)))
    }
}

/// How often an account is scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    /// Hours from one full scan to the next.
    pub full_every: u64,
    /// Hours from one scan of what has changed to the next, where there are any.
    pub incremental_every: Option<u64>,
    /// Customers that change between two of them.
    pub dirty: u64,
    /// Of a hundred of them, those that end up reading everything.
    pub in_full: u64,
}

impl Cadence {
    /// Full scans only.
    pub const fn full(every: u64) -> Self {
        Self {
            full_every: every,
            incremental_every: None,
            dirty: 0,
            in_full: 0,
        }
    }
}

/// Reads in 30 days of something that costs `requests` every `every` hours.
const fn reads(requests: u64, every: u64) -> u64 {
    let every = if every == 0 { 1 } else { every };
    requests.saturating_mul(WINDOW_HOURS.div_ceil(every))
}

/// A schedule would use more than its share of what Stripe grants.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub struct TooDear {
    /// Reads it would use in 30 days.
    pub reads: u64,
    /// Reads that it may use.
    pub allowed: u64,
    /// The shortest interval of full scans that fits, in hours, where one does.
    pub full_every: Option<u64>,
    /// The shortest interval of scans of what has changed that fits, where one does.
    pub incremental_every: Option<u64>,
}

impl std::fmt::Display for TooDear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "scans this often would use {} of Stripe's reads in 30 days, and {} are allowed: ",
            self.reads, self.allowed
        )?;
        match (self.full_every, self.incremental_every) {
            (Some(hours), _) => write!(f, "a full scan every {hours} hours or less often fits"),
            (None, Some(hours)) => {
                write!(
                    f,
                    "what has changed, every {hours} hours or less often, fits"
                )
            }
            (None, None) => f.write_str("no interval of up to 30 days fits"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account in the proportions that the estimates of our design assume: 77 subscriptions for
    /// 100 customers.
    fn account(customers: u64) -> AccountSize {
        AccountSize::counted(&RunCounts {
            customers,
            subscriptions: customers * 77 / 100,
            ..RunCounts::default()
        })
    }

    #[test]
    fn a_full_scan_costs_its_pages_and_no_more_than_one_more_for_each_shard() {
        for (customers, requests) in [
            (0, 3 + 6),
            (100, 1 + 1 + 1 + 6),
            (10_000, (100 + 63) + (77 + 63) + (4 + 3) + 6),
            (100_000, (1_000 + 63) + (770 + 63) + (39 + 38) + 6),
            (1_000_000, (10_000 + 63) + (7_700 + 63) + (385 + 63) + 6),
            (
                10_000_000,
                (100_000 + 63) + (77_000 + 63) + (3_850 + 63) + 6,
            ),
        ] {
            assert_eq!(account(customers).full(), requests, "{customers}");
        }
        let drift = AccountSize {
            findings: 2_000,
            ..account(10_000)
        };
        assert_eq!(drift.full(), account(10_000).full() + 6_000);
    }

    #[test]
    fn a_catalogue_that_costs_more_than_most_is_counted_as_it_was_read() {
        let with = |catalog| {
            AccountSize::counted(&RunCounts {
                customers: 100,
                catalog,
                ..RunCounts::default()
            })
        };
        let lists = 1 + 1 + 1;
        assert_eq!(with(2).full(), lists + 6);
        assert_eq!(with(104).full(), lists + 104);
        assert_eq!(with(104).incremental(1), 1 + 3 + 104);
    }

    #[test]
    fn the_time_of_a_scan_follows_from_the_rate_of_the_whole_account() {
        let seconds = |customers, rate| Estimate::of(account(customers), rate).total().as_secs();
        for (customers, at_10, at_12, at_25) in [
            (10_000, 32, 27, 13),
            (100_000, 198, 165, 80),
            (1_000_000, 1_828, 1_524, 732),
            (10_000_000, 18_105, 15_088, 7_242),
        ] {
            let found = [10, 12, 25].map(|rate| seconds(customers, rate));
            assert_eq!(found, [at_10, at_12, at_25], "{customers} customers");
        }
        // 8 cursors at 0.4 s for a page are the limit, however many requests may leave.
        assert_eq!(seconds(1_000_000, 10_000), 503);
        assert_eq!(
            seconds(0, 0),
            9,
            "one request a second where no rate is known"
        );
    }

    #[test]
    fn a_second_look_takes_its_requests() {
        let drift = AccountSize {
            findings: 20_000,
            ..account(1_000_000)
        };
        let estimate = Estimate::of(drift, 12);
        assert_eq!(estimate.again.as_secs(), 5_000);
        assert_eq!(estimate.reading.as_secs(), 1_524);
    }

    #[test]
    fn every_account_has_the_floor_and_a_busy_one_has_more() {
        assert_eq!(granted(0), 10_000);
        assert_eq!(granted(20), 10_000);
        assert_eq!(granted(21), 10_500);
        assert_eq!(granted(u64::MAX), u64::MAX);
        assert_eq!(Allowance::of(0).reads(), 5_000);
    }

    #[test]
    fn a_schedule_is_refused_above_its_share_and_the_refusal_says_what_fits() {
        // (customers, transactions in 30 days, every so many hours) -> reads, what fits
        for (customers, transactions, every, reads, fits) in [
            (10_000, 0, 168, 1_580, None),
            (10_000, 0, 24, 9_480, Some(48)),
            // Hourly full scans: as our design warns, only for those who sell much.
            (10_000, 0, 1, 227_520, Some(48)),
            (10_000, 911, 1, 227_520, None),
            (10_000, 910, 1, 227_520, Some(2)),
            // A hundred paying customers among 100,000.
            (100_000, 100, 24, 59_370, Some(60)),
            (100_000, 100, 168, 9_895, None),
            (1_000_000, 1_000_000, 24, 548_400, None),
        ] {
            let judged =
                Allowance::of(transactions).judge(account(customers), Cadence::full(every));
            let name = format!("{customers} customers, {transactions} sales, {every} h");
            match judged {
                Ok(used) => assert_eq!((used, None), (reads, fits), "{name}"),
                Err(error) => assert_eq!((error.reads, error.full_every), (reads, fits), "{name}"),
            }
        }
    }

    #[test]
    fn what_is_said_to_fit_does_and_one_hour_less_costs_another_scan() {
        for customers in [100, 9_999, 40_000, 77_777] {
            let size = account(customers);
            let allowance = Allowance::of(50);
            let Err(error) = allowance.judge(size, Cadence::full(1)) else {
                continue;
            };
            let fits = error.full_every.unwrap();
            assert!(
                allowance.judge(size, Cadence::full(fits)).is_ok(),
                "{customers}"
            );
            assert!(
                allowance.judge(size, Cadence::full(fits - 1)).is_err(),
                "{customers}"
            );
        }
    }

    #[test]
    fn an_account_that_one_scan_exhausts_is_told_that_nothing_fits() {
        let judged = Allowance::of(0).judge(account(1_000_000), Cadence::full(720));
        let error = judged.unwrap_err();
        assert_eq!(
            error.to_string(),
            "scans this often would use 18280 of Stripe's reads in 30 days, and 5000 are \
             allowed: no interval of up to 30 days fits"
        );
    }
    #[test]
    fn a_full_scan_a_week_and_what_has_changed_every_hour_fits_small_accounts() {
        let weekly = |dirty| Cadence {
            full_every: 168,
            incremental_every: Some(1),
            dirty,
            in_full: 0,
        };
        let size = account(10_000);
        assert_eq!(size.incremental(0), 1 + 6);
        assert_eq!(size.incremental(50), 3 + 150 + 6);
        // Nothing changes: 5 full scans of 316 requests, 720 times 7 requests.
        let judged = Allowance::of(40).judge(size, weekly(0));
        assert_eq!(judged, Ok(1_580 + 5_040));
        // Fifty of 10,000 customers an hour, as on a billing day, are not free.
        let judged = Allowance::of(40).judge(size, weekly(50));
        let error = judged.unwrap_err();
        assert_eq!(error.reads, 1_580 + 720 * 159);
        assert_eq!(
            (error.full_every, error.incremental_every),
            (None, Some(14))
        );
        let message = error.to_string();
        assert!(
            message.ends_with("every 14 hours or less often, fits"),
            "{message}"
        );
        let fits = Cadence {
            incremental_every: Some(14),
            ..weekly(50)
        };
        assert!(Allowance::of(40).judge(size, fits).is_ok());
        // Where half of them end up reading everything, half of a full scan is added.
        let half = Cadence {
            in_full: 50,
            ..weekly(0)
        };
        let once = 7 + (316 - 7_u64).div_ceil(2);
        let error = Allowance::of(40).judge(size, half).unwrap_err();
        assert_eq!(error.reads, 1_580 + 720 * once);
        // Whoever sells so much has the reads for it.
        assert!(Allowance::of(1_000).judge(size, weekly(50)).is_ok());
    }
}
