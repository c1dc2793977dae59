//! Inspector and repairer against a real server, with the roles that the product's scripts make.

mod connecting;
mod guard;
mod reading;
mod roles;
pub(crate) mod support;
mod tls;
