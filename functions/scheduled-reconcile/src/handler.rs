//! From a queue batch or a schedule to the use case and back.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use counterfoil_core::ids::ProjectId;
use counterfoil_core::ports::{CheckRequest, ScanRequest};
use counterfoil_core::records::RecordError;
use counterfoil_core::scan::Due;
use counterfoil_core::sealed::Purpose;
use counterfoil_core::usecases::{
    ConnectionError, Connections, GovernedRuns, ReconcileError, Rewrap, RunSummary, Scans,
    SweepRuns, SweptRuns,
};
use counterfoil_lambda::telemetry::chain;
use counterfoil_lambda::{Error, duty};
use serde::Deserialize;
use serde_json::{Value, json};

/// A message of either queue: their jobs have different names.
#[derive(Debug)]
enum Message {
    Check(CheckRequest),
    Scan(ScanRequest),
}

impl Message {
    fn read(body: &str) -> Result<Self, serde_json::Error> {
        match serde_json::from_str(body) {
            Ok(scan) => Ok(Self::Scan(scan)),
            Err(_) => Ok(Self::Check(serde_json::from_str(body)?)),
        }
    }
}

/// Handles one invocation: a batch of a queue, or a schedule that asks for a scan or for a look at
/// the credentials.
///
/// # Errors
/// When the event is none of these, or when what it asks for is not done.
pub async fn handle(scans: Scans, connections: Connections, event: &Value) -> Result<Value, Error> {
    if event.get("Records").is_some() {
        return batch(&scans, &connections, SqsEvent::deserialize(event)?).await;
    }
    match event.pointer("/detail/job").and_then(Value::as_str) {
        Some("due") => due(&scans).await,
        Some("runs") => end_runs(&scans).await,
        Some("scan") => all(&scans, Due::Full).await,
        Some("incremental") => all(&scans, Due::Incremental).await,
        Some("probe") => probe(&connections).await,
        Some("rewrap") => duty::rewrap(&rewrap(connections)).await,
        _ => Err("this function takes a queue batch or the jobs `due`, `runs`, `scan`, `incremental`, `probe` and `rewrap`".into()),
    }
}

/// For how long one invocation wraps data keys anew; the function ends after 15 minutes.
const REWRAP_WITHIN: Duration = Duration::from_mins(10);

/// The reading credentials and the keys of the pseudonyms.
fn rewrap(connections: Connections) -> Rewrap {
    Rewrap {
        state: connections.state,
        vault: connections.vault,
        clock: connections.clock,
        purposes: &[Purpose::Read, Purpose::Pseudonym],
        within: REWRAP_WITHIN,
    }
}

/// A project whose other side does not answer is asked again with the next look.
async fn probe(connections: &Connections) -> Result<Value, Error> {
    let (mut probed, mut failed, mut recorded) = (0_u32, 0_u32, 0_usize);
    for (project, result) in connections.probe_all().await? {
        let project = project.to_string();
        match result {
            Ok(summary) => {
                probed = probed.saturating_add(1);
                recorded = recorded.saturating_add(summary.recorded);
                tracing::info!(project.id = project, standing = ?summary.standing, "probe");
            }
            Err(error) => {
                failed = failed.saturating_add(1);
                tracing::warn!(project.id = project, cause = chain(&error), "not probed");
            }
        }
    }
    Ok(json!({ "probed": probed, "failed": failed, "recorded": recorded }))
}

/// What is due by each project's own schedule.
async fn due(scans: &Scans) -> Result<Value, Error> {
    started(scans.scan_due().await?)
}

/// Ends governed runs that nobody came back to.
async fn end_runs(scans: &Scans) -> Result<Value, Error> {
    let ports = &scans.reconcile;
    let sweep = SweepRuns {
        runs: GovernedRuns {
            evidence: ports.evidence.clone(),
            state: ports.state.clone(),
            clock: ports.clock.clone(),
            random: ports.random.clone(),
        },
    };
    let SweptRuns {
        expired,
        aborted,
        ended,
        failed,
    } = sweep.sweep().await?;
    tracing::info!(
        expired,
        aborted,
        ended,
        failed = failed.len(),
        "governed runs"
    );
    for (project, run, error) in &failed {
        tracing::error!(
            project.id = project.to_string(),
            run.id = run.map(|run| run.to_string()),
            cause = chain(error.as_ref()),
            "a governed run could not be ended"
        );
    }
    if failed.is_empty() {
        Ok(json!({ "expired": expired, "aborted": aborted, "ended": ended }))
    } else {
        Err(format!(
            "{} governed runs could not be ended; see the log",
            failed.len()
        )
        .into())
    }
}

