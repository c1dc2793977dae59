//! The rows of workspaces, projects, people and credentials.

use counterfoil_evidence::hash::Hash;
use serde::{Deserialize, Serialize};

use crate::ids::{ActionId, KeyId, ProjectId, SecretId, UserId, WorkspaceId};
use crate::ports::{PortError, PortErrorKind};
use crate::sealed::{Purpose, Sealed};
use crate::tenancy::{Capability, Role};
use crate::time::Timestamp;

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
