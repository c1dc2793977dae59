//! Whoever decides first under another baseline says so, before that decision: `policy.activated` of
//! layer `baseline` in the workspace's stream, with the row that remembers it, in one transaction.
//!
//! Decisions are recorded in many places. What must come before them is done here, where all of them
//! pass, so that no branch can forget it. What is only asked records nothing and announces nothing.
//!
//! What if a step fails: when the announcement cannot be written, the decision is not recorded either,
//! and nothing happens. Of two who announce at once one does; the other finds the row.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use serde::{Deserialize, Serialize};

use super::facts::actor;
use crate::ids::WorkspaceId;
use crate::policy::baseline_digest;
use crate::ports::{
    AppendError, Batch, Clock, EntryRef, EvidenceAppend, PortError, PortErrorKind, State,
};
use crate::records::{Directory, RecordError, workspace_row};
use crate::tenancy::Principal;
use crate::time::Timestamp;

/// Workspaces that a process remembers, at most.
const REMEMBERED: usize = 1_000;
/// How often one tries to be first.
const ATTEMPTS: u32 = 3;

/// The baseline under which a workspace was last decided in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// Its digest.
    pub digest: String,
    /// Since when.
    pub at: Timestamp,
}

/// There is one in a workspace.
const THE_ROW: &str = "state";

impl Announced {
    /// The family of the row.
    pub const FAMILY: &'static str = "baseline";
}

/// Evidence that says under which baseline decisions are made.
pub struct Announcing {
    evidence: Arc<dyn EvidenceAppend>,
    state: Arc<dyn State>,
    clock: Arc<dyn Clock>,
    /// Workspaces whose row was seen to name the baseline of this build.
    known: Mutex<BTreeSet<WorkspaceId>>,
}

impl std::fmt::Debug for Announcing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Announcing")
    }
}

impl Announcing {
    /// Announces in front of `evidence`.
    pub fn new(
        evidence: Arc<dyn EvidenceAppend>,
        state: Arc<dyn State>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            evidence,
            state,
            clock,
            known: Mutex::default(),
        }
    }

    fn is_known(&self, workspace: WorkspaceId) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&workspace)
    }

    fn remember(&self, workspace: WorkspaceId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.pop_first();
        }
        known.insert(workspace);
    }

    async fn announce(&self, workspace: WorkspaceId) -> Result<(), PortError> {
        let directory = Directory::of(self.state.as_ref());
        let key = workspace_row(workspace, Announced::FAMILY, THE_ROW);
        for _ in 0..ATTEMPTS {
            let found = directory.find::<Announced>(Announced::FAMILY, &key).await;
            let found = found.map_err(unread)?;
            let (before, version) = match found {
                Some(row) if row.value.digest == baseline_digest() => {
                    self.remember(workspace);
                    return Ok(());
                }
                Some(row) => (Some(row.value.digest), Some(row.version)),
                None => (None, None),
            };
            // Where there is no workspace, whoever decides finds that out.
            let Some(owner) = directory.workspace(workspace).await.map_err(unread)? else {
                return Ok(());
            };
            let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
            let stream: Hash = owner.value.stream.parse().map_err(corrupt)?;
            let row = Announced {
                digest: baseline_digest().to_owned(),
                at: self.clock.now(),
            };
            let row = Directory::write(key.clone(), version, &row).map_err(unread)?;
            let batch = Batch::of([activated(before)]).with(row.explained_by(0));
            match self.evidence.append(stream, batch).await {
                Ok(_) => {
                    self.remember(workspace);
                    return Ok(());
                }
                Err(AppendError::StateChanged { .. }) => {}
                Err(error) => {
                    let kind = PortErrorKind::Unavailable;
                    return Err(PortError::caused(kind, "announcing the baseline", error));
                }
            }
        }
        Err(PortError::new(
            PortErrorKind::Unavailable,
            "announcing the baseline",
        ))
    }
}

#[async_trait]
impl EvidenceAppend for Announcing {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        if let Some(workspace) = batch.drafts.iter().find_map(decided_in)
            && !self.is_known(workspace)
        {
            let announced = Box::pin(self.announce(workspace)).await;
            announced.map_err(AppendError::Unavailable)?;
        }
        self.evidence.append(stream, batch).await
    }
}

/// The workspace of a decision.
fn decided_in(draft: &Draft) -> Option<WorkspaceId> {
    (draft.kind == Kind::RunDecision).then_some(())?;
    workspace_of(&draft.facts)?.parse().ok()
}

/// The workspace that the question of a decision speaks of.
pub(super) fn workspace_of(decision: &Json) -> Option<&str> {
    let entities = decision.get("request")?.get("entities")?.as_array()?;
    let mut uids = entities.iter().filter_map(|entity| entity.get("uid"));
    let is_workspace =
        |uid: &&Json| uid.get("type").and_then(Json::as_str) == Some("CF::Workspace");
    uids.find(is_workspace)?.get("id")?.as_str()
}

/// `policy.activated`.
fn activated(before: Option<String>) -> Draft {
    let system = Principal::System {
        duty: "upgrade".to_owned(),
    };
    let mut facts = vec![
        ("actor", actor(&system)),
        ("bundle", baseline_digest().into()),
        ("layer", "baseline".into()),
        ("schema", counterfoil_policy::schema_digest().into()),
    ];
    if let Some(before) = before {
        facts.push(("previous", before.into()));
    }
    Draft::new(Kind::PolicyActivated, object(facts))
}

fn unread(error: RecordError) -> PortError {
    match error {
        RecordError::Port(error) => error,
        error => PortError::caused(
            PortErrorKind::Corrupt,
            "reading which baseline is known",
            error,
        ),
    }
}
