//! The addresses that are read, and no others.

use crate::error::StripeError;

/// Every path that this crate can ask for; `{id}` is an object id.
pub const PATHS: [&str; 10] = [
    "/v1/customers",
    "/v1/customers/{id}",
    "/v1/subscriptions",
    "/v1/subscription_items",
    "/v1/prices",
    "/v1/products",
    "/v1/products/{id}/features",
    "/v1/invoices",
    "/v1/events",
    "/v1/subscriptions/{id}",
];

/// Paths that are asked for once per probe, to find out that the key may not read them.
pub const PROBED_PATHS: [&str; 6] = [
    "/v1/balance",
    "/v1/charges",
    "/v1/payouts",
    "/v1/refunds",
    "/v1/payment_methods",
    "/v1/webhook_endpoints",
];

/// The read permissions that a key needs, and what for.
pub const PERMISSIONS: [(&str, &str); 7] = [
    ("Customers", "who pays"),
    ("Subscriptions", "what they pay for"),
    ("Prices and Products", "which plan a price stands for"),
    ("Entitlements", "which features a product has"),
    ("Invoices", "since when a payment is overdue"),
    ("Events", "which customers changed while no webhook came"),
    (
        "Coupons",
        "what is free of charge, so that no money is at risk",
    ),
];

/// One of [`PATHS`] or [`PROBED_PATHS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint<'a> {
    Customers,
    Customer(&'a str),
    Subscriptions,
    Subscription(&'a str),
    SubscriptionItems,
    Prices,
    Products,
    ProductFeatures(&'a str),
    Invoices,
    Events,
    Balance,
    Charges,
    Payouts,
    Refunds,
    PaymentMethods,
    WebhookEndpoints,
}

impl Endpoint<'_> {
    /// The path with its id put in.
    ///
    /// # Errors
    /// When the id is not one: it must not be able to lead to another path.
    pub(crate) fn path(self) -> Result<String, StripeError> {
        let (template, id) = match self {
            Self::Customers => (PATHS[0], ""),
            Self::Customer(id) => (PATHS[1], object_id(id)?),
            Self::Subscriptions => (PATHS[2], ""),
            Self::Subscription(id) => (PATHS[9], object_id(id)?),
            Self::SubscriptionItems => (PATHS[3], ""),
            Self::Prices => (PATHS[4], ""),
            Self::Products => (PATHS[5], ""),
            Self::ProductFeatures(id) => (PATHS[6], object_id(id)?),
            Self::Invoices => (PATHS[7], ""),
            Self::Events => (PATHS[8], ""),
            Self::Balance => (PROBED_PATHS[0], ""),
            Self::Charges => (PROBED_PATHS[1], ""),
            Self::Payouts => (PROBED_PATHS[2], ""),
            Self::Refunds => (PROBED_PATHS[3], ""),
            Self::PaymentMethods => (PROBED_PATHS[4], ""),
            Self::WebhookEndpoints => (PROBED_PATHS[5], ""),
        };
        Ok(template.replace("{id}", id))
    }

    /// What is being read, for messages.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Customers | Self::Customer(_) => "customers",
            Self::Subscriptions | Self::Subscription(_) => "subscriptions",
            Self::SubscriptionItems => "subscription items",
            Self::Prices => "prices",
            Self::Products => "products",
            Self::ProductFeatures(_) => "product features",
            Self::Invoices => "invoices",
            Self::Events => "events",
            Self::Balance => "the balance",
            Self::Charges => "charges",
            Self::Payouts => "payouts",
            Self::Refunds => "refunds",
            Self::PaymentMethods => "payment methods",
            Self::WebhookEndpoints => "webhook endpoints",
        }
    }
}

/// An id as Stripe makes them, or as merchants may choose for products and coupons.
fn object_id(id: &str) -> Result<&str, StripeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() || id.len() > 255 || !id.bytes().all(plain) {
        return Err(StripeError::Id);
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_lead_to_another_path() {
        assert_eq!(
            Endpoint::Customer("cus_1").path().unwrap(),
            "/v1/customers/cus_1"
        );
        for id in ["", "../balance", "a/b", "a?b", "a%2Fb", "a#b", "ä"] {
            assert!(Endpoint::Customer(id).path().is_err(), "{id:?}");
        }
    }
}
