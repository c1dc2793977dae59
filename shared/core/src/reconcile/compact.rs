//! Every subscription of a run in 36 bytes: what many have in common is kept once.

use std::collections::BTreeMap;
use std::hint::black_box;

use super::ids::SubscriptionId;
use super::store::{Record, index};
use crate::promise::{DealId, Rule, Standing};

/// The part of a record that is its own.
#[derive(Debug, Clone, Copy)]
struct Own {
    customer: u32,
    id: SubscriptionId,
    created: u32,
    trial: u32,
    common: u32,
}

/// The part that it shares with many others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Common {
    seats: u32,
    amount: u32,
    deal: DealId,
    standing: Standing,
    rule: Rule,
}

/// Records in the order in which they came, or sorted by customer and id once they are settled.
#[derive(Debug, Default)]
pub(super) struct Compact {
    own: Vec<Own>,
    common: Vec<Common>,
    numbers: BTreeMap<Common, u32>,
}

impl Compact {
    pub(super) fn push(&mut self, record: &Record) {
        let own = self.split(record);
        self.own.push(own);
    }

    /// Changes records; `change` answers `None` where nothing is to change.
    pub(super) fn change(&mut self, change: impl Fn(&Record) -> Option<Record>) {
        for place in 0..self.own.len() {
            let changed = self.get(place).and_then(|record| change(&record));
            if let Some(changed) = changed {
                let own = self.split(&changed);
                if let Some(target) = self.own.get_mut(place) {
                    *target = own;
                }
            }
        }
    }

    /// Sorts by customer and id. Of a subscription that was read twice the last in order stands for
    /// both.
    pub(super) fn settle(&mut self) {
        let common = std::mem::take(&mut self.common);
        self.numbers = BTreeMap::new();
        let shared = |own: &Own| common.get(index(own.common));
        self.own.sort_unstable_by(|a, b| {
            let key = |own: &Own| (own.customer, own.id, own.created, own.trial);
            key(a).cmp(&key(b)).then_with(|| shared(a).cmp(&shared(b)))
        });
        self.own.reverse();
        self.own.dedup_by_key(|own| (own.customer, own.id));
        self.own.reverse();
        self.common = common;
    }

    /// The record at a place.
    pub(super) fn get(&self, place: usize) -> Option<Record> {
        let own = self.own.get(place)?;
        let common = self.common.get(index(own.common))?;
        Some(Record {
            customer: own.customer,
            id: own.id,
            created: own.created,
            trial: own.trial,
            seats: common.seats,
            amount: common.amount,
            deal: common.deal,
            standing: common.standing,
            rule: common.rule,
        })
    }

    /// Brings a record near before it is looked at.
    pub(super) fn approach(&self, place: usize) {
        black_box(self.own.get(place).map(|own| own.customer));
    }

    /// The records from a place on.
    pub(super) fn from(&self, place: usize) -> impl Iterator<Item = Record> {
        (place..self.own.len()).map_while(|place| self.get(place))
    }

    /// Whose records they are, in order.
    pub(super) fn customers(&self) -> impl Iterator<Item = u32> {
        self.own.iter().map(|own| own.customer)
    }

    fn split(&mut self, record: &Record) -> Own {
        let common = Common {
            seats: record.seats,
            amount: record.amount,
            deal: record.deal,
            standing: record.standing,
            rule: record.rule,
        };
        let next = u32::try_from(self.common.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(common).or_insert_with(|| {
            self.common.push(common);
            next
        });
        Own {
            customer: record.customer,
            id: record.id,
            created: record.created,
            trial: record.trial,
            common: number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::{LongIds, SUBSCRIPTION};
    use super::*;

    fn record(customer: u32, id: &str, created: u32, seats: u32) -> Record {
        Record {
            customer,
            id: LongIds::default().short(SUBSCRIPTION, id),
            created,
            trial: 0,
            seats,
            amount: 7,
            deal: 0,
            standing: Standing::Grants,
            rule: Rule::Active,
        }
    }

    #[test]
    fn the_memory_budget_counts_36_bytes_a_subscription() {
        assert_eq!(size_of::<Own>(), 36);
    }

    #[test]
    fn the_later_version_of_a_subscription_stands_whatever_the_order() {
        let (old, new) = (record(1, "sub_a", 5, 1), record(1, "sub_a", 5, 9));
        let other = record(0, "sub_b", 9, 2);
        for order in [[old, new, other], [other, new, old], [new, other, old]] {
            let mut compact = Compact::default();
            for record in &order {
                compact.push(record);
            }
            compact.settle();
            assert_eq!(compact.from(0).collect::<Vec<_>>(), [other, new]);
        }
    }

    #[test]
    fn a_change_reaches_the_one_record_it_is_about() {
        let mut compact = Compact::default();
        compact.push(&record(0, "sub_a", 1, 1));
        compact.push(&record(1, "sub_b", 1, 1));
        compact.change(|record| {
            (record.customer == 1).then_some(Record {
                standing: Standing::Refuses,
                ..*record
            })
        });
        let standings: Vec<Standing> = compact.from(0).map(|record| record.standing).collect();
        assert_eq!(standings, [Standing::Grants, Standing::Refuses]);
    }
}
