//! How often a project is scanned: what is set, what that costs, and who may change it.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use thiserror::Error;

use crate::json::JsonError;
use crate::policy::{Judgement, Question};
use crate::ports::{AppendError, Batch, Clock, EvidenceAppend, PortError, Random, State};
use crate::records::{Directory, Record, RecordError, Records, Versioned};
use crate::run::Run;
use crate::scan::{
    AccountSize, Allowance, Cadence, Estimate, ScanSchedule, TooDear, changed_in, in_full,
    last_complete,
};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::{change, target_named};
use crate::usecases::governed::{DECISION, Governed, Judging, Terms};

/// Why the schedule was not changed.
#[derive(Debug, Error)]
pub enum ScheduleError {
    /// A field breaks a rule: 400.
    #[error("{field} {rule}")]
    Invalid {
        /// The field, as a pointer.
        field: &'static str,
        /// The rule, with its bounds.
        rule: &'static str,
    },
    /// It would use too many of Stripe's reads: 400.
    #[error(transparent)]
    TooDear(#[from] TooDear),
    /// Nobody knows yet what a scan costs: 409.
    #[error("no scan has been complete yet: only less frequent scans than now can be set")]
    NotMeasured,
    /// Somebody changed the setting in the meantime: 412.
    #[error("the setting has changed: read it again")]
    Changed,
    /// Policy said no, and this is recorded: 403.
    #[error("policy denies this: {}", .0.reason)]
    Denied(Judgement),
    /// No such project: 404.
    #[error("there is no such record")]
    NotFound,
    /// Evidence could not be written: 503.
    #[error("evidence could not be written: nothing was changed")]
    Evidence(#[from] AppendError),
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read or written: 503.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

/// The setting, and what it comes to by the last complete scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleView {
    /// What is set; version 0 where nothing was chosen yet.
    pub setting: Versioned<ScanSchedule>,
    /// Reads that scans may use in 30 days.
    pub allowed: u64,
    /// What was measured; `None` before the first complete scan.
    pub measured: Option<Measured>,
}

/// What scans of this account come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Reads of Stripe that the schedule uses in 30 days.
    pub reads: u64,
    /// Whether these are more than allowed. A schedule that was within its share when it was set can
    /// grow beyond it with the account.
    pub too_dear: Option<TooDear>,
    /// How long a full scan takes, without the race grace.
    pub full_scan: Duration,
}

/// Reads and changes the schedule of a project.
#[derive(Clone)]
pub struct KeepSchedule {
    /// Evidence to write.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// State.
    pub state: Arc<dyn State>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
    /// Requests per second that may go to the account.
    pub rate: u64,
}

impl std::fmt::Debug for KeepSchedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeepSchedule")
    }
}

impl KeepSchedule {
    /// The schedule of the caller's project.
    pub async fn read(&self, ctx: &TenantCtx) -> Result<ScheduleView, ScheduleError> {
        let setting = schedule(&Records::of(self.state.as_ref(), ctx)).await?;
        let account = self.account(ctx).await?;
        Ok(self.view(setting, account))
    }

