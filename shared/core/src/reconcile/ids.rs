//! Stripe ids in few bytes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What the three bytes of an id that is kept in the side table begin with; no group of characters
/// is as large: 63^4 - 1 is 0xf05f80.
const ASIDE: [u8; 3] = [0xff; 3];

/// An id without its prefix: four letters and digits in three bytes, the rest zeros. Or, where it
/// does not fit, its place in [`LongIds`]. Equal ids have equal bytes, and the order of the bytes is
/// that of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShortId<const N: usize>([u8; N]);

/// `cus_` and up to 16 characters; 14 today.
pub(super) type CustomerId = ShortId<12>;
/// `sub_` and up to 24 characters; 24 today.
pub(super) type SubscriptionId = ShortId<18>;

/// Ids that have another form.
#[derive(Debug, Clone, Default)]
pub(super) struct LongIds {
    names: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

impl<const N: usize> ShortId<N> {
    fn fitting(prefix: &str, id: &str) -> Option<Self> {
        let rest = id.strip_prefix(prefix)?.as_bytes();
        if rest.is_empty() || rest.len() > N / 3 * 4 {
            return None;
        }
        let mut bytes = [0; N];
        let mut fits = true;
        for (target, group) in bytes.chunks_exact_mut(3).zip(rest.chunks(4)) {
            let digits = if let [a, b, c, d] = *group {
                let digits = [digit(a), digit(b), digit(c), digit(d)];
                fits &= !digits.contains(&0);
                digits
            } else {
                let mut digits = [0; 4];
                for (digit_of, byte) in digits.iter_mut().zip(group) {
                    *digit_of = digit(*byte);
                    fits &= *digit_of != 0;
                }
                digits
            };
            let number = (digits.iter()).fold(0, |number, digit| number * 63 + digit);
            let [_, a, b, c] = number.to_be_bytes();
            target.copy_from_slice(&[a, b, c]);
        }
        fits.then_some(Self(bytes))
    }

    fn aside(number: u32) -> Self {
        let mut bytes = [0; N];
        let source = ASIDE.into_iter().chain(number.to_be_bytes());
        for (target, byte) in bytes.iter_mut().zip(source) {
            *target = byte;
        }
        Self(bytes)
    }

    fn is_aside(&self) -> bool {
        self.0.starts_with(&ASIDE)
    }

    pub(super) const fn bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The id as Stripe writes it.
    pub(super) fn text(&self, prefix: &str, long: &LongIds) -> String {
        if self.is_aside() {
            let number = self.0.iter().skip(3).take(4);
            let number = number.fold(0, |number, byte| (number << 8) | usize::from(*byte));
            return long.names.get(number).cloned().unwrap_or_default();
        }
        let mut text = prefix.to_owned();
        for group in self.0.chunks_exact(3) {
            let mut number = group
                .iter()
                .fold(0, |number, byte| (number << 8) | u32::from(*byte));
            for scale in [63 * 63 * 63, 63 * 63, 63, 1] {
                text.extend(character(number / scale));
                number %= scale;
            }
        }
        text
    }

    /// The order of the texts.
    pub(super) fn order(&self, other: &Self, prefix: &str, long: &LongIds) -> Ordering {
        if self.is_aside() || other.is_aside() {
            return self.text(prefix, long).cmp(&other.text(prefix, long));
        }
        self.cmp(other)
    }
}

/// A letter or digit as a number from 1 on, in the order of ASCII; 0 for anything else.
fn digit(byte: u8) -> u32 {
    let number = DIGITS.get(usize::from(byte));
    number.map_or(0, |number| u32::from(*number))
}

/// A look into a table: ids are random, and a processor cannot guess which of three ranges is next.
static DIGITS: [u8; 256] = {
    let mut digits = [0; 256];
    let mut number = 1_u8;
    while number < 63 {
        let byte = match number {
            1..=10 => number - 1 + b'0',
            11..=36 => number - 11 + b'A',
            _ => number - 37 + b'a',
        };
        #[expect(
            clippy::as_conversions,
            clippy::indexing_slicing,
            reason = "a byte is an index of 256 items, and const code has no other way"
        )]
        {
            digits[byte as usize] = number;
        }
        number += 1;
    }
    digits
};

fn character(digit: u32) -> Option<char> {
    let digit = u8::try_from(digit).ok()?;
    let byte = match digit {
        1..=10 => digit - 1 + b'0',
        11..=36 => digit - 11 + b'A',
        37..=62 => digit - 37 + b'a',
        _ => return None,
    };
    Some(char::from(byte))
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
            "cus_a-b",
            "cus_0",
            "cus_00",
        ] {
            let short: CustomerId = long.short(CUSTOMER, id);
            assert_eq!(short.text(CUSTOMER, &long), id);
            assert_eq!(long.find(CUSTOMER, id), Some(short));
            assert_eq!(long.short(CUSTOMER, id), short);
        }
        assert_eq!(long.find::<12>(CUSTOMER, "other"), None);
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
