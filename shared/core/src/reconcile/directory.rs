//! Customer id to customer number: an open-addressing table of 4 bytes a place.
//!
//! Only looked into, never walked, so no order leaks out of it. Ids are made by Stripe and random
//! enough for a plain multiplicative hash; hostile ones would cost time, never a wrong answer.

use super::ids::CustomerId;

const EMPTY: u32 = u32::MAX;

/// The table, a power of two of places; the ids themselves are kept by the owner.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    places: Vec<u32>,
    used: usize,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            places: vec![EMPTY; 16],
            used: 0,
        }
    }
}

impl Directory {
    /// The number under which `id` was entered. `id_of` tells the id of a number.
    pub(super) fn find(
        &self,
        id: &CustomerId,
        id_of: impl Fn(u32) -> Option<CustomerId>,
    ) -> Option<u32> {
        let mut place = self.start(id);
        loop {
            match self.places.get(place) {
                None | Some(&EMPTY) => return None,
                Some(number) if id_of(*number).as_ref() == Some(id) => return Some(*number),
                Some(_) => place = (place + 1) & (self.places.len() - 1),
            }
        }
    }

    /// Enters an id that is not there yet.
    pub(super) fn enter(
        &mut self,
        id: &CustomerId,
        number: u32,
        id_of: impl Fn(u32) -> Option<CustomerId>,
    ) {
        // Seven eighths: the largest table for the memory budget at 2^20 places holds 917,504 ids.
        if (self.used + 1) * 8 > self.places.len() * 7 {
            let numbers = std::mem::take(&mut self.places);
            self.places = vec![EMPTY; numbers.len() * 2];
            for old in numbers.into_iter().filter(|number| *number != EMPTY) {
                if let Some(id) = id_of(old) {
                    self.put(&id, old);
                }
            }
        }
        self.put(id, number);
        self.used += 1;
    }

    fn put(&mut self, id: &CustomerId, number: u32) {
        let mut place = self.start(id);
        while self.places.get(place).is_some_and(|taken| *taken != EMPTY) {
            place = (place + 1) & (self.places.len() - 1);
        }
        if let Some(free) = self.places.get_mut(place) {
            *free = number;
        }
    }

    fn start(&self, id: &CustomerId) -> usize {
        let mixed = id.bytes().chunks(8).fold(0_u64, |mix, chunk| {
            let word = chunk
                .iter()
                .fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
            (mix.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        let mixed = mixed ^ (mixed >> 32);
        usize::try_from(mixed & 0xffff_ffff).unwrap_or_default() & (self.places.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::{CUSTOMER, LongIds};
    use super::*;

    #[test]
    fn every_entered_id_is_found_and_no_other() {
        let mut long = LongIds::default();
        let ids: Vec<CustomerId> = (0..5_000)
            .map(|n| long.short(CUSTOMER, &format!("cus_{n:05}")))
            .collect();
        let id_of = |number: u32| ids.get(usize::try_from(number).unwrap()).copied();
        let mut directory = Directory::default();
        for (number, id) in ids.iter().take(4_000).enumerate() {
            directory.enter(id, u32::try_from(number).unwrap(), id_of);
        }
        for (number, id) in ids.iter().enumerate() {
            let expected = (number < 4_000).then(|| u32::try_from(number).unwrap());
            assert_eq!(directory.find(id, id_of), expected);
        }
    }
}
