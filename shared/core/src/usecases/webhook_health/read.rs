//! The health of a project's webhook, for people: what is stored, and today so far. Asks Stripe
//! nothing.

use std::sync::Arc;

use super::{LATEST, WebhookHealth, tally};
use crate::connection::Standing;
use crate::ports::{Clock, State};
use crate::records::{Directory, RecordError, Records};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::usecases::connections::ended_since;
use crate::webhook::{Tally, day_of};

/// What is known of a project's webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookView {
    /// When the last authentic delivery came; `None` when none ever did, as far as is remembered.
    pub last_at: Option<Timestamp>,
    /// What came today so far. Processes write their counts within a minute of the next delivery.
    pub today: WebhookHealth,
    /// The last day that is in evidence.
    pub recorded: Option<WebhookHealth>,
    /// Since when Stripe refuses the project's key.
    pub ended_at: Option<Timestamp>,
    /// When this was read.
    pub now: Timestamp,
}

impl WebhookView {
    /// What it amounts to. That nothing has come today is no reason to worry yet.
    pub fn standing(&self) -> Standing {
        let today = &self.today.tally;
        let today = match (today.deauthorized_at, today.total(true)) {
            (Some(_), _) => Standing::Alarm,
            (None, 1..) => Standing::Warning,
            (None, 0) => Standing::Ok,
        };
        let recorded = self.recorded.as_ref().map(WebhookHealth::standing);
        let ended = self.ended_at.map(|_| Standing::Alarm);
        today.max(recorded.max(ended).unwrap_or(Standing::Ok))
    }
}

/// Reads the health of webhooks.
#[derive(Clone)]
pub struct ReadWebhookHealth {
    /// State.
    pub state: Arc<dyn State>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for ReadWebhookHealth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadWebhookHealth")
    }
}

impl ReadWebhookHealth {
    /// The caller's project; `None` when it is gone.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn get(&self, ctx: &TenantCtx) -> Result<Option<WebhookView>, RecordError> {
        let state = self.state.as_ref();
        let Some(project) = Directory::of(state).project(ctx.project()).await? else {
            return Ok(None);
        };
        let records = Records::of(state, ctx);
        let now = self.clock.now();
        let today = day_of(now);
        let recorded = records.get::<WebhookHealth>(LATEST).await?;
        let recorded = recorded.map(|found| found.value);
        let ended_at = ended_since(&records, &project.value).await?;
        let counted = tally(state, ctx, today).await?;
        // Between midnight and its entry, yesterday is not in the row yet.
        let yesterday = match today.checked_sub(1) {
            Some(day) if recorded.as_ref().is_none_or(|it| it.day < day) => {
                tally(state, ctx, day).await?
            }
            _ => Tally::default(),
        };
        let known = recorded.as_ref().and_then(|it| it.last_at);
        let last_at = known.max(yesterday.last_at).max(counted.last_at);
        Ok(Some(WebhookView {
            last_at,
            today: WebhookHealth {
                day: today,
                tally: counted,
                missed: None,
                last_at,
            },
            recorded,
            ended_at,
            now,
        }))
    }
}
