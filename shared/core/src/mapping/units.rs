//! Durations and per cents as people write them, kept as integers.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

/// A duration such as `30s`, `10m`, `1h` or `14d`, or `forever`; checked by the compiler.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Span(pub(super) String);

impl Span {
    pub(super) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whole seconds; `None` for what is no duration.
    pub(super) fn seconds(&self) -> Option<u64> {
        let split = self.0.len().checked_sub(1)?;
        let (number, unit) = self.0.split_at_checked(split)?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let scale = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(scale)
    }
}

/// A percentage with at most one decimal, kept as text until the compiler reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Percent(pub(super) String);

impl Percent {
    /// Tenths of a per cent, 0 to 1000.
    pub(super) fn permille(&self) -> Option<u32> {
        let (whole, tenth) = self.0.split_once('.').unwrap_or((&self.0, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(tenth) || tenth.len() != 1 {
            return None;
        }
        let permille = whole
            .parse::<u32>()
            .ok()?
            .checked_mul(10)?
            .checked_add(tenth.parse().ok()?)?;
        (permille <= 1_000).then_some(permille)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Percent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentage such as 5 or 2.5")
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Percent, E> {
                Ok(Percent(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Percent, E> {
                Ok(Percent(number.to_string()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Percent, E> {
                Ok(Percent(number.to_string()))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit() {
        assert_eq!(Span::of("14d").seconds(), Some(1_209_600));
        assert_eq!(Span::of("0s").seconds(), Some(0));
        for wrong in [
            "",
            "d",
            "14",
            "14 d",
            "-1d",
            "1.5h",
            "1h30m",
            "14é",
            "99999999999999999999d",
        ] {
            assert_eq!(Span::of(wrong).seconds(), None, "{wrong}");
        }
    }

    #[test]
    fn percentages_have_one_decimal() {
        assert_eq!(Percent("5".to_owned()).permille(), Some(50));
        assert_eq!(Percent("2.5".to_owned()).permille(), Some(25));
        assert_eq!(Percent("100".to_owned()).permille(), Some(1_000));
        for wrong in ["0.05", "100.1", "-1", "5.", "1e3", "NaN"] {
            assert_eq!(Percent(wrong.to_owned()).permille(), None, "{wrong}");
        }
    }
}
