//! The checks and scans of a project, newest first.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::{Page, PageOf, ReadEvidence, ReadEvidenceError};
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
}

/// Which runs. Every condition must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunFilter {
    /// What caused it: `schedule`, `webhook`, `asked`, `manual`, `repair`.
    pub purpose: Option<String>,
    /// Where it is.
    pub status: Option<RunStatus>,
}

impl RunFilter {
    fn fits(&self, run: &Run) -> bool {
        let purpose = self.purpose.as_ref();
        purpose.is_none_or(|purpose| *purpose == run.reason)
            && self
                .status
                .is_none_or(|status| status == RunStatus::of(run))
    }
}

impl ReadEvidence {
    /// Checks and scans of the caller's project, newest first. Runs of repairs and of acts of people
    /// are in evidence only.
    ///
    /// # Errors
    /// [`ReadEvidenceError::Invalid`] when the cursor is not of this list.
    pub async fn runs(
        &self,
        ctx: &TenantCtx,
        filter: &RunFilter,
        page: PageOf<'_>,
    ) -> Result<Page<Versioned<Run>>, ReadEvidenceError> {
        let cursors = self.cursors(ctx, ROUTE, filter).await?;
        let records = Records::of(self.state.as_ref(), ctx);
        let mut items = records.list::<Run>().await?;
        items.retain(|run| filter.fits(&run.value));
        let newest_first = |run: &Versioned<Run>| Reverse(run.value.id);
        Ok(cursors.page(items, newest_first, page)?)
    }
}
