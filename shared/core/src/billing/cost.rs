//! What a price costs per month.

use super::{Price, Recurring};

/// A rhythm as a share of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    times: i64,
    over: i64,
}

impl Cadence {
    /// The share of a month in what is due once in the rhythm, rounded down: a year is 12 months, a
    /// week 12/52 of a month, a day 12/365. `None` beyond what can be counted.
    pub fn per_month(self, amount: i64) -> Option<i64> {
        amount.checked_mul(self.times)?.checked_div(self.over)
    }
}

/// The fixed cost of a price. Tiered and metered prices have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    unit: i64,
    package: u32,
    round_up: bool,
    cadence: Cadence,
}

impl Cost {
    /// Minor units per month of this many units, rounded down once. `None` beyond what can be
    /// counted.
    pub fn monthly(&self, quantity: u32) -> Option<i64> {
        let packages = if self.round_up {
            quantity.div_ceil(self.package)
        } else {
            quantity / self.package
        };
        let amount = self.unit.checked_mul(i64::from(packages))?;
        self.cadence.per_month(amount)
    }

    /// How often it is due.
    pub const fn cadence(&self) -> Cadence {
        self.cadence
    }
}

impl Recurring {
    /// The rhythm as a share of a month; `None` for an interval that this version does not know.
    pub fn cadence(&self) -> Option<Cadence> {
        let (times, over) = match self.interval.as_str() {
            "month" => (1, 1),
            "year" => (1, 12),
            "week" => (52, 12),
            "day" => (365, 12),
            _ => return None,
        };
        let count = i64::from(self.interval_count.max(1));
        Some(Cadence {
            times,
            over: count.saturating_mul(over),
        })
    }
}

impl Price {
    /// What it costs, unless that is known only afterwards or not at all: one-time, tiered and
    /// metered prices, fractions of a minor unit.
    pub fn cost(&self) -> Option<Cost> {
        let recurring = self.recurring.as_ref()?;
        if recurring.usage_type.as_deref() == Some("metered") {
            return None;
        }
        let packages = self.transform_quantity.as_ref();
        Some(Cost {
            unit: self.unit_amount?,
            package: packages.map_or(1, |by| by.divide_by.max(1)),
            round_up: packages.is_some_and(|by| by.round == "up"),
            cadence: recurring.cadence()?,
        })
    }

    /// Minor units per month of one unit.
    pub fn monthly(&self) -> Option<i64> {
        self.cost()?.monthly(1)
    }
}
