//! Stripe's objects as JSON, in the shape of API version 2026-09-30.endive.
//!
//! Fields that the product does not read are there as well where they are large or typical, so that
//! reading them is as much work as it is in reality.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::catalog::Plan;

/// A billing interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// Monthly.
    Month,
    /// Yearly.
    Year,
}

impl Interval {
    /// Stripe's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// As lookup keys have it.
    pub const fn adverb(self) -> &'static str {
        match self {
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }

    /// Seconds, of 30 or 365 days.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Month => 30 * 86_400,
            Self::Year => 365 * 86_400,
        }
    }
}

/// What a customer is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerSpec {
    /// `cus_…`.
    pub id: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// The merchant's keys.
    pub metadata: BTreeMap<String, String>,
}

/// What a line of a subscription is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemSpec {
    /// `si_…`.
    pub id: String,
    /// What is sold.
    pub plan: &'static Plan,
    /// How often it is paid.
    pub interval: Interval,
    /// How many.
    pub quantity: i64,
}

/// What a subscription is made from. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionSpec {
    /// `sub_…`.
    pub id: String,
    /// `cus_…`.
    pub customer: String,
    /// Stripe's status.
    pub status: String,
    /// Creation.
    pub created: i64,
    /// Lines.
    pub items: Vec<ItemSpec>,
    /// Start of the period that runs now.
    pub period_start: i64,
    /// End of the period that runs now.
    pub period_end: i64,
    /// End of the trial.
    pub trial_end: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// It ends with the period.
    pub cancel_at_period_end: bool,
    /// No payments are collected.
    pub pause_collection: bool,
    /// A coupon takes off everything.
    pub free: bool,
}

pub(super) fn customer(spec: &CustomerSpec) -> Value {
    json!({
        "id": spec.id, "object": "customer", "address": null, "balance": 0,
        "created": spec.created, "currency": "usd", "default_source": null, "delinquent": false,
        "description": null, "email": spec.email, "invoice_prefix": "SAMPLE",
        "invoice_settings": {"custom_fields": null, "default_payment_method": null, "footer": null,
            "rendering_options": null},
        "livemode": false, "metadata": spec.metadata, "name": spec.name,
        "next_invoice_sequence": 2, "phone": null, "preferred_locales": ["en-US"],
        "shipping": null, "tax_exempt": "none", "test_clock": null,
    })
}

/// All that is left of a customer who was deleted.
pub(super) fn deleted_customer(id: &str) -> Value {
    json!({"id": id, "object": "customer", "deleted": true})
}

pub(super) fn product(id: &str, name: &str, plan: &str, created: i64) -> Value {
    json!({
        "id": id, "object": "product", "active": true, "created": created, "default_price": null,
        "description": null, "images": [], "livemode": false, "marketing_features": [],
        "metadata": {"plan": plan}, "name": name, "package_dimensions": null, "shippable": null,
        "statement_descriptor": null, "tax_code": null, "type": "service", "unit_label": null,
        "updated": created, "url": null,
    })
}

pub(super) fn product_feature(product: &str, key: &str) -> Value {
    json!({
        "id": format!("prodft_{}_{key}", product.trim_start_matches("prod_")),
        "object": "product_feature", "livemode": false,
        "entitlement_feature": {
            "id": format!("feat_{key}"), "object": "entitlements.feature", "active": true,
            "livemode": false, "lookup_key": key, "metadata": {}, "name": key.replace('_', " "),
        },
    })
}

pub(super) fn price(plan: &Plan, interval: Interval, created: i64) -> Value {
    let amount = plan.amount(interval);
    json!({
        "id": plan.price(interval), "object": "price", "active": true,
        "billing_scheme": "per_unit", "created": created, "currency": "usd",
        "custom_unit_amount": null, "livemode": false,
        "lookup_key": format!("{}_{}", plan.name, interval.adverb()), "metadata": {},
        "nickname": null, "product": plan.product(),
        "recurring": {"interval": interval.name(), "interval_count": 1, "meter": null,
            "trial_period_days": null, "usage_type": "licensed"},
        "tax_behavior": "exclusive", "tiers_mode": null, "transform_quantity": null,
        "type": "recurring", "unit_amount": amount, "unit_amount_decimal": amount.to_string(),
    })
}

