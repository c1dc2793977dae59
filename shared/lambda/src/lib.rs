//! What every function shares around its use case: configuration, start-up, telemetry, the way from
//! an event to a router and back, authentication, and problems as answers.
//!
//! This crate wires and translates; it decides nothing.

pub mod agent;
pub mod alarming;
pub mod boot;
pub mod config;
pub mod decisions;
pub mod duty;
pub mod event;
pub mod governed;
pub mod http;
pub mod input;
pub mod layers;
pub mod oidc;
pub mod pages;
pub mod problem;
pub mod refusals;
pub mod routes;
pub mod schema;
pub mod scratch;
pub mod sight;
pub mod system;
pub mod telemetry;
pub mod views;

pub use boot::Boot;
pub use lambda_runtime::Error;
pub use layers::Front;
pub use problem::Problem;
