//! Money: integer minor units and a currency. No floating point anywhere.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in minor units (cents, or whole yen) of one currency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units; never negative in this product.
    pub minor: i64,
    /// Lower-case ISO 4217 code, as Stripe writes it.
    pub currency: String,
}

/// Currencies without minor units (docs.stripe.com/currencies, zero-decimal currencies).
const ZERO_DECIMAL: [&str; 16] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv",
    "xaf", "xof", "xpf",
];

impl Money {
    /// `minor` units of `currency`.
    pub fn new(minor: i64, currency: impl Into<String>) -> Self {
        Self {
            minor,
            currency: currency.into(),
        }
    }
}

impl fmt::Display for Money {
    /// `1,234.50 USD`, or `1,235 JPY` where the currency has no minor unit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = !ZERO_DECIMAL.contains(&self.currency.as_str());
        let magnitude = self.minor.unsigned_abs();
        let (major, cents) = if decimals {
            (magnitude / 100, magnitude % 100)
        } else {
            (magnitude, 0)
        };
        let sign = if self.minor < 0 { "-" } else { "" };
        write!(f, "{sign}{}", grouped(major))?;
        if decimals {
            write!(f, ".{cents:02}")?;
        }
        write!(f, " {}", self.currency.to_uppercase())
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_like_money() {
        assert_eq!(Money::new(2_900, "usd").to_string(), "29.00 USD");
        assert_eq!(
            Money::new(123_456_789, "eur").to_string(),
            "1,234,567.89 EUR"
        );
        assert_eq!(Money::new(5_000, "jpy").to_string(), "5,000 JPY");
        assert_eq!(Money::new(-5, "usd").to_string(), "-0.05 USD");
    }
}