/// A scan of every project, whatever is due.
async fn all(scans: &Scans, wanted: Due) -> Result<Value, Error> {
    let all = scans.scan_all(wanted).await?.into_iter();
    started(all.map(|(project, result)| (project, result.map(Some))))
}

fn started(
    results: impl IntoIterator<Item = (ProjectId, Result<Option<RunSummary>, ReconcileError>)>,
) -> Result<Value, Error> {
    let mut failed = 0_u32;
    let mut runs = Vec::new();
    for (project, result) in results {
        match result {
            Ok(Some(summary)) => {
                log(&summary);
                runs.push(summary.run.to_string());
            }
            Ok(None) => {}
            Err(error) => {
                failed = failed.saturating_add(1);
                let project = project.to_string();
                tracing::error!(
                    project.id = project,
                    cause = chain(&error),
                    "the schedule of a project failed"
                );
            }
        }
    }
    if failed > 0 {
        return Err(format!("{failed} projects could not be scanned; see the log").into());
    }
    Ok(json!({ "runs": runs }))
}

/// Every message on its own: one that fails comes again, the others do not.
async fn batch(scans: &Scans, connections: &Connections, batch: SqsEvent) -> Result<Value, Error> {
    let mut failures = Vec::new();
    for message in batch.records {
        let id = message.message_id.unwrap_or_default();
        let body = message.body.unwrap_or_default();
        match Message::read(&body) {
            Ok(Message::Check(CheckRequest::Connection { project, .. })) => {
                if let Err(error) = look_at_key(connections, project).await {
                    tracing::error!(message.id = id, cause = chain(&error), "key not probed");
                    failures.push(json!({ "itemIdentifier": id }));
                }
            }
            Ok(message) => match take(scans, &message).await {
                Ok(Some(summary)) => log(&summary),
                Ok(None) => tracing::info!(message.id = id, "nothing left to do"),
                // A project that was deleted meanwhile has nothing to check.
                Err(ReconcileError::NoProject) => {
                    tracing::warn!(message.id = id, "work for a project that is gone");
                }
                Err(ReconcileError::Record(RecordError::Incomplete(missing))) => {
                    tracing::warn!(message.id = id, %missing, "work for a project that is not complete");
                }
                Err(error) => {
                    tracing::error!(message.id = id, cause = chain(&error), "message failed");
                    failures.push(json!({ "itemIdentifier": id }));
                }
            },
            Err(error) => {
                tracing::error!(
                    message.id = id,
                    cause = chain(&error),
                    "not a request of these queues"
                );
                failures.push(json!({ "itemIdentifier": id }));
            }
        }
    }
    Ok(json!({ "batchItemFailures": failures }))
}

/// A key that cannot be asked for now is asked for when the message comes again.
async fn look_at_key(connections: &Connections, project: ProjectId) -> Result<(), ConnectionError> {
    let summary = connections.probe_key(project).await?;
    let standing = summary.map(|summary| summary.standing);
    let project = project.to_string();
    tracing::info!(project.id = project, standing = ?standing, "probe");
    Ok(())
}

async fn take(scans: &Scans, message: &Message) -> Result<Option<RunSummary>, ReconcileError> {
    match message {
        Message::Check(request) => scans.reconcile.handle(request).await,
        Message::Scan(request) => Box::pin(scans.handle(request)).await.map(Some),
    }
}

fn log(summary: &RunSummary) {
    tracing::info!(
        run.id = summary.run.to_string(),
        step = ?summary.step,
        result = ?summary.result,
        findings = summary.counts.findings,
        rows_count = summary.counts.rows,
        "run"
    );
    if let Some(problem) = &summary.problem {
        let (run, cause) = (summary.run.to_string(), chain(problem.as_ref()));
        tracing::warn!(run.id = run, cause, "nothing could be compared");
    }
}
