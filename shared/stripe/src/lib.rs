#![doc = include_str!("../README.md")]

mod accounts;
mod billing;
mod client;
mod endpoint;
mod error;
mod key;
mod listed;
mod pace;
mod paging;
mod probe;
mod refusal;
mod retry;
mod turns;

pub use accounts::StripeAccounts;
pub use client::{REQUESTS_PER_SECOND, STRIPE_URL, STRIPE_VERSION, StripeClient};
pub use endpoint::{PATHS, PERMISSIONS, PROBED_PATHS};
pub use error::StripeError;
pub use key::{KeyError, Mode, RestrictedKey};
pub use retry::Retries;
