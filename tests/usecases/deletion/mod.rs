//! Deletion of projects and workspaces, against ports in memory: who may, when, what goes, what stays,
//! and what a crash costs.

mod backup;
mod bench;
mod faults;
mod meanwhile;
mod people;
mod project;
mod workspace;
