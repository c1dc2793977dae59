//! Keys and what they may read.

use std::collections::{BTreeMap, BTreeSet};

/// A read permission of a restricted key. The names are those that Stripe's refusals have been seen
/// to use, or are formed like them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Customers.
    Customers,
    /// Subscriptions and their items.
    Subscriptions,
    /// Prices.
    Prices,
    /// Products and their features.
    Products,
    /// Active entitlements.
    Entitlements,
    /// Invoices, also expanded ones.
    Invoices,
    /// Coupons, also expanded ones.
    Coupons,
    /// Events.
    Events,
    /// The balance.
    Balance,
    /// Charges.
    Charges,
    /// Payouts.
    Payouts,
    /// Refunds.
    Refunds,
    /// Payment methods.
    PaymentMethods,
    /// Webhook endpoints.
    WebhookEndpoints,
}

impl Permission {
    /// Everything that the product reads.
    pub const ALL: [Self; 8] = [
        Self::Customers,
        Self::Subscriptions,
        Self::Prices,
        Self::Products,
        Self::Entitlements,
        Self::Invoices,
        Self::Coupons,
        Self::Events,
    ];

    /// What the product has no use for.
    pub const EXCESS: [Self; 6] = [
        Self::Balance,
        Self::Charges,
        Self::Payouts,
        Self::Refunds,
        Self::PaymentMethods,
        Self::WebhookEndpoints,
    ];

    /// The name in a refusal.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customers => "rak_customer_read",
            Self::Subscriptions => "rak_subscription_read",
            Self::Prices => "rak_plan_read",
            Self::Products => "rak_product_read",
            Self::Entitlements => "rak_entitlement_read",
            Self::Invoices => "rak_invoice_read",
            Self::Coupons => "rak_coupon_read",
            Self::Events => "rak_event_read",
            Self::Balance => "rak_balance_read",
            Self::Charges => "rak_charge_read",
            Self::Payouts => "rak_payout_read",
            Self::Refunds => "rak_refund_read",
            Self::PaymentMethods => "rak_payment_method_read",
            Self::WebhookEndpoints => "rak_webhook_read",
        }
    }
}

/// The keys that the account has issued.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    issued: BTreeMap<String, BTreeSet<Permission>>,
    /// Keys that were ever issued: a number never comes twice, also when its key was taken back.
    count: usize,
    /// The account is in live mode.
    pub(super) live: bool,
}

/// What a request's key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    /// Not a key of this account.
    Nobody,
    /// A secret key, which may do everything.
    Secret,
    /// A restricted key.
    Restricted(BTreeSet<Permission>),
}

impl Keys {
    pub(super) fn issue(&mut self, permissions: &[Permission]) -> String {
        self.count = self.count.saturating_add(1);
        let mode = if self.live { "live" } else { "test" };
        let key = format!("rk_{mode}_51Sample{:08}", self.count);
        self.issued
            .insert(key.clone(), permissions.iter().copied().collect());
        key
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.issued.keys().cloned().collect()
    }

    pub(super) fn revoke(&mut self, key: &str) {
        self.issued.remove(key);
    }

    /// Who holds the key of an `Authorization: Bearer` header.
    pub(super) fn holder(&self, authorization: Option<&str>) -> Holder {
        let Some(key) = authorization.and_then(|value| value.strip_prefix("Bearer ")) else {
            return Holder::Nobody;
        };
        if key.starts_with("sk_") {
            return Holder::Secret;
        }
        self.issued
            .get(key)
            .cloned()
            .map_or(Holder::Nobody, Holder::Restricted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_issued_twice_also_after_one_was_taken_back() {
        let mut keys = Keys::default();
        let first = keys.issue(&Permission::ALL);
        let narrow = keys.issue(&[Permission::Events]);
        keys.revoke(&first);
        assert_ne!(keys.issue(&Permission::ALL), narrow);
        let holder = keys.holder(Some(&format!("Bearer {narrow}")));
        assert_eq!(
            holder,
            Holder::Restricted(BTreeSet::from([Permission::Events]))
        );
    }
}
