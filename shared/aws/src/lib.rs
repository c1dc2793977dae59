#![doc = include_str!("../README.md")]

mod backoff;
pub mod clients;
pub mod dynamodb;
mod error;
mod http;
pub mod kms;
pub mod lambda;
pub mod rds;
mod resend;
pub mod s3;
pub mod sqs;

pub use clients::Clients;
