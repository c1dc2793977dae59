//! The evidence format `counterfoil/v1`: canonical JSON, streams, the Merkle tree, seals, packages
//! and their offline verification.
//!
//! Normative text: `docs/evidence-format.md`. This crate has no I/O, no clock and no randomness;
//! bytes, times and salts are arguments. It does not decide what is recorded, and it holds no
//! private key.

mod base64;
pub mod code;
pub mod descriptor;
mod facts;
pub mod hash;
pub mod header;
pub mod json;
pub mod kind;
pub mod package;
pub mod part;
pub mod seal;
pub mod stream;
pub mod tree;
pub mod verify;
