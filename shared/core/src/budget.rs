//! Slots for requests to one Stripe account: who may send, and when.
//!
//! Stripe's limits are shared with everything else that the customer runs, so all workers together
//! keep to one rate. Time is a grid of slots, one request each, a little further apart than the
//! rate asks for. The slots belong in turn to eight lanes; a worker takes the next few slots of one
//! or more lanes, so a worker that waits for each answer still uses most of what it took. A lower
//! rate closes lanes. One small document says up to where each lane is taken; whoever replaces it
//! has the slots in between, and nobody else ever gets them.
//!
//! Why no second has too many: the slots of any second and [`SLACK`] are at most `rate`, and a slot
//! that was missed by more than [`LATE`] is not used. The rest of the slack is for clocks of workers
//! that differ and for the way to Stripe.

use std::time::Duration;

use counterfoil_evidence::hash::sha256;
use serde::{Deserialize, Serialize};

use crate::ports::{Lease, Urgency};
use crate::time::Timestamp;

/// Requests per second that may go to one account where nothing else is set: well below the 25 that
/// one endpoint of Stripe takes, because the customer's own traffic shares them.
pub const REQUESTS_PER_SECOND: u32 = 10;

/// Lanes of a grid.
pub const LANES: usize = 8;

/// A slot that passed longer ago is not used.
pub const LATE: Duration = Duration::from_millis(40);

/// What a second is longer on the grid.
pub const SLACK: Duration = Duration::from_millis(100);

/// How long after a 429 the rate stays lowered before it doubles again.
pub const RECOVERY: Duration = Duration::from_secs(10);

/// Requests that were on their way when the rate was lowered do not lower it again.
const ONE_WARNING: Duration = Duration::from_secs(2);

/// Slots of one lane that one lease takes for pages.
const BULK: u64 = 5;

/// The order in which lanes are added to a first one, so that they lie far apart.
const SPREAD: [u64; LANES] = [0, 4, 2, 6, 1, 5, 3, 7];

const LANE_COUNT: u64 = 8;

/// The name of an account in budgets: a digest, so that its key is nowhere.
pub fn account_name(key: &str) -> String {
    sha256(format!("counterfoil request budget\n{key}").as_bytes()).to_string()
}

/// The budget of one account, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Requests per second.
    rate: u32,
    /// For each lane the first slot that is free, counted from 1970.
    free: [u64; LANES],
    /// After a 429.
    slowed: Option<Slowed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Slowed {
    /// How often the rate was halved.
    times: u32,
    since: Timestamp,
}

impl Budget {
    /// A budget of which nothing is taken. At least one request per second.
    pub const fn new(rate: u32) -> Self {
        let rate = if rate == 0 { 1 } else { rate };
        Self {
            rate,
            free: [0; LANES],
            slowed: None,
        }
    }

    /// Takes slots from up to `lanes` lanes.
    pub fn lease(&mut self, now: Timestamp, urgency: Urgency, lanes: usize) -> Lease {
        self.recover(now);
        let first = now.as_millis().div_ceil(self.spacing());
        let (each, horizon) = match urgency {
            Urgency::Prompt => (1, None),
            // Behind one round nothing is queued: whoever is prompt goes before.
            Urgency::Bulk => (BULK, Some(first.saturating_add(LANE_COUNT))),
        };
        let mut open: Vec<(u64, u64)> = (0..LANE_COUNT)
            .filter(|lane| self.is_open(*lane))
            .map(|lane| (self.next_of(lane, first), lane))
            .collect();
        open.sort_unstable();
        let Some((earliest, begin)) = open.first().copied() else {
            return Lease::Busy(now.plus(RECOVERY));
        };
        if let Some(horizon) = horizon
            && earliest >= horizon
        {
            let until = earliest.saturating_sub(LANE_COUNT);
            return Lease::Busy(self.time(until.saturating_add(1)));
        }
        let fits = |lane: u64| {
            let slot = open.iter().find(|(_, it)| *it == lane)?.0;
            horizon.is_none_or(|end| slot < end).then_some((lane, slot))
        };
        let order = SPREAD.iter().map(|step| (begin + step) % LANE_COUNT);
        let taken: Vec<(u64, u64)> = order.filter_map(fits).take(lanes.max(1)).collect();
        let mut slots = Vec::new();
        for (lane, slot) in taken {
            slots.extend((0..each).map(|turn| slot + turn * LANE_COUNT));
            self.take(lane, slot + each * LANE_COUNT);
        }
        slots.sort_unstable();
        Lease::Slots(slots.into_iter().map(|slot| self.time(slot)).collect())
    }

