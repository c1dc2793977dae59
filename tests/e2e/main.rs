//! The product end to end: the template in the local cloud, every function as a real process under
//! its own role behind the HTTP API, a real Postgres, the fake Stripe.
//!
//! One local cloud for the whole test process ([`stage`]), and one more for a test that asks too much for
//! it; a workspace, a project and a database per test ([`tenant`]). Schedules run in the background, so no test depends on being alone.

#[cfg(test)]
mod access;
#[cfg(test)]
mod alike;
#[cfg(test)]
mod archive;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod canary;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod customers;
#[cfg(test)]
mod deletion;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod engine;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod events;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod founding;
#[cfg(test)]
mod hands;
#[cfg(test)]
mod health;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod loops;
#[cfg(test)]
mod lost_replies;
#[cfg(test)]
mod masking;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod needles;
#[cfg(test)]
mod order;
#[cfg(test)]
#[path = "../people.rs"]
mod people;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod records;
#[cfg(test)]
#[path = "../rights.rs"]
mod rights;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod signed;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tenant;
#[cfg(test)]
mod terminal;
#[cfg(test)]
mod votes;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod zz_calls;
