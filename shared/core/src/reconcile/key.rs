//! Values by which customers are matched, as hashes.

use std::borrow::Cow;
use std::hint::black_box;
use std::ops::Range;

use counterfoil_evidence::hash::sha256;

use super::store::index;
use crate::mapping::MatchSource;

/// 96 bits of SHA-256: to hit one of a million customers by a made-up value takes 2^76 attempts.
pub(super) type KeyHash = [u8; 12];

/// A value and whose it is. 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct KeyEntry {
    hash: KeyHash,
    customer: u32,
}

/// The customers' values of one match key, sorted by hash.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyIndex {
    entries: Vec<KeyEntry>,
    /// Where the hashes of each bucket begin, and the end. Hashes are even, so a bucket has about
    /// 8 entries: two cache lines instead of the twenty probes of a binary search.
    starts: Vec<u32>,
    /// Bits of the hash that do not name the bucket.
    shift: u32,
}

impl KeyIndex {
    /// Enters a value.
    pub(super) fn push(&mut self, hash: KeyHash, customer: u32) {
        self.entries.push(KeyEntry { hash, customer });
    }

    /// Sorts; nothing is found before.
    pub(super) fn seal(&mut self) {
        self.entries.sort_unstable();
        self.entries.dedup();
        let buckets = (self.entries.len() / 8).next_power_of_two();
        self.shift = 32_u32.saturating_sub(buckets.trailing_zeros());
        self.starts = Vec::with_capacity(buckets + 1);
        for (place, entry) in (0_u32..).zip(&self.entries) {
            let bucket = bucket(&entry.hash, self.shift);
            while self.starts.len() <= bucket {
                self.starts.push(place);
            }
        }
        let end = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.starts.resize(buckets + 1, end);
    }

    /// The places among which this value is, if it is anywhere.
    pub(super) fn bucket(&self, hash: &KeyHash) -> Range<usize> {
        let bucket = bucket(hash, self.shift);
        let place = |bucket: usize| self.starts.get(bucket).map(|start| index(*start));
        let (start, end) = place(bucket).zip(place(bucket + 1)).unwrap_or_default();
        start..end
    }

    /// Brings a bucket near before it is looked at.
    pub(super) fn approach(&self, bucket: &Range<usize>) {
        let last = bucket.end.saturating_sub(1);
        for place in [bucket.start, last] {
            black_box(self.entries.get(place).map(|entry| entry.customer));
        }
    }

    /// The places in a bucket that have this value.
    pub(super) fn same(&self, bucket: &Range<usize>, hash: &KeyHash) -> Range<usize> {
        let entries = self.entries.get(bucket.clone()).unwrap_or_default();
        let smaller = entries.iter().take_while(|entry| entry.hash < *hash);
        let start = bucket.start + smaller.count();
        let same = self.entries.get(start..bucket.end).unwrap_or_default();
        let same = same.iter().take_while(|entry| entry.hash == *hash);
        start..start + same.count()
    }

    /// Whose values these are, ascending.
    pub(super) fn customers(&self, places: &Range<usize>) -> impl Iterator<Item = u32> {
        let entries = self.entries.get(places.clone()).unwrap_or_default();
        entries.iter().map(|entry| entry.customer)
    }
}

fn bucket(hash: &KeyHash, shift: u32) -> usize {
    let [a, b, c, d, ..] = *hash;
    // A shift by all 32 bits leaves the one bucket.
    index(
        u32::from_be_bytes([a, b, c, d])
            .checked_shr(shift)
            .unwrap_or(0),
    )
}

/// The hash under which a value is looked up.
pub(super) fn key_hash(source: &MatchSource, value: &str) -> KeyHash {
    let digest = sha256(folded(source, value).as_bytes());
    let mut hash = [0; 12];
    for (target, byte) in hash.iter_mut().zip(digest.as_bytes()) {
        *target = *byte;
    }
    hash
}

/// E-mail addresses are compared without case, and so are UUIDs, which Postgres prints in lower
/// case.
fn folded<'a>(source: &MatchSource, value: &'a str) -> Cow<'a, str> {
    let lower = value
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if !lower && (*source == MatchSource::Email || is_uuid(value)) {
        return Cow::Owned(value.to_lowercase());
    }
    Cow::Borrowed(value)
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_found_with_all_its_customers() {
        for count in [0, 1, 7, 8, 9, 16, 1_000] {
            let hash = |n: u32| key_hash(&MatchSource::Email, &format!("{n}@example.com"));
            let mut keys = KeyIndex::default();
            for n in 0..count {
                keys.push(hash(n), n);
                keys.push(hash(n), n);
                keys.push(hash(n), n + 5_000);
            }
            keys.seal();
            for n in 0..count {
                let places = keys.same(&keys.bucket(&hash(n)), &hash(n));
                let found: Vec<u32> = keys.customers(&places).collect();
                assert_eq!(found, [n, n + 5_000], "{n} of {count}");
            }
            let none = keys.same(&keys.bucket(&hash(count)), &hash(count));
            assert!(none.is_empty());
        }
    }

    #[test]
    fn only_addresses_and_uuids_are_folded() {
        let same =
            |source: &MatchSource, a: &str, b: &str| key_hash(source, a) == key_hash(source, b);
        let metadata = MatchSource::Metadata("user_id".to_owned());
        assert!(same(&MatchSource::Email, "A@Éx.com", "a@éx.com"));
        assert!(!same(&metadata, "User1", "user1"));
        let uuid = "0b5d1c3e-58a9-4e6f-9a63-b6e8a2d4f001";
        assert!(same(&metadata, &uuid.to_uppercase(), uuid));
    }
}
