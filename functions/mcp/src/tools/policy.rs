//! What judges an agent: which rules are in force. Nothing here changes them.

use counterfoil_core::policy::{baseline_digest, default_bundle_digest};
use counterfoil_core::records::Directory;
use counterfoil_lambda::Problem;
use counterfoil_lambda::telemetry::chain;
use serde::Serialize;

use super::{Told, Tools, told};
use crate::caller::Caller;

/// The rules in force for the caller's project.
#[derive(Serialize)]
struct InForce {
    /// `default`: the bundle that every workspace starts with. `active`: one of its own. `revoked`: that
    /// was revoked, and everything but mending it is denied.
    state: &'static str,
    /// Digest of the product's own rules, which no workspace can widen.
    baseline: &'static str,
    /// Digest of the workspace's bundle, as decisions name it.
    policy: String,
    version: Option<u64>,
    since: Option<String>,
}

impl Tools {
    pub(crate) async fn policy_active(&self, caller: &Caller, project: Option<&str>) -> Told {
        let ctx = caller.tenant(self.state.as_ref(), project).await?;
        let state = Directory::of(self.state.as_ref());
        let found = state.policy_state(ctx.workspace()).await.map_err(|error| {
            tracing::error!(cause = chain(&error), "the rules were not read");
            Problem::unavailable()
        })?;
        let found = found.value;
        let in_force = match &found.active {
            None => InForce {
                state: "default",
                baseline: baseline_digest(),
                policy: default_bundle_digest(),
                version: None,
                since: None,
            },
            Some(active) => InForce {
                state: if found.revoked.contains_key(&active.digest) {
                    "revoked"
                } else {
                    "active"
                },
                baseline: baseline_digest(),
                policy: active.digest.clone(),
                version: Some(active.version),
                since: Some(active.at.to_string()),
            },
        };
        told(&in_force)
    }
}
