//! Which events of a day did not come: what is asked of Stripe, in which order, and what may be said
//! afterwards.
//!
//! It is an estimate. Stripe delivers again for days, so what is missing at night may still come; a
//! type that the endpoint is not subscribed to never comes. Of a day with more events than are
//! looked at, every hour is looked at a little, and the number is a lower bound.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ports::{CreatedRange, ListCursor};
use crate::time::Timestamp;

/// Types of events after which a customer may have another promise. Stripe takes at most 20 in one
/// request (docs.stripe.com/api/events/list).
///
/// Changes of prices and products are not among them: the catalogue is read whole by every run.
pub const CUSTOMER_EVENTS: [&str; 15] = [
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.pending_update_applied",
    "entitlements.active_entitlement_summary.updated",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.marked_uncollectible",
    "invoice.voided",
];

/// How long after its beginning a day is still asked for. Stripe keeps events for 30 days; what is
/// older than a week has been seen by scans.
const MAX_AGE: Duration = Duration::from_hours(7 * 24);

/// Requests for one day of one project.
const PAGES: u32 = 30;

const HOURS: i64 = 24;
const HOUR: i64 = 3_600;

/// What is known of the events of a day that did not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedEvents {
    /// Stripe's list was compared with what came.
    Counted(MissedCounts),
    /// Nothing is known, and why.
    Absent(WhyAbsent),
}

/// Why there is no estimate for a day. It is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyAbsent {
    /// The project did not exist on that day.
    BeforeProject,
    /// The day is over for too long.
    TooOld,
    /// Stripe ended the connection.
    ConnectionEnded,
    /// Stripe did not answer for hours.
    Unavailable,
    /// Stripe does not let the key read events.
    Refused,
    /// What Stripe answered could not be understood.
    Unreadable,
    /// The key could not be opened for hours.
    KeyUnavailable,
}

impl WhyAbsent {
    /// Its name in evidence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BeforeProject => "before_project",
            Self::TooOld => "too_old",
            Self::ConnectionEnded => "connection_ended",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
            Self::KeyUnavailable => "key_unavailable",
        }
    }

    /// Whether somebody has to do something about it.
    pub const fn is_fault(self) -> bool {
        !matches!(self, Self::BeforeProject | Self::TooOld)
    }
}

/// What of a day's list did not come, and what was done about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedCounts {
    /// Listed events about customers.
    pub listed: u64,
    /// Those of them that did not come.
    pub missing: u64,
    /// The same by type.
    pub kinds: BTreeMap<String, u64>,
    /// Whether the whole day was listed; if not, `missing` is a lower bound.
    pub complete: bool,
    /// Customers of missing events for whom a check was asked.
    pub asked: u64,
    /// Customers of missing events whom a check has looked at since.
    pub looked: u64,
    /// Customers of missing events who are left to the next scan.
    pub left: u64,
}

/// The part of a day to be listed.
///
/// # Errors
/// Why there is nothing to list.
pub fn window_of(
    day: u64,
    project_made: Timestamp,
    now: Timestamp,
) -> Result<CreatedRange, WhyAbsent> {
    let start = Timestamp::from_millis(day.saturating_mul(86_400_000));
    let end = start.plus(Duration::from_hours(24));
    if project_made >= end {
        return Err(WhyAbsent::BeforeProject);
    }
    if now.since(start) > MAX_AGE {
        return Err(WhyAbsent::TooOld);
    }
    Ok(CreatedRange {
        from: start.max(project_made).as_secs(),
        to: end.as_secs(),
    })
}

/// The pages of a day, in the order in which they are read: one page of the whole day, and if that is
/// not all, the day hour by hour, a page of each in turn, until there is no more or enough was read.
///
/// Events may come twice: those of the first page do.
#[derive(Debug, Clone)]
pub struct DayWalk {
    parts: VecDeque<(CreatedRange, Option<ListCursor>)>,
    whole: Option<CreatedRange>,
    left: u32,
}

impl DayWalk {
    /// The walk through `range`.
    pub fn of(range: CreatedRange) -> Self {
        Self {
            parts: VecDeque::from([(range, None)]),
            whole: Some(range),
            left: PAGES,
        }
    }

    /// What to read now; `None` at the end.
    pub fn page(&self) -> Option<(CreatedRange, Option<&ListCursor>)> {
        let (range, cursor) = self.parts.front().filter(|_| self.left > 0)?;
        Some((*range, cursor.as_ref()))
    }