    /// Whether the caller may change the schedule at all; records nothing. It comes before what they sent.
    ///
    /// # Errors
    /// [`ScheduleError::Denied`].
    pub async fn admit(&self, ctx: &TenantCtx) -> Result<(), ScheduleError> {
        let judged = self.judge(ctx).await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(ScheduleError::Denied(judged.judgement))
        }
    }

    /// Changes the schedule: the decision of one admin or owner.
    ///
    /// # Errors
    /// [`ScheduleError::TooDear`] when it would use more than its share of Stripe's reads;
    /// [`ScheduleError::Denied`] when policy refuses, which is recorded.
    pub async fn change(
        &self,
        ctx: &TenantCtx,
        wanted: ScanSchedule,
        version: u64,
    ) -> Result<ScheduleView, ScheduleError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let now = schedule(&records).await?;
        if let Some((field, rule)) = wanted.fault() {
            return Err(ScheduleError::Invalid { field, rule });
        }
        if now.version != version {
            return Err(ScheduleError::Changed);
        }
        let judged = self.judge(ctx).await?;
        let directory = Directory::of(self.state.as_ref());
        let project = directory.project(ctx.project()).await?;
        let stream = project.ok_or(ScheduleError::NotFound)?.value;
        let stream = stream.stream_id()?;
        let mut drafts = judged.opened(ctx.principal(), None)?;
        if !judged.allowed() {
            drafts.push(judged.closing());
            self.evidence.append(stream, Batch::of(drafts)).await?;
            return Err(ScheduleError::Denied(judged.judgement));
        }
        let account = self.account(ctx).await?;
        match &account {
            Some(account) => drop(account.judge(&wanted)?),
            None if wanted.is_more_often_than(&now.value) => {
                return Err(ScheduleError::NotMeasured);
            }
            None => {}
        }
        drafts.push(changed(ctx, &now.value, &wanted));
        let entry = DECISION.saturating_add(1);
        drafts.push(judged.closing());
        let write = match version {
            0 => records.create(&wanted)?,
            version => records.replace(version, &wanted)?,
        };
        let batch = Batch::of(drafts).with(write.explained_by(entry));
        let entries = match self.evidence.append(stream, batch).await {
            Ok(entries) => entries,
            Err(AppendError::StateChanged { .. }) => return Err(ScheduleError::Changed),
            Err(error) => return Err(error.into()),
        };
        let setting = Versioned {
            value: wanted,
            version: version.saturating_add(1),
            evidence: entries.get(entry).cloned(),
        };
        Ok(self.view(setting, account))
    }

    fn view(&self, setting: Versioned<ScanSchedule>, account: Option<Account>) -> ScheduleView {
        let measured = account.map(|account| {
            let judged = account.judge(&setting.value);
            Measured {
                reads: judged.unwrap_or_else(|error| error.reads),
                too_dear: judged.err(),
                full_scan: Estimate::of(account.size, self.rate).total(),
            }
        });
        ScheduleView {
            allowed: Allowance::of(setting.value.transactions).reads(),
            setting,
            measured,
        }
    }

    /// What scans have counted so far; `None` before the first complete one.
    async fn account(&self, ctx: &TenantCtx) -> Result<Option<Account>, ScheduleError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let runs = records.list::<Run>().await?;
        let runs: Vec<Run> = runs.into_iter().map(|run| run.value).collect();
        let size = last_complete(&runs).map(|run| AccountSize::counted(&run.counts));
        Ok(size.map(|size| Account { size, runs }))
    }

    async fn judge(&self, ctx: &TenantCtx) -> Result<Governed, ScheduleError> {
        let question = Question::ChangeSetting {
            name: "scan_schedule",
            loosening: false,
        };
        let judging = Judging {
            state: self.state.as_ref(),
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
        };
        Ok(judging.in_project(ctx, &question, Terms::default()).await?)
    }
}

/// What is known of the account.
struct Account {
    size: AccountSize,
    runs: Vec<Run>,
}

impl Account {
    fn judge(&self, schedule: &ScanSchedule) -> Result<u64, TooDear> {
        let every = schedule.incremental_every_hours;
        let cadence = Cadence {
            full_every: schedule.full_every_hours,
            incremental_every: every,
            dirty: every.map_or(0, |hours| changed_in(&self.runs, hours)),
            in_full: in_full(&self.runs),
        };
        Allowance::of(schedule.transactions).judge(self.size, cadence)
    }
}

fn changed(ctx: &TenantCtx, before: &ScanSchedule, after: &ScanSchedule) -> Draft {
    let side = |schedule: &ScanSchedule| {
        object([
            (
                "incremental_every_hours",
                schedule
                    .incremental_every_hours
                    .map_or(Json::Null, Json::uint),
            ),
            ("full_every_hours", Json::uint(schedule.full_every_hours)),
            ("transactions", Json::uint(schedule.transactions)),
        ])
    };
    let facts = change(
        ctx.principal(),
        target_named("setting", "scan_schedule"),
        [],
    );
    Draft::new(Kind::ConfigChanged, facts)
        .subject(object([("after", side(after)), ("before", side(before))]))
        .cite("decision", DECISION)
}

/// What is set; the default, at version 0, where nothing is.
pub(super) async fn schedule(
    records: &Records<'_>,
) -> Result<Versioned<ScanSchedule>, RecordError> {
    let found = records.get(&ScanSchedule::default().id()).await?;
    Ok(found.unwrap_or_else(|| Versioned {
        value: ScanSchedule::default(),
        version: 0,
        evidence: None,
    }))
}
