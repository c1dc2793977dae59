//! The policy bundles of a workspace, as they are stored: which one is active, who may sign, what
//! was revoked, and the bundles themselves.
//!
//! Everything lies in one family of the workspace's rows, so that every function that has the state
//! table can judge. Whoever loads a bundle verifies it ([`load()`]); nothing here decides anything.

mod load;

use std::collections::BTreeMap;

use counterfoil_policy::bundle::{Bundle, BundleError, Envelope, PublicKey};
use serde::{Deserialize, Serialize};

pub(crate) use load::verified;
pub use load::{Active, Loaded, load};

use crate::ids::{UserId, WorkspaceId};
use crate::policy::{baseline_digest, default_bundle_digest};
use crate::ports::StateKey;
use crate::records::{Directory, RecordError, Versioned, workspace_row};
use crate::time::Timestamp;

/// The family of the rows.
pub const FAMILY: &str = "policy";
/// Signing keys of a workspace, at most.
pub const MOST_KEYS: usize = 5;
/// Bundles that a workspace stores, at most.
pub const MOST_STORED: usize = 500;
/// Bytes of a stored bundle as JSON, at most: a row of the table has at most 400 KB.
pub const LARGEST_ROW: usize = 350_000;

/// What a workspace says about its bundles: one row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyState {
    /// Who may sign its bundles. What a bundle says about that never counts.
    pub keys: Vec<RegisteredKey>,
    /// The bundle in force; `None` while it is the one that every workspace starts with. A revoked one
    /// stays here until another takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveBundle>,
    /// The candidate that is judged beside the active one and changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowBundle>,
    /// Digests that never count again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revoked: BTreeMap<String, Noted>,
    /// What is stored, by digest, so that it is listed without reading it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stored: BTreeMap<String, StoredLine>,
}

/// A key that may sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredKey {
    /// Ed25519, base64 of its 32 bytes.
    pub public_key: String,
    /// `sha256:` over these bytes.
    pub fingerprint: String,
    /// Since when.
    pub at: Timestamp,
    /// Who agreed to it.
    pub by: UserId,
}

/// The bundle in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveBundle {
    /// Its digest.
    pub digest: String,
    /// Its version.
    pub version: u64,
    /// The digest that it replaced; `None` where that was the one that every workspace starts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Since when.
    pub at: Timestamp,
    /// Who proposed it.
    pub by: UserId,
    /// Who agreed.
    pub approver: String,
}

/// A candidate in shadow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowBundle {
    /// Its digest.
    pub digest: String,
    /// Since when.
    pub at: Timestamp,
    /// Who wanted that.
    pub by: UserId,
}

/// Who did something, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: UserId,
}

/// A stored bundle in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredLine {
    /// Its version.
    pub version: u64,
    /// When it was uploaded.
    pub at: Timestamp,
    /// Who uploaded it.
    pub by: UserId,
}

/// A bundle as it was uploaded. Only its note of an impact ever changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBundle {
    /// `sha256:` over its manifest.
    pub digest: String,
    /// The manifest's text.
    pub manifest: String,
    /// The signature.
    pub envelope: Envelope,
    /// Every other file, by path.
    pub files: BTreeMap<String, String>,
    /// Who uploaded it: they never are the second person of its activation.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// What was last found out about what it would have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<ImpactNote>,
}

/// What a bundle would have changed, without the report, which whoever asked has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImpactNote {
    /// `sha256:` over the report.
    pub report: String,
    /// Decisions that were judged again.
    pub judged: u64,
    /// Those that would have been others.
    pub flipped: u64,
    /// When.
    pub at: Timestamp,
}

impl PolicyState {
    /// The keys that count. A row that holds none of them verifies nothing.
    pub(crate) fn public_keys(&self) -> Vec<PublicKey> {
        let keys = self.keys.iter();
        keys.filter_map(|key| PublicKey::parse(&key.public_key).ok())
            .collect()
    }

    /// The digest in force.
    pub fn active_digest(&self) -> Option<&str> {
        self.active.as_ref().map(|active| active.digest.as_str())
    }

    /// The version in force; 0 before the first.
    pub fn active_version(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| active.version)
    }

    /// Key of the row.
    pub(crate) fn key(workspace: WorkspaceId) -> StateKey {
        workspace_row(workspace, "policy", "state")
    }
}

impl StoredBundle {
    /// The files as a bundle: what its manifest says they are.
    ///
    /// # Errors
    /// When they are something else.
    pub fn bundle(&self) -> Result<Bundle, BundleError> {
        Bundle::read(self.manifest.as_bytes(), self.files.clone())
    }

    /// Key of the row.
    pub(crate) fn key(workspace: WorkspaceId, digest: &str) -> StateKey {
        workspace_row(workspace, FAMILY, digest)
    }
}

impl Directory<'_> {
    /// What a workspace says about its bundles; empty, with version 0, where it has none yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn policy_state(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Versioned<PolicyState>, RecordError> {
        let found = self.find(FAMILY, &PolicyState::key(workspace)).await?;
        Ok(found.unwrap_or_else(|| Versioned {
            value: PolicyState::default(),
            version: 0,
            evidence: None,
        }))
    }

    /// The digests of the rules that are in force for a workspace, baseline first. Nothing is judged by
    /// them here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn policies_in_force(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<String>, RecordError> {
        let state = self.policy_state(workspace).await?.value;
        let own = state.active_digest().map(str::to_owned);
        let own = own.unwrap_or_else(default_bundle_digest);
        Ok(vec![baseline_digest().to_owned(), own])
    }

    /// A stored bundle.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn policy_bundle(
        &self,
        workspace: WorkspaceId,
        digest: &str,
    ) -> Result<Option<Versioned<StoredBundle>>, RecordError> {
        self.find(FAMILY, &StoredBundle::key(workspace, digest))
            .await
    }
}
