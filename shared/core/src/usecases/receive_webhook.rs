//! A delivery of Stripe: check who sent it, remember it, and ask for a check of the customer.
//!
//! The order is: look whether the event was seen, enqueue, then remember. A crash in between makes
//! a check come twice, which is harmless; the other order could lose one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;

use super::vault::{Vault, VaultError};
use crate::ids::ProjectId;
use crate::ports::{CheckRequest, Checks, Clock, Expect, PortError, State, StateKey, StateWrite};
use crate::records::{Directory, Project, RecordError, Records};
use crate::redacted::Redacted;
use crate::sealed::Purpose;
use crate::time::Timestamp;
use crate::webhook::{self, Event, EventError, Hint, SignatureError};

/// How long an event id is remembered: longer than the 30 days for which Stripe keeps events.
const REMEMBER: Duration = Duration::from_hours(35 * 24);

/// How long a project and its signing secrets are kept: a rolled secret is known after this.
const KEEP: Duration = Duration::from_mins(1);

/// Projects with their opened signing secrets, so that a warm delivery costs three calls. Projects
/// that do not exist are not kept.
#[derive(Clone, Default)]
pub struct KnownProjects(Arc<Mutex<BTreeMap<ProjectId, Known>>>);

#[derive(Clone)]
struct Known {
    project: Project,
    secrets: Vec<Redacted<String>>,
    since: Timestamp,
}

/// A delivery as it came.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// The project of the path.
    pub project: &'a str,
    /// `Stripe-Signature`, empty when absent.
    pub signature: &'a str,
    /// The raw bytes that were signed.
    pub body: &'a [u8],
}

/// What became of an accepted delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A check was asked for.
    Queued,
    /// The event was seen before.
    Duplicate,
    /// The event concerns no single customer.
    Ignored,
}

/// Why a delivery was not accepted. The sender learns only the status.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// No such project: 404.
    #[error("there is no such project")]
    NoProject,
    /// Not signed by this project's endpoint, or not fresh: 400.
    #[error("the delivery is not authentic")]
    Signature(#[from] SignatureError),
    /// Signed, but not an event: 400.
    #[error("the delivery is not an event")]
    Event(#[from] EventError),
    /// Signed, but of the other mode or another account: 400.
    #[error("the event is of another mode than this project")]
    WrongMode,
    /// Try again: 503.
    #[error("the delivery could not be taken")]
    Port(#[from] PortError),
    /// Try again: 503.
    #[error("the project's record could not be read")]
    Record(#[from] RecordError),
    /// Try again: 503.
    #[error("the signing secret could not be opened")]
    Vault(#[from] VaultError),
}

/// Takes deliveries.
#[derive(Clone)]
pub struct ReceiveWebhook {
    /// State table.
    pub state: Arc<dyn State>,
    /// Opens signing secrets.
    pub vault: Vault,
    /// The checks queue.
    pub checks: Arc<dyn Checks>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Projects that were looked up lately.
    pub known: KnownProjects,
    /// How long a check waits, so that a burst of events is over when it looks.
    pub delay: Duration,
}

impl std::fmt::Debug for ReceiveWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReceiveWebhook")
    }
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

impl ReceiveWebhook {
    /// Takes one delivery.
    pub async fn receive(&self, delivery: &Delivery<'_>) -> Result<Received, WebhookError> {
        let now = self.clock.now();
        let Known {
            project, secrets, ..
        } = self.known(delivery.project, now).await?;
        webhook::verify(
            delivery.signature,
            delivery.body,
            &secrets,
            now,
            webhook::TOLERANCE,
        )?;
        let event = webhook::read_event(delivery.body)?;
        if event.livemode.is_some_and(|live| live != project.livemode) || event.account.is_some() {
            return Err(WebhookError::WrongMode);
        }
        self.take(&project, event).await
    }

    async fn known(&self, id: &str, now: Timestamp) -> Result<Known, WebhookError> {
        let id: ProjectId = id.parse().map_err(|_| WebhookError::NoProject)?;
        if let Some(known) = self.known.lock().get(&id)
            && now.since(known.since) < KEEP
        {
            return Ok(known.clone());
        }
        let project = self.project(id).await?;
        let secrets = self.secrets(&project).await?;
        let known = Known {
            project,
            secrets,
            since: now,
        };
        self.known.lock().insert(id, known.clone());
        Ok(known)
    }

    async fn project(&self, id: ProjectId) -> Result<Project, WebhookError> {
        let found = Directory::of(self.state.as_ref()).project(id).await?;
        Ok(found.ok_or(WebhookError::NoProject)?.value)
    }

    async fn secrets(&self, project: &Project) -> Result<Vec<Redacted<String>>, WebhookError> {
        let ctx = Directory::system(project, "webhook");
        let records = Records::of(self.state.as_ref(), &ctx);
        let mut secrets = Vec::new();
        for id in &project.webhook_secrets {
            secrets.push(
                self.vault
                    .secret(&records, &ctx, *id, Purpose::Webhook)
                    .await?,
            );
        }
        Ok(secrets)
    }

    async fn take(&self, project: &Project, event: Event) -> Result<Received, WebhookError> {
        let key = StateKey {
            pk: format!("{}#{}", project.workspace, project.id),
            sk: format!("event#{}", event.id),
        };
        if self.state.get(&key).await?.is_some() {
            return Ok(Received::Duplicate);
        }
        let (workspace, project) = (project.workspace, project.id);
        let asked_at = self.clock.now();
        let request = match event.hint {
            Hint::Customer(customer) => CheckRequest::Customer {
                workspace,
                project,
                customer,
                reason: "webhook".to_owned(),
                event: Some(event.id),
                asked_at: Some(asked_at),
            },
            Hint::Subscription(subscription) => CheckRequest::Subscription {
                workspace,
                project,
                subscription,
                event: Some(event.id),
                asked_at,
            },
            _ => return Ok(Received::Ignored),
        };
        self.checks.send(&request, self.delay).await?;
        let seen = serde_json::json!({ "type": event.kind });
        let mut write = StateWrite::create(key, seen).until(self.clock.now().plus(REMEMBER));
        write.expect = Expect::Anything;
        self.state.write(vec![write]).await?;
        Ok(Received::Queued)
    }
}
