//! One scan of a project at a time.
//!
//! Two scans that overlap would write what each saw at another time over the other's. So a scan is
//! opened only in the transaction that takes the turn, and nobody takes it while the run that has it
//! is at work. Nothing gives it back: a run that is done has it no longer, whoever closed it.

use serde::{Deserialize, Serialize};

use super::Scans;
use crate::ids::RunId;
use crate::ports::StateWrite;
use crate::records::{Record, Records};
use crate::run::{Run, RunStep};
use crate::tenancy::TenantCtx;
use crate::usecases::reconcile::ReconcileError;

/// Whose turn it is. One row per project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ScanTurn {
    run: RunId,
}

impl Record for ScanTurn {
    const FAMILY: &'static str = "scan-turn";

    fn id(&self) -> String {
        "scan".to_owned()
    }
}

/// Whether a scan may open.
pub(super) enum Turn {
    /// With this write in the same transaction.
    Free(StateWrite),
    /// This one is at work.
    Taken(Box<Run>),
}

impl Scans {
    /// The turn for `run`, unless another scan is at work.
    pub(super) async fn turn(&self, ctx: &TenantCtx, run: RunId) -> Result<Turn, ReconcileError> {
        let records = Records::of(self.reconcile.state.as_ref(), ctx);
        let next = ScanTurn { run };
        let Some(turn) = records.get::<ScanTurn>(&next.id()).await? else {
            return Ok(Turn::Free(records.create(&next)?));
        };
        let holder = records.get::<Run>(&turn.value.run.to_string()).await?;
        match holder.map(|holder| holder.value) {
            Some(holder) if holder.step != RunStep::Done => Ok(Turn::Taken(Box::new(holder))),
            _ => Ok(Turn::Free(records.replace(turn.version, &next)?)),
        }
    }
}
