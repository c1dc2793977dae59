//! For tests and the demo: ports in memory, a fake Stripe, proxies that lose replies. Never part of
//! the product.

pub mod memory;
pub mod stripe;
pub mod tcp_proxy;
