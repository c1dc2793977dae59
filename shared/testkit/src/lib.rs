#![doc = include_str!("../README.md")]

pub mod bundles;
pub mod contract;
pub mod delivery;
pub mod http_faults;
pub mod issuer;
pub mod memory;
pub mod stripe;
pub mod tcp_proxy;
