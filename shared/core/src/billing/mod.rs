//! What the product reads of Stripe's objects: thin structs that take any API version.
//!
//! Only the fields that a promise depends on exist here, and every one that Stripe may leave out is
//! optional. Nothing here talks to Stripe and nothing can be written back. Times are whole seconds
//! since 1970, as Stripe sends them.

mod catalog;
mod cost;
mod customer;
mod discount;
mod invoice;
pub(crate) mod line;
mod status;
mod subscription;
#[cfg(test)]
mod tests;
mod tolerant;

pub use catalog::{Catalog, Price, Product, Recurring, TransformQuantity};
pub use cost::{Cadence, Cost};
pub use customer::{Customer, is_customer_id};
pub use discount::Discount;
pub use invoice::Invoice;
pub use status::Status;
pub use subscription::{Item, PauseCollection, Subscription};

use serde::{Deserialize, Serialize};

/// The API version that every request pins and every run records.
pub const STRIPE_VERSION: &str = "2026-09-30.endive";

/// One page of a Stripe list, at the top level or embedded in an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The objects, in Stripe's order.
    pub data: Vec<T>,
    /// Whether more objects follow the last one.
    #[serde(default, deserialize_with = "tolerant::or_default")]
    pub has_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            has_more: false,
        }
    }
}
