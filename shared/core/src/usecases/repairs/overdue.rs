//! Uses of break-glass that nobody reviewed in time. The rules refuse the next use in any case; this
//! makes somebody hear of it.

use std::collections::BTreeSet;
use std::time::Duration;

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use serde::{Deserialize, Serialize};

use super::again::sweeper;
use super::{ActionError, RepairPorts};
use crate::ids::{ActionId, ProjectId, WorkspaceId};
use crate::ports::{AppendError, Batch};
use crate::records::{Directory, OverrideUse, Records, Versioned, Workspace};
use crate::tenancy::WorkspaceCtx;
use crate::time::Timestamp;
use crate::usecases::facts::{actor, target};
use crate::usecases::record_alarm::stream_of;

/// Topic of the entry and of the log line.
pub const OVERDUE_TOPIC: &str = "override.review_overdue";

/// How often it is looked for. A review has seven days.
const EVERY: Duration = Duration::from_hours(1);

/// When it was looked for last. One row for all workspaces.
#[derive(Debug, Serialize, Deserialize)]
struct Looked {
    at: Timestamp,
}

/// Tells of uses of break-glass that nobody reviewed in time.
#[derive(Debug, Clone)]
pub struct OverdueReviews {
    /// Ports.
    pub ports: RepairPorts,
}

/// A use whose review is overdue, and of which nobody was told.
#[derive(Debug)]
pub struct Overdue {
    workspace: Workspace,
    used: Versioned<OverrideUse>,
}

impl Overdue {
    /// Whose it is.
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace.id
    }

    /// Where it was.
    pub const fn project(&self) -> ProjectId {
        self.used.value.project
    }

    /// The action for which the glass was broken.
    pub const fn action(&self) -> ActionId {
        self.used.value.id
    }

    fn facts(&self) -> Json {
        object([
            ("actor", actor(&sweeper())),
            ("project", self.project().to_string().into()),
            ("result", "alarm".into()),
            ("target", target("action", self.action())),
            ("topic", OVERDUE_TOPIC.into()),
            ("used_at", Json::uint(self.used.value.at.as_millis())),
        ])
    }
}

impl OverdueReviews {
    /// Those of every workspace with a project, and nothing when it was looked for less than an hour ago. That it is
    /// looked for now is noted first: what fails is looked for again in an hour.
    ///
    /// # Errors
    /// When the directory or a workspace's rows cannot be read.
    pub async fn due(&self) -> Result<Vec<Overdue>, ActionError> {
        let (state, now) = (self.ports.state.as_ref(), self.ports.clock.now());
        let directory = Directory::of(state);
        let key = Directory::reviews_key();
        let before = directory.find::<Looked>("reviews", &key).await?;
        let lately = |looked: &Versioned<Looked>| now.since(looked.value.at) < EVERY;
        if before.as_ref().is_some_and(lately) {
            return Ok(Vec::new());
        }
        let version = before.map(|looked| looked.version);
        let write = Directory::write(key, version, &Looked { at: now })?;
        if !state.write(vec![write]).await? {
            // Another sweep looks.
            return Ok(Vec::new());
        }
        let projects = directory.projects().await?;
        let workspaces: BTreeSet<_> = projects.iter().map(|it| it.workspace).collect();
        let there: BTreeSet<_> = projects.iter().map(|it| it.id).collect();
        let mut due = Vec::new();
        for workspace in workspaces {
            let of_workspace = WorkspaceCtx::new(workspace, sweeper());
            let uses = Records::of(state, &of_workspace);
            let mut overdue = uses.list::<OverrideUse>().await?;
            overdue.retain(|used| used.value.is_overdue(now) && used.value.rung.is_none());
            // With its project a use ends that nobody can review any more.
            overdue.retain(|used| there.contains(&used.value.project));
            if overdue.is_empty() {
                continue;
            }
            // One that has ended meanwhile has nobody to tell.
            let Some(workspace) = directory.workspace(workspace).await? else {
                continue;
            };
            due.extend(overdue.into_iter().map(|used| Overdue {
                workspace: workspace.value.clone(),
                used,
            }));
        }
        Ok(due)
    }

    /// Records in the workspace's stream that somebody was told, and remembers it with the use: it is
    /// told once. What was reviewed or recorded in between stays as it is.
    ///
    /// # Errors
    /// When it is not known to be recorded.
    pub async fn record(&self, overdue: &Overdue) -> Result<(), ActionError> {
        let of_workspace = WorkspaceCtx::new(overdue.workspace(), sweeper());
        let uses = Records::of(self.ports.state.as_ref(), &of_workspace);
        let after = OverrideUse {
            rung: Some(self.ports.clock.now()),
            ..overdue.used.value.clone()
        };
        let told = uses.replace(overdue.used.version, &after)?;
        let draft = Draft::new(Kind::ObservationRecorded, overdue.facts());
        let batch = Batch::of([draft]).with(told.explained_by(0));
        let stream = stream_of(&overdue.workspace.stream)?;
        match self.ports.evidence.append(stream, batch).await {
            Ok(_) | Err(AppendError::StateChanged { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
