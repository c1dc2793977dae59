#![doc = include_str!("../README.md")]

mod address;
mod batch;
mod catalog;
mod connect;
mod copy;
mod database;
mod decode;
mod encode;
mod error;
mod form;
mod identifier;
mod inspector;
mod moment;
mod network;
mod range;
mod read_only;
mod refused;
mod repairer;
mod rights;
mod select;
#[cfg(test)]
mod tests;
mod tls;
mod update;
mod url;
mod watch;

pub use address::Resolver;
pub use database::PgDatabase;
pub use error::PostgresError;
pub use inspector::{Limits, PgInspector};
pub use network::{Network, NetworkError};
pub use repairer::PgRepairer;
pub use url::{Auth, Host, PostgresUrl, Roots, Transport, UrlError};
