//! One scan of a project at a time.
//!
//! Two scans that overlap would write what each saw at another time over the other's. So a scan is
//! opened only in the transaction that takes the turn, and nobody takes it while the run that has it
//! is at work. Nothing gives it back: a run that is done has it no longer, whoever closed it.

use serde::{Deserialize, Serialize};

use super::Scans;
use crate::ids::RunId;
use crate::ports::StateWrite;
use crate::records::{Record, RecordError, Records};
use crate::run::{Run, RunResult, RunStep};
use crate::tenancy::TenantCtx;
use crate::usecases::reconcile::ReconcileError;

/// The id of the row.
const TURN: &str = "scan";

/// Whose turn it is. One row per project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ScanTurn {
    run: RunId,
    /// The newest scan before it that was complete.
    complete: Option<RunId>,
}

impl Record for ScanTurn {
    const FAMILY: &'static str = "scan-turn";

    fn id(&self) -> String {
        TURN.to_owned()
    }
}

/// Whether a scan may open.
pub(super) enum Turn {
    /// With this write in the same transaction.
    Free(Box<StateWrite>),
    /// This one is at work.
    Taken(Box<Run>),
}

impl Scans {
    /// The turn for `run`, unless another scan is at work.
    pub(super) async fn turn(&self, ctx: &TenantCtx, run: RunId) -> Result<Turn, ReconcileError> {
        let records = Records::of(self.reconcile.state.as_ref(), ctx);
        let Some(turn) = records.get::<ScanTurn>(TURN).await? else {
            let first = ScanTurn {
                run,
                complete: None,
            };
            return Ok(Turn::Free(Box::new(records.create(&first)?)));
        };
        let holder = records.get::<Run>(&turn.value.run.to_string()).await?;
        let complete = match holder.map(|holder| holder.value) {
            Some(holder) if holder.step != RunStep::Done => {
                return Ok(Turn::Taken(Box::new(holder)));
            }
            Some(holder) if holder.result == Some(RunResult::Complete) => Some(holder.id),
            _ => turn.value.complete,
        };
        let next = ScanTurn { run, complete };
        Ok(Turn::Free(Box::new(records.replace(turn.version, &next)?)))
    }
}

/// How many customers the last complete scan has counted; `None` before the first one.
pub(in crate::usecases) async fn customers_of_last_scan(
    records: &Records<'_>,
) -> Result<Option<u64>, RecordError> {
    let Some(turn) = records.get::<ScanTurn>(TURN).await? else {
        return Ok(None);
    };
    for run in [Some(turn.value.run), turn.value.complete]
        .into_iter()
        .flatten()
    {
        let run = records.get::<Run>(&run.to_string()).await?;
        if let Some(run) = run.filter(|run| run.value.result == Some(RunResult::Complete)) {
            return Ok(Some(run.value.counts.customers));
        }
    }
    Ok(None)
}
