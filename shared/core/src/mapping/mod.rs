//! The mapping: who is whom, which columns say what the app grants, what each price promises.
//!
//! People write [`Mapping`] (TOML on disk, JSON in the API). [`compile`] checks it whole and turns
//! it into an [`Artifact`]: canonical JSON with integers only, named by its SHA-256. The artifact
//! is what runs. Whether the database really has such a table is asked by
//! [`Artifact::check_against`].

mod artifact;
mod compile;
mod document;
mod error;
mod names;
mod schema;
#[cfg(test)]
mod tests;
mod units;

pub use artifact::{
    Access, Addon, Artifact, ArtifactError, Compiled, FeaturesFrom, Grants, Layout, Limits,
    MatchKey, MatchSource, Offer, PauseRules, Place, PlainColumn, Plan, PlanColumn, Rules,
    SeatsColumn, Selector, SwitchColumn, TrialColumn, Verdict,
};
pub use compile::compile;
pub use document::Mapping;
pub use error::{MappingError, MappingErrors};
pub use schema::{ColumnType, TableColumn, TableColumns};
