//! The client against the fake Stripe.

#[cfg(test)]
mod budget;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod hard;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod support;
