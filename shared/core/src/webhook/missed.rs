//! The events that are asked for where webhooks may have been missed.

/// Types of events after which a customer may have another promise. Stripe takes at most 20 in one
/// request (docs.stripe.com/api/events/list).
///
/// Changes of prices and products are not among them: the catalogue is read whole by every run.
pub const CUSTOMER_EVENTS: [&str; 15] = [
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.pending_update_applied",
    "entitlements.active_entitlement_summary.updated",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.marked_uncollectible",
    "invoice.voided",
];

#[cfg(test)]
mod tests {
    use super::super::{Hint, event_of};
    use super::*;

    #[test]
    fn each_leads_to_a_customer() {
        for kind in CUSTOMER_EVENTS {
            let object = if kind.matches('.').count() == 1 && kind.starts_with("customer.") {
                serde_json::json!({"id": "cus_1"})
            } else {
                serde_json::json!({"id": "x_1", "customer": "cus_1"})
            };
            let event =
                serde_json::json!({"id": "evt_1", "type": kind, "data": {"object": object}});
            let hint = event_of(event).unwrap().hint;
            assert_eq!(hint, Hint::Customer("cus_1".to_owned()), "{kind}");
        }
        assert!(CUSTOMER_EVENTS.len() <= 20);
    }
}
