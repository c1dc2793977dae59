//! What an event says about whom to look at.

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

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
    /// Nothing that concerns one customer.
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
    // The EventBridge destination wraps the same event in an envelope.
    let value = match value.get("detail") {
        Some(inner) if inner.get("type").is_some() => inner.clone(),
        _ => value,
    };
    let wire: Wire = serde_json::from_value(value).map_err(|_| EventError::NotAnEvent)?;
    let thin = wire.object == "v2.core.event";
    let object = if thin {
        &wire.related_object
    } else {
        wire.data.get("object").unwrap_or(&Value::Null)
    };
    Ok(Event {
        hint: hint(&wire.kind, object),
        id: wire.id,
        kind: wire.kind,
        created: wire.created.as_i64().map(Timestamp::from_secs),
        livemode: wire.livemode,
        account: wire.account,
        thin,
    })
}

/// Object types whose `customer` is the customer concerned.
const OF_A_CUSTOMER: [&str; 6] = [
    "customer.subscription.",
    "entitlements.active_entitlement_summary.",
    "invoice.",
    "checkout.session.",
    "subscription_schedule.",
    "charge.",
];

fn hint(kind: &str, object: &Value) -> Hint {
    let kind = kind.strip_prefix("v1.").unwrap_or(kind);
    let id = |name: &str| {
        object.get(name).and_then(|value| match value {
            Value::String(id) => Some(id.clone()),
            expanded => expanded
                .get("id")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    };
    let named = if OF_A_CUSTOMER.iter().any(|family| kind.starts_with(family)) {
        id("customer")
    } else if kind.starts_with("customer.") {
        id("id")
    } else {
        None
    };
    named
        .filter(|id| id.starts_with("cus_"))
        .map_or(Hint::Nothing, Hint::Customer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, hint: &Hint) {
        assert_eq!(&read_event(body.as_bytes()).unwrap().hint, hint);
    }

    #[test]
    fn events_of_subscriptions_invoices_and_customers_name_the_customer() {
        let customer = Hint::Customer("cus_1".to_owned());
        check(
            r#"{"id":"evt_1","type":"customer.subscription.updated","data":{"object":{"id":"sub_1","customer":"cus_1"}}}"#,
            &customer,
        );
        check(
            r#"{"id":"evt_1","type":"invoice.paid","data":{"object":{"customer":{"id":"cus_1"}}}}"#,
            &customer,
        );
        check(
            r#"{"id":"evt_1","type":"customer.deleted","data":{"object":{"id":"cus_1"}}}"#,
            &customer,
        );
        check(
            r#"{"detail":{"id":"evt_1","type":"customer.updated","data":{"object":{"id":"cus_1"}}}}"#,
            &customer,
        );
    }

    #[test]
    fn other_events_ask_for_nothing() {
        check(
            r#"{"id":"evt_1","type":"price.updated","data":{"object":{"id":"price_1"}}}"#,
            &Hint::Nothing,
        );
        check(
            r#"{"id":"evt_1","type":"customer.updated"}"#,
            &Hint::Nothing,
        );
    }

    #[test]
    fn what_is_no_event_is_refused() {
        assert_eq!(read_event(b"hello").unwrap_err(), EventError::NotJson);
        assert_eq!(
            read_event(b"{\"id\":7}").unwrap_err(),
            EventError::NotAnEvent
        );
    }
}
