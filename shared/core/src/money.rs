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

/// Currencies whose minor unit is a thousandth (docs.stripe.com/currencies, three-decimal currencies).
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// Codes of ISO 4217 that are or were money since 2010, and those that Stripe adds; ascending.
const KNOWN: [&str; 170] = [
    "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd", "bdt",
    "bgn", "bhd", "bif", "bmd", "bnd", "bob", "bov", "brl", "bsd", "btn", "bwp", "byn", "bzd",
    "cad", "cdf", "che", "chf", "chw", "clf", "clp", "cny", "cop", "cou", "crc", "cup", "cve",
    "czk", "djf", "dkk", "dop", "dzd", "egp", "ern", "etb", "eur", "fjd", "fkp", "gbp", "gel",
    "ghs", "gip", "gmd", "gnf", "gtq", "gyd", "hkd", "hnl", "hrk", "htg", "huf", "idr", "ils",
    "inr", "iqd", "irr", "isk", "jmd", "jod", "jpy", "kes", "kgs", "khr", "kmf", "kpw", "krw",
    "kwd", "kyd", "kzt", "lak", "lbp", "lkr", "lrd", "lsl", "lyd", "mad", "mdl", "mga", "mkd",
    "mmk", "mnt", "mop", "mru", "mur", "mvr", "mwk", "mxn", "mxv", "myr", "mzn", "nad", "ngn",
    "nio", "nok", "npr", "nzd", "omr", "pab", "pen", "pgk", "php", "pkr", "pln", "pyg", "qar",
    "ron", "rsd", "rub", "rwf", "sar", "sbd", "scr", "sdg", "sek", "sgd", "shp", "sle", "sll",
    "sos", "srd", "ssp", "std", "stn", "svc", "syp", "szl", "thb", "tjs", "tmt", "tnd", "top",
    "try", "ttd", "twd", "tzs", "uah", "ugx", "usd", "usdc", "usn", "uyi", "uyu", "uyw", "uzs",
    "ved", "ves", "vnd", "vuv", "wst", "xaf", "xcd", "xcg", "xof", "xpf", "yer", "zar", "zmw",
    "zwg",
];

/// Whether a code is a currency whose minor units this version can count: anything else is no
/// amount, only a number.
pub fn is_known_currency(code: &str) -> bool {
    KNOWN.binary_search(&code).is_ok()
}

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
        let decimals: u8 = match self.currency.as_str() {
            currency if ZERO_DECIMAL.contains(&currency) => 0,
            currency if THREE_DECIMAL.contains(&currency) => 3,
            _ => 2,
        };
        let scale = 10_u64.pow(u32::from(decimals));
        let magnitude = self.minor.unsigned_abs();
        let sign = if self.minor < 0 { "-" } else { "" };
        write!(f, "{sign}{}", grouped(magnitude / scale))?;
        if decimals > 0 {
            let width = usize::from(decimals);
            write!(f, ".{:0width$}", magnitude % scale)?;
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
        assert_eq!(Money::new(1_234_050, "kwd").to_string(), "1,234.050 KWD");
    }

    #[test]
    fn every_currency_with_a_rule_is_known() {
        assert!(KNOWN.is_sorted());
        for code in ZERO_DECIMAL
            .iter()
            .chain(&THREE_DECIMAL)
            .chain(&["usd", "eur"])
        {
            assert!(is_known_currency(code), "{code}");
        }
        for code in ["", "USD", "xyz", "currency"] {
            assert!(!is_known_currency(code), "{code}");
        }
    }
}
