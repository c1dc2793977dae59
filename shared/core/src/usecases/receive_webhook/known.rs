//! Projects and opened signing secrets that a warm process keeps for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{ReceiveWebhook, WebhookError};
use crate::ids::ProjectId;
use crate::records::{Directory, Project, Records};
use crate::redacted::Redacted;
use crate::sealed::Purpose;
use crate::time::Timestamp;

/// How long a project and its signing secrets are kept.
const KEEP: Duration = Duration::from_mins(1);

/// How often a signature that does not fit may make them be read again. Between a roll of a secret
/// and its next reading nothing is lost: Stripe delivers again what was refused.
const READ_AGAIN: Duration = Duration::from_secs(10);

/// Projects with their opened signing secrets, so that a warm delivery costs three calls. Projects
/// that do not exist are not kept.
#[derive(Clone, Default)]
pub struct KnownProjects(Arc<Mutex<BTreeMap<ProjectId, Known>>>);

#[derive(Clone)]
pub(super) struct Known {
    pub(super) project: Project,
    secrets: Vec<SigningSecret>,
    since: Timestamp,
}

#[derive(Clone)]
struct SigningSecret {
    value: Redacted<String>,
    retire_at: Option<Timestamp>,
}

impl std::fmt::Debug for KnownProjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KnownProjects")
    }
}

impl KnownProjects {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProjectId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The secrets that are accepted at `now`.
    pub(super) fn accepted(&self, now: Timestamp) -> Vec<Redacted<String>> {
        let kept = self.secrets.iter();
        kept.filter(|secret| secret.retire_at.is_none_or(|end| now < end))
            .map(|secret| secret.value.clone())
            .collect()
    }

    /// Whether a signature that does not fit is a reason to read the secrets again.
    pub(super) fn may_be_stale(&self, now: Timestamp) -> bool {
        now.since(self.since) >= READ_AGAIN
    }
}

impl ReceiveWebhook {
    pub(super) async fn known(&self, id: &str, now: Timestamp) -> Result<Known, WebhookError> {
        let id: ProjectId = id.parse().map_err(|_| WebhookError::NoProject)?;
        if let Some(known) = self.known.lock().get(&id)
            && now.since(known.since) < KEEP
        {
            return Ok(known.clone());
        }
        self.read_again(id, now).await
    }

    pub(super) async fn read_again(
        &self,
        id: ProjectId,
        now: Timestamp,
    ) -> Result<Known, WebhookError> {
        let found = Directory::of(self.state.as_ref()).project(id).await?;
        let Some(found) = found else {
            self.known.lock().remove(&id);
            return Err(WebhookError::NoProject);
        };
        let project = found.value;
        let secrets = self.secrets(&project, now).await?;
        let known = Known {
            project,
            secrets,
            since: now,
        };
        self.known.lock().insert(id, known.clone());
        Ok(known)
    }

    async fn secrets(
        &self,
        project: &Project,
        now: Timestamp,
    ) -> Result<Vec<SigningSecret>, WebhookError> {
        let ctx = Directory::system(project, "webhook");
        let records = Records::of(self.state.as_ref(), &ctx);
        let mut secrets = Vec::new();
        for secret in &project.webhook_secrets {
            // A retired secret may have been destroyed.
            if secret.retire_at.is_some_and(|end| end <= now) {
                continue;
            }
            let value = self
                .vault
                .secret(&records, &ctx, secret.id, Purpose::Webhook)
                .await?;
            secrets.push(SigningSecret {
                value,
                retire_at: secret.retire_at,
            });
        }
        Ok(secrets)
    }
}
