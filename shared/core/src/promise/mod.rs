//! What billing promises: the decision table, price by price and state by state.
//!
//! Pure functions of one subscription, the mapping's rules and one point in time. Customers, rows
//! and their matching are not known here; see [`crate::reconcile`].

mod judge;
mod rule;
mod shop;
mod terms;

pub use judge::{Judgement, Standing, grace_is_over, judge};
pub use rule::Rule;
pub use shop::{Deal, DealId, FeatureId, PlanId, PriceId, Shop};
pub use terms::Terms;
