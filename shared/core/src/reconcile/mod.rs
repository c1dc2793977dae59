//! Promise against grant: one engine for one customer and for all of them.
//!
//! ```text
//! Scan::customer, Scan::subscription,
//! Scan::invoice                        Stripe's side, any order, duplicates are harmless
//! Scan::seal -> Join::row              the app's side, each row once, any order
//! Join::finish -> Outcome              findings, sorted by kind and subject
//! ```
//! The same objects and the same artifact give the same findings, whatever the order. Stripe's side
//! is kept as compact records, the app's rows are looked at and dropped, except those whose
//! customer may still turn out to belong to another row.
//!
//! It reads nothing itself and repairs nothing: a finding says what a repair would write.

mod amounts;
mod arrivals;
mod columns;
mod compact;
mod diff;
mod directory;
mod finding;
pub mod findings;
mod grant;
mod held;
mod ids;
mod join;
mod key;
mod promised;
mod risk;
mod scan;
mod stated;
mod store;
#[cfg(test)]
mod tests;
mod unclaimed;
mod wanted;

pub use finding::{
    Backing, Direction, Doubt, Field, Finding, FindingKind, Identity, NotRepairable, Outcome,
    Symbol, Undecided, differing, drift_permille, is_mass_drift,
};
pub use join::Join;
pub use scan::Scan;
pub use stated::{
    CustomerPresence, CustomerState, GrantState, PromiseState, RowState, SubscriptionState,
};
