//! Reproducible numbers (`SplitMix64`, Steele, Lea and Flood 2014). Not for secrets.

/// A generator; the same seed gives the same numbers.
#[derive(Debug, Clone)]
pub(super) struct Numbers(u64);

pub(super) const ALPHABET: &[u8; 62] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Numbers {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.abs_diff(low).saturating_add(1).max(1);
        low.saturating_add_unsigned(self.next() % span)
    }

    /// True in `percent` of 100 cases.
    pub(super) fn percent(&mut self, percent: i64) -> bool {
        self.between(1, 100) <= percent
    }

    /// One of `all`.
    pub(super) fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let count = u64::try_from(all.len()).unwrap_or(1).max(1);
        let place = usize::try_from(self.next() % count).unwrap_or(0);
        all.get(place).copied().unwrap_or_default()
    }

    /// An object id such as `cus_…` with `length` characters behind the prefix.
    pub(super) fn id(&mut self, prefix: &str, length: usize) -> String {
        let mut id = prefix.to_owned();
        for _ in 0..length {
            let place = usize::try_from(self.next() % 62).unwrap_or(0);
            id.extend(ALPHABET.get(place).map(|byte| char::from(*byte)));
        }
        id
    }

    /// A version 4 UUID.
    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            (low >> 48) & 0xfff,
            low & 0xffff_ffff_ffff
        )
    }
}
