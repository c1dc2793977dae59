//! A fake Stripe: a shop of objects, served over HTTP on this machine.
//!
//! It answers the reads that the product makes, in the shapes of API version 2026-09-30.endive, with
//! restricted keys, permissions, paging, filters and faults. It records every request and counts
//! those that are not GET. It changes only through [`FakeStripe::change`]: a request cannot write.
//!
//! [`Crowd`] is a business of any size, made from the numbers of its customers when somebody asks.
//! [`Weather`] lets requests fail at given rates.
//!
//! [`Sample`] is a shop together with the rows of the app that it belongs to, consistent until
//! drift is put in with [`Sample::inject`], which says what a check must find.

mod answer;
mod catalog;
mod crowd;
mod drift;
mod events;
mod fault;
mod keys;
mod listing;
mod objects;
mod people;
mod query;
mod random;
mod sample;
mod server;
mod shop;
mod users;
mod weather;

pub use catalog::{PLANS, Plan};
pub use crowd::Crowd;
pub use drift::{Drift, Expected};
pub use events::{Delivery, deliver, event, sign_event};
pub use fault::{Fault, FaultKind};
pub use keys::Permission;
pub use objects::{CustomerSpec, Interval, ItemSpec, SubscriptionSpec};
pub use sample::{Account, Sample, Standing};
pub use server::{FakeStripe, Request};
pub use shop::Shop;
pub use users::{APP_USERS_TABLE, AppUser, COPY_USERS, copy_line, insert_users};
pub use weather::Weather;
