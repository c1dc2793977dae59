//! The evidence format against its worked example, foreign vectors, and attackers.

#![expect(
    unreachable_pub,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "one crate of tests: its helpers are shared, count small things and read vectors"
)]

#[cfg(test)]
mod accepted;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod complete;
#[cfg(test)]
mod controls;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod flips;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod good;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod no_io;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod second;
#[cfg(test)]
mod store;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod worked_example;
