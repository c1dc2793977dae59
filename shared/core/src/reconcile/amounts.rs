//! Monthly amounts, each stored once: many subscriptions cost the same.

use std::collections::BTreeMap;

use crate::money::Money;

/// The number of an amount that is not known.
pub(super) const NO_AMOUNT: u32 = u32::MAX;

/// Amounts by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Amounts {
    values: Vec<(i64, u16)>,
    numbers: BTreeMap<(i64, u16), u32>,
    currencies: Vec<String>,
}

impl Amounts {
    /// The number of an amount, entered if new.
    pub(super) fn number(&mut self, minor: i64, currency: &str) -> u32 {
        let place = self.currencies.iter().position(|known| known == currency);
        let place = place.unwrap_or_else(|| {
            self.currencies.push(currency.to_owned());
            self.currencies.len() - 1
        });
        let value = (minor, u16::try_from(place).unwrap_or(u16::MAX));
        let next = u32::try_from(self.values.len()).unwrap_or(NO_AMOUNT);
        *self.numbers.entry(value).or_insert_with(|| {
            self.values.push(value);
            next
        })
    }

    /// The amount of a number.
    pub(super) fn get(&self, number: u32) -> Option<Money> {
        let (minor, currency) = *self.values.get(usize::try_from(number).ok()?)?;
        Some(Money::new(
            minor,
            self.currencies.get(usize::from(currency))?.clone(),
        ))
    }
}
