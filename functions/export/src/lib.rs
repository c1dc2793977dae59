//! Evidence packages: `/v1/exports*`, and the worker behind the exports queue.

mod answer;
mod handler;
mod reports;
mod routes;
mod views;

pub use handler::handle;
pub use reports::Pdf;
pub use routes::{QUERIES, Service, document, router};
