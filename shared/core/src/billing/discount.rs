//! Discounts: what a subscription costs less than its prices.

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Number;

use super::{Cadence, tolerant};
use crate::money::Money;

/// Parts of a whole price: 1,000,000 are all of it.
const WHOLE: u32 = 1_000_000;

/// A discount on a subscription; everything is absent where the request did not expand it. What a
/// coupon applies to is not looked at: it counts for the subscription as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discount {
    /// Share of the price that it takes off, in millionths.
    pub percent_ppm: u32,
    /// Minor units that it takes off every invoice.
    pub amount_off: Option<Money>,
    /// When it ends; absent for one that lasts as long as the subscription.
    pub end: Option<i64>,
}

impl Discount {
    /// It takes off the whole price.
    pub const fn is_whole(&self) -> bool {
        self.percent_ppm >= WHOLE
    }

    /// Whether it counts at `as_of`.
    pub fn runs(&self, as_of: i64) -> bool {
        self.end.is_none_or(|end| end > as_of)
    }

    /// What is left of a monthly amount in `currency`, never less than nothing. `cadence` is how
    /// often invoices come; without one an amount off cannot be spread.
    pub fn apply(&self, amount: i64, currency: &str, cadence: Option<Cadence>) -> i64 {
        let share = i128::from(WHOLE.saturating_sub(self.percent_ppm));
        let left = i128::from(amount).saturating_mul(share) / i128::from(WHOLE);
        let off = self.amount_off.as_ref();
        let off = off.filter(|off| off.currency == currency).zip(cadence);
        let off = off.and_then(|(off, cadence)| cadence.per_month(off.minor));
        let left = i64::try_from(left).unwrap_or(amount);
        left.saturating_sub(off.unwrap_or_default()).max(0)
    }
}

/// A decimal number in millionths of 100: `12.5` is 125,000. `None` for what is no percentage.
fn ppm(number: &Number) -> Option<u32> {
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((text.as_str(), ""));
    let places = fraction.chars().chain(std::iter::repeat('0')).take(4);
    let digits: String = whole.chars().chain(places).collect();
    digits.parse().ok().filter(|ppm| *ppm <= WHOLE)
}

impl<'de> Deserialize<'de> for Discount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sent: Option<Sent> = tolerant::expanded(deserializer)?;
        let Some(sent) = sent else {
            return Ok(Self::default());
        };
        let coupon = sent.coupon.or(sent.source.and_then(|it| it.coupon));
        let coupon = coupon.unwrap_or_default();
        Ok(Self {
            percent_ppm: coupon
                .percent_off
                .as_ref()
                .and_then(ppm)
                .unwrap_or_default(),
            amount_off: (coupon.amount_off.zip(coupon.currency))
                .map(|(minor, currency)| Money::new(minor, currency)),
            end: sent.end,
        })
    }
}

impl Serialize for Discount {
    /// As Stripe would send it, with nothing but what is known.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let percent = (self.percent_ppm > 0).then(|| decimal(self.percent_ppm));
        let coupon = Coupon {
            percent_off: percent.flatten(),
            amount_off: self.amount_off.as_ref().map(|off| off.minor),
            currency: self.amount_off.as_ref().map(|off| off.currency.clone()),
        };
        if coupon != Coupon::default() {
            map.serialize_entry("coupon", &coupon)?;
        }
        if let Some(end) = self.end {
            map.serialize_entry("end", &end)?;
        }
        map.end()
    }
}

fn decimal(ppm: u32) -> Option<Number> {
    serde_json::from_str(&format!("{}.{:04}", ppm / 10_000, ppm % 10_000)).ok()
}

#[derive(Deserialize)]
struct Sent {
    #[serde(default, deserialize_with = "tolerant::expanded")]
    coupon: Option<Coupon>,
    #[serde(default)]
    source: Option<Source>,
    #[serde(default)]
    end: Option<i64>,
}

/// Where the coupon lies in API versions from 2025-09-30 on.
#[derive(Deserialize)]
struct Source {
    #[serde(default, deserialize_with = "tolerant::expanded")]
    coupon: Option<Coupon>,
}

#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
struct Coupon {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    percent_off: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount_off: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
}
