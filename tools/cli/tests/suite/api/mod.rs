//! Commands over the API, as processes against a deployment over HTTP.

mod actions;
mod connecting;
mod deleting;
mod deployment;
mod doctor;
mod document;
mod flows;
mod impacts;
mod incidents;
mod keys;
mod pages;
mod places;
mod policies;
mod runs;
