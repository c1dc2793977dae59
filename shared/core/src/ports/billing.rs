//! What the product reads from Stripe. There is no method that writes.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::PortError;
use crate::billing::{Catalog, Customer, Invoice, Subscription};
use crate::time::Timestamp;
use crate::webhook::Event;

/// When the objects of a list were created: seconds since 1970, half open (`from <= created < to`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedRange {
    /// The first second.
    pub from: i64,
    /// The second behind the last one.
    pub to: i64,
}

impl CreatedRange {
    /// Everything that was created before `to`.
    pub const fn before(to: i64) -> Self {
        Self { from: 0, to }
    }

    /// Everything that was created until `as_of`, the whole second included.
    pub fn up_to(as_of: Timestamp) -> Self {
        Self::before(as_of.as_secs().saturating_add(1))
    }
}

/// Where the next page of a list begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListCursor {
    /// Id of the last object that was read.
    pub after: String,
    /// When that object was created. Lists are newest first, so nothing newer follows; and the
    /// reader goes on from here where the object has been deleted since.
    pub created: i64,
}

/// One page of a list, newest first, at most 100 objects.
///
/// Objects of the second of the cursor may come twice where the cursor's object was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage<T> {
    /// The objects.
    pub data: Vec<T>,
    /// Where the next page begins; `None` behind the last one.
    pub next: Option<ListCursor>,
}

/// Read access to one Stripe account.
///
/// A page that fails after retries is an error: half a list must never look like a list.
#[async_trait]
pub trait Billing: Send + Sync {
    /// Prices and products, and the entitlement features of the products where `features` says so:
    /// these cost a request for each product that is subscribed to.
    async fn catalog(&self, features: bool) -> Result<Catalog, PortError>;

    /// One customer; `None` when Stripe never knew it. A deleted one has `deleted: true`.
    async fn customer(&self, id: &str) -> Result<Option<Customer>, PortError>;

    /// Every subscription of one customer, all states, all items.
    async fn subscriptions_of(&self, customer: &str) -> Result<Vec<Subscription>, PortError>;

    /// One subscription, without the items behind its first page: it says whose it is. `None` when
    /// Stripe never knew it. No look at a customer asks for it, so snapshots do not hold it.
    async fn subscription(&self, id: &str) -> Result<Option<Subscription>, PortError>;

    /// The open invoices of one customer.
    async fn open_invoices_of(&self, customer: &str) -> Result<Vec<Invoice>, PortError>;

    /// Customers that were not deleted.
    async fn customer_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Customer>, PortError>;

    /// Subscriptions in every state, each with all its items.
    async fn subscription_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Subscription>, PortError>;

    /// Open invoices: the oldest of a subscription tells since when it is unpaid.
    async fn open_invoice_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Invoice>, PortError>;

    /// Events about customers ([`crate::webhook::CUSTOMER_EVENTS`]). Stripe keeps them for 30 days.
    async fn event_page(
        &self,
        range: CreatedRange,
        cursor: Option<&ListCursor>,
    ) -> Result<ListPage<Event>, PortError>;
}
