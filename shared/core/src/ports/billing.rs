//! What the product reads from Stripe. There is no method that writes.

use async_trait::async_trait;

use super::PortError;
use crate::billing::{Catalog, Customer, Subscription};

/// Read access to one Stripe account.
///
/// A page that fails after retries makes the whole call fail: half a list must never look like a
/// list. What was handed to `each` before the error has been read correctly.
#[async_trait]
pub trait Billing: Send + Sync {
    /// Prices, products and the entitlement features of the products.
    async fn catalog(&self) -> Result<Catalog, PortError>;

    /// One customer; `None` when Stripe never knew it. A deleted one has `deleted: true`.
    async fn customer(&self, id: &str) -> Result<Option<Customer>, PortError>;

    /// Every subscription of one customer, all states.
    async fn subscriptions_of(&self, customer: &str) -> Result<Vec<Subscription>, PortError>;

    /// Every customer, page by page.
    async fn customers(&self, each: &mut (dyn FnMut(Customer) + Send)) -> Result<(), PortError>;

    /// Every subscription in every state, page by page.
    async fn subscriptions(
        &self,
        each: &mut (dyn FnMut(Subscription) + Send),
    ) -> Result<(), PortError>;
}
