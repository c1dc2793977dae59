//! What the state table holds, by tenant and family, and the directory that finds a tenant.
//!
//! Keys: a tenant's rows lie in partition `<workspace>#<project>`, a workspace's own rows in
//! `<workspace>`, rows that are looked up before a tenant is known in partitions of the directory.

use counterfoil_evidence::hash::Hash;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hold::LegalHold;
use crate::ids::{ActionId, HoldId, KeyId, ProjectId, RunId, SecretId, UserId, WorkspaceId};
use crate::incident::Incident;
use crate::ports::{EntryRef, PortError, PortErrorKind, State, StateKey, StateWrite};
use crate::repair::Action;
use crate::retention::Retention;
use crate::run::Run;
use crate::scan::{ScanSchedule, ScanWork};
use crate::sealed::{Purpose, Sealed};
use crate::tenancy::{Capability, Principal, Role, TenantCtx};
use crate::time::Timestamp;

/// A record with its version and the entry that explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The record.
    pub value: T,
    /// Its version, for conditions.
    pub version: u64,
    /// The entry behind this version.
    pub evidence: Option<EntryRef>,
}

/// A family of records of one project.
pub trait Record: Serialize + DeserializeOwned + Send {
    /// Name of the family: the first part of the sort key.
    const FAMILY: &'static str;

    /// The second part of the sort key.
    fn id(&self) -> String;
}

macro_rules! record {
    ($type:ty, $family:literal) => {
        impl Record for $type {
            const FAMILY: &'static str = $family;

            fn id(&self) -> String {
                self.id.to_string()
            }
        }
    };
}

record!(Incident, "incident");
record!(Action, "action");
record!(Run, "run");
record!(ScanWork, "scan");
record!(Secret, "secret");
record!(Unfinished, "unfinished");

impl Record for Mapping {
    const FAMILY: &'static str = "mapping";

    fn id(&self) -> String {
        self.hash.clone()
    }
}

/// A setting of the project: there is one.
impl Record for ScanSchedule {
    const FAMILY: &'static str = "setting";

    fn id(&self) -> String {
        "schedule".to_owned()
    }
}

/// A record could not be read or written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The table did not answer.
    #[error("the state table did not answer")]
    Port(#[from] PortError),
    /// A row has another shape than this version of the product knows.
    #[error("a `{family}` record has an unknown shape")]
    Shape {
        /// Family of the record.
        family: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// The records of one project. Demands the tenant's context, so nothing is read without one.
#[derive(Clone, Copy)]
pub struct Records<'a> {
    state: &'a dyn State,
    ctx: &'a TenantCtx,
}

impl std::fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("project", &self.ctx.project())
            .finish()
    }
}

impl<'a> Records<'a> {
    /// The records that `ctx` gives access to.
    pub fn of(state: &'a dyn State, ctx: &'a TenantCtx) -> Self {
        Self { state, ctx }
    }

    /// The key of a record of this project.
    pub fn key<T: Record>(&self, id: &str) -> StateKey {
        StateKey {
            pk: self.partition(),
            sk: format!("{}#{id}", T::FAMILY),
        }
    }

    /// One record.
    pub async fn get<T: Record>(&self, id: &str) -> Result<Option<Versioned<T>>, RecordError> {
        let found = self.state.get(&self.key::<T>(id)).await?;
        found
            .map(|stored| read(stored.doc, stored.version, stored.evidence))
            .transpose()
    }

    /// Every record of a family.
    pub async fn list<T: Record>(&self) -> Result<Vec<Versioned<T>>, RecordError> {
        let rows = self
            .state
            .list(&self.partition(), &format!("{}#", T::FAMILY))
            .await?;
        rows.into_iter()
            .map(|stored| read(stored.doc, stored.version, stored.evidence))
            .collect()
    }

    /// The write that creates a record.
    pub fn create<T: Record>(&self, record: &T) -> Result<StateWrite, RecordError> {
        Ok(StateWrite::create(
            self.key::<T>(&record.id()),
            doc(record)?,
        ))
    }

