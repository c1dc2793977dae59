//! Erasure, legal holds and retention, against ports in memory: what goes, what stays provable, and
//! what stops it.

mod bench;
mod carried;
mod contents;
mod faults;
mod holds;
mod meanwhile;
mod retention;
