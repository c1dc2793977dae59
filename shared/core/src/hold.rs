//! Legal holds as the state table holds them: what people are told. What stops an erasure is the
//! register beside each stream ([`crate::ports::Holds`]).

use serde::{Deserialize, Serialize};

use crate::ids::{HoldId, ProjectId, WorkspaceId};
use crate::ports::{EntryRef, HoldTarget};
use crate::tenancy::Principal;
use crate::time::Timestamp;

/// Where a hold is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// Recorded; being set in one stream after the other.
    Setting,
    /// In force.
    Active,
    /// Ended in the workspace's stream; being released in its projects.
    Releasing,
    /// Over.
    Released,
}

/// A legal hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalHold {
    /// Id.
    pub id: HoldId,
    /// Tenant.
    pub workspace: WorkspaceId,
    /// The one project it is on; `None` holds the whole workspace.
    pub project: Option<ProjectId>,
    /// What it keeps.
    pub target: HoldTarget,
    /// Why, in the words of whoever set it.
    pub reason: String,
    /// Who set it.
    pub by: Principal,
    /// When.
    pub set_at: Timestamp,
    /// Where it is.
    pub state: HoldState,
    /// The decision that allowed it, once it is known.
    pub decision: Option<EntryRef>,
}
