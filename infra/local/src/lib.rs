//! The local cloud: the AWS services of `template.yaml` on 127.0.0.1, and a real Postgres.
//!
//! An emulator (ministack, from a pinned Python environment under the target folder) gets the stack
//! of `template.yaml` and runs our function binaries as `provided.al2023` Lambdas behind its HTTP
//! API, queue mappings, table streams and schedules. Nothing of the cloud is imitated here, and the
//! template is the only description of it.
//!
//! For demos, tests and developers; no function depends on this crate. Everything listens on
//! 127.0.0.1, keeps its files in a temporary folder, and ends with the process that started it, also
//! when that is killed. What the emulator gets wrong is in the README.

mod cloud;
mod command;
mod debian;
mod deploy;
mod emulator;
mod functions;
mod lifeline;
mod lock;
mod paths;
mod postgres;
mod python;

pub use cloud::{LocalCloud, Options};
pub use deploy::{Deploy, Deployment};
pub use emulator::{Emulator, EmulatorOptions, accounts::new_account};
pub use functions::{FUNCTIONS, Functions};
pub use postgres::Postgres;
pub use python::Environment;

/// Where a step reports what it is doing, one short sentence at a time.
pub type Progress<'a> = &'a dyn Fn(&str);
