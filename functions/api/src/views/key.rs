//! API keys.

use counterfoil_core::ids::{KeyId, ProjectId, UserId};
use counterfoil_core::records::ApiKey;
use counterfoil_core::tenancy::Capability;
use counterfoil_core::time::Timestamp;
use counterfoil_lambda::open_words;
use counterfoil_lambda::schema;
use serde::Serialize;
use utoipa::ToSchema;

use super::own_project::EnvironmentWord;

open_words! {
    /// What a key may do.
    pub(crate) CapabilityWord: "read", "repair";
}

/// API keys of a workspace, oldest first; also those that ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct Keys {
    pub(crate) items: Vec<Key>,
    pub(crate) next_cursor: Option<String>,
}

/// An API key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct Key {
    #[schema(value_type = schema::KeyId)]
    id: KeyId,
    name: String,
    /// `null` for every project of the workspace.
    #[schema(value_type = Option<schema::ProjectId>)]
    project_id: Option<ProjectId>,
    #[schema(value_type = EnvironmentWord)]
    environment: &'static str,
    #[schema(value_type = CapabilityWord)]
    capability: Capability,
    /// The person it speaks as; `null` for a program.
    #[schema(value_type = Option<schema::UserId>)]
    approver: Option<UserId>,
    /// Whether an agent has it.
    agent: bool,
    /// Whoever made it.
    #[schema(value_type = schema::UserId)]
    owner: UserId,
    #[schema(value_type = schema::Time)]
    created_at: String,
    #[schema(value_type = schema::Time)]
    expires_at: String,
    #[schema(value_type = Option<schema::Time>)]
    revoked_at: Option<String>,
    /// The key that replaces it.
    #[schema(value_type = Option<schema::KeyId>)]
    replaced_by: Option<KeyId>,
    /// Written when a process takes its next share of the key's requests, so it can lag.
    #[schema(value_type = Option<schema::Time>)]
    last_used_at: Option<String>,
}

impl Key {
    pub(crate) fn of(key: &ApiKey, last_used: Option<Timestamp>) -> Self {
        Self {
            id: key.id,
            name: key.name.clone(),
            project_id: key.project,
            environment: if key.live { "live" } else { "test" },
            capability: key.capability,
            approver: key.approver,
            agent: key.agent,
            owner: key.owner,
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.to_string(),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
            replaced_by: key.replaced_by,
            last_used_at: last_used.map(|at| at.to_string()),
        }
    }
}

/// An API key that was made just now.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeApiKey)]
pub(crate) struct MadeKey {
    #[serde(flatten)]
    pub(crate) key: Key,
    /// The credential. Shown once.
    #[schema(pattern = "^cfk_(live|test)_[0-9A-Za-z_]+$")]
    pub(crate) secret: String,
}
