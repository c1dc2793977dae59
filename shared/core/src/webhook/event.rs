//! What an event says about whom to look at.

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::kinds::{Consequence, Named, consequence};
use crate::time::Timestamp;

/// The few fields of an event that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Event id, for deduplication.
    pub id: String,
    /// Event type.
    pub kind: String,
    /// When Stripe made it.
    pub created: Option<Timestamp>,
    /// Mode; thin events may not say it.
    pub livemode: Option<bool>,
    /// Connected account, where there is one.
    pub account: Option<String>,
    /// A thin event (`v2.core.event`) names its object and carries none.
    pub thin: bool,
    /// Whom or what to look at.
    pub hint: Hint,
}

/// What an event makes the product do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Check this customer.
    Customer(String),
    /// Check the customer of this subscription; a thin event names no more.
    Subscription(String),
    /// Prices, products or features changed: no single customer.
    Catalogue,
    /// Stripe ended the connection.
    Connection,
    /// Of interest to rules about money only.
    Policy,
    /// An event of a type that matters, about no customer that it names.
    Nobody,
    /// Of a type that is ignored.
    Nothing,
}

/// Why a signed body is not an event.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum EventError {
    /// Not JSON.
    #[error("the body is not JSON")]
    NotJson,
    /// JSON without `id` and `type`.
    #[error("the body is not an event")]
    NotAnEvent,
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    object: String,
    #[serde(default)]
    created: Value,
    livemode: Option<bool>,
    account: Option<String>,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    related_object: Value,
}

/// Reads an event. The signature must have been verified over the same bytes before.
///
/// # Errors
/// See [`EventError`].
pub fn read_event(body: &[u8]) -> Result<Event, EventError> {
    event_of(serde_json::from_slice(body).map_err(|_| EventError::NotJson)?)
}

/// The same, from JSON: an event that was listed, not delivered.
///
/// # Errors
/// [`EventError::NotAnEvent`].
pub fn event_of(value: Value) -> Result<Event, EventError> {
    let wire: Wire = serde_json::from_value(value).map_err(|_| EventError::NotAnEvent)?;
    let thin = wire.object == "v2.core.event";
    let hint = if thin {
        related(&wire.kind, &wire.related_object)
    } else {
        carried(&wire.kind, wire.data.get("object").unwrap_or(&Value::Null))
    };
    Ok(Event {
        hint,
        id: wire.id,
        kind: wire.kind,
        created: created(&wire.created),
        livemode: wire.livemode,
        account: wire.account.filter(|account| !account.is_empty()),
        thin,
    })
}

/// Seconds in an event that carries its object, RFC 3339 in a thin one.
fn created(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.parse().ok(),
        number => number.as_i64().map(Timestamp::from_secs),
    }
}

/// The hint of an event that carries its object.
fn carried(kind: &str, object: &Value) -> Hint {
    match consequence(kind) {
        Some(Consequence::Check(named)) => {
            let field = match named {
                Named::Customer => "customer",
                Named::Itself => "id",
            };
            id_in(object.get(field))
                .filter(|id| id.starts_with("cus_"))
                .map_or(Hint::Nobody, Hint::Customer)
        }
        other => without_customer(other),
    }
}

/// The hint of a thin event: its object by id.
fn related(kind: &str, object: &Value) -> Hint {
    let Some(Consequence::Check(_)) = consequence(kind) else {
        return without_customer(consequence(kind));
    };
    match id_in(object.get("id")) {
        Some(id) if id.starts_with("cus_") => Hint::Customer(id),
        Some(id) if id.starts_with("sub_") => Hint::Subscription(id),
        _ => Hint::Nobody,
    }
}

const fn without_customer(consequence: Option<Consequence>) -> Hint {
    match consequence {
        Some(Consequence::Check(_)) => Hint::Nobody,
        Some(Consequence::Catalogue) => Hint::Catalogue,
        Some(Consequence::Connection) => Hint::Connection,
        Some(Consequence::Policy) => Hint::Policy,
        None => Hint::Nothing,
    }
}

/// An id of plain characters, alone or in an expanded object.
fn id_in(value: Option<&Value>) -> Option<String> {
    let id = match value? {
        Value::String(id) => id.as_str(),
        expanded => expanded.get("id")?.as_str()?,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (id.len() <= MAX_ID && id.bytes().all(plain)).then(|| id.to_owned())
}

/// The longest id that Stripe makes (docs.stripe.com/upgrades).
const MAX_ID: usize = 255;

#[cfg(test)]
mod tests;