    /// Halves the rate.
    pub fn slow_down(&mut self, now: Timestamp) {
        let times = match self.slowed {
            Some(slowed) if now.since(slowed.since) < ONE_WARNING => return,
            Some(slowed) => slowed.times.saturating_add(1),
            None => 1,
        };
        // One lane stays open.
        let times = times.min(LANE_COUNT.ilog2());
        self.slowed = Some(Slowed { times, since: now });
    }

    /// The same budget at another rate: what was taken stays taken.
    #[must_use]
    pub fn at_rate(self, rate: u32) -> Self {
        let mut other = Self::new(rate);
        if other.rate == self.rate {
            return self;
        }
        let last = self.free.iter().max().copied().unwrap_or(0);
        let end = self.time(last).as_millis().div_ceil(other.spacing());
        for lane in 0..LANE_COUNT {
            other.take(lane, other.next_of(lane, end));
        }
        other.slowed = self.slowed;
        other
    }

    /// Requests per second now.
    pub fn current_rate(&self) -> u32 {
        let times = self.slowed.map_or(0, |slowed| slowed.times);
        (self.rate >> times.min(31)).max(1)
    }

    /// Milliseconds from slot to slot.
    fn spacing(&self) -> u64 {
        let second = Duration::from_secs(1) + SLACK;
        let second = u64::try_from(second.as_millis()).unwrap_or(u64::MAX);
        second.div_ceil(u64::from(self.rate.max(1))).max(1)
    }

    fn time(&self, slot: u64) -> Timestamp {
        Timestamp::from_millis(slot.saturating_mul(self.spacing()))
    }

    /// Every second lane after the first 429, every fourth after the second.
    fn is_open(&self, lane: u64) -> bool {
        let times = self.slowed.map_or(0, |slowed| slowed.times);
        lane.is_multiple_of(1 << times.min(LANE_COUNT.ilog2()))
    }

    /// The first slot of a lane that is free and not before `first`.
    fn next_of(&self, lane: u64, first: u64) -> u64 {
        let place = usize::try_from(lane).unwrap_or(LANES);
        let free = self.free.get(place).copied().unwrap_or(u64::MAX);
        let earliest = free.max(first);
        let ahead = (lane + LANE_COUNT - earliest % LANE_COUNT) % LANE_COUNT;
        earliest.saturating_add(ahead)
    }

    fn take(&mut self, lane: u64, until: u64) {
        let place = usize::try_from(lane).unwrap_or(LANES);
        if let Some(free) = self.free.get_mut(place) {
            *free = until;
        }
    }

