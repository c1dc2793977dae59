//! What becomes of a deletion when it is due: recorded, together with the end of the row without which
//! the id answers as one that never existed.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{Delete, DeletionError, HeldBy, gone, scope_target, stream_id};
use crate::deletion::{Deleted, Deletion, DeletionScope};
use crate::ids::WorkspaceId;
use crate::policy::{AdminFacts, Question};
use crate::ports::{Batch, EntryRef, Expect, HoldsWrite, StateKey, StateWrite};
use crate::records::{Directory, Project, Records, Versioned, Workspace};
use crate::tenancy::{Principal, WorkspaceCtx};
use crate::time::Timestamp;
use crate::usecases::facts::change;
use crate::usecases::governed::{DECISION, admin_facts};

/// What one turn of the duty came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CarriedOut {
    /// Projects and workspaces that ended.
    pub deleted: u64,
    /// Of which nothing is left now.
    pub removed: u64,
    /// That a legal hold puts off.
    pub put_off: u64,
}

/// Something whose row goes.
struct Ending {
    scope: DeletionScope,
    workspace: WorkspaceId,
    stream: String,
    /// Its row in the directory, and the version that was read.
    row: (StateKey, u64),
}

impl Delete {
    /// Carries out what is due, then goes on with every removal. One that fails does not stop the
    /// others.
    ///
    /// # Errors
    /// The first failure, after everything had its turn; the next turn goes on.
    pub async fn carry_out(&self) -> Result<CarriedOut, DeletionError> {
        let (mut out, mut failed) = (CarriedOut::default(), None);
        for workspace in self.directory().workspaces().await? {
            let ctx = WorkspaceCtx::new(workspace.id, duty());
            let records = Records::of(self.state.as_ref(), &ctx);
            for waiting in records.list::<Deletion>().await? {
                if !is_due(&waiting.value, self.clock.now()) {
                    continue;
                }
                match self.carry_one(&workspace, waiting).await {
                    Ok(ended) => out.deleted = out.deleted.saturating_add(ended),
                    Err(DeletionError::Held { .. }) => out.put_off = out.put_off.saturating_add(1),
                    Err(error) => drop(failed.get_or_insert(error)),
                }
            }
        }
        match self.remove_all().await {
            Ok(removed) => out.removed = removed,
            Err(error) => drop(failed.get_or_insert(error)),
        }
        failed.map_or(Ok(out), Err)
    }

    async fn carry_one(
        &self,
        workspace: &Workspace,
        waiting: Versioned<Deletion>,
    ) -> Result<u64, DeletionError> {
        let decision = confirmed_by(&waiting).ok_or(DeletionError::Changed)?;
        let scope = waiting.value.scope;
        if let Some(held) = self.held(workspace.id, scope).await? {
            return Err(self.put_off(workspace, waiting, decision, held).await);
        }
        match scope {
            DeletionScope::Project(id) => match self.directory().project(id).await? {
                Some(project) => {
                    let end = gone(workspace.id, &waiting);
                    self.strike(project_ending(project), &decision, end).await?;
                    Ok(1)
                }
                None => Ok(0),
            },
            DeletionScope::Workspace(id) => {
                // Projects first: once there is no workspace, nobody could release a hold that came
                // in between.
                let mut ended = self.strike_projects(id, &decision).await?;
                if let Some(found) = self.directory().workspace(id).await? {
                    let ending = Ending {
                        scope,
                        workspace: id,
                        stream: found.value.stream,
                        row: (Directory::workspace_key(id), found.version),
                    };
                    let end = gone(id, &waiting);
                    self.strike(ending, &decision, end).await?;
                    ended = ended.saturating_add(1);
                }
                Ok(ended)
            }
        }
    }

