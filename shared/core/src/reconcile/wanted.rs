//! What rows look for their customers by.
//!
//! A million customers do not fit into a processor's cache: one look-up waits for memory several
//! times, one after the other. The look-ups of many rows do not depend on each other, so they take
//! each step together, and wait together. What they find is the same as one by one.

use std::borrow::Cow;
use std::hint::black_box;
use std::ops::Range;

use super::ids::{CUSTOMER, CustomerId};
use super::join::Join;
use super::key::{KeyHash, KeyIndex, key_hash};
use super::store::index;
use crate::cell::{AppRow, Cell};
use crate::mapping::{MatchSource, Place};

/// What one match key of a row says.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// The row has no value for it.
    Nothing,
    /// A customer id that was not read.
    Unknown,
    /// A customer id.
    Customer(CustomerId),
    /// A value, and where the index of the key has it.
    Value(KeyHash, Range<usize>),
}

impl Join {
    /// Looks up the values of rows: for each row as many answers as there are match keys.
    pub(super) fn look_up(&self, rows: &[AppRow], wanted: &mut Vec<Wanted>) {
        let keys = self.layout.keys.len();
        wanted.clear();
        for row in rows {
            wanted.extend((0..keys).map(|place| self.wanted(row, place)));
        }
        self.each_value(wanted, |index, hash, places| {
            *places = index.bucket(hash);
            index.approach(places);
        });
        self.each_value(wanted, |index, hash, places| {
            *places = index.same(places, hash);
            for customer in index.customers(places) {
                black_box(self.first_record(customer));
            }
        });
        self.each_value(wanted, |index, _, places| {
            for customer in index.customers(places) {
                self.scan.records.approach(self.first_record(customer));
            }
        });
    }

    fn each_value(
        &self,
        wanted: &mut [Wanted],
        mut each: impl FnMut(&KeyIndex, &KeyHash, &mut Range<usize>),
    ) {
        for (keys, wanted) in self.scan.keys.iter().cycle().zip(wanted) {
            if let Wanted::Value(hash, places) = wanted {
                each(keys, hash, places);
            }
        }
    }

    /// What a match key of a row says.
    pub(super) fn wanted(&self, row: &AppRow, place: usize) -> Wanted {
        let key = self.scan.artifact.match_keys().get(place);
        let Some((key, cell)) = key.zip(self.key_cell(row, place)) else {
            return Wanted::Nothing;
        };
        let value = match cell {
            Cell::Text(text) => Cow::Borrowed(text.as_str()),
            other => Cow::Owned(other.text()),
        };
        if value.is_empty() {
            Wanted::Nothing
        } else if key.source == MatchSource::CustomerId {
            let id = self.scan.long.find(CUSTOMER, &value);
            id.map_or(Wanted::Unknown, Wanted::Customer)
        } else {
            Wanted::Value(key_hash(&key.source, &value), 0..0)
        }
    }

    fn key_cell<'a>(&self, row: &'a AppRow, place: usize) -> Option<&'a Cell> {
        match self.layout.keys.get(place)? {
            Place::PrimaryKey => Some(&row.key),
            Place::Cell(cell) => row.cells.get(*cell),
        }
    }

    /// The place of the first of a customer's records.
    pub(super) fn first_record(&self, customer: u32) -> usize {
        let slot = self.scan.slots.get(index(customer));
        slot.map_or(usize::MAX, |slot| index(slot.first))
    }
}