    fn recover(&mut self, now: Timestamp) {
        if let Some(slowed) = self.slowed
            && now.since(slowed.since) >= RECOVERY
        {
            let times = slowed.times.saturating_sub(1);
            self.slowed = (times > 0).then_some(Slowed { times, since: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_392_000_000);

    fn slots(budget: &mut Budget, now: Timestamp, lanes: usize) -> Vec<u64> {
        match budget.lease(now, Urgency::Bulk, lanes) {
            Lease::Slots(slots) => slots.iter().map(|it| it.as_millis()).collect(),
            Lease::Busy(_) => Vec::new(),
        }
    }

    /// The most times that lie in one second and a bit.
    fn most_in_a_second(mut times: Vec<u64>) -> usize {
        times.sort_unstable();
        let from = |from: u64| {
            let second = from..from + 1_040;
            times.iter().filter(|it| second.contains(it)).count()
        };
        times.iter().map(|it| from(*it)).max().unwrap_or(0)
    }

    #[test]
    fn no_slot_is_given_twice_and_no_second_has_too_many() {
        for rate in [1, 2, 7, 10, 25, 100] {
            let mut budget = Budget::new(rate);
            let mut all = Vec::new();
            let mut now = NOW;
            for turn in 0..400 {
                let lanes = 1 + turn % 9;
                all.extend(slots(&mut budget, now, lanes));
                if let Lease::Slots(prompt) = budget.lease(now, Urgency::Prompt, 2) {
                    all.extend(prompt.iter().map(|it| it.as_millis()));
                }
                now = now.plus(Duration::from_millis(37));
            }
            let mut unique = all.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), all.len(), "rate {rate}");
            assert!(all.iter().all(|slot| *slot >= NOW.as_millis()));
            assert!(
                most_in_a_second(all) <= usize::try_from(rate).unwrap(),
                "rate {rate}"
            );
        }
    }

    #[test]
    fn one_lane_leaves_time_for_an_answer_and_eight_use_the_whole_rate() {
        let mut budget = Budget::new(10);
        let one = slots(&mut budget, NOW, 1);
        assert_eq!(one.len(), 5);
        assert!(one.windows(2).all(|pair| pair[1] - pair[0] == 880));
        let two = slots(&mut budget, NOW, 2);
        assert!(
            two.windows(2).all(|pair| pair[1] - pair[0] == 440),
            "far apart"
        );
        let mut fresh = Budget::new(10);
        let all = slots(&mut fresh, NOW, LANES);
        assert_eq!(all.len(), 40);
        assert!(all.windows(2).all(|pair| pair[1] - pair[0] == 110));
    }

    #[test]
    fn pages_wait_while_everything_near_is_taken_and_prompt_requests_go_before() {
        let mut budget = Budget::new(10);
        assert_eq!(slots(&mut budget, NOW, LANES).len(), 40);
        let Lease::Busy(until) = budget.lease(NOW, Urgency::Bulk, 1) else {
            panic!("five rounds are taken")
        };
        assert!(until > NOW && until < NOW.plus(Duration::from_secs(4)));
        let early = Timestamp::from_millis(until.as_millis() - 120);
        assert!(slots(&mut budget.clone(), early, 1).is_empty());
        assert!(
            !slots(&mut budget.clone(), until, 1).is_empty(),
            "as was said"
        );
        let Lease::Slots(prompt) = budget.lease(NOW, Urgency::Prompt, 2) else {
            panic!("prompt requests queue")
        };
        assert!(prompt[0] < NOW.plus(Duration::from_secs(5)));
    }

    #[test]
    fn a_429_closes_every_second_lane_for_a_while() {
        let mut budget = Budget::new(16);
        budget.slow_down(NOW);
        budget.slow_down(NOW.plus(Duration::from_secs(1)));
        assert_eq!(budget.current_rate(), 8, "one warning");
        let all = slots(&mut budget, NOW, LANES);
        assert_eq!(all.len(), 20);
        assert!(most_in_a_second(all) <= 8);
        let later = NOW.plus(Duration::from_secs(3));
        budget.slow_down(later);
        assert_eq!(budget.current_rate(), 4);
        for _ in 0..9 {
            budget.slow_down(later.plus(Duration::from_mins(1)));
        }
        let mut now = later.plus(Duration::from_mins(1));
        assert!(!slots(&mut budget, now, 1).is_empty(), "one lane stays");
        for _ in 0..4 {
            now = now.plus(RECOVERY);
            budget.lease(now, Urgency::Bulk, 1);
        }
        assert_eq!(budget.current_rate(), 16);
    }

    #[test]
    fn another_rate_keeps_what_is_taken() {
        let mut budget = Budget::new(10);
        let mut all = slots(&mut budget, NOW, 3);
        let mut faster = budget.at_rate(25);
        let later = NOW.plus(Duration::from_secs(6));
        let then = slots(&mut faster, later, LANES);
        assert!(then.iter().min() > all.iter().max());
        all.extend(then);
        assert!(most_in_a_second(all) <= 25);
        let same = Budget::new(25);
        assert_eq!(same.clone().at_rate(25), same);
    }

    #[test]
    fn the_name_of_an_account_shows_nothing_of_its_key() {
        let name = account_name("rk_live_abc");
        assert_eq!(name, account_name("rk_live_abc"));
        assert_ne!(name, account_name("rk_live_abd"));
        assert!(name.len() == 64 && !name.contains("abc"));
    }
}
