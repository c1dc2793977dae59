//! Rows that are looked up before a tenant is known, or that belong to a whole workspace.

use std::collections::BTreeSet;
use std::fmt;

use counterfoil_evidence::hash::Hash;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ApiKey, Invited, Member, Owners, Person, Project, RecordError, Versioned, Workspace};
use crate::cursor::CursorKey;
use crate::deletion::{Deleted, DeletionScope};
use crate::hold::LegalHold;
use crate::ids::{HoldId, ProjectId, RunId, UserId, WorkspaceId};
use crate::ports::{PortError, PortErrorKind, State, StateKey, StateWrite, Stored};
use crate::retention::Retention;
use crate::tenancy::{Principal, Role, TenantCtx};
use crate::time::Timestamp;

/// Rows that are found before a tenant is known, and rows of a workspace.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    state: &'a dyn State,
}

impl fmt::Debug for Directory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Directory")
    }
}

/// Who a stream belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The workspace.
    pub id: WorkspaceId,
    /// The workspace's own stream, hex64.
    pub stream: String,
}

/// The partition of a family that is looked up before a tenant is known.
fn directory(family: &str) -> String {
    format!("directory#{family}")
}

/// A row of a whole workspace.
pub(crate) fn workspace_row(
    workspace: WorkspaceId,
    family: &str,
    id: impl fmt::Display,
) -> StateKey {
    StateKey {
        pk: format!("{workspace}#{family}"),
        sk: id.to_string(),
    }
}

impl<'a> Directory<'a> {
    /// The directory in `state`.
    pub fn of(state: &'a dyn State) -> Self {
        Self { state }
    }

    /// Key of a project's row.
    pub fn project_key(id: ProjectId) -> StateKey {
        StateKey {
            pk: directory("project"),
            sk: id.to_string(),
        }
    }

    /// Key of a workspace's row.
    pub fn workspace_key(id: WorkspaceId) -> StateKey {
        StateKey {
            pk: directory("workspace"),
            sk: id.to_string(),
        }
    }

    /// Key of the row of something deleted: how far its removal is.
    pub(crate) fn deleted_key(scope: DeletionScope) -> StateKey {
        StateKey {
            pk: directory("deleted"),
            sk: scope.to_string(),
        }
    }

    /// Key of the row of a deletion that waits.
    pub(crate) fn deletion_key(workspace: WorkspaceId, scope: DeletionScope) -> StateKey {
        workspace_row(workspace, "deletion", scope)
    }

    /// Key of a member's row.
    pub fn member_key(workspace: WorkspaceId, id: UserId) -> StateKey {
        workspace_row(workspace, "member", id)
    }

    /// Key of an API key's row, found by its public handle.
    pub fn api_key_key(handle: &str) -> StateKey {
        StateKey {
            pk: format!("key#{handle}"),
            sk: "key".to_owned(),
        }
    }

    /// The writes that create a key, or replace its version given: both of its rows.
    pub(crate) fn api_key_writes(
        key: &ApiKey,
        version: Option<u64>,
    ) -> Result<[StateWrite; 2], RecordError> {
        let listed = workspace_row(key.workspace, "key", key.id);
        Ok([
            Self::write(Self::api_key_key(&key.handle), version, key)?,
            Self::write(listed, version, key)?,
        ])
    }

    /// The writes after which there is no such key.
    pub(crate) fn api_key_gone(key: &ApiKey) -> [StateWrite; 2] {
        [
            StateWrite::delete(Self::api_key_key(&key.handle)),
            StateWrite::delete(workspace_row(key.workspace, "key", key.id)),
        ]
    }

    /// Key of the row of somebody who signs in.
    pub(crate) fn person_key(login: &str) -> StateKey {
        StateKey {
            pk: format!("login#{login}"),
            sk: "person".to_owned(),
        }
    }

    /// Key of the row that says in which workspace somebody who signs in is a member.
    pub(crate) fn membership_key(login: &str, workspace: WorkspaceId) -> StateKey {
        StateKey {
            pk: format!("login#{login}"),
            sk: workspace.to_string(),
        }
    }

    /// Somebody who signs in.
    pub async fn person(&self, login: &str) -> Result<Option<Versioned<Person>>, RecordError> {
        self.find("login", &Self::person_key(login)).await
    }

    /// The workspaces in which somebody who signs in is a member, in no order that matters.
    pub async fn memberships(&self, login: &str) -> Result<Vec<WorkspaceId>, RecordError> {
        let partition = Self::person_key(login).pk;
        let rows = self.state.list(&partition, WorkspaceId::PREFIX).await?;
        Ok((rows.iter())
            .filter_map(|row| row.key.sk.parse().ok())
            .collect())
    }

    /// Key of the row that an invitation is found by: the hash of its token.
    pub(crate) fn invitation_key(hash: &str) -> StateKey {
        StateKey {
            pk: format!("invitation#{hash}"),
            sk: "invitation".to_owned(),
        }
    }

