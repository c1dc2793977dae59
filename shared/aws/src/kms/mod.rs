//! Data keys and the seal key.

mod signer;
mod wrapper;

pub use signer::KmsSigner;
pub use wrapper::KmsWrapper;
