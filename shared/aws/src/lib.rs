//! Adapters to AWS: one file per port. They translate and classify; they decide nothing.

pub mod clients;
pub mod dynamodb;
mod error;
pub mod kms;
pub mod lambda;
pub mod s3;
pub mod sqs;

pub use clients::Clients;
