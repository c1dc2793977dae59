//! Which rules a workspace has now, verified.
//!
//! A bundle is verified once per process and set of keys; whether it is the active one and not
//! revoked is read every time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use counterfoil_policy::bundle::Expected;
use counterfoil_policy::{Failure, Layer, LayerName};

use super::{PolicyState, StoredBundle};
use crate::ids::WorkspaceId;
use crate::policy::NO_BUNDLE;
use crate::ports::PortError;
use crate::ports::State;
use crate::records::{Directory, RecordError};

/// Layers that a process remembers, at most.
const REMEMBERED: usize = 32;

/// The rules of a workspace.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Its bundle, or why that cannot be asked; `None` where the workspace never had one of its own.
    pub active: Option<Active>,
    /// The candidate in shadow, where it can be asked.
    pub shadow: Option<Arc<Layer>>,
}

/// The bundle that is active.
#[derive(Debug, Clone)]
pub struct Active {
    /// Its digest.
    pub digest: String,
    /// Its rules, or why they cannot be asked.
    pub layer: Result<Arc<Layer>, Failure>,
}

/// Reads and verifies what is in force for a workspace.
///
/// # Errors
/// When the state did not answer. What is stored and does not verify is no error: it denies.
pub async fn load(state: &dyn State, workspace: WorkspaceId) -> Result<Loaded, PortError> {
    let directory = Directory::of(state);
    let found = match directory.policy_state(workspace).await {
        Ok(found) => found.value,
        Err(RecordError::Port(error)) => return Err(error),
        // A row that nobody can read says nothing: not that there are no rules.
        Err(RecordError::Shape { .. } | RecordError::Incomplete(_)) => {
            return Ok(Loaded {
                active: Some(Active {
                    digest: NO_BUNDLE.to_owned(),
                    layer: Err(Failure::BundleUnverified),
                }),
                shadow: None,
            });
        }
    };
    let active = match found.active_digest() {
        Some(digest) => Some(Active {
            digest: digest.to_owned(),
            layer: layer(directory, workspace, &found, digest).await?,
        }),
        None => None,
    };
    let shadow = match &found.shadow {
        // What is wrong with a candidate concerns nobody but whoever looks at it.
        Some(candidate) => layer(directory, workspace, &found, &candidate.digest)
            .await
            .unwrap_or(Err(Failure::BundleMissing))
            .ok(),
        None => None,
    };
    Ok(Loaded { active, shadow })
}

async fn layer(
    directory: Directory<'_>,
    workspace: WorkspaceId,
    found: &PolicyState,
    digest: &str,
) -> Result<Result<Arc<Layer>, Failure>, PortError> {
    if found.revoked.contains_key(digest) {
        return Ok(Err(Failure::BundleRevoked));
    }
    let known = Known {
        workspace,
        digest: digest.to_owned(),
        keys: found.keys.iter().map(|it| it.public_key.clone()).collect(),
    };
    if let Some(layer) = remembered(&known) {
        return Ok(Ok(layer));
    }
    let stored = match directory.policy_bundle(workspace, digest).await {
        Ok(Some(stored)) => stored.value,
        Ok(None) => return Ok(Err(Failure::BundleMissing)),
        Err(RecordError::Port(error)) => return Err(error),
        Err(RecordError::Shape { .. } | RecordError::Incomplete(_)) => {
            return Ok(Err(Failure::BundleUnverified));
        }
    };
    Ok(verified(&stored, found, workspace, digest).map(|layer| {
        let layer = Arc::new(layer);
        remember(known, Arc::clone(&layer));
        layer
    }))
}

/// Verifies a stored bundle against the keys of its workspace.
///
/// # Errors
/// What a decision says instead of a rule's id.
pub(crate) fn verified(
    stored: &StoredBundle,
    found: &PolicyState,
    workspace: WorkspaceId,
    digest: &str,
) -> Result<Layer, Failure> {
    if found.revoked.contains_key(digest) {
        return Err(Failure::BundleRevoked);
    }
    let bundle = stored.bundle().map_err(|_| Failure::BundleUnverified)?;
    let workspace = workspace.to_string();
    bundle.load(
        &stored.envelope,
        Expected {
            layer: LayerName::Workspace,
            workspace: Some(&workspace),
            digest,
            keys: &found.public_keys(),
        },
    )
}

/// What a verification depended on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    workspace: WorkspaceId,
    digest: String,
    keys: Vec<String>,
}

static LAYERS: Mutex<BTreeMap<Known, Arc<Layer>>> = Mutex::new(BTreeMap::new());

fn remembered(known: &Known) -> Option<Arc<Layer>> {
    let layers = LAYERS.lock().unwrap_or_else(PoisonError::into_inner);
    layers.get(known).cloned()
}

fn remember(known: Known, layer: Arc<Layer>) {
    let mut layers = LAYERS.lock().unwrap_or_else(PoisonError::into_inner);
    if layers.len() >= REMEMBERED {
        layers.pop_first();
    }
    layers.insert(known, layer);
}
