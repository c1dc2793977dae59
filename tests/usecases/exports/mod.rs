//! Exports: asked for, built by a worker, verified as an auditor would, fetched.

mod announced;
mod desk;
mod erased;
mod faults;
mod governed;
mod inputs;
mod packages;
mod periods;
mod requests;
mod rotated;
mod rules;
