//! The product as tools for agents: the Model Context Protocol over stateless HTTP.
//!
//! An agent looks, asks for checks, proposes and executes what policy allows or people approved. What
//! it asks runs through the same use cases as a request to the API, under a key of its own. It never
//! approves, and there is no tool for approving, for overriding, for secrets, policies, people or keys.
//! Texts of customers are returned as data, never in a description.

mod arguments;
mod caller;
mod handler;
mod metadata;
mod protocol;
mod resources;
mod routes;
mod schema;
mod tools;

pub use handler::handle;
pub use metadata::Place;
pub use routes::{Mcp, router};
pub use tools::{Others, Tools};
