//! What the state table holds, by tenant and family, and the directory that finds a tenant.
//!
//! A partition is a tenant and a family: `<workspace>#<project>#<family>`, or `<workspace>#<family>`
//! for what a whole workspace has; rows that are looked up before a tenant is known lie in partitions
//! of the directory. Policies of roles name partitions, so each function reaches its families only.

mod directory;
mod override_use;
mod rows;
mod run_action;
mod secret;

pub use directory::{Directory, Owner};
pub(crate) use directory::{budget_key, workspace_row};
pub use override_use::{COUNTED_FOR, OverrideUse, REVIEWED_WITHIN};
pub use rows::{
    ApiKey, Invitation, Invited, Mapping, MappingSource, Member, Missing, Owners, Person, Project,
    StoredMappings, Unfinished, Unread, WebhookSecret, Workspace,
};
pub use run_action::RunAction;
pub use secret::{Secret, SecretVersion, VersionError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::erasure::{Erasure, ErasureScope};
use crate::governed_run::{FlowActions, GovernedRun, OpenRun, Registrations};
use crate::incident::Incident;
use crate::ports::{EntryRef, PortError, PortErrorKind, State, StateKey, StateWrite};
use crate::repair::Action;
use crate::run::Run;
use crate::scan::{ScanSchedule, ScanWork};
use crate::tenancy::{Tenant, TenantCtx, WorkspaceCtx};
use crate::usecases::{DecisionRecord, Waiting};

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

/// A family of records of a project, or of a workspace (`Record<WorkspaceCtx>`).
pub trait Record<C: Tenant = TenantCtx>: Serialize + DeserializeOwned + Send {
    /// Name of the family: the last part of the partition key.
    const FAMILY: &'static str;

    /// The sort key.
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
record!(GovernedRun, "governed-run");
record!(OpenRun, "open-run");

record!(Waiting, "waiting");
record!(DecisionRecord, "decision");

macro_rules! workspace_record {
    ($type:ty, $family:literal) => {
        impl Record<WorkspaceCtx> for $type {
            const FAMILY: &'static str = $family;

            fn id(&self) -> String {
                self.id.to_string()
            }
        }
    };
}

workspace_record!(Member, "member");
workspace_record!(ApiKey, "key");
workspace_record!(Invitation, "invitation");

/// There is one.
impl Record<WorkspaceCtx> for Owners {
    const FAMILY: &'static str = "setting";

    fn id(&self) -> String {
        "owners".to_owned()
    }
}

impl Record for Mapping {
    const FAMILY: &'static str = "mapping";

    fn id(&self) -> String {
        self.hash.clone()
    }
}

/// A setting of the project: there is one.
impl Record for Erasure {
    const FAMILY: &'static str = "erasure";

    fn id(&self) -> String {
        match &self.scope {
            ErasureScope::Run { run } => run.to_string(),
            ErasureScope::Customer { pseudonym, .. } => pseudonym.clone(),
        }
    }
}

impl Record for StoredMappings {
    const FAMILY: &'static str = "mapping";

    fn id(&self) -> String {
        STORED_MAPPINGS.to_owned()
    }
}

impl Record for ScanSchedule {
    const FAMILY: &'static str = "setting";

    fn id(&self) -> String {
        "schedule".to_owned()
    }
}

/// A setting of the project: one for each flow.
impl Record for FlowActions {
    const FAMILY: &'static str = "setting";

    fn id(&self) -> String {
        Self::row(&self.id)
    }
}

/// A setting of the project: there is one.
impl Record for Registrations {
    const FAMILY: &'static str = "setting";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}

/// Not a hash, so no mapping is in its place.
const STORED_MAPPINGS: &str = "all";

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
    /// The project lacks what this needs.
    #[error("the project is not complete")]
    Incomplete(#[from] Missing),
}

/// The records of one project or workspace. Demands the tenant's context, so nothing is read without
/// one.
pub struct Records<'a, C: Tenant = TenantCtx> {
    state: &'a dyn State,
    ctx: &'a C,
}

impl<C: Tenant> Clone for Records<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C: Tenant> Copy for Records<'_, C> {}

impl<C: Tenant> std::fmt::Debug for Records<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("tenant", &self.ctx.partition())
            .finish()
    }
}

