//! The mapping: who is whom, which columns say what the app grants, what each price promises.
//!
//! People write [`Mapping`] (TOML on disk, JSON in the API). [`compile()`] checks it whole and turns
//! it into an [`Artifact`]: canonical JSON with integers only, named by its SHA-256. The artifact
//! is what runs. Whether the database really has such a table is asked by
//! [`Artifact::check_against`].

mod artifact;
mod compile;
mod compiled;
mod document;
mod error;
mod loosening;
mod names;
mod read;
mod schema;
mod shape;
mod sold;
#[cfg(test)]
mod tests;
mod units;

pub use artifact::{Artifact, ArtifactError, Layout, Place};
pub use compile::compile;
pub use compiled::{
    Access, Addon, Compiled, FeaturesFrom, Grants, Limits, MatchKey, MatchSource, Offer,
    PauseRules, PlainColumn, Plan, PlanColumn, Rules, SeatsColumn, Selector, Subject, SwitchColumn,
    TrialColumn, Verdict,
};
pub use document::Mapping;
pub use error::{MappingError, MappingErrors, TextPlace};
pub use names::{closest, denied, words};
pub use read::{MappingFormat, read};
pub use schema::{ColumnType, Intent, TableColumn, TableColumns, TableName};
