//! The package of a run that is there already.

use super::{ReadEvidence, ReadEvidenceError};
use crate::export::{Export, ExportScope, ExportState};
use crate::ids::{ExportId, RunId};
use crate::records::Records;
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

impl ReadEvidence {
    /// The newest export of a run that is being made or can still be fetched; `None` where there is none,
    /// also for what is no run of the caller's project. Nothing is made.
    ///
    /// # Errors
    /// When the exports cannot be read.
    pub async fn package_of(
        &self,
        ctx: &TenantCtx,
        run: &str,
        now: Timestamp,
    ) -> Result<Option<ExportId>, ReadEvidenceError> {
        let Ok(run_id) = run.parse::<RunId>() else {
            return Ok(None);
        };
        let wanted = ExportScope::Run { run_id };
        let records = Records::of(self.state.as_ref(), ctx);
        let exports = records.list::<Export>().await?.into_iter();
        let exports = exports.map(|it| it.value).filter(|it| {
            let ended = it.expires_at().is_some_and(|end| end <= now);
            it.scope == wanted && it.state != ExportState::Failed && !ended
        });
        let newest = exports.max_by_key(|it| (it.asked_at, it.id));
        Ok(newest.map(|it| it.id))
    }
}