    /// Ends every project of a workspace that is deleted: `decision` is the one about the workspace.
    pub(super) async fn strike_projects(
        &self,
        workspace: WorkspaceId,
        decision: &EntryRef,
    ) -> Result<u64, DeletionError> {
        let mut ended = 0_u64;
        for project in self.directory().projects().await? {
            if project.workspace != workspace {
                continue;
            }
            let Some(found) = self.directory().project(project.id).await? else {
                continue;
            };
            let scope = DeletionScope::Project(project.id);
            // A deletion of its own, if one waits, is done with it.
            let end = StateWrite::delete(Directory::deletion_key(workspace, scope));
            self.strike(project_ending(found), decision, end).await?;
            ended = ended.saturating_add(1);
        }
        Ok(ended)
    }

    /// The transaction after which there is no such project or workspace.
    async fn strike(
        &self,
        ending: Ending,
        decision: &EntryRef,
        end: StateWrite,
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
        let batch = Batch::of([gone_draft(ending.scope, decision)])
            .with(row.explained_by(0))
            .with(left.explained_by(0))
            .with(end.explained_by(0))
            .holds(HoldsWrite::Unchanged(register.version));
        self.append(stream, batch).await?;
        Ok(())
    }

    /// A legal hold came after the confirmation. It is refused once, and waits.
    async fn put_off(
        &self,
        workspace: &Workspace,
        waiting: Versioned<Deletion>,
        decision: EntryRef,
        HeldBy { hold, reason }: HeldBy,
    ) -> DeletionError {
        let told = async {
            let mut after = waiting.value.clone();
            if after.put_off_at.is_some() {
                return Ok(());
            }
            after.put_off_at = Some(self.clock.now());
            if let Some(confirmed) = &mut after.confirmed {
                confirmed.decision = Some(decision);
            }
            let stream = match after.scope {
                DeletionScope::Workspace(_) => workspace.stream.clone(),
                DeletionScope::Project(id) => match self.directory().project(id).await? {
                    Some(project) => project.value.stream,
                    None => return Ok(()),
                },
            };
            let by = duty();
            // The people's part is over; what is judged is the hold.
            let facts = AdminFacts {
                legal_hold: true,
                approvals: 1,
                ..admin_facts(&by, true, self.clock.now())
            };
            let judged = self.ask(Question::Delete(facts), None);
            let batch = judged.batch(&by, None, Vec::new())?;
            let ctx = WorkspaceCtx::new(workspace.id, by);
            let write = Records::of(self.state.as_ref(), &ctx).replace(waiting.version, &after)?;
            let explained = write.explained_by(DECISION);
            self.append(stream_id(&stream)?, batch.with(explained))
                .await?;
            Ok::<_, DeletionError>(())
        };
        match told.await {
            Ok(()) => DeletionError::Held { hold, reason },
            Err(error) => error,
        }
    }
}

/// The product itself, as it acts here.
pub(super) fn duty() -> Principal {
    Principal::System {
        duty: "deletion".to_owned(),
    }
}

fn is_due(deletion: &Deletion, now: Timestamp) -> bool {
    let confirmed = deletion.confirmed.as_ref();
    confirmed.is_some_and(|confirmed| confirmed.due_at <= now)
}

/// The decision that confirmed it: remembered, or the one that the row still cites.
fn confirmed_by(waiting: &Versioned<Deletion>) -> Option<EntryRef> {
    let confirmed = waiting.value.confirmed.as_ref()?;
    confirmed
        .decision
        .clone()
        .or_else(|| waiting.evidence.clone())
}

fn project_ending(found: Versioned<Project>) -> Ending {
    Ending {
        scope: DeletionScope::Project(found.value.id),
        workspace: found.value.workspace,
        stream: found.value.stream,
        row: (Directory::project_key(found.value.id), found.version),
    }
}

fn gone_draft(scope: DeletionScope, decision: &EntryRef) -> Draft {
    let kind = match scope {
        DeletionScope::Project(_) => Kind::ProjectDeleted,
        DeletionScope::Workspace(_) => Kind::WorkspaceDeleted,
    };
    let decision = [("decision", Json::from(decision.leaf.as_str()))];
    Draft::new(kind, change(&duty(), scope_target(scope), decision))
}
