//! The health of a project's webhook: what came, how late, what was refused; once a day as
//! `observation.recorded` (evidence-format section 6).
//!
//! The function that takes deliveries only counts; it has no right to evidence. A day is recorded
//! when it has been over for a while, so that every process has written its counts.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::facts::{actor, target};
use super::receive_webhook::TallyRow;
use crate::ids::ProjectId;
use crate::ports::{AppendError, Batch, Clock, EvidenceAppend, PortError, State};
use crate::records::{Directory, Project, Record, RecordError, Records};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::webhook::{Tally, day_of};

/// How long after its end a day is recorded.
const SETTLED: Duration = Duration::from_mins(15);

/// Days that are recorded later when the schedule did not run: as long as counts are kept.
const CATCH_UP: u64 = 30;

/// The last day that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Recorded {
    day: u64,
}

impl Record for Recorded {
    const FAMILY: &'static str = "webhook-health";

    fn id(&self) -> String {
        LATEST.to_owned()
    }
}

const LATEST: &str = "latest";

/// Why a day was not recorded. The next run of the schedule tries again.
#[derive(Debug, Error)]
pub enum HealthError {
    /// A record could not be read or written.
    #[error("the counts could not be read")]
    Record(#[from] RecordError),
    /// A port did not answer.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// The entry could not be appended.
    #[error("the day could not be recorded")]
    Evidence(#[from] AppendError),
}

/// Records the health of webhooks.
#[derive(Clone)]
pub struct RecordWebhookHealth {
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// Counts, and which day was recorded last.
    pub state: Arc<dyn State>,
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
        let known = records.get::<Recorded>(LATEST).await?;
        let oldest = last.saturating_sub(CATCH_UP);
        let first = known
            .as_ref()
            .map_or(last, |known| known.value.day.saturating_add(1).max(oldest));
        let mut version = known.map(|known| known.version);
        let mut days = 0;
        for day in first..=last {
            if !self.record_day(&ctx, project, day, version).await? {
                break;
            }
            version = Some(version.unwrap_or(0).saturating_add(1));
            days += 1;
        }
        Ok(days)
    }

    /// What was counted on a day, by all processes.
    ///
    /// # Errors
    /// When the counts cannot be read.
    pub async fn tally(&self, ctx: &TenantCtx, day: u64) -> Result<Tally, HealthError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let key = records.key::<TallyRow>(&TallyRow::of_day(day));
        let rows = self.state.list(&key.pk, &key.sk).await?;
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

    /// `false` when somebody else recorded the day meanwhile.
    async fn record_day(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        day: u64,
        version: Option<u64>,
    ) -> Result<bool, HealthError> {
        let tally = self.tally(ctx, day).await?;
        let mut drafts = vec![Draft::new(
            Kind::ObservationRecorded,
            health(ctx, project, day, &tally),
        )];
        if tally.total(true) > 0 {
            let facts = refused(ctx, project, day, &tally);
            drafts.push(Draft::new(Kind::ObservationRecorded, facts));
        }
        let records = Records::of(self.state.as_ref(), ctx);
        let row = Recorded { day };
        let write = match version {
            None => records.create(&row)?,
            Some(version) => records.replace(version, &row)?,
        };
        let batch = Batch::of(drafts).with(write.explained_by(0));
        match self.evidence.append(project.stream_id()?, batch).await {
            Ok(_) => Ok(true),
            Err(AppendError::StateChanged { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn observed(
    ctx: &TenantCtx,
    project: &Project,
    topic: &'static str,
    result: &'static str,
    day: u64,
) -> Vec<(&'static str, Json)> {
    vec![
        ("actor", actor(ctx.principal())),
        ("day", date(day).into()),
        ("result", result.into()),
        ("target", target("project", project.id)),
        ("topic", topic.into()),
    ]
}

/// `2026-11-23`.
fn date(day: u64) -> String {
    let start = Timestamp::from_millis(day.saturating_mul(86_400_000));
    start.to_string().chars().take(10).collect()
}

fn counts(tally: &Tally, refused: bool) -> Json {
    let kept = tally
        .counts
        .iter()
        .filter(|(it, _)| it.refused() == refused);
    object(kept.map(|(outcome, count)| (outcome.name(), Json::uint(*count))))
}

fn health(ctx: &TenantCtx, project: &Project, day: u64, tally: &Tally) -> Json {
    let (taken, refused) = (tally.total(false), tally.total(true));
    let result = match (tally.deauthorized_at, taken, refused) {
        (Some(_), _, _) => "alarm",
        (None, 0, _) | (None, _, 1..) => "warning",
        _ => "ok",
    };
    let mut fields = observed(ctx, project, "webhook.health", result, day);
    fields.push(("counts", counts(tally, false)));
    fields.push(("max_lag_ms", Json::uint(tally.max_lag_ms)));
    fields.push(("refused", Json::uint(refused)));
    fields.push(("taken", Json::uint(taken)));
    let at = |at: Timestamp| Json::uint(at.as_millis());
    fields.extend(tally.last_at.map(|last| ("last_at", at(last))));
    fields.extend(
        tally
            .deauthorized_at
            .map(|end| ("deauthorized_at", at(end))),
    );
    object(fields)
}

fn refused(ctx: &TenantCtx, project: &Project, day: u64, tally: &Tally) -> Json {
    let mut fields = observed(ctx, project, "webhook.refused", "warning", day);
    fields.push(("counts", counts(tally, true)));
    object(fields)
}
