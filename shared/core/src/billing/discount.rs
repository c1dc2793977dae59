//! Discounts, as far as they make something free.

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::tolerant;

/// A discount on a subscription. Only a coupon of 100 % matters: nothing is lost by what costs nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Discount {
    /// The coupon takes off the whole price.
    pub whole: bool,
}

impl<'de> Deserialize<'de> for Discount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let discount: Option<Sent> = tolerant::expanded(deserializer)?;
        let coupon = discount.and_then(|sent| sent.coupon.or(sent.source.and_then(|it| it.coupon)));
        let percent = coupon
            .and_then(|coupon| coupon.percent_off)
            .map(|number| number.to_string());
        Ok(Self {
            whole: matches!(percent.as_deref(), Some("100" | "100.0")),
        })
    }
}

impl Serialize for Discount {
    /// As Stripe would send it, with nothing but what is known.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.whole {
            map.serialize_entry("coupon", &serde_json::json!({ "percent_off": 100 }))?;
        }
        map.end()
    }
}

#[derive(Deserialize)]
struct Sent {
    #[serde(default, deserialize_with = "tolerant::expanded")]
    coupon: Option<Coupon>,
    #[serde(default)]
    source: Option<Source>,
}

/// Where the coupon lies in API versions from 2025-09-30 on.
#[derive(Deserialize)]
struct Source {
    #[serde(default, deserialize_with = "tolerant::expanded")]
    coupon: Option<Coupon>,
}

#[derive(Deserialize)]
struct Coupon {
    #[serde(default)]
    percent_off: Option<serde_json::Number>,
}
