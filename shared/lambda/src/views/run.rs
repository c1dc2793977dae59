//! A run and its entries, as people and programs see them.

use counterfoil_core::ids::RunId;
use counterfoil_core::ports::EntryRef;
use counterfoil_core::usecases::RunView;
use serde::Serialize;
use utoipa::ToSchema;

use super::governed::GovernedRun;
use crate::schema;

/// Where a durable entry is, and what it is.
#[derive(Serialize, ToSchema)]
pub struct Entry {
    /// Stream id.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    stream: String,
    /// Position in the stream.
    seq: u64,
    /// Leaf hash.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    leaf: String,
}

impl Entry {
    /// The entry that is cited.
    pub fn of(entry: &EntryRef) -> Self {
        Self {
            stream: entry.stream.clone(),
            seq: entry.seq,
            leaf: entry.leaf.clone(),
        }
    }
}

/// A run with its entries.
#[derive(Serialize, ToSchema)]
pub struct Run {
    #[schema(value_type = schema::RunId)]
    id: RunId,
    /// Nothing is added to it any more.
    closed: bool,
    /// What it is, where it is what an agent does.
    governed: Option<GovernedRun>,
    /// Ascending.
    entries: Vec<RunEntry>,
}

/// An entry of a run.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunEntry {
    /// Position in the stream.
    seq: u64,
    /// What it records.
    #[schema(examples("run.open"))]
    kind: &'static str,
    #[schema(value_type = schema::Time)]
    at: String,
    /// The `redact` entry that explains why its contents are gone.
    erased_by: Option<u64>,
}

impl Run {
    /// What is known of it.
    pub fn of(run: &RunView) -> Self {
        let entries = run.entries.iter().map(|entry| RunEntry {
            seq: entry.seq,
            kind: entry.kind.name(),
            at: entry.at.to_string(),
            erased_by: entry.erased_by,
        });
        Self {
            id: run.id,
            closed: run.closed,
            governed: run.governed.as_deref().map(GovernedRun::of),
            entries: entries.collect(),
        }
    }
}

super::silent!(Entry, Run);
