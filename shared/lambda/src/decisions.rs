//! A decision by its id, for the route of the API and for the tool of agents.

use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{
    DecisionRecord, GovernedRuns, ReadEvidence, ReadEvidenceError, RecordedDecision, RunError,
};

use crate::{Problem, refusals};

/// A decision that was found.
#[derive(Debug)]
pub enum Found {
    /// As its entry tells it.
    Recorded(RecordedDecision),
    /// A preview, which no entry records, or one whose entry is out of reach of the search.
    Indexed(DecisionRecord),
}

/// Any decision of the caller's project, whatever was judged.
///
/// # Errors
/// What the route answers: the same for what is absent and for what is another's.
pub async fn find(
    runs: &GovernedRuns,
    evidence: &ReadEvidence,
    ctx: &TenantCtx,
    id: &str,
) -> Result<Found, Problem> {
    let indexed = match runs.decision(ctx, id).await {
        Ok(found) => Some(found.value),
        Err(RunError::NotFound) => None,
        Err(error) => return Err(refusals::governed(&error)),
    };
    if let Some(preview) = indexed.as_ref().filter(|it| it.preview) {
        return Ok(Found::Indexed(preview.clone()));
    }
    match (evidence.decision(ctx, id).await, indexed) {
        (Ok(found), _) => Ok(Found::Recorded(found)),
        (Err(ReadEvidenceError::NotFound), Some(indexed)) => Ok(Found::Indexed(indexed)),
        (Err(error), _) => Err(refusals::evidence(&error)),
    }
}
