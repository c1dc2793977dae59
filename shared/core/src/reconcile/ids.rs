//! Stripe ids in few bytes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// First byte of an id that is kept in the side table; no id begins with it.
const ASIDE: u8 = 0xff;

/// An id without its prefix, padded with zeros; or, where it does not fit, its place in
/// [`LongIds`]. Equal ids have equal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShortId<const N: usize>([u8; N]);

/// `cus_` and 14 characters today.
pub(super) type CustomerId = ShortId<16>;
/// `sub_` and 24 characters today.
pub(super) type SubscriptionId = ShortId<24>;

/// Ids that have another form.
#[derive(Debug, Clone, Default)]
pub(super) struct LongIds {
    names: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

impl<const N: usize> ShortId<N> {
    fn fitting(prefix: &str, id: &str) -> Option<Self> {
        let rest = id.strip_prefix(prefix)?.as_bytes();
        let mut bytes = [0; N];
        let usable = !rest.is_empty() && rest.iter().all(u8::is_ascii_graphic);
        let target = bytes.get_mut(..rest.len()).filter(|_| usable)?;
        target.copy_from_slice(rest);
        Some(Self(bytes))
    }

    fn aside(number: u32) -> Self {
        let mut bytes = [0; N];
        for (target, byte) in bytes
            .iter_mut()
            .zip([ASIDE].into_iter().chain(number.to_be_bytes()))
        {
            *target = byte;
        }
        Self(bytes)
    }

    pub(super) const fn bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The id as Stripe writes it.
    pub(super) fn text(&self, prefix: &str, long: &LongIds) -> String {
        if self.0.first() == Some(&ASIDE) {
            let number = self
                .0
                .iter()
                .skip(1)
                .take(4)
                .fold(0, |n, b| (n << 8) | usize::from(*b));
            return long.names.get(number).cloned().unwrap_or_default();
        }
        let rest = self
            .0
            .iter()
            .take_while(|byte| **byte != 0)
            .map(|byte| char::from(*byte));
        prefix.chars().chain(rest).collect()
    }

    /// The order of the texts.
    pub(super) fn order(&self, other: &Self, prefix: &str, long: &LongIds) -> Ordering {
        if self.0.first() == Some(&ASIDE) || other.0.first() == Some(&ASIDE) {
            return self.text(prefix, long).cmp(&other.text(prefix, long));
        }
        self.cmp(other)
    }
}

impl LongIds {
    /// The id in short form; ids that do not fit are kept aside.
    pub(super) fn short<const N: usize>(&mut self, prefix: &str, id: &str) -> ShortId<N> {
        if let Some(short) = ShortId::fitting(prefix, id) {
            return short;
        }
        if let Some(number) = self.numbers.get(id) {
            return ShortId::aside(*number);
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(id.to_owned());
        self.numbers.insert(id.to_owned(), number);
        ShortId::aside(number)
    }

    /// The short form of an id that may be unknown; `None` when it certainly is.
    pub(super) fn find<const N: usize>(&self, prefix: &str, id: &str) -> Option<ShortId<N>> {
        ShortId::fitting(prefix, id).or_else(|| self.numbers.get(id).map(|it| ShortId::aside(*it)))
    }
}

pub(super) const CUSTOMER: &str = "cus_";
pub(super) const SUBSCRIPTION: &str = "sub_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_any_form_reads_back_as_itself() {
        let mut long = LongIds::default();
        for id in [
            "cus_NffrFeUfNV2Hib",
            "cus_",
            "my customer",
            "cus_ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "",
            "cus_é",
        ] {
            let short: CustomerId = long.short(CUSTOMER, id);
            assert_eq!(short.text(CUSTOMER, &long), id);
            assert_eq!(long.find(CUSTOMER, id), Some(short));
            assert_eq!(long.short(CUSTOMER, id), short);
        }
        assert_eq!(long.find::<16>(CUSTOMER, "other"), None);
    }

    #[test]
    fn ids_are_ordered_as_their_texts() {
        let mut long = LongIds::default();
        let ids = [
            "sub_1A",
            "sub_1",
            "zzz",
            "aaa",
            "sub_1Pgc6rB7WZ01zgkWNy0Cn5nw",
            "sub_é",
        ];
        for left in ids {
            for right in ids {
                let (a, b): (SubscriptionId, SubscriptionId) = (
                    long.short(SUBSCRIPTION, left),
                    long.short(SUBSCRIPTION, right),
                );
                assert_eq!(
                    a.order(&b, SUBSCRIPTION, &long),
                    left.cmp(right),
                    "{left} {right}"
                );
            }
        }
    }
}
