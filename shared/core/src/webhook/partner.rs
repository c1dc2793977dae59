//! Events that Stripe puts on an Amazon EventBridge partner bus
//! (docs.stripe.com/event-destinations/eventbridge).
//!
//! They carry no signature. What vouches for them is AWS: only Stripe can put events on a partner
//! event source, and only a rule of this account's bus invokes the function. The envelope must name
//! exactly the source and the account that the deployment was told; anything else is refused. A
//! principal of the account that may invoke the function can still imitate one. Like every event
//! it is a hint: all that it can cause is a check.

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::event::{Event, event_of};
use crate::ids::ProjectId;

/// What the names of Stripe's event sources begin with.
const STRIPE: &str = "aws.partner/stripe.com/";

/// The one event source that a deployment trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerSource {
    /// Its whole name, `aws.partner/stripe.com/…`.
    pub source: String,
    /// The AWS account of this deployment.
    pub account: String,
    /// The project whose Stripe account it belongs to.
    pub project: ProjectId,
}

/// An invocation that is not a trusted event.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum PartnerError {
    /// No event source is configured.
    #[error("this deployment takes no events from an event bus")]
    NotConfigured,
    /// Not the envelope of an event bus with an event inside.
    #[error("the invocation is not an event of an event bus")]
    NotAnEnvelope,
    /// Of another source or another account.
    #[error("the event is of another source or account than this deployment trusts")]
    Untrusted,
}

#[derive(Deserialize)]
struct Envelope {
    source: String,
    account: String,
    #[serde(rename = "detail-type")]
    kind: String,
    detail: Value,
}

/// Reads the event in an envelope of the trusted source.
///
/// # Errors
/// See [`PartnerError`].
pub fn partner_event(
    invocation: &Value,
    trusted: Option<&PartnerSource>,
) -> Result<Event, PartnerError> {
    let trusted = trusted.ok_or(PartnerError::NotConfigured)?;
    let envelope = Envelope::deserialize(invocation).map_err(|_| PartnerError::NotAnEnvelope)?;
    let from_stripe = envelope.source.len() > STRIPE.len() && envelope.source.starts_with(STRIPE);
    let ours = envelope.source == trusted.source && envelope.account == trusted.account;
    if !from_stripe || !ours || envelope.account.is_empty() {
        return Err(PartnerError::Untrusted);
    }
    let event = event_of(envelope.detail).map_err(|_| PartnerError::NotAnEnvelope)?;
    if event.kind != envelope.kind {
        return Err(PartnerError::NotAnEnvelope);
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::super::Hint;
    use super::*;
    use serde_json::json;

    fn trusted() -> PartnerSource {
        PartnerSource {
            source: "aws.partner/stripe.com/ed_1".to_owned(),
            account: "111122223333".to_owned(),
            project: ProjectId::from_bits(1),
        }
    }

    fn envelope() -> Value {
        json!({
            "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
            "detail-type": "customer.updated", "source": "aws.partner/stripe.com/ed_1",
            "account": "111122223333", "time": "2026-11-23T00:00:00Z", "region": "eu-central-1",
            "resources": ["arn:aws:events:eu-central-1::event-source/aws.partner/stripe.com/ed_1"],
            "detail": {
                "id": "evt_1", "object": "event", "type": "customer.updated", "livemode": false,
                "data": {"object": {"id": "cus_1"}},
            },
        })
    }

    #[test]
    fn an_event_of_the_trusted_source_names_its_customer() {
        let event = partner_event(&envelope(), Some(&trusted())).unwrap();
        assert_eq!(event.hint, Hint::Customer("cus_1".to_owned()));
    }

    #[test]
    fn an_event_of_anybody_else_is_refused() {
        for (field, value) in [
            ("source", "aws.partner/stripe.com/ed_2"),
            ("source", "aws.partner/stripe.com/"),
            ("source", "my.app"),
            ("account", "444455556666"),
        ] {
            let mut forged = envelope();
            forged[field] = value.into();
            let refused = partner_event(&forged, Some(&trusted())).unwrap_err();
            assert_eq!(refused, PartnerError::Untrusted, "{field} {value}");
        }
        // A deployment that was told to trust something that is not Stripe's trusts nothing.
        let mut odd = trusted();
        odd.source = "my.app".to_owned();
        let mut forged = envelope();
        forged["source"] = "my.app".into();
        let refused = partner_event(&forged, Some(&odd)).unwrap_err();
        assert_eq!(refused, PartnerError::Untrusted);
    }

    #[test]
    fn nothing_is_taken_where_no_source_is_configured() {
        let refused = partner_event(&envelope(), None).unwrap_err();
        assert_eq!(refused, PartnerError::NotConfigured);
    }

    #[test]
    fn an_invocation_without_the_envelope_is_refused() {
        let mut other_type = envelope();
        other_type["detail-type"] = "customer.deleted".into();
        let mut hollow = envelope();
        hollow["detail"] = json!({"type": "customer.updated"});
        let bare = envelope()["detail"].clone();
        for invocation in [other_type, hollow, bare, json!({}), json!([]), Value::Null] {
            let refused = partner_event(&invocation, Some(&trusted())).unwrap_err();
            assert_eq!(refused, PartnerError::NotAnEnvelope, "{invocation}");
        }
    }
}