    /// The write that replaces version `version` of a record.
    pub fn replace<T: Record>(&self, version: u64, record: &T) -> Result<StateWrite, RecordError> {
        Ok(StateWrite::replace(
            self.key::<T>(&record.id()),
            version,
            doc(record)?,
        ))
    }

    fn partition(&self) -> String {
        format!("{}#{}", self.ctx.workspace(), self.ctx.project())
    }
}

fn doc<T: Record>(record: &T) -> Result<serde_json::Value, RecordError> {
    serde_json::to_value(record).map_err(|source| RecordError::Shape {
        family: T::FAMILY,
        source,
    })
}

fn read<T: Record>(
    doc: serde_json::Value,
    version: u64,
    evidence: Option<EntryRef>,
) -> Result<Versioned<T>, RecordError> {
    let value = serde_json::from_value(doc).map_err(|source| RecordError::Shape {
        family: T::FAMILY,
        source,
    })?;
    Ok(Versioned {
        value,
        version,
        evidence,
    })
}

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// Id.
    pub id: WorkspaceId,
    /// Name.
    pub name: String,
    /// Its own evidence stream, hex64.
    pub stream: String,
}

/// A project: one Stripe account and one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Id.
    pub id: ProjectId,
    /// Tenant.
    pub workspace: WorkspaceId,
    /// Name.
    pub name: String,
    /// Whether its Stripe connection is live.
    pub livemode: bool,
    /// Its evidence stream, hex64.
    pub stream: String,
    /// Hash of the active mapping's artifact.
    pub mapping: String,
    /// Stripe restricted key, purpose `read`.
    pub stripe_key: SecretId,
    /// Connection of the reading role, purpose `read`.
    pub read_database: SecretId,
    /// Connection of the repair role, purpose `repair`; without it the project is read-only.
    pub repair_database: Option<SecretId>,
    /// Webhook signing secrets; several while one is being rolled.
    pub webhook_secrets: Vec<WebhookSecret>,
    /// Key of the pseudonyms, purpose `pseudonym`.
    pub pseudonym_key: SecretId,
    /// Whether scans propose repairs by themselves.
    pub auto_propose: bool,
}

impl Project {
    /// The id of its evidence stream.
    ///
    /// # Errors
    /// `Corrupt` when the row does not hold one.
    pub fn stream_id(&self) -> Result<Hash, PortError> {
        let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
        self.stream.parse().map_err(corrupt)
    }
}

/// A signing secret of a project's webhook endpoint, purpose `webhook`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSecret {
    /// The sealed secret.
    pub id: SecretId,
    /// Since when it is accepted.
    pub added_at: Timestamp,
    /// From when on it is not accepted any more; Stripe signs with the old and the new secret for
    /// a while after a roll.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retire_at: Option<Timestamp>,
}

impl WebhookSecret {
    /// A secret that is accepted from now on.
    pub const fn new(id: SecretId, added_at: Timestamp) -> Self {
        Self {
            id,
            added_at,
            retire_at: None,
        }
    }
}

/// A stored mapping: its compiled artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// `sha256:…` of the artifact.
    pub hash: String,
    /// The artifact's canonical JSON text.
    pub artifact: String,
}

/// A sealed secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Id.
    pub id: SecretId,
    /// Purpose.
    pub purpose: Purpose,
    /// Version, from 1.
    pub version: u64,
    /// What may be shown: `rk_live_…`, or host and database.
    pub hint: String,
    /// The sealed value.
    pub sealed: Sealed,
}

/// Marks an action whose effect was authorised and is not settled: what the sweep looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The action.
    pub id: ActionId,
    /// Since when.
    pub since: Timestamp,
}

/// A person in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Id.
    pub id: UserId,
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
}

/// An API key. The secret itself is stored nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Id.
    pub id: KeyId,
    /// SHA-256 of the whole key, hex.
    pub hash: String,
    /// Tenant.
    pub workspace: WorkspaceId,
    /// The one project it is for.
    pub project: ProjectId,
    /// What it may do.
    pub capability: Capability,
    /// The person it speaks as, for an approver key.
    pub approver: Option<UserId>,
    /// The person who created it.
    pub owner: UserId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// Rows that are found before a tenant is known, and rows of a workspace.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    state: &'a dyn State,
}