impl<'a, C: Tenant> Records<'a, C> {
    /// The records that `ctx` gives access to.
    pub fn of(state: &'a dyn State, ctx: &'a C) -> Self {
        Self { state, ctx }
    }

    /// The key of a record of this tenant.
    pub fn key<T: Record<C>>(&self, id: &str) -> StateKey {
        StateKey {
            pk: self.partition(<T as Record<C>>::FAMILY),
            sk: id.to_owned(),
        }
    }

    /// One record.
    pub async fn get<T: Record<C>>(&self, id: &str) -> Result<Option<Versioned<T>>, RecordError> {
        let found = self.state.get(&self.key::<T>(id)).await?;
        found
            .map(|stored| read::<C, T>(stored.doc, stored.version, stored.evidence))
            .transpose()
    }

    /// Every record of a family.
    pub async fn list<T: Record<C>>(&self) -> Result<Vec<Versioned<T>>, RecordError> {
        self.list_with("").await
    }

    /// The records of a family whose id begins with `prefix`: a family may hold more than one shape.
    pub async fn list_with<T: Record<C>>(
        &self,
        prefix: &str,
    ) -> Result<Vec<Versioned<T>>, RecordError> {
        let rows = self
            .state
            .list(&self.partition(<T as Record<C>>::FAMILY), prefix)
            .await?;
        rows.into_iter()
            .map(|stored| read::<C, T>(stored.doc, stored.version, stored.evidence))
            .collect()
    }

    /// The records of a family whose id is not before `from`, where ids are in the order of time.
    pub async fn list_from<T: Record<C>>(
        &self,
        from: &str,
    ) -> Result<Vec<Versioned<T>>, RecordError> {
        let partition = self.partition(<T as Record<C>>::FAMILY);
        let rows = self.state.list_from(&partition, from).await?.into_iter();
        rows.map(|stored| read::<C, T>(stored.doc, stored.version, stored.evidence))
            .collect()
    }

    /// Which mappings there are, and version 0 where no row says so yet: then each is read.
    pub(crate) async fn stored_mappings(&self) -> Result<Versioned<StoredMappings>, RecordError>
    where
        Mapping: Record<C>,
        StoredMappings: Record<C>,
    {
        if let Some(found) = self.get::<StoredMappings>(STORED_MAPPINGS).await? {
            return Ok(found);
        }
        let rows = self.list::<Mapping>().await?.into_iter();
        let added = rows.map(|row| (row.value.hash, row.value.added_at));
        Ok(Versioned {
            value: StoredMappings {
                added: added.collect(),
            },
            version: 0,
            evidence: None,
        })
    }

    /// The write that creates a record.
    pub fn create<T: Record<C>>(&self, record: &T) -> Result<StateWrite, RecordError> {
        Ok(StateWrite::create(
            self.key::<T>(&record.id()),
            doc::<C, T>(record)?,
        ))
    }

    /// The write that replaces version `version` of a record.
    pub fn replace<T: Record<C>>(
        &self,
        version: u64,
        record: &T,
    ) -> Result<StateWrite, RecordError> {
        Ok(StateWrite::replace(
            self.key::<T>(&record.id()),
            version,
            doc::<C, T>(record)?,
        ))
    }

    fn partition(&self, family: &str) -> String {
        format!("{}#{family}", self.ctx.partition())
    }
}

fn doc<C: Tenant, T: Record<C>>(record: &T) -> Result<serde_json::Value, RecordError> {
    serde_json::to_value(record).map_err(|source| RecordError::Shape {
        family: T::FAMILY,
        source,
    })
}

fn read<C: Tenant, T: Record<C>>(
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

impl From<RecordError> for PortError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Port(port) => port,
            RecordError::Incomplete(_) => {
                Self::caused(PortErrorKind::Refused, "using an incomplete project", error)
            }
            RecordError::Shape { .. } => {
                Self::caused(PortErrorKind::Corrupt, "reading a record", error)
            }
        }
    }
}
