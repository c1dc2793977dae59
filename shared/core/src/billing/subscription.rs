//! A subscription with its items.

use serde::{Deserialize, Serialize};

use super::{Discount, Invoice, Page, Price, Status, tolerant};

/// One line of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// `si_…`; the cursor for further items.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub id: String,
    /// What is sold.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub price: Price,
    /// How many; absent for metered prices.
    #[serde(default)]
    pub quantity: Option<u32>,
    /// Start of the period that runs now (API versions from 2025-03-31 on).
    #[serde(default)]
    pub current_period_start: Option<i64>,
    /// End of the period that runs now (API versions from 2025-03-31 on).
    #[serde(default)]
    pub current_period_end: Option<i64>,
}

/// Stripe collects no payments for the time being; the status stays `active`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseCollection {
    /// What becomes of the invoices: `void`, `keep_as_draft` or `mark_uncollectible`.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub behavior: String,
}

/// A subscription in any state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// `sub_…`.
    pub id: String,
    /// `cus_…` of the payer.
    #[serde(deserialize_with = "tolerant::id")]
    pub customer: String,
    /// State.
    pub status: Status,
    /// Creation time; 0 where Stripe left it out.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub created: i64,
    /// End of the trial, past or future.
    #[serde(default)]
    pub trial_end: Option<i64>,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<i64>,
    /// When it will end.
    #[serde(default)]
    pub cancel_at: Option<i64>,
    /// It ends with the period that runs now.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub cancel_at_period_end: bool,
    /// When the cancellation was asked for.
    #[serde(default)]
    pub canceled_at: Option<i64>,
    /// Start of the period (API versions before 2025-03-31).
    #[serde(default)]
    pub current_period_start: Option<i64>,
    /// End of the period (API versions before 2025-03-31).
    #[serde(default)]
    pub current_period_end: Option<i64>,
    /// Its lines; `has_more` must be followed before a promise is made from them.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub items: Page<Item>,
    /// Set while no payments are collected.
    #[serde(default)]
    pub pause_collection: Option<PauseCollection>,
    /// The newest invoice, only where expanded.
    #[serde(default, deserialize_with = "tolerant::expanded")]
    pub latest_invoice: Option<Invoice>,
    /// Live or test mode, where Stripe said so.
    #[serde(default)]
    pub livemode: Option<bool>,
    /// The currency in which all of it is billed; absent where Stripe left it out.
    #[serde(default)]
    pub currency: Option<String>,
    /// Discounts that the request expanded; ids alone take nothing off.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub discounts: Vec<Discount>,
    /// The one discount of API versions before 2025-03-31.
    #[serde(default)]
    pub discount: Option<Discount>,
}

impl Subscription {
    /// End of the period that runs now: the latest of the items, else that of the subscription.
    pub fn period_end(&self) -> Option<i64> {
        let items = self
            .items
            .data
            .iter()
            .filter_map(|item| item.current_period_end)
            .max();
        items.or(self.current_period_end)
    }

    /// Start of the period that runs now: the latest of the items, else that of the subscription.
    pub fn period_start(&self) -> Option<i64> {
        let items = self
            .items
            .data
            .iter()
            .filter_map(|item| item.current_period_start)
            .max();
        items.or(self.current_period_start)
    }

    /// Its discounts, in the order in which Stripe applies them.
    pub fn discounts(&self) -> impl Iterator<Item = &Discount> {
        self.discounts.iter().chain(&self.discount)
    }
}
