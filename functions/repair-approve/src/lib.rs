//! Repairs as governed actions: propose, approve, reject, execute, verify. The only function that
//! can open the repair credential.

mod answer;
mod glass;
mod handler;
mod in_run;
mod routes;
mod service;
mod views;
mod words;

pub use handler::handle;
pub use routes::{QUERIES, document, router};
pub use service::Service;
