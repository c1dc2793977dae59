//! A delivery of Stripe: check who sent it, remember it, and ask for a check of the customer.
//!
//! The order is: look whether the event was seen, enqueue, then remember. A crash in between makes
//! a check come twice, which is harmless; the other order could lose one.

mod known;
mod tallies;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::vault::{Vault, VaultError};
use known::Known;
pub use known::KnownProjects;
pub use tallies::Tallies;
pub(super) use tallies::TallyRow;

use crate::ports::{CheckRequest, Checks, Clock, Expect, PortError, State, StateWrite};
use crate::records::{Directory, Project, Record, RecordError, Records};
use crate::time::Timestamp;
use crate::webhook::{
    self, Event, EventError, Hint, Outcome, PartnerError, PartnerSource, SignatureError,
};

/// How long an event id is remembered: longer than the 30 days for which Stripe keeps events.
const REMEMBER: Duration = Duration::from_hours(35 * 24);

/// An event that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenEvent {
    id: String,
    kind: String,
}

impl Record for SeenEvent {
    const FAMILY: &'static str = "event";

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// The latest event about prices, products or features. A scan that began earlier may have compared
/// with an older catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueChanged {
    /// When it was taken.
    pub at: Timestamp,
}

impl Record for CatalogueChanged {
    const FAMILY: &'static str = "catalogue-changed";

    fn id(&self) -> String {
        "latest".to_owned()
    }
}

/// When the latest event about prices, products or features was taken; `None` before the first.
///
/// # Errors
/// When the record cannot be read.
pub(super) async fn catalogue_changed(
    records: &Records<'_>,
) -> Result<Option<Timestamp>, RecordError> {
    let found = records.get::<CatalogueChanged>("latest").await?;
    Ok(found.map(|changed| changed.value.at))
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
    /// A check, or a probe of the key, was asked for.
    Queued,
    /// The event was seen before.
    Duplicate,
    /// It was counted, and asks for nothing.
    Noted,
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
    /// Signed, but of the other mode: 400.
    #[error("the event is of another mode than this project")]
    WrongMode,
    /// Signed, but of another account: 400.
    #[error("the event is of another account than this project's")]
    WrongAccount,
    /// An invocation that is not a trusted event of an event bus.
    #[error("the invocation was refused")]
    Partner(#[from] PartnerError),
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
    /// What this process has counted.
    pub tallies: Tallies,
    /// The event source that is trusted without signatures; none unless the deployment names one.
    pub partner: Option<PartnerSource>,
    /// How long a check waits, so that a burst of events is over when it looks.
    pub delay: Duration,
}

impl std::fmt::Debug for ReceiveWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReceiveWebhook")
    }
}

impl ReceiveWebhook {
    /// Takes one delivery.
    pub async fn receive(&self, delivery: &Delivery<'_>) -> Result<Received, WebhookError> {
        let now = self.clock.now();
        let known = self.known(delivery.project, now).await?;
        let (known, signed) = self.authentic(known, delivery, now).await?;
        let project = known.project;
        let event = match signed {
            Ok(()) => webhook::read_event(delivery.body).map_err(WebhookError::from),
            Err(error) => Err(error.into()),
        };
        self.judged(&project, event, now).await
    }

    /// Takes what an event bus invoked the function with.
    pub async fn receive_partner(&self, invocation: &Value) -> Result<Received, WebhookError> {
        let now = self.clock.now();
        let trusted = self.partner.as_ref();
        let event = webhook::partner_event(invocation, trusted)?;
        let trusted = trusted.ok_or(PartnerError::NotConfigured)?;
        let known = self.known(&trusted.project.to_string(), now).await?;
        self.judged(&known.project, Ok(event), now).await
    }

    /// Checks the signature; once more with secrets that were just read, so that nothing is refused
    /// because a secret was rolled a moment ago.
    async fn authentic(
        &self,
        known: Known,
        delivery: &Delivery<'_>,
        now: Timestamp,
    ) -> Result<(Known, Result<(), SignatureError>), WebhookError> {
        let verified = |known: &Known| {
            webhook::verify(
                delivery.signature,
                delivery.body,
                &known.accepted(now),
                now,
                webhook::TOLERANCE,
            )
        };
        let first = verified(&known);
        if first != Err(SignatureError::NoValidSignature) || !known.may_be_stale(now) {
            return Ok((known, first));
        }
        let fresh = self.read_again(known.project.id, now).await?;
        let second = verified(&fresh);
        Ok((fresh, second))
    }

