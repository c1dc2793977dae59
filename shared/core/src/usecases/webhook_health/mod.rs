//! The health of a project's webhook: what came, how late, what was refused, what did not come; once
//! a day as `observation.recorded` (evidence-format section 6), and as a row that people can read.
//!
//! The function that takes deliveries only counts; it has no right to evidence. A day is recorded
//! when it has been over for a while, so that every process has written its counts.

mod entry;
mod missed;
mod read;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use read::{ReadWebhookHealth, WebhookView};

use super::receive_webhook::TallyRow;
use super::reconcile::BillingAccounts;
use super::vault::{Vault, VaultError};
use crate::connection::Standing;
use crate::ids::ProjectId;
use crate::ports::{AppendError, Batch, Checks, Clock, EvidenceAppend, PortError, State};
use crate::records::{Directory, Project, Record, RecordError, Records};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::webhook::{MissedEvents, Tally, WhyAbsent, day_of};

/// How long after its end a day is recorded.
const SETTLED: Duration = Duration::from_mins(15);

/// Days that are recorded later when the schedule did not run: as long as counts are kept.
const CATCH_UP: u64 = 30;

/// The last day that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookHealth {
    /// Days since 1970.
    pub day: u64,
    /// What came on that day.
    #[serde(default)]
    pub tally: Tally,
    /// What did not come on that day; `None` in rows of an earlier version of the product.
    #[serde(default)]
    pub missed: Option<MissedEvents>,
    /// When the last authentic delivery came, on that day or before.
    #[serde(default)]
    pub last_at: Option<Timestamp>,
}

impl Record for WebhookHealth {
    const FAMILY: &'static str = "webhook-health";

    fn id(&self) -> String {
        LATEST.to_owned()
    }
}

const LATEST: &str = "latest";

impl WebhookHealth {
    /// The day as a date, `2026-11-23`.
    pub fn date(&self) -> String {
        let start = Timestamp::from_millis(self.day.saturating_mul(86_400_000));
        start.to_string().chars().take(10).collect()
    }

    /// What the day amounts to.
    pub fn standing(&self) -> Standing {
        let tally = &self.tally;
        let quiet = tally.total(false) == 0;
        let gaps = match &self.missed {
            Some(MissedEvents::Counted(counts)) => counts.missing > 0,
            Some(MissedEvents::Absent(why)) => why.is_fault(),
            None => false,
        };
        let ended = MissedEvents::Absent(WhyAbsent::ConnectionEnded);
        if tally.deauthorized_at.is_some() || self.missed.as_ref() == Some(&ended) {
            Standing::Alarm
        } else if quiet || gaps || tally.total(true) > 0 {
            Standing::Warning
        } else {
            Standing::Ok
        }
    }
}

/// Why a day was not recorded. The next run of the schedule tries again.
#[derive(Debug, Error)]
pub enum HealthError {
    /// A record could not be read or written.
    #[error("the counts could not be read")]
    Record(#[from] RecordError),
    /// A port did not answer.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// Stripe did not answer: the day waits for its list of events.
    #[error("the events of the day could not be listed yet")]
    Stripe(#[source] PortError),
    /// The key could not be opened: the day waits for Stripe's list of events.
    #[error("the key that lists events could not be opened yet")]
    Vault(#[from] VaultError),
    /// The entry could not be appended.
    #[error("the day could not be recorded")]
    Evidence(#[from] AppendError),
}

/// Records the health of webhooks.
#[derive(Clone)]
pub struct RecordWebhookHealth {
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// Counts, events that came, and which day was recorded last.
    pub state: Arc<dyn State>,
    /// Opens the key that lists events.
    pub vault: Vault,
    /// Stripe.
    pub billing: Arc<dyn BillingAccounts>,
    /// The checks queue.
    pub checks: Arc<dyn Checks>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for RecordWebhookHealth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordWebhookHealth")
    }
}

impl RecordWebhookHealth {
    /// Records every day that is over and has no entry, for every project; how many days. One
    /// project's failure does not stop the others.
    ///
    /// # Errors
    /// When the projects cannot be listed.
    pub async fn record_all(
        &self,
    ) -> Result<Vec<(ProjectId, Result<u64, HealthError>)>, HealthError> {
        let mut results = Vec::new();
        for project in Directory::of(self.state.as_ref()).projects().await? {
            results.push((project.id, self.record(&project).await));
        }
        Ok(results)
    }

    /// The same for one project.
    ///
    /// # Errors
    /// See [`HealthError`]; days before the failure stay recorded.
    pub async fn record(&self, project: &Project) -> Result<u64, HealthError> {
        let now = self.clock.now();
        let settled = Duration::from_millis(now.as_millis()).saturating_sub(SETTLED);
        let settled = u64::try_from(settled.as_millis()).unwrap_or(u64::MAX);
        let Some(last) = day_of(Timestamp::from_millis(settled)).checked_sub(1) else {
            return Ok(0);
        };
        let ctx = Directory::system(project, "webhook-health");
        let records = Records::of(self.state.as_ref(), &ctx);
        let known = records.get::<WebhookHealth>(LATEST).await?;
        let oldest = last.saturating_sub(CATCH_UP);
        let first = known
            .as_ref()
            .map_or(last, |known| known.value.day.saturating_add(1).max(oldest));
        let mut version = known.as_ref().map(|known| known.version);
        let mut last_at = known.and_then(|known| known.value.last_at);
        let mut days = 0;
        for day in first..=last {
            let tally = tally(self.state.as_ref(), &ctx, day).await?;
            last_at = last_at.max(tally.last_at);
            let health = WebhookHealth {
                day,
                tally,
                missed: Some(self.missed(&ctx, project, day).await?),
                last_at,
            };
            if !self.keep(&ctx, project, &health, version).await? {
                break;
            }
            version = Some(version.unwrap_or(0).saturating_add(1));
            days += 1;
        }
        Ok(days)
    }

    /// Appends the day's entries and writes its row; `false` when somebody else did meanwhile.
    async fn keep(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        health: &WebhookHealth,
        version: Option<u64>,
    ) -> Result<bool, HealthError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let write = match version {
            None => records.create(health)?,
            Some(version) => records.replace(version, health)?,
        };
        let drafts = entry::drafts(ctx, project, health);
        let batch = Batch::of(drafts).with(write.explained_by(0));
        match self.evidence.append(project.stream_id()?, batch).await {
            Ok(_) => Ok(true),
            Err(AppendError::StateChanged { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// What was counted on a day, by all processes.
async fn tally(state: &dyn State, ctx: &TenantCtx, day: u64) -> Result<Tally, RecordError> {
    let records = Records::of(state, ctx);
    let key = records.key::<TallyRow>(&TallyRow::of_day(day));
    let rows = state.list(&key.pk, &key.sk).await?;
    let mut whole = Tally::default();
    for stored in rows {
        let row: TallyRow =
            serde_json::from_value(stored.doc).map_err(|source| RecordError::Shape {
                family: TallyRow::FAMILY,
                source,
            })?;
        whole = whole.with(&row.tally);
    }
    Ok(whole)
}
