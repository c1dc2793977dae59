//! An invoice, as far as it tells since when a payment is overdue.

use serde::{Deserialize, Serialize};

use super::tolerant;

/// An invoice of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Sent")]
pub struct Invoice {
    /// `in_…`.
    pub id: String,
    /// `sub_…`; absent for an invoice that belongs to none.
    pub subscription: Option<String>,
    /// `cus_…` of the payer; empty where Stripe left it out.
    pub customer: String,
    /// Creation time.
    pub created: Option<i64>,
    /// When it must be paid, for invoices that are sent to the customer.
    pub due_date: Option<i64>,
    /// `draft`, `open`, `paid`, `uncollectible` or `void`.
    pub status: Option<String>,
}

impl Invoice {
    /// Since when money is outstanding: the creation of an invoice that Stripe charges by itself,
    /// the due date of one that it sends. `None` unless the invoice is open or was given up.
    pub fn unpaid_since(&self) -> Option<i64> {
        let unpaid = matches!(self.status.as_deref(), Some("open" | "uncollectible"));
        unpaid.then_some(self.due_date.max(self.created)).flatten()
    }
}

/// The forms of all API versions.
#[derive(Deserialize)]
struct Sent {
    #[serde(default, deserialize_with = "tolerant::or_default")]
    id: String,
    #[serde(default, deserialize_with = "tolerant::optional_id")]
    subscription: Option<String>,
    #[serde(default)]
    parent: Option<Parent>,
    #[serde(default, deserialize_with = "tolerant::id")]
    customer: String,
    #[serde(default)]
    created: Option<i64>,
    #[serde(default)]
    due_date: Option<i64>,
    #[serde(default)]
    status: Option<String>,
}

/// Where the subscription lies in API versions from 2025-03-31 on.
#[derive(Deserialize)]
struct Parent {
    #[serde(default)]
    subscription_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default, deserialize_with = "tolerant::optional_id")]
    subscription: Option<String>,
}

impl From<Sent> for Invoice {
    fn from(sent: Sent) -> Self {
        let details = sent.parent.and_then(|parent| parent.subscription_details);
        Self {
            id: sent.id,
            subscription: (sent.subscription)
                .or_else(|| details.and_then(|details| details.subscription)),
            customer: sent.customer,
            created: sent.created,
            due_date: sent.due_date,
            status: sent.status,
        }
    }
}