impl std::fmt::Debug for Directory<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Directory")
    }
}

const DIRECTORY: &str = "directory";

impl<'a> Directory<'a> {
    /// The directory in `state`.
    pub fn of(state: &'a dyn State) -> Self {
        Self { state }
    }

    /// Key of a project's row.
    pub fn project_key(id: ProjectId) -> StateKey {
        StateKey {
            pk: DIRECTORY.to_owned(),
            sk: format!("project#{id}"),
        }
    }

    /// Key of a workspace's row.
    pub fn workspace_key(id: WorkspaceId) -> StateKey {
        StateKey {
            pk: DIRECTORY.to_owned(),
            sk: format!("workspace#{id}"),
        }
    }

    /// Key of a member's row.
    pub fn member_key(workspace: WorkspaceId, id: UserId) -> StateKey {
        StateKey {
            pk: workspace.to_string(),
            sk: format!("member#{id}"),
        }
    }

    /// Key of an API key's row, found by its public handle.
    pub fn api_key_key(handle: &str) -> StateKey {
        StateKey {
            pk: format!("key#{handle}"),
            sk: "key".to_owned(),
        }
    }

    /// Key of a legal hold's row: it lies in its workspace, also when it is on one project.
    pub fn hold_key(workspace: WorkspaceId, id: HoldId) -> StateKey {
        StateKey {
            pk: workspace.to_string(),
            sk: format!("hold#{id}"),
        }
    }

    /// Key of a workspace's retention settings.
    pub fn retention_key(workspace: WorkspaceId) -> StateKey {
        StateKey {
            pk: workspace.to_string(),
            sk: "setting#retention".to_owned(),
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

    /// Every project.
    pub async fn projects(&self) -> Result<Vec<Project>, RecordError> {
        self.all("project").await
    }

    /// Every workspace.
    pub async fn workspaces(&self) -> Result<Vec<Workspace>, RecordError> {
        self.all("workspace").await
    }

    /// The workspace that owns a stream: its own, or that of one of its projects.
    pub async fn owner_of(&self, stream: Hash) -> Result<Option<Workspace>, RecordError> {
        let name = stream.to_string();
        let workspaces = self.workspaces().await?;
        if let Some(own) = workspaces.iter().find(|own| own.stream == name) {
            return Ok(Some(own.clone()));
        }
        let projects = self.projects().await?;
        let Some(project) = projects.iter().find(|project| project.stream == name) else {
            return Ok(None);
        };
        let mut owners = workspaces.into_iter();
        Ok(owners.find(|owner| owner.id == project.workspace))
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
        let rows = self.rows(&workspace.to_string(), "member").await?;
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
        self.rows(&workspace.to_string(), "hold").await
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

    async fn find<T: DeserializeOwned>(
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

    async fn rows<T: DeserializeOwned>(
        &self,
        partition: &str,
        family: &'static str,
    ) -> Result<Vec<Versioned<T>>, RecordError> {
        let rows = self.state.list(partition, &format!("{family}#")).await?;
        rows.into_iter()
            .map(|stored| {
                let value = serde_json::from_value(stored.doc)
                    .map_err(|source| RecordError::Shape { family, source })?;
                Ok(Versioned {
                    value,
                    version: stored.version,
                    evidence: stored.evidence,
                })
            })
            .collect()
    }

    async fn all<T: DeserializeOwned>(&self, family: &'static str) -> Result<Vec<T>, RecordError> {
        let rows = self.state.list(DIRECTORY, &format!("{family}#")).await?;
        rows.into_iter()
            .map(|stored| {
                serde_json::from_value(stored.doc)
                    .map_err(|source| RecordError::Shape { family, source })
            })
            .collect()
    }
}

impl From<RecordError> for PortError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Port(port) => port,
            RecordError::Shape { .. } => {
                Self::caused(PortErrorKind::Corrupt, "reading a record", error)
            }
        }
    }
}