pub(super) fn item(spec: &ItemSpec, subscription: &SubscriptionSpec) -> Value {
    json!({
        "id": spec.id, "object": "subscription_item", "billing_thresholds": null,
        "created": subscription.created, "current_period_end": subscription.period_end,
        "current_period_start": subscription.period_start, "discounts": [], "metadata": {},
        "price": price(spec.plan, spec.interval, subscription.created),
        "quantity": spec.quantity, "subscription": subscription.id, "tax_rates": [],
    })
}

/// The subscription with everything that a request may expand in it.
pub(super) fn subscription(spec: &SubscriptionSpec) -> Value {
    let items: Vec<Value> = spec.items.iter().map(|it| item(it, spec)).collect();
    let discounts = if spec.free {
        vec![discount(spec)]
    } else {
        Vec::new()
    };
    let pause = spec
        .pause_collection
        .then(|| json!({"behavior": "void", "resumes_at": null}));
    let cancel_at = spec.cancel_at_period_end.then_some(spec.period_end);
    json!({
        "id": spec.id, "object": "subscription", "application": null,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
        "billing_cycle_anchor": spec.created, "billing_mode": {"type": "flexible"},
        "cancel_at": cancel_at, "cancel_at_period_end": spec.cancel_at_period_end,
        "canceled_at": spec.ended_at, "collection_method": "charge_automatically",
        "created": spec.created, "currency": "usd", "customer": spec.customer,
        "days_until_due": null, "default_payment_method": null, "default_tax_rates": [],
        "description": null, "discounts": discounts, "ended_at": spec.ended_at,
        "items": {"object": "list", "data": items, "has_more": false,
            "url": format!("/v1/subscription_items?subscription={}", spec.id)},
        "latest_invoice": invoice(spec), "livemode": false, "metadata": {},
        "next_pending_invoice_item_invoice": null, "pause_collection": pause,
        "pending_setup_intent": null, "pending_update": null, "schedule": null,
        "start_date": spec.created, "status": spec.status, "test_clock": null,
        "trial_end": spec.trial_end, "trial_start": spec.trial_end.map(|_| spec.created),
    })
}

/// The newest invoice: of the period that runs, open where the payment failed.
pub(super) fn invoice(spec: &SubscriptionSpec) -> Value {
    let open = matches!(spec.status.as_str(), "past_due" | "unpaid" | "incomplete");
    let attempt = (spec.status == "past_due").then(|| spec.period_start + 5 * 86_400);
    json!({
        "id": format!("in_{}", spec.id.trim_start_matches("sub_")), "object": "invoice",
        "attempt_count": 1, "attempted": true, "auto_advance": true,
        "billing_reason": "subscription_cycle", "collection_method": "charge_automatically",
        "created": spec.period_start, "currency": "usd", "customer": spec.customer,
        "due_date": null, "livemode": false, "metadata": {}, "next_payment_attempt": attempt,
        "parent": {"type": "subscription_details", "quote_details": null,
            "subscription_details": {"subscription": spec.id, "metadata": {}}},
        "status": if open { "open" } else { "paid" },
    })
}

fn discount(spec: &SubscriptionSpec) -> Value {
    json!({
        "id": format!("di_{}", spec.id.trim_start_matches("sub_")), "object": "discount",
        "customer": spec.customer, "subscription": spec.id, "start": spec.created, "end": null,
        "source": {"type": "coupon", "coupon": {
            "id": "FRIENDS", "object": "coupon", "percent_off": 100, "duration": "forever",
            "amount_off": null, "currency": null, "name": "Friends", "valid": true,
        }},
    })
}
