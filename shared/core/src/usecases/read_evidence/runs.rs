//! The checks, scans and governed runs of a project, newest first.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::{Page, PageOf, ReadEvidence, ReadEvidenceError};
use crate::governed_run::{GovernedRun, RunState};
use crate::ids::RunId;
use crate::records::{Records, Versioned};
use crate::run::{Run, RunResult};
use crate::tenancy::TenantCtx;

/// The name of the list in its cursors.
const ROUTE: &str = "GET /v1/runs";

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It has not ended.
    Open,
    /// Both sides were read whole.
    Complete,
    /// Something could not be read whole.
    Partial,
    /// Nothing could be compared.
    Failed,
    /// Its worker died.
    Aborted,
    /// A governed run that its caller ended.
    Completed,
    /// A governed run whose time was over.
    Expired,
}

impl RunStatus {
    /// Of a run.
    pub const fn of(run: &Run) -> Self {
        match run.result {
            None => Self::Open,
            Some(RunResult::Complete) => Self::Complete,
            Some(RunResult::Partial) => Self::Partial,
            Some(RunResult::Failed) => Self::Failed,
            Some(RunResult::Aborted) => Self::Aborted,
        }
    }

    /// Of a governed run.
    pub const fn of_governed(run: &GovernedRun) -> Self {
        match run.state {
            RunState::Open => Self::Open,
            RunState::Completed => Self::Completed,
            RunState::Failed => Self::Failed,
            RunState::Aborted => Self::Aborted,
            RunState::Expired => Self::Expired,
        }
    }
}

/// What governed runs are listed as caused by.
const GOVERNED: &str = "governed";

/// A run of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedRun {
    /// A check or a scan.
    Reconciled(Box<Versioned<Run>>),
    /// What an agent does.
    Governed(Box<Versioned<GovernedRun>>),
}

impl ListedRun {
    /// Its id.
    pub fn id(&self) -> RunId {
        match self {
            Self::Reconciled(run) => run.value.id,
            Self::Governed(run) => run.value.id,
        }
    }

    fn status(&self) -> RunStatus {
        match self {
            Self::Reconciled(run) => RunStatus::of(&run.value),
            Self::Governed(run) => RunStatus::of_governed(&run.value),
        }
    }

    fn purpose(&self) -> &str {
        match self {
            Self::Reconciled(run) => &run.value.reason,
            Self::Governed(_) => GOVERNED,
        }
    }
}

/// Which runs. Every condition must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunFilter {
    /// What caused it: `schedule`, `webhook`, `asked`, `manual`, `repair`, `governed`.
    pub purpose: Option<String>,
    /// Where it is.
    pub status: Option<RunStatus>,
}

impl RunFilter {
    fn fits(&self, run: &ListedRun) -> bool {
        let purpose = self.purpose.as_ref();
        purpose.is_none_or(|purpose| *purpose == run.purpose())
            && self.status.is_none_or(|status| status == run.status())
    }
}

impl ReadEvidence {
    /// Checks, scans and governed runs of the caller's project, newest first. Runs of repairs and of acts of people
    /// are in evidence only.
    ///
    /// # Errors
    /// [`ReadEvidenceError::Invalid`] when the cursor is not of this list.
    pub async fn runs(
        &self,
        ctx: &TenantCtx,
        filter: &RunFilter,
        page: PageOf<'_>,
    ) -> Result<Page<ListedRun>, ReadEvidenceError> {
        let cursors = self.cursors(ctx, ROUTE, filter).await?;
        let records = Records::of(self.state.as_ref(), ctx);
        let reconciled = records.list::<Run>().await?.into_iter();
        let mut items: Vec<ListedRun> = reconciled
            .map(|run| ListedRun::Reconciled(Box::new(run)))
            .collect();
        let governed = records.list::<GovernedRun>().await?.into_iter();
        items.extend(governed.map(|run| ListedRun::Governed(Box::new(run))));
        items.retain(|run| filter.fits(run));
        let newest_first = |run: &ListedRun| Reverse(run.id());
        Ok(cursors.page(items, newest_first, page)?)
    }
}
