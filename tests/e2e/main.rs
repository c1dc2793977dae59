//! The product end to end: the template in the local cloud, every function as a real process under
//! its own role behind the HTTP API, a real Postgres, the fake Stripe.

#[cfg(test)]
mod access;
#[cfg(test)]
mod loops;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod webhooks;
