//! What can stand in a list.

use counterfoil_core::billing::{Customer, Invoice, Item, Price, Product, Subscription};
use counterfoil_core::time::Timestamp;
use counterfoil_core::webhook::{Event, event_of};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An object that a cursor can stand behind.
pub(crate) trait Listed {
    /// The id that the next page starts after.
    fn id(&self) -> &str;

    /// When it was created; 0 where Stripe left it out.
    fn created(&self) -> i64 {
        0
    }
}

impl Listed for Customer {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Listed for Subscription {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }
}

impl Listed for Invoice {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created.unwrap_or(0)
    }
}

impl Listed for Item {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Price {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for Product {
    fn id(&self) -> &str {
        &self.id
    }
}

/// An event that was asked for, not delivered.
pub(crate) struct ListedEvent(pub(crate) Event);

impl<'de> Deserialize<'de> for ListedEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        event_of(value).map(Self).map_err(D::Error::custom)
    }
}

impl Listed for ListedEvent {
    fn id(&self) -> &str {
        &self.0.id
    }

    fn created(&self) -> i64 {
        self.0.created.map_or(0, Timestamp::as_secs)
    }
}
