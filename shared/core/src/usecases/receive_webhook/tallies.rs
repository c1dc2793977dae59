//! Counting deliveries without a call of their own.
//!
//! Each process counts in memory and keeps one row per project and day, which nobody else writes.
//! The row travels with the write that remembers an event. Deliveries that write nothing, such as
//! refused ones, wait for the next write, or cause one of their own at most once a minute: whoever
//! sends rubbish cannot make the product write for each piece. A process that ends takes at most
//! its last minute of such counts with it, so they are lower bounds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ReceiveWebhook;
use crate::ids::ProjectId;
use crate::ports::{Expect, StateWrite};
use crate::records::{Directory, Project, Record, RecordError, Records};
use crate::time::Timestamp;
use crate::webhook::{Outcome, Tally, day_of};

/// How often counts are written that no other write takes along.
const FLUSH: Duration = Duration::from_mins(1);

/// How long a row is kept.
const KEEP: Duration = Duration::from_hours(35 * 24);

/// What one process counted for one project on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::usecases) struct TallyRow {
    /// Days since 1970.
    day: u64,
    /// The process.
    process: String,
    /// Its counts.
    pub(in crate::usecases) tally: Tally,
}

impl Record for TallyRow {
    const FAMILY: &'static str = "webhook-tally";

    fn id(&self) -> String {
        format!("{}{}", TallyRow::of_day(self.day), self.process)
    }
}

impl TallyRow {
    /// What the ids of all rows of a day begin with.
    pub(in crate::usecases) fn of_day(day: u64) -> String {
        format!("{day:08}#")
    }
}

/// The counts of one process.
#[derive(Clone)]
pub struct Tallies {
    process: String,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    rows: BTreeMap<(ProjectId, u64), TallyRow>,
    written: BTreeMap<ProjectId, Timestamp>,
}

impl std::fmt::Debug for Tallies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tallies")
    }
}

impl Tallies {
    /// Nothing counted yet. `process` tells this process from all others.
    pub fn new(process: u128) -> Self {
        Self {
            process: format!("{process:032x}"),
            inner: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(
        &self,
        project: ProjectId,
        outcome: Outcome,
        now: Timestamp,
        created: Option<Timestamp>,
    ) {
        let day = day_of(now);
        let new = || TallyRow {
            day,
            process: self.process.clone(),
            tally: Tally::default(),
        };
        let mut inner = self.lock();
        let row = inner.rows.entry((project, day)).or_insert_with(new);
        row.tally.count(outcome, now, created);
    }

    fn rows(&self, project: ProjectId) -> Vec<TallyRow> {
        let inner = self.lock();
        let days = inner.rows.range((project, 0)..=(project, u64::MAX));
        days.map(|(_, row)| row.clone()).collect()
    }

    /// Rows of earlier days change no more.
    fn written(&self, project: ProjectId, now: Timestamp) {
        let today = day_of(now);
        let mut inner = self.lock();
        inner.written.insert(project, now);
        inner
            .rows
            .retain(|(of, day), _| *of != project || *day >= today);
    }

    fn is_due(&self, project: ProjectId, now: Timestamp) -> bool {
        let inner = self.lock();
        let last = inner.written.get(&project);
        last.is_none_or(|last| now.since(*last) >= FLUSH)
    }
}

impl ReceiveWebhook {
    /// Counts a delivery that another write, or none, goes with.
    pub(super) fn count(
        &self,
        project: &Project,
        outcome: Outcome,
        now: Timestamp,
        created: Option<Timestamp>,
    ) {
        self.tallies.count(project.id, outcome, now, created);
    }

    /// The writes that keep the counts of a project.
    pub(super) fn tally_writes(&self, project: &Project) -> Result<Vec<StateWrite>, RecordError> {
        let ctx = Directory::system(project, "webhook");
        let records = Records::of(self.state.as_ref(), &ctx);
        let rows = self.tallies.rows(project.id);
        let write = |row: &TallyRow| {
            let end = Timestamp::from_millis(row.day.saturating_mul(86_400_000));
            let mut write = records.create(row)?.until(end.plus(KEEP));
            // Only this process writes the row.
            write.expect = Expect::Anything;
            Ok(write)
        };
        rows.iter().map(write).collect()
    }

    /// Writes `more` together with the counts.
    pub(super) async fn write_with_tally(
        &self,
        project: &Project,
        now: Timestamp,
        mut more: Vec<StateWrite>,
    ) -> Result<(), RecordError> {
        more.extend(self.tally_writes(project)?);
        self.state.write(more).await?;
        self.tallies.written(project.id, now);
        Ok(())
    }

    /// Writes the counts when they have waited long enough. They stay in memory when it fails.
    pub(super) async fn flush(&self, project: &Project, now: Timestamp) {
        if self.tallies.is_due(project.id, now) {
            drop(self.write_with_tally(project, now, Vec::new()).await);
        }
    }
}
