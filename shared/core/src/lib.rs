//! The core that every function shares: domain, rules, use cases and ports.
//!
//! # Architecture invariants
//! - No I/O, no clock, no randomness: time, ids and random bits come in through [`ports`] or as
//!   arguments. The only way out is a port call, and it is the last thing a use case does.
//! - Decide purely, then act: a plan and a recorded decision come before every effect.
//! - [`tenancy::TenantCtx`] is needed for every record of a tenant and [`policy::Permit`] for every
//!   effect; neither can be made outside this crate.
//! - No write call to Stripe exists, here or anywhere: [`ports::Billing`] only reads.

pub mod auth;
pub mod billing;
pub mod budget;
pub mod bundles;
pub mod cell;
pub mod connection;
pub mod cursor;
pub mod deletion;
pub mod erasure;
pub mod export;
pub mod governed_run;
pub mod held_change;
pub mod hold;
pub mod idempotency;
pub mod ids;
pub mod incident;
pub mod inventory;
pub mod json;
pub mod listing;
pub mod mapping;
pub mod money;
pub mod policy;
pub mod ports;
pub mod promise;
pub mod rate;
pub mod reconcile;
pub mod records;
pub mod redacted;
pub mod repair;
pub mod retention;
pub mod run;
pub mod scan;
pub mod sealed;
pub mod snapshot;
pub mod tenancy;
pub mod time;
pub mod traced;
pub mod usecases;
pub mod webhook;

pub use counterfoil_evidence as evidence;