    /// Where the invitation lies whose token has this hash.
    pub(crate) async fn invited(&self, hash: &str) -> Result<Option<Invited>, RecordError> {
        let found = self.find("invitation", &Self::invitation_key(hash)).await?;
        Ok(found.map(|row| row.value))
    }

    /// Key of the row that names a workspace's owners.
    pub(crate) fn owners_key(workspace: WorkspaceId) -> StateKey {
        workspace_row(workspace, "setting", "owners")
    }

    /// The owners of a workspace; from its members, with version 0, where no row names them yet.
    pub(crate) async fn owners(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Versioned<Owners>, RecordError> {
        if let Some(found) = self.find("setting", &Self::owners_key(workspace)).await? {
            return Ok(found);
        }
        let members = self.members(workspace).await?.into_iter();
        let owners = members.filter(|member| member.role == Role::Owner);
        let owners = owners.map(|member| member.id).collect();
        Ok(Versioned {
            value: Owners {
                owners,
                left_at: None,
            },
            version: 0,
            evidence: None,
        })
    }

    /// Key of a legal hold's row: it lies in its workspace, also when it is on one project.
    pub fn hold_key(workspace: WorkspaceId, id: HoldId) -> StateKey {
        workspace_row(workspace, "hold", id)
    }

    /// Key of the row that holds what signs a workspace's cursors.
    pub(crate) fn cursor_key(workspace: WorkspaceId) -> StateKey {
        workspace_row(workspace, CursorKey::FAMILY, "key")
    }

    /// Key of a workspace's retention settings.
    pub fn retention_key(workspace: WorkspaceId) -> StateKey {
        workspace_row(workspace, "setting", "retention")
    }

    /// Key of the sweep's row: what it has begun, over all projects.
    pub(crate) fn sweep_key() -> StateKey {
        StateKey {
            pk: directory("sweep"),
            sk: "repairs".to_owned(),
        }
    }

    /// Key of the row that says when overdue reviews were looked for, over all workspaces.
    pub(crate) fn reviews_key() -> StateKey {
        StateKey {
            pk: directory("sweep"),
            sk: "reviews".to_owned(),
        }
    }

    /// The write that creates a row, or replaces the version given.
    pub(crate) fn write<T: Serialize>(
        key: StateKey,
        version: Option<u64>,
        value: &T,
    ) -> Result<StateWrite, RecordError> {
        let doc = serde_json::to_value(value).map_err(|source| RecordError::Shape {
            family: "directory",
            source,
        })?;
        Ok(match version {
            None => StateWrite::create(key, doc),
            Some(version) => StateWrite::replace(key, version, doc),
        })
    }

    /// A project, by id alone.
    pub async fn project(&self, id: ProjectId) -> Result<Option<Versioned<Project>>, RecordError> {
        self.find("project", &Self::project_key(id)).await
    }

    /// Whether there is such a workspace, and such a project in it: from the moment in which it is
    /// deleted, what is left of it counts for nothing.
    pub(crate) async fn has_tenant(
        &self,
        workspace: WorkspaceId,
        project: Option<ProjectId>,
    ) -> Result<bool, RecordError> {
        if let Some(project) = project {
            let found = self.project(project).await?;
            if found.is_none_or(|found| found.value.workspace != workspace) {
                return Ok(false);
            }
        }
        Ok(self.workspace(workspace).await?.is_some())
    }

    /// Every project.
    pub async fn projects(&self) -> Result<Vec<Project>, RecordError> {
        self.all("project").await
    }

    /// Every workspace.
    pub async fn workspaces(&self) -> Result<Vec<Workspace>, RecordError> {
        self.all("workspace").await
    }

    /// What is deleted, with how far each removal is.
    pub async fn deleted(&self) -> Result<Vec<Versioned<Deleted>>, RecordError> {
        self.all_versioned("deleted").await
    }

    /// Every stream that is to be sealed: those of workspaces and projects, and those of what was
    /// deleted as long as entries are still written to them.
    ///
    /// # Errors
    /// When the directory does not answer, or a row holds no stream id.
    pub async fn streams(&self, now: Timestamp) -> Result<BTreeSet<Hash>, RecordError> {
        let mut names = Vec::new();
        names.extend(self.workspaces().await?.into_iter().map(|it| it.stream));
        names.extend(self.projects().await?.into_iter().map(|it| it.stream));
        let deleted = self.deleted().await?.into_iter();
        let deleted = deleted.filter(|it| it.value.is_sealed_on(now));
        names.extend(deleted.map(|it| it.value.stream));
        let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
        let streams: Result<_, PortError> = (names.iter())
            .map(|name| name.parse().map_err(corrupt))
            .collect();
        Ok(streams?)
    }

    /// The workspace that owns a stream: its own, or that of one of its projects, also of one that is
    /// deleted.
    pub async fn owner_of(&self, stream: Hash) -> Result<Option<Owner>, RecordError> {
        let name = stream.to_string();
        let living = self.workspaces().await?.into_iter();
        let mut owners: Vec<_> = living.map(|it| (it.id, it.stream)).collect();
        let projects = self.projects().await?.into_iter();
        let mut projects: Vec<_> = projects.map(|it| (it.workspace, it.stream)).collect();
        for Versioned { value: gone, .. } in self.deleted().await? {
            match gone.scope {
                DeletionScope::Project(_) => projects.push((gone.workspace, gone.stream)),
                DeletionScope::Workspace(id) => owners.push((id, gone.stream)),
            }
        }
        let of_project = projects.iter().find(|(_, own)| *own == name);
        let id = of_project.map(|(workspace, _)| *workspace);
        let owner = owners.into_iter().find(|(owner, own)| match id {
            Some(id) => *owner == id,
            None => *own == name,
        });
        Ok(owner.map(|(id, stream)| Owner { id, stream }))
    }

    /// A workspace, by id.
    pub async fn workspace(
        &self,
        id: WorkspaceId,
    ) -> Result<Option<Versioned<Workspace>>, RecordError> {
        self.find("workspace", &Self::workspace_key(id)).await
    }

    /// Every member of a workspace.
    pub async fn members(&self, workspace: WorkspaceId) -> Result<Vec<Member>, RecordError> {
        let rows = self.rows(workspace, "member").await?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    /// A legal hold of a workspace.
    pub async fn hold(
        &self,
        workspace: WorkspaceId,
        id: HoldId,
    ) -> Result<Option<Versioned<LegalHold>>, RecordError> {
        self.find("hold", &Self::hold_key(workspace, id)).await
    }

    /// Every legal hold of a workspace and of its projects, also those that are over.
    pub async fn holds(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<Versioned<LegalHold>>, RecordError> {
        self.rows(workspace, "hold").await
    }

    /// A workspace's retention settings, if it ever chose some.
    pub async fn retention(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Option<Versioned<Retention>>, RecordError> {
        self.find("setting", &Self::retention_key(workspace)).await
    }

    /// A member of a workspace.
    pub async fn member(
        &self,
        workspace: WorkspaceId,
        id: UserId,
    ) -> Result<Option<Versioned<Member>>, RecordError> {
        self.find("member", &Self::member_key(workspace, id)).await
    }

    /// An API key, by its public handle.
    pub async fn api_key(&self, handle: &str) -> Result<Option<Versioned<ApiKey>>, RecordError> {
        self.find("key", &Self::api_key_key(handle)).await
    }

    /// The context in which the product itself acts on a project it has looked up.
    pub fn system(project: &Project, duty: &str) -> TenantCtx {
        TenantCtx::new(
            project.workspace,
            project.id,
            Principal::System {
                duty: duty.to_owned(),
            },
        )
    }

    /// The context in which an open scan of a project acts.
    pub(crate) fn scheduler(project: &Project, run: RunId) -> TenantCtx {
        TenantCtx::new(project.workspace, project.id, Principal::Scheduler { run })
    }

    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        family: &'static str,
        key: &StateKey,
    ) -> Result<Option<Versioned<T>>, RecordError> {
        let Some(stored) = self.state.get(key).await? else {
            return Ok(None);
        };
        let value = serde_json::from_value(stored.doc)
            .map_err(|source| RecordError::Shape { family, source })?;
        Ok(Some(Versioned {
            value,
            version: stored.version,
            evidence: stored.evidence,
        }))
    }

    pub(crate) async fn rows<T: DeserializeOwned>(
        &self,
        workspace: WorkspaceId,
        family: &'static str,
    ) -> Result<Vec<Versioned<T>>, RecordError> {
        let partition = workspace_row(workspace, family, "").pk;
        let rows = self.state.list(&partition, "").await?;
        read(family, rows)
    }

    async fn all<T: DeserializeOwned>(&self, family: &'static str) -> Result<Vec<T>, RecordError> {
        let rows = self.all_versioned(family).await?.into_iter();
        Ok(rows.map(|row| row.value).collect())
    }

    async fn all_versioned<T: DeserializeOwned>(
        &self,
        family: &'static str,
    ) -> Result<Vec<Versioned<T>>, RecordError> {
        let rows = self.state.list(&directory(family), "").await?;
        read(family, rows)
    }
}

fn read<T: DeserializeOwned>(
    family: &'static str,
    rows: Vec<Stored>,
) -> Result<Vec<Versioned<T>>, RecordError> {
    let rows = rows.into_iter().map(|stored| {
        let value = serde_json::from_value(stored.doc)
            .map_err(|source| RecordError::Shape { family, source })?;
        Ok(Versioned {
            value,
            version: stored.version,
            evidence: stored.evidence,
        })
    });
    rows.collect()
}

/// The row in which workers of one Stripe account take turns.
pub(crate) fn budget_key(account: &str) -> StateKey {
    StateKey {
        pk: directory("budget"),
        sk: account.to_owned(),
    }
}
