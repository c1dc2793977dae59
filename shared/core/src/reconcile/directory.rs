//! Customer id to customer number: an open-addressing table of 5 bytes a place.
//!
//! Only looked into, never walked, so no order leaks out of it. Ids are made by Stripe and random
//! enough for a plain multiplicative hash; hostile ones would cost time, never a wrong answer.

use std::hint::black_box;

use super::ids::CustomerId;

const EMPTY: u8 = 0;

/// The table, a power of two of places; the ids themselves are kept by the owner.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    /// One byte of each id's hash, never 0 where a number is: most probes end here, without a look
    /// at the id somewhere else in memory.
    tags: Vec<u8>,
    numbers: Vec<u32>,
    used: usize,
}

impl Default for Directory {
    fn default() -> Self {
        Self {
            tags: vec![EMPTY; 16],
            numbers: vec![0; 16],
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
        let (start, wanted) = self.start(id);
        let mut place = start;
        loop {
            match self.tags.get(place) {
                None | Some(&EMPTY) => return None,
                Some(tag) if *tag == wanted => {
                    let number = *self.numbers.get(place)?;
                    if id_of(number).as_ref() == Some(id) {
                        return Some(number);
                    }
                }
                Some(_) => {}
            }
            place = (place + 1) & (self.tags.len() - 1);
        }
    }

    /// Brings near what [`Directory::find`] looks at first.
    pub(super) fn approach(&self, id: &CustomerId) {
        let (place, _) = self.start(id);
        black_box((
            self.tags.get(place).copied(),
            self.numbers.get(place).copied(),
        ));
    }

    /// Enters an id that is not there yet.
    pub(super) fn enter(
        &mut self,
        id: &CustomerId,
        number: u32,
        id_of: impl Fn(u32) -> Option<CustomerId>,
    ) {
        // Seven eighths: 2^20 places, 5 MB, hold 917,504 ids.
        if (self.used + 1) * 8 > self.tags.len() * 7 {
            let places = self.tags.len() * 2;
            let tags = std::mem::replace(&mut self.tags, vec![EMPTY; places]);
            let numbers = std::mem::replace(&mut self.numbers, vec![0; places]);
            for (_, old) in tags
                .into_iter()
                .zip(numbers)
                .filter(|(tag, _)| *tag != EMPTY)
            {
                if let Some(id) = id_of(old) {
                    self.put(&id, old);
                }
            }
        }
        self.put(id, number);
        self.used += 1;
    }

    fn put(&mut self, id: &CustomerId, number: u32) {
        let (mut place, own) = self.start(id);
        while self.tags.get(place).is_some_and(|tag| *tag != EMPTY) {
            place = (place + 1) & (self.tags.len() - 1);
        }
        if let Some((tag, slot)) = self.tags.get_mut(place).zip(self.numbers.get_mut(place)) {
            (*tag, *slot) = (own, number);
        }
    }

    /// The first place of an id, and its tag.
    fn start(&self, id: &CustomerId) -> (usize, u8) {
        let mixed = id.bytes().chunks(6).fold(0_u64, |mix, chunk| {
            let word = chunk
                .iter()
                .fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
            (mix.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        let [tag, ..] = mixed.to_be_bytes();
        let low = (mixed ^ (mixed >> 32)) & 0xffff_ffff;
        let place = usize::try_from(low).unwrap_or_default() & (self.tags.len() - 1);
        (place, tag.max(1))
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
