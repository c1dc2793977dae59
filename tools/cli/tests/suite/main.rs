//! The command as a process, against a real Postgres and the fake Stripe.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod api;
#[cfg(test)]
mod baseline;
#[cfg(test)]
mod csv;
#[cfg(test)]
mod customer;
#[cfg(test)]
mod init;
#[cfg(test)]
mod login;
#[cfg(test)]
mod organizations;
#[cfg(test)]
mod policy;
mod proofs;
#[cfg(test)]
mod support;
