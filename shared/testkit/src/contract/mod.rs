//! What every implementation of a port promises, as tests that are generic over it.
//!
//! They run against the ports in memory and against the adapters, so that neither can drift from
//! the other. A broken promise panics with what was promised. Every suite wants to begin with
//! nothing under its own names; suites do not see each other's, so one store can serve them all.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a contract suite is a test: a broken promise ends it"
)]

mod budget;
mod chain;
mod evidence;
mod history;
mod keys;
mod objects;
mod redaction;
mod runs;
mod sample;
mod sealed;
mod seals;
mod state;

pub use budget::budget;
pub use chain::{Link, recompute, whole};
pub use evidence::{evidence, evidence_with_state};
pub use history::{Call, Told, agrees_with};
pub use keys::{data_keys, rewrapped_keys, wrapped_keys};
pub use objects::{archive, objects};
pub use redaction::redactions;
pub use runs::runs;
pub use sample::Sample;
pub use sealed::sealed;
pub use seals::{floors, seals, starts};
pub use state::{expiry, state};
