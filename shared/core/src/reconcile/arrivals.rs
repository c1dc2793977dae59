//! Objects that wait for the numbers of their customers.
//!
//! The numbers of a million customers do not fit into a processor's cache. Asked for one by one,
//! each waits for memory on its own; some at a time, they wait together.

use super::ids::CustomerId;
use super::key::KeyHash;
use super::scan::Scan;
use super::store::{Record, index};

/// Enough to wait together.
const TOGETHER: usize = 64;

/// Few objects, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    objects: Vec<(CustomerId, Object)>,
    /// The customers' values, and the places of their match keys.
    values: Vec<(usize, KeyHash)>,
    numbers: Vec<Option<u32>>,
}

/// What waits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Object {
    /// A customer who was read.
    Customer {
        /// For [`super::store::Slot::flags`].
        flags: u8,
        /// For [`super::store::Slot::present`].
        present: u8,
        /// How many of the values are the customer's.
        values: usize,
    },
    /// A subscription, still without a number.
    Subscription(Record),
}

impl Arrivals {
    /// Takes a value of the customer who comes next.
    pub(super) fn value(&mut self, place: usize, hash: KeyHash) {
        self.values.push((place, hash));
    }
}

impl Scan {
    /// Takes an object of a customer.
    pub(super) fn arrive(&mut self, customer: CustomerId, object: Object) {
        self.arrivals.objects.push((customer, object));
        if self.arrivals.objects.len() >= TOGETHER {
            self.settle_arrivals();
        }
    }

    /// Enters whatever waits.
    pub(super) fn settle_arrivals(&mut self) {
        let mut arrivals = std::mem::take(&mut self.arrivals);
        for (customer, _) in &arrivals.objects {
            self.directory.approach(customer);
        }
        let numbers = arrivals.objects.iter().map(|(id, _)| self.known(id));
        arrivals.numbers.clear();
        arrivals.numbers.extend(numbers);
        let mut values = arrivals.values.drain(..);
        for ((customer, object), known) in arrivals.objects.drain(..).zip(&arrivals.numbers) {
            let number = known.or_else(|| self.number(customer));
            match object {
                Object::Customer {
                    flags,
                    present,
                    values: count,
                } => {
                    for (place, hash) in values.by_ref().take(count) {
                        if let Some((keys, number)) = self.keys.get_mut(place).zip(number) {
                            keys.push(hash, number);
                        }
                    }
                    let slot = number.and_then(|number| self.slots.get_mut(index(number)));
                    if let Some(slot) = slot {
                        slot.flags |= flags;
                        slot.present |= present;
                    }
                }
                Object::Subscription(record) => {
                    if let Some(customer) = number {
                        self.records.push(&Record { customer, ..record });
                    }
                }
            }
        }
        drop(values);
        self.arrivals = arrivals;
    }
}
