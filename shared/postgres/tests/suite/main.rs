//! Inspector and repairer against a real server, with the roles that the product's scripts make.

#[cfg(test)]
mod connecting;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod lost_replies;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod repairing;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
