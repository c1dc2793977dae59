//! One end: recorded, together with the end of the row without which the id answers as one that never
//! existed.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::carry::duty;
use super::{Delete, DeletionError, scope_target, stream_id};
use crate::deletion::{Deleted, Deletion, DeletionScope};
use crate::ids::{ProjectId, WorkspaceId};
use crate::ports::{Batch, EntryRef, Expect, HoldsWrite, StateKey, StateWrite};
use crate::records::{Directory, Project, Records, Unfinished, Versioned, Workspace};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::change;

/// Something whose row goes.
pub(super) struct Ending {
    scope: DeletionScope,
    workspace: WorkspaceId,
    stream: String,
    /// Its row in the directory, and the version that was read.
    row: (StateKey, u64),
}

/// What belongs to it.
pub(super) struct End {
    /// Ends the row of the deletion that waits.
    row: StateWrite,
    /// The deletion of its workspace, of which it is a part, and the version that was read.
    part_of: Option<(StateKey, u64)>,
    /// Repairs that were begun and have no outcome.
    unsettled: u64,
}

impl End {
    /// With it its deletion is over.
    pub(super) const fn whole(row: StateWrite, unsettled: u64) -> Self {
        Self {
            row,
            part_of: None,
            unsettled,
        }
    }
}

impl Delete {
    /// Repairs of a project that were begun and have no outcome.
    pub(super) async fn unsettled(
        &self,
        workspace: WorkspaceId,
        project: ProjectId,
    ) -> Result<u64, DeletionError> {
        let ctx = TenantCtx::new(workspace, project, duty());
        let open = Records::of(self.state.as_ref(), &ctx)
            .list::<Unfinished>()
            .await?;
        Ok(u64::try_from(open.len()).unwrap_or(u64::MAX))
    }

    /// Ends every project of a workspace that is deleted: `decision` is the one about the workspace,
    /// `waiting` its deletion as long as it has not ended itself.
    pub(super) async fn strike_projects(
        &self,
        workspace: WorkspaceId,
        decision: &EntryRef,
        waiting: Option<&Versioned<Deletion>>,
    ) -> Result<u64, DeletionError> {
        let part_of = waiting.map(|waiting| {
            let key = Directory::deletion_key(workspace, waiting.value.scope);
            (key, waiting.version)
        });
        let mut ended = 0_u64;
        for project in self.directory().projects().await? {
            if project.workspace != workspace {
                continue;
            }
            let Some(found) = self.directory().project(project.id).await? else {
                continue;
            };
            let scope = DeletionScope::Project(project.id);
            let unsettled = self.unsettled(workspace, project.id).await?;
            if let Some(waiting) = waiting {
                self.wait_for_repairs(workspace, waiting, unsettled).await?;
            }
            // A deletion of its own, if one waits, is done with it.
            let end = End {
                row: StateWrite::delete(Directory::deletion_key(workspace, scope)),
                part_of: part_of.clone(),
                unsettled,
            };
            self.strike(project_ending(found), decision, end).await?;
            ended = ended.saturating_add(1);
        }
        Ok(ended)
    }

    /// The transaction after which there is no such project or workspace.
    pub(super) async fn strike(
        &self,
        ending: Ending,
        decision: &EntryRef,
        end: End,
    ) -> Result<(), DeletionError> {
        let stream = stream_id(&ending.stream)?;
        let register = self.reader.holds(stream).await?;
        if let Some(active) = register.active.first() {
            return Err(DeletionError::Held {
                hold: active.hold.clone(),
                reason: String::new(),
            });
        }
        let deleted = Deleted {
            scope: ending.scope,
            workspace: ending.workspace,
            stream: ending.stream,
            at: self.clock.now(),
            decision: Some(decision.clone()),
            next: 0,
            keys: 0,
            objects: 0,
            rows: 0,
            parts: 0,
            done_at: None,
        };
        let (key, version) = ending.row;
        let row = StateWrite {
            expect: Expect::Version(version),
            ..StateWrite::delete(key)
        };
        let left = Directory::write(Directory::deleted_key(ending.scope), None, &deleted)?;
        let mut batch = Batch::of([gone_draft(ending.scope, decision, end.unsettled)])
            .with(row.explained_by(0))
            .with(left.explained_by(0))
            .with(end.row.explained_by(0))
            .holds(HoldsWrite::Unchanged(register.version));
        if let Some((key, version)) = end.part_of {
            batch = batch.provided(key, Expect::Version(version));
        }
        self.append(stream, batch).await?;
        Ok(())
    }
}

pub(super) fn project_ending(found: Versioned<Project>) -> Ending {
    Ending {
        scope: DeletionScope::Project(found.value.id),
        workspace: found.value.workspace,
        stream: found.value.stream,
        row: (Directory::project_key(found.value.id), found.version),
    }
}

pub(super) fn workspace_ending(found: Versioned<Workspace>) -> Ending {
    let id = found.value.id;
    Ending {
        scope: DeletionScope::Workspace(id),
        workspace: id,
        stream: found.value.stream,
        row: (Directory::workspace_key(id), found.version),
    }
}

fn gone_draft(scope: DeletionScope, decision: &EntryRef, unsettled: u64) -> Draft {
    let kind = match scope {
        DeletionScope::Project(_) => Kind::ProjectDeleted,
        DeletionScope::Workspace(_) => Kind::WorkspaceDeleted,
    };
    let mut facts = vec![("decision", Json::from(decision.leaf.as_str()))];
    if unsettled > 0 {
        facts.push(("unsettled", Json::uint(unsettled)));
    }
    Draft::new(kind, change(&duty(), scope_target(scope), facts))
}
