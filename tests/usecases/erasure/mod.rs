//! Erasure, legal holds and retention, against ports in memory: what goes, what stays provable, and
//! what stops it.

pub(crate) mod bench;
mod carried;
mod contents;
pub(crate) mod faults;
mod holds;
mod meanwhile;
mod retention;
mod words;
