//! The end of a project or of a workspace: what waits for a second person or for its day, and what is
//! left of what is gone.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{ProjectId, UserId, WorkspaceId};
use crate::ports::EntryRef;
use crate::records::Record;
use crate::tenancy::WorkspaceCtx;
use crate::time::Timestamp;

/// How long a deletion waits after it was confirmed. Until then everything works on, and it can be
/// withdrawn.
pub const DELAY: Duration = Duration::from_hours(7 * 24);
/// How long a proposal waits for a second person; later it must be made anew.
const CONFIRMED_WITHIN: Duration = Duration::from_hours(72);
/// How long repairs that execute put it off; a sweep settles them within minutes.
const WAITS_FOR_REPAIRS: Duration = Duration::from_hours(24);
/// How long the stream of something deleted is looked after once nothing is left to remove: its last
/// entries are sealed in the minute after they were written.
const SEALED_ON: Duration = Duration::from_hours(7 * 24);

/// What is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "id", rename_all = "snake_case")]
pub enum DeletionScope {
    /// One project.
    Project(ProjectId),
    /// A workspace with every project.
    Workspace(WorkspaceId),
}

impl DeletionScope {
    /// What it is called in evidence: `project` or `workspace`.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Project(_) => "project",
            Self::Workspace(_) => "workspace",
        }
    }

    /// The project, if it is one.
    pub const fn project(self) -> Option<ProjectId> {
        match self {
            Self::Project(id) => Some(id),
            Self::Workspace(_) => None,
        }
    }
}

impl fmt::Display for DeletionScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(id) => id.fmt(f),
            Self::Workspace(id) => id.fmt(f),
        }
    }
}

/// A deletion that somebody proposed. The row goes when it is withdrawn or carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// What is to go.
    pub scope: DeletionScope,
    /// Who proposed it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// Why, in their words: what the second person reads.
    pub reason: String,
    /// What the confirmation binds to.
    pub action_hash: String,
    /// The second person's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmation>,
    /// Since when a legal hold has put it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_off_at: Option<Timestamp>,
    /// Since when it waits for repairs that execute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_since: Option<Timestamp>,
    /// Since when a workspace's projects end one by one. From then on nobody withdraws it, and nobody
    /// sets a legal hold in the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrying_since: Option<Timestamp>,
}

/// The confirmation of a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Who confirmed it; whoever proposed it, in a workspace of one person.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// When it is carried out.
    pub due_at: Timestamp,
    /// The decision that allowed it, once the row has another reason to be as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<EntryRef>,
}

impl Deletion {
    /// Until when a proposal can be confirmed.
    pub fn lapses_at(&self) -> Timestamp {
        self.at.plus(CONFIRMED_WITHIN)
    }

    /// Whether nobody confirmed it in time.
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.confirmed.is_none() && self.lapses_at() <= now
    }

    /// Whether it has waited long enough for repairs that execute.
    pub fn has_waited(&self, now: Timestamp) -> bool {
        let waited = |since| now.since(since) >= WAITS_FOR_REPAIRS;
        self.waits_since.is_some_and(waited)
    }
}

impl Record<WorkspaceCtx> for Deletion {
    const FAMILY: &'static str = "deletion";

    fn id(&self) -> String {
        self.scope.to_string()
    }
}

/// Something that is deleted: how far its removal is, and where its evidence lies. It names nobody,
/// and nothing but by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// What it was.
    pub scope: DeletionScope,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// Its evidence stream, hex64. It stays, without personal data.
    pub stream: String,
    /// When.
    pub at: Timestamp,
    /// The decision behind it.
    pub decision: Option<EntryRef>,
    /// First entry whose contents were not looked at yet.
    pub next: u64,
    /// Data keys that were destroyed.
    pub keys: u64,
    /// Objects that were deleted.
    pub objects: u64,
    /// Rows that were deleted.
    pub rows: u64,
    /// Contents of entries that were erased.
    pub parts: u64,
    /// When nothing was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
}

impl Deleted {
    /// Whether the sealer still looks after its stream.
    pub fn is_sealed_on(&self, now: Timestamp) -> bool {
        self.done_at.is_none_or(|done| now.since(done) < SEALED_ON)
    }
}
