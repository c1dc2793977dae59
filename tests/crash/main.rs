//! Workers that are killed at every durable step of a repair: real processes, a real Postgres, the
//! emulated tables. Whatever dies, and dies again while it is put right: at most one UPDATE, a record
//! for every effect, the approval consumed once, the promise kept in the end, and a stream that the
//! sealer recomputes.
//!
//! A worker is this binary again ([`worker`]), with the handler of `repair-approve` on ports that
//! count what is durable and send SIGKILL to themselves before or after the step they were told.

#[cfg(test)]
mod fuse;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod worker;
