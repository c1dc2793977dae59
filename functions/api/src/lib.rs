//! What people and their programs ask of a project's evidence: runs, erasure, legal holds,
//! retention. Its hourly duty finishes what was begun and gives up snapshots past their window.

mod answer;
mod api;
mod customers;
mod handler;
mod incidents;
mod login;
mod projects;
mod routes;
mod schedule;
mod views;
mod webhooks;

pub use api::Api;
pub use handler::handle;
pub use routes::{document, router};