    /// That page was read, and `next` is where the one behind it begins.
    pub fn took(&mut self, next: Option<ListCursor>) {
        self.left = self.left.saturating_sub(1);
        let Some((range, _)) = self.parts.pop_front() else {
            return;
        };
        match (next, self.whole.take()) {
            (Some(_), Some(day)) => self.parts = hours_of(day),
            (Some(next), None) => self.parts.push_back((range, Some(next))),
            (None, _) => {}
        }
    }

    /// Whether every event of the day was read.
    pub fn is_complete(&self) -> bool {
        self.parts.is_empty()
    }
}

fn hours_of(day: CreatedRange) -> VecDeque<(CreatedRange, Option<ListCursor>)> {
    let hour = |number: i64| {
        let from = day.from.saturating_add(number.saturating_mul(HOUR));
        let to = from.saturating_add(HOUR).min(day.to);
        (from < to).then_some((CreatedRange { from, to }, None))
    };
    (0..HOURS).filter_map(hour).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Hint, event_of};
    use super::*;

    const DAY: u64 = 20_780;
    const START: i64 = 20_780 * 86_400;

    #[test]
    fn each_leads_to_a_customer() {
        for kind in CUSTOMER_EVENTS {
            let object = if kind.matches('.').count() == 1 && kind.starts_with("customer.") {
                serde_json::json!({"id": "cus_1"})
            } else {
                serde_json::json!({"id": "x_1", "customer": "cus_1"})
            };
            let event =
                serde_json::json!({"id": "evt_1", "type": kind, "data": {"object": object}});
            let hint = event_of(event).unwrap().hint;
            assert_eq!(hint, Hint::Customer("cus_1".to_owned()), "{kind}");
        }
        assert!(CUSTOMER_EVENTS.len() <= 20);
    }

    #[test]
    fn a_day_is_asked_for_from_the_second_on_in_which_the_project_was_made() {
        let at = Timestamp::from_secs;
        let night = at(START + 86_400 + 900);
        let whole = window_of(DAY, at(0), night).unwrap();
        assert_eq!((whole.from, whole.to), (START, START + 86_400));
        let part = window_of(DAY, at(START + 7_200), night).unwrap();
        assert_eq!((part.from, part.to), (START + 7_200, START + 86_400));
        let before = window_of(DAY, at(START + 86_400), night);
        assert_eq!(before.unwrap_err(), WhyAbsent::BeforeProject);
        let old = window_of(DAY, at(0), at(START + 7 * 86_400 + 1));
        assert_eq!(old.unwrap_err(), WhyAbsent::TooOld);
    }

    fn cursor(created: i64) -> ListCursor {
        ListCursor {
            after: format!("evt_{created}"),
            created,
        }
    }

    #[test]
    fn a_quiet_day_costs_one_request() {
        let mut walk = DayWalk::of(window_of(DAY, Timestamp::from_secs(0), day_end()).unwrap());
        let (range, from) = walk.page().unwrap();
        assert_eq!((range.to - range.from, from), (86_400, None));
        walk.took(None);
        assert!(walk.page().is_none() && walk.is_complete());
    }

    fn day_end() -> Timestamp {
        Timestamp::from_secs(START + 86_400)
    }

    #[test]
    fn a_busy_day_is_looked_at_in_every_hour_and_no_further_than_the_bound() {
        let mut walk = DayWalk::of(window_of(DAY, Timestamp::from_secs(0), day_end()).unwrap());
        let mut pages = Vec::new();
        while let Some((range, from)) = walk.page() {
            pages.push((range.from, from.is_some()));
            walk.took(Some(cursor(range.to - 1)));
        }
        assert_eq!(pages.len(), 30);
        let hours: Vec<_> = (0..24).map(|hour| (START + hour * 3_600, false)).collect();
        assert_eq!(pages[1..25], hours);
        assert_eq!(pages[25], (START, true));
        assert!(!walk.is_complete());
    }

    #[test]
    fn a_day_that_began_late_has_fewer_hours_and_misses_none() {
        let made = Timestamp::from_secs(START + 21 * 3_600 + 1_800);
        let mut walk = DayWalk::of(window_of(DAY, made, day_end()).unwrap());
        walk.took(Some(cursor(START + 86_399)));
        let mut covered = Vec::new();
        while let Some((range, _)) = walk.page() {
            covered.push((range.from, range.to));
            walk.took(None);
        }
        let hours = [(77_400, 81_000), (81_000, 84_600), (84_600, 86_400)];
        let hours = hours.map(|(from, to)| (START + from, START + to));
        assert_eq!(covered, hours);
        assert!(walk.is_complete());
    }
}
