//! The rows of workspaces, projects, people and credentials.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_evidence::hash::Hash;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::RecordError;
use crate::ids::{ActionId, InvitationId, KeyId, ProjectId, SecretId, UserId, WorkspaceId};
use crate::mapping::MappingFormat;
use crate::ports::{PortError, PortErrorKind};
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
    /// Hash of the active mapping's artifact; `None` until one is activated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// Stripe restricted key, purpose `read`; `None` until it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_key: Option<SecretId>,
    /// Connection of the reading role, purpose `read`; `None` until it is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_database: Option<SecretId>,
    /// Connection of the repair role, purpose `repair`; without it the project is read-only.
    pub repair_database: Option<SecretId>,
    /// Webhook signing secrets; several while one is being rolled.
    pub webhook_secrets: Vec<WebhookSecret>,
    /// Key of the pseudonyms, purpose `pseudonym`.
    pub pseudonym_key: SecretId,
    /// Whether scans propose repairs by themselves.
    pub auto_propose: bool,
    /// The emergency stop: nothing is repaired, ignored or carried out until it is lifted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
}

/// What a project needs before anything can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Missing {
    /// No Stripe key.
    #[error("Stripe is not connected yet")]
    Stripe,
    /// No database URL of a reading role.
    #[error("the database is not connected yet")]
    Database,
    /// No active mapping.
    #[error("no mapping is active yet")]
    Mapping,
}

impl Missing {
    /// What to do about it, for people.
    pub const fn fix(self) -> &'static str {
        match self {
            Self::Stripe => "Stripe is not connected: store a restricted key (rk_...)",
            Self::Database => "The database is not connected: store the URL of a role that reads",
            Self::Mapping => "No mapping is active: store one and activate it",
        }
    }
}

impl Project {
    /// What is still missing before it can be checked; empty when nothing is.
    pub fn missing(&self) -> Vec<Missing> {
        let needs = [
            (self.stripe_key.is_none(), Missing::Stripe),
            (self.read_database.is_none(), Missing::Database),
            (self.mapping.is_none(), Missing::Mapping),
        ];
        let needs = needs.into_iter().filter(|(needed, _)| *needed);
        needs.map(|(_, missing)| missing).collect()
    }

    /// The hash of the active mapping.
    ///
    /// # Errors
    /// [`Missing::Mapping`].
    pub fn active_mapping(&self) -> Result<&str, RecordError> {
        self.mapping
            .as_deref()
            .ok_or(RecordError::Incomplete(Missing::Mapping))
    }

    /// The Stripe key.
    ///
    /// # Errors
    /// [`Missing::Stripe`].
    pub fn stripe(&self) -> Result<SecretId, RecordError> {
        self.stripe_key
            .ok_or(RecordError::Incomplete(Missing::Stripe))
    }

    /// The connection of the reading role.
    ///
    /// # Errors
    /// [`Missing::Database`].
    pub fn database(&self) -> Result<SecretId, RecordError> {
        self.read_database
            .ok_or(RecordError::Incomplete(Missing::Database))
    }

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

/// A stored mapping: its compiled artifact. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// `sha256:…` of the artifact.
    pub hash: String,
    /// The artifact's canonical JSON text.
    pub artifact: String,
    /// What it was compiled from; `None` where it came compiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<MappingSource>,
    /// When it was stored.
    pub added_at: Timestamp,
}

/// Which mappings a project has, in one row: they are listed without reading them, and counted. Every
/// new one replaces it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMappings {
    /// When each was stored, by hash.
    pub added: BTreeMap<String, Timestamp>,
}

/// A mapping as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingSource {
    /// How it is written.
    pub format: MappingFormat,
    /// The text.
    pub text: String,
}

/// Marks an action whose effect was authorised and is not settled: what the sweep looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The action.
    pub id: ActionId,
    /// Since when.
    pub since: Timestamp,
    /// That its row was to be read back and was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
}

/// That nobody could find out yet what an UPDATE did. Whoever reads its row settles it, so it was never
/// readable since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// When that was noticed first.
    pub since: Timestamp,
    /// The repair credential of that time, which does not lead to the row; `None` where there was none.
    pub with: Option<SecretId>,
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
    /// How they sign in ([`crate::auth::login_digest`]); `None` when they only have keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Since when they have at least this role, where that is later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_since: Option<Timestamp>,
}

impl Member {
    /// Since when they have at least the role they have now.
    pub fn has_role_since(&self) -> Timestamp {
        self.role_since.unwrap_or(self.since)
    }

    /// Whether their approval counts where it takes `least`, and for what was proposed at `proposed`:
    /// who gets the role afterwards does not approve it.
    pub fn counts(&self, least: Role, proposed: Timestamp) -> bool {
        self.role >= least && self.has_role_since() <= proposed
    }
}

/// Somebody who signs in, over all workspaces. Found by issuer and subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Id, the same in every workspace.
    pub id: UserId,
    /// Who vouches.
    pub issuer: String,
    /// As the issuer names them.
    pub subject: String,
}

/// An API key. The secret itself is stored nowhere. The row lies twice, under its handle and in its
/// workspace, and both are always written in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Id.
    pub id: KeyId,
    /// The public part that finds its row.
    pub handle: String,
    /// SHA-256 of the whole key, hex.
    pub hash: String,
    /// What people call it.
    pub name: String,
    /// Tenant.
    pub workspace: WorkspaceId,
    /// The one project it is for; `None` for every project of the workspace.
    pub project: Option<ProjectId>,
    /// Whether it is for live use; the key says so itself.
    pub live: bool,
    /// What it may do.
    pub capability: Capability,
    /// The person it speaks as, for an approver key.
    pub approver: Option<UserId>,
    /// Whether an agent has it, which is one at every door then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub agent: bool,
    /// The person who created it.
    pub owner: UserId,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// The key that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<KeyId>,
}

/// Somebody was asked to join a workspace and has not done so yet. The token itself is stored nowhere;
/// a second row, under the token's hash, leads here. Both go when it is accepted, revoked or over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Id.
    pub id: InvitationId,
    /// SHA-256 of the token, hex.
    pub hash: String,
    /// For whom, in the words of whoever invites.
    pub name: String,
    /// Where the token was meant to be sent; the product sends nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// As what.
    pub role: Role,
    /// The owner who invites: it counts while they are one.
    pub by: UserId,
    /// Since when.
    pub made_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Where an invitation lies, found by the hash of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// Tenant.
    pub workspace: WorkspaceId,
    /// The invitation.
    pub invitation: InvitationId,
}

/// The owners of a workspace, in one row: every change of who is one replaces it, so two owners who
/// demote each other at the same time cannot both succeed. Everybody who leaves is noted here too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owners {
    /// Their ids.
    pub owners: BTreeSet<UserId>,
    /// When somebody left or was removed last; `None` where nobody did, or long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it is accepted at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}
