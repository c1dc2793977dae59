//! What becomes of a deletion when it is due: what puts it off, and in which order it ends.

use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::judge::HeldBy;
use super::strike::{End, project_ending, workspace_ending};
use super::{Delete, DeletionError, gone, scope_target, stream_id};
use crate::deletion::{Deletion, DeletionScope};
use crate::ids::WorkspaceId;
use crate::ports::{Batch, EntryRef, HoldsWrite};
use crate::records::{Records, Versioned, Workspace};
use crate::tenancy::{Principal, WorkspaceCtx};
use crate::time::Timestamp;
use crate::usecases::facts::change;
use crate::usecases::governed::DECISION;

/// What one turn of the duty came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CarriedOut {
    /// Projects and workspaces that ended.
    pub deleted: u64,
    /// Of which nothing is left now.
    pub removed: u64,
    /// That a legal hold puts off, an emergency stop, or a repair that executes.
    pub put_off: u64,
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
                let now = self.clock.now();
                let done = if waiting.value.has_lapsed(now) {
                    self.lapse(&workspace, &waiting).await.map(|()| 0)
                } else if is_due(&waiting.value, now) {
                    self.carry_one(&workspace, waiting).await
                } else {
                    continue;
                };
                match done {
                    Ok(ended) => out.deleted = out.deleted.saturating_add(ended),
                    Err(
                        DeletionError::Held { .. }
                        | DeletionError::Unsettled
                        | DeletionError::Frozen,
                    ) => {
                        out.put_off = out.put_off.saturating_add(1);
                    }
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
            DeletionScope::Project(id) => {
                let Some(project) = self.directory().project(id).await? else {
                    return Ok(0);
                };
                if project.value.frozen {
                    return Err(DeletionError::Frozen);
                }
                let unsettled = self.unsettled(workspace.id, id).await?;
                self.wait_for_repairs(workspace.id, &waiting, unsettled)
                    .await?;
                let end = End::whole(gone(workspace.id, &waiting), unsettled);
                self.strike(project_ending(project), &decision, end).await?;
                Ok(1)
            }
            DeletionScope::Workspace(_) => self.carry_all(workspace, waiting, decision).await,
        }
    }

    /// A workspace: its projects, then itself. Once there is no workspace, nobody could release a hold
    /// on a project.
    async fn carry_all(
        &self,
        workspace: &Workspace,
        waiting: Versioned<Deletion>,
        decision: EntryRef,
    ) -> Result<u64, DeletionError> {
        let id = workspace.id;
        let mut waiting = waiting;
        if waiting.value.carrying_since.is_none() {
            for project in self.directory().projects().await? {
                if project.workspace == id {
                    if project.frozen {
                        return Err(DeletionError::Frozen);
                    }
                    let unsettled = self.unsettled(id, project.id).await?;
                    self.wait_for_repairs(id, &waiting, unsettled).await?;
                }
            }
            waiting = self.mark(workspace, waiting, &decision).await?;
            // One that was set before the mark is seen now, and none can come after it.
            if let Some(held) = self.held(id, waiting.value.scope).await? {
                return Err(self.put_off(workspace, waiting, decision, held).await);
            }
        }
        let mut ended = self.strike_projects(id, &decision, Some(&waiting)).await?;
        if let Some(found) = self.directory().workspace(id).await? {
            let end = End::whole(gone(id, &waiting), 0);
            self.strike(workspace_ending(found), &decision, end).await?;
            ended = ended.saturating_add(1);
        }
        Ok(ended)
    }

    /// Says that a workspace is being deleted, before its first project ends.
    async fn mark(
        &self,
        workspace: &Workspace,
        waiting: Versioned<Deletion>,
        decision: &EntryRef,
    ) -> Result<Versioned<Deletion>, DeletionError> {
        let mut after = waiting.value;
        after.carrying_since = Some(self.clock.now());
        if let Some(confirmed) = &mut after.confirmed {
            confirmed.decision = Some(decision.clone());
        }
        let stream = stream_id(&workspace.stream)?;
        let register = self.reader.holds(stream).await?;
        let facts = [
            ("decision", Json::from(decision.leaf.as_str())),
            ("deletion", Json::from("begun")),
        ];
        let facts = change(&duty(), scope_target(after.scope), facts);
        let ctx = WorkspaceCtx::new(workspace.id, duty());
        let write = Records::of(self.state.as_ref(), &ctx).replace(waiting.version, &after)?;
        let batch = Batch::of([Draft::new(Kind::ConfigChanged, facts)])
            .with(write.explained_by(0))
            .holds(HoldsWrite::Unchanged(register.version));
        let entries = self.append(stream, batch).await?;
        Ok(Versioned {
            value: after,
            version: waiting.version.saturating_add(1),
            evidence: entries.into_iter().next(),
        })
    }

    /// Puts it off while a repair executes whose outcome is not recorded, for a day at most.
    pub(super) async fn wait_for_repairs(
        &self,
        workspace: WorkspaceId,
        waiting: &Versioned<Deletion>,
        unsettled: u64,
    ) -> Result<(), DeletionError> {
        let now = self.clock.now();
        if unsettled == 0 || waiting.value.has_waited(now) {
            return Ok(());
        }
        if waiting.value.waits_since.is_none() {
            let mut after = waiting.value.clone();
            after.waits_since = Some(now);
            if let Some(confirmed) = &mut after.confirmed {
                confirmed.decision = confirmed_by(waiting);
            }
            let ctx = WorkspaceCtx::new(workspace, duty());
            let records = Records::of(self.state.as_ref(), &ctx);
            let mut write = records.replace(waiting.version, &after)?;
            write.cites.clone_from(&waiting.evidence);
            if !self.state.write(vec![write]).await? {
                return Err(DeletionError::Changed);
            }
        }
        Err(DeletionError::Unsettled)
    }

    /// Removes a proposal that nobody confirmed in time, with its words.
    async fn lapse(
        &self,
        workspace: &Workspace,
        waiting: &Versioned<Deletion>,
    ) -> Result<(), DeletionError> {
        let end = gone(workspace.id, waiting);
        let Some(stream) = self.stream_of(workspace, waiting.value.scope).await? else {
            return if self.state.write(vec![end]).await? {
                Ok(())
            } else {
                Err(DeletionError::Changed)
            };
        };
        let lapsed = [("deletion", Json::from("lapsed"))];
        let facts = change(&duty(), scope_target(waiting.value.scope), lapsed);
        let batch = Batch::of([Draft::new(Kind::ConfigChanged, facts)]).with(end.explained_by(0));
        self.append(stream_id(&stream)?, batch).await?;
        Ok(())
    }

    async fn stream_of(
        &self,
        workspace: &Workspace,
        scope: DeletionScope,
    ) -> Result<Option<String>, DeletionError> {
        Ok(match scope {
            DeletionScope::Workspace(_) => Some(workspace.stream.clone()),
            DeletionScope::Project(id) => {
                let found = self.directory().project(id).await?;
                found.map(|project| project.value.stream)
            }
        })
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
            if after.put_off_at.is_some() && after.carrying_since.is_none() {
                return Ok(());
            }
            after.put_off_at = Some(self.clock.now());
            after.waits_since = None;
            after.carrying_since = None;
            if let Some(confirmed) = &mut after.confirmed {
                confirmed.decision = Some(decision);
            }
            let Some(stream) = self.stream_of(workspace, after.scope).await? else {
                return Ok(());
            };
            let by = duty();
            let place = self.place_of(workspace.id, after.scope).await?;
            let judged = self.judge_put_off(place, &by, &after).await?;
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
