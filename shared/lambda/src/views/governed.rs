//! A governed run, as people and programs see it.

use counterfoil_core::governed_run::{self, FlowKind, RunState};
use counterfoil_core::ids::{ActionId, RunId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::open_words;
use crate::schema;

open_words! {
    /// Where a governed run is.
    pub(crate) RunStateWord: "open", "completed", "failed", "aborted", "expired";
    /// What is promised about a run.
    pub(crate) FlowKindName: "governed", "deterministic";
}

/// A governed run.
#[derive(Serialize, ToSchema)]
pub struct GovernedRun {
    #[schema(value_type = schema::RunId)]
    id: RunId,
    flow: Flow,
    /// Digest of what it began with.
    artifact_sha256: Option<String>,
    #[schema(value_type = RunStateWord)]
    state: RunState,
    /// Why it failed: a stable code.
    failure: Option<String>,
    #[schema(value_type = schema::Time)]
    opened_at: String,
    #[schema(value_type = Option<schema::Time>)]
    closed_at: Option<String>,
    trace_id: Option<String>,
    counts: Counts,
    /// The latest actions that have not ended.
    #[schema(value_type = Vec<schema::ActionId>)]
    open_actions: Vec<ActionId>,
    /// What it produced.
    output: Option<Output>,
}

/// What is run.
#[derive(Serialize, ToSchema)]
#[schema(as = RunFlow)]
pub(crate) struct Flow {
    id: String,
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    version_sha256: String,
    #[schema(value_type = FlowKindName)]
    kind: FlowKind,
}

/// What was decided in it.
#[derive(Serialize, ToSchema)]
#[schema(as = RunDecisions)]
pub(crate) struct Counts {
    decisions: u64,
    allow: u64,
    require: u64,
    deny: u64,
    /// Of those that need approvals: neither approved nor rejected. An override that more people would
    /// have been needed for leaves one.
    unresolved: u64,
    /// Approvals that an owner replaced by breaking the glass.
    overrides: u64,
    /// Actions that wait for approvals.
    held: u64,
    /// Actions that may be done, and of which nobody told yet what became of them.
    in_hand: u64,
}

/// What a run produced: it stays with the caller.
#[derive(Serialize, ToSchema)]
#[schema(as = RunOutput)]
pub(crate) struct Output {
    #[serde(rename = "ref")]
    name: String,
    #[schema(pattern = "^sha256:[0-9a-f]{64}$")]
    sha256: String,
    bytes: u64,
    media_type: Option<String>,
}

impl GovernedRun {
    /// What is known of it.
    pub fn of(run: &governed_run::GovernedRun) -> Self {
        let tally = run.tally;
        Self {
            id: run.id,
            flow: Flow {
                id: run.flow.id.clone(),
                version_sha256: run.flow.version.clone(),
                kind: run.flow.kind,
            },
            artifact_sha256: run.artifact.clone(),
            state: run.state,
            failure: run.failure.clone(),
            opened_at: run.opened_at.to_string(),
            closed_at: run.closed_at.map(|at| at.to_string()),
            trace_id: run.trace_id.clone(),
            counts: Counts {
                decisions: tally.decisions(),
                allow: tally.allow,
                require: tally.require,
                deny: tally.deny,
                unresolved: tally.unresolved,
                overrides: tally.overrides,
                held: run.held,
                in_hand: run.in_hand,
            },
            open_actions: run.waiting.clone(),
            output: run.output.as_ref().map(|output| Output {
                name: output.name.clone(),
                sha256: output.digest.clone(),
                bytes: output.bytes,
                media_type: output.media_type.clone(),
            }),
        }
    }
}

super::silent!(GovernedRun);
