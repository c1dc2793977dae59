//! Customers and subscriptions that borrow from the bytes they are read from.
//!
//! For files of millions of objects: only what the engine keeps is looked at, and nothing is copied
//! unless a text has escapes. A price is read by its id alone, so it must be in the catalogue.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{Discount, Invoice, PauseCollection, Status, tolerant};

/// Reads a line. Most of a Stripe object is nothing that a promise depends on, and `sonic_rs` passes
/// over it faster; what it does not take is judged by `serde_json`, whose errors quote no value.
pub(crate) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    sonic_rs::from_str(text).or_else(|_| serde_json::from_str(text))
}

/// A customer.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct CustomerLine<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub(crate) deleted: bool,
    #[serde(default)]
    pub(crate) livemode: Option<bool>,
    #[serde(borrow, default)]
    pub(crate) email: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) metadata: Metadata<'a>,
}

/// A text that may be null or absent.
#[derive(Default)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Text<'a>(pub(crate) Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
        Ok(Self(
            Option::<Borrowed<'a>>::deserialize(deserializer)?.map(|text| text.0),
        ))
    }
}

/// The merchant's own keys, in Stripe's order.
#[derive(Default)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Metadata<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl Metadata<'_> {
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_ref())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Metadata<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Metadata<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("metadata")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Metadata::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                #[derive(Deserialize)]
                struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
                let mut pairs = Vec::new();
                while let Some((key, value)) = map.next_entry::<Borrowed<'de>, Borrowed<'de>>()? {
                    pairs.push((key.0, value.0));
                }
                Ok(Metadata(pairs))
            }
        }
        deserializer.deserialize_any(Pairs)
    }
}

/// A subscription.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct SubscriptionLine<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) customer: Reference<'a>,
    pub(crate) status: Status,
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub(crate) created: i64,
    #[serde(default)]
    pub(crate) trial_end: Option<i64>,
    #[serde(default)]
    pub(crate) ended_at: Option<i64>,
    #[serde(default)]
    pub(crate) cancel_at: Option<i64>,
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub(crate) cancel_at_period_end: bool,
    #[serde(default)]
    current_period_start: Option<i64>,
    #[serde(default)]
    current_period_end: Option<i64>,
    #[serde(borrow, default)]
    pub(crate) items: Option<ItemLines<'a>>,
    #[serde(default)]
    pub(crate) pause_collection: Option<PauseCollection>,
    #[serde(default, deserialize_with = "tolerant::expanded")]
    pub(crate) latest_invoice: Option<Invoice>,
    #[serde(default)]
    pub(crate) livemode: Option<bool>,
    #[serde(default, deserialize_with = "tolerant::or_default")]
    discounts: Vec<Discount>,
    #[serde(borrow, default)]
    pub(crate) currency: Text<'a>,
    #[serde(default)]
    discount: Option<Discount>,
}

/// The embedded list of items.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct ItemLines<'a> {
    #[serde(borrow)]
    pub(crate) data: Vec<ItemLine<'a>>,
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub(crate) has_more: bool,
}

/// One item.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct ItemLine<'a> {
    #[serde(borrow, default)]
    pub(crate) price: Reference<'a>,
    #[serde(default)]
    pub(crate) quantity: Option<u32>,
    #[serde(default)]
    current_period_start: Option<i64>,
    #[serde(default)]
    current_period_end: Option<i64>,
}

impl SubscriptionLine<'_> {
    pub(crate) fn items(&self) -> &[ItemLine<'_>] {
        self.items
            .as_ref()
            .map_or(&[], |items| items.data.as_slice())
    }

    pub(crate) fn period_start(&self) -> Option<i64> {
        let items = self
            .items()
            .iter()
            .filter_map(|item| item.current_period_start)
            .max();
        items.or(self.current_period_start)
    }

    pub(crate) fn period_end(&self) -> Option<i64> {
        let items = self
            .items()
            .iter()
            .filter_map(|item| item.current_period_end)
            .max();
        items.or(self.current_period_end)
    }

    pub(crate) fn discounts(&self) -> impl Iterator<Item = &Discount> {
        self.discounts.iter().chain(&self.discount)
    }
}

/// The id of a text or of an object with an id.
#[derive(Default)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Reference<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Reference<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Id;
        impl<'de> Visitor<'de> for Id {
            type Value = Reference<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id or an object with an id")
            }

            fn visit_borrowed_str<E>(self, id: &'de str) -> Result<Self::Value, E> {
                Ok(Reference(Cow::Borrowed(id)))
            }

            fn visit_str<E>(self, id: &str) -> Result<Self::Value, E> {
                Ok(Reference(Cow::Owned(id.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Reference::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                #[derive(Deserialize)]
                struct Object<'a> {
                    #[serde(borrow)]
                    id: Cow<'a, str>,
                }
                let map = serde::de::value::MapAccessDeserializer::new(map);
                Object::deserialize(map).map(|object| Reference(object.id))
            }
        }
        deserializer.deserialize_any(Id)
    }
}

#[cfg(test)]
mod tests;
