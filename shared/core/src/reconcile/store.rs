//! The compact records of Stripe's side.

use super::ids::{CustomerId, SubscriptionId};
use crate::promise::{DealId, Rule, Standing};

/// A customer was read, not only named by a subscription.
pub(super) const READ: u8 = 1;
/// Stripe says that it was deleted.
pub(super) const DELETED: u8 = 2;
/// Its best key hits several rows.
pub(super) const AMBIGUOUS: u8 = 4;
/// Its keys point to different rows.
pub(super) const CONFLICT: u8 = 8;
/// It belongs to the other mode than the account.
pub(super) const WRONG_MODE: u8 = 16;
/// [`Slot::best`] before any row was hit.
pub(super) const NO_KEY: u8 = u8::MAX;
/// [`Record::customer`] before the customer has a number.
pub(super) const NO_CUSTOMER: u32 = u32::MAX;
/// [`Record::seats`] where the quantity is not known.
pub(super) const NO_SEATS: u32 = u32::MAX;

/// One customer. 20 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) id: CustomerId,
    /// First of its records.
    pub(super) first: u32,
    pub(super) flags: u8,
    /// Which match keys it has a value for, one bit each.
    pub(super) present: u8,
    /// The first match key by which a row was hit.
    pub(super) best: u8,
}

impl Slot {
    pub(super) const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// A customer who exists: read, of the account's mode, and not deleted.
    pub(super) const fn counts(&self) -> bool {
        self.is(READ) && !self.is(DELETED | WRONG_MODE)
    }
}

/// One subscription, judged; [`super::compact`] keeps many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    pub(super) customer: u32,
    pub(super) id: SubscriptionId,
    pub(super) created: u32,
    /// End of the running trial, 0 without one. Of an unpaid renewal, until its grace time is
    /// settled: the start of its period, 0 if not known.
    pub(super) trial: u32,
    pub(super) seats: u32,
    pub(super) amount: u32,
    pub(super) deal: DealId,
    pub(super) standing: Standing,
    pub(super) rule: Rule,
}

/// The bit of a match key in [`Slot::present`]; the compiler of mappings allows 8 keys.
pub(super) const fn bit(place: usize) -> u8 {
    1 << (place & 7)
}

/// A place in memory: `usize` has at least 32 bits wherever this runs.
pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The memory of a scan is this times the number of customers, plus 36 bytes for each
    /// subscription and 16 for each value by which a customer is matched.
    #[test]
    fn the_memory_budget_counts_20_bytes_a_customer() {
        assert_eq!(size_of::<Slot>(), 20);
    }
}
