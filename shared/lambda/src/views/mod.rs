//! Records as people, programs and agents see them: what the API answers with and what tools of agents
//! return are the same types, so that nothing is masked for one and shown to the other.
//!
//! The document (docs/openapi.json) and the output schemas of the tools are made of them.

/// Shows the name of a type alone: values of customers never come into a log by `Debug`.
macro_rules! silent {
    ($($name:ident),*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        })*
    };
}
pub(crate) use silent;

mod action;
mod customer;
mod evidence;
mod governed;
mod incident;
mod run;
mod said;

pub use action::{Action, EffectWord, action, answer};
pub use customer::BothSides;
pub use evidence::{Entries, Ledger, LedgerLine, ListedEntry, ListedRun, Runs, WholeEntry};
pub use governed::GovernedRun;
pub use incident::{Incident, Incidents};
pub use run::{Entry, Run};
