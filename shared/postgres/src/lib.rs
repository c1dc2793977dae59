#![doc = include_str!("../README.md")]

mod address;
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
mod read_only;
mod repairer;
mod select;
mod tls;
mod update;
mod url;

pub use database::PgDatabase;
pub use error::PostgresError;
pub use inspector::{Limits, PgInspector};
pub use repairer::PgRepairer;
pub use url::{Host, PostgresUrl, Transport, UrlError};
