//! Duties that several functions have, each with its own rights.

use counterfoil_core::usecases::Rewrap;
use lambda_runtime::Error;
use serde_json::{Value, json};

use crate::telemetry::chain;

/// Wraps data keys anew. Logs each failure, and fails if there was one: then the alarm of the
/// function rings, and the schedule comes again.
///
/// # Errors
/// When a key could not be wrapped anew; the others were.
pub async fn rewrap(rewrap: &Rewrap) -> Result<Value, Error> {
    let summary = rewrap.run().await?;
    let (done, gone, more) = (summary.done, summary.gone, summary.more);
    tracing::info!(done, gone, more, failed = summary.failed.len(), "rewrap");
    for failure in &summary.failed {
        tracing::error!(
            project.id = failure.project.to_string(),
            purpose = failure.purpose.name(),
            cause = chain(&failure.error),
            "data key not wrapped anew"
        );
    }
    match summary.failed.into_iter().next() {
        Some(failure) => Err(failure.error.into()),
        None => Ok(json!({ "done": done, "gone": gone, "more": more })),
    }
}
