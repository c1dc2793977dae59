//! The reports as files: what standard PDF programs say about them, and whether they tell the same
//! as the JSON they carry.

#![expect(unreachable_pub, reason = "one crate of tests: its helpers are shared")]

#[cfg(test)]
mod alone;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod large;
#[cfg(test)]
mod run;
#[cfg(test)]
mod tools;
