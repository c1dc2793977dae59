//! Workers that are killed at every durable step of a repair and of a governed run: real processes, a
//! real Postgres, the emulated tables. Whatever dies, and dies again while it is put right: at most one
//! UPDATE, a record for every effect, the approval consumed once, the promise kept in the end, each
//! action of a run decided and ended once, and a stream that the sealer recomputes.
//!
//! A worker is this binary again ([`worker`]), with the handler of `repair-approve`, `api` or
//! `scheduled-reconcile` on ports that count what is durable and send SIGKILL to themselves before or
//! after the step they were told. What happens inside the customer's transaction is decided by a proxy
//! before Postgres, which kills the worker between UPDATE and COMMIT, or when its COMMIT was answered
//! and it has not heard.

#[cfg(test)]
mod announced;
#[cfg(test)]
mod ask;
#[cfg(test)]
mod deaths;
#[cfg(test)]
mod fuse;
#[cfg(test)]
mod governed;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod office;
#[cfg(test)]
mod play;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod worker;
