//! What people and their programs ask: of a project's evidence (runs, erasure, legal holds, retention)
//! and of a workspace (people, invitations, keys). Its hourly duty finishes what was begun and gives up snapshots past their window.

mod admin;
mod answer;
mod api;
mod changes;
mod connections;
mod customers;
mod deletion;
mod erasure;
mod evidence;
mod flows;
mod governed;
mod handler;
mod holds;
mod incidents;
mod invitations;
mod keys;
mod login;
mod mappings;
mod members;
mod policies;
mod policy_problems;
mod policy_trials;
mod project_problems;
mod projects;
mod retention;
mod routes;
mod runs;
mod schedule;
mod security;
mod views;
mod webhooks;
mod wiring;
mod workspaces;

pub use api::Api;
pub use handler::handle;
pub use routes::{QUERIES, document, router};
pub use wiring::wire;