    /// Refuses what is of another mode or account, counts, and takes the rest.
    async fn judged(
        &self,
        project: &Project,
        event: Result<Event, WebhookError>,
        now: Timestamp,
    ) -> Result<Received, WebhookError> {
        let fits = event.and_then(|event| {
            if event.livemode.is_some_and(|live| live != project.livemode) {
                Err(WebhookError::WrongMode)
            } else if event.account.is_some() {
                Err(WebhookError::WrongAccount)
            } else {
                Ok(event)
            }
        });
        match fits {
            Ok(event) => self.take(project, event, now).await,
            Err(error) => {
                if let Some(outcome) = error.outcome() {
                    self.count(project, outcome, now, None);
                    self.flush(project, now).await;
                }
                Err(error)
            }
        }
    }

    async fn take(
        &self,
        project: &Project,
        event: Event,
        now: Timestamp,
    ) -> Result<Received, WebhookError> {
        let note = match &event.hint {
            Hint::Policy => Some(Outcome::Policy),
            Hint::Nobody => Some(Outcome::Nobody),
            Hint::Nothing => Some(Outcome::Ignored),
            _ => None,
        };
        if let Some(outcome) = note {
            self.count(project, outcome, now, event.created);
            self.flush(project, now).await;
            return Ok(Received::Noted);
        }
        let ctx = Directory::system(project, "webhook");
        let records = Records::of(self.state.as_ref(), &ctx);
        if records.get::<SeenEvent>(&event.id).await?.is_some() {
            self.count(project, Outcome::Duplicate, now, event.created);
            self.flush(project, now).await;
            return Ok(Received::Duplicate);
        }
        let request = request(project, &event, now);
        if let Some(request) = &request {
            self.checks.send(request, self.delay).await?;
        }
        let mut writes = Vec::new();
        let outcome = match event.hint {
            Hint::Catalogue => {
                let changed = records.create(&CatalogueChanged { at: now })?;
                writes.push(unconditional(changed));
                Outcome::Catalogue
            }
            Hint::Connection => Outcome::Connection,
            _ => Outcome::Queued,
        };
        let seen = SeenEvent {
            id: event.id,
            kind: event.kind,
        };
        writes.push(unconditional(
            records.create(&seen)?.until(now.plus(REMEMBER)),
        ));
        self.count(project, outcome, now, event.created);
        self.write_with_tally(project, now, writes).await?;
        Ok(match request {
            Some(_) => Received::Queued,
            None => Received::Noted,
        })
    }
}

/// Anybody would write the row alike.
fn unconditional(mut write: StateWrite) -> StateWrite {
    write.expect = Expect::Anything;
    write
}

/// What an event asks for.
fn request(project: &Project, event: &Event, now: Timestamp) -> Option<CheckRequest> {
    let (workspace, id) = (project.workspace, project.id);
    match &event.hint {
        Hint::Customer(customer) => Some(CheckRequest::Customer {
            workspace,
            project: id,
            customer: customer.clone(),
            reason: "webhook".to_owned(),
            event: Some(event.id.clone()),
            asked_at: Some(now),
        }),
        Hint::Subscription(subscription) => Some(CheckRequest::Subscription {
            workspace,
            project: id,
            subscription: subscription.clone(),
            event: Some(event.id.clone()),
            asked_at: now,
        }),
        Hint::Connection => Some(CheckRequest::Connection {
            workspace,
            project: id,
        }),
        _ => None,
    }
}

impl WebhookError {
    /// How a refusal is counted; `None` for what is not the sender's doing.
    const fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Signature(_) => Some(Outcome::BadSignature),
            Self::Event(_) => Some(Outcome::NotAnEvent),
            Self::WrongMode => Some(Outcome::WrongMode),
            Self::WrongAccount => Some(Outcome::WrongAccount),
            Self::NoProject
            | Self::Partner(_)
            | Self::Port(_)
            | Self::Record(_)
            | Self::Vault(_) => None,
        }
    }
}
