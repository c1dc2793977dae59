//! From an HTTP event or a batch of the exports queue to the use case and back.

use aws_lambda_events::sqs::SqsEvent;
use counterfoil_core::ports::ExportRequest;
use counterfoil_core::usecases::{Exports, WorkError, Worked};
use counterfoil_lambda::agent::AgentRequest;
use counterfoil_lambda::event::{self, Incoming};
use counterfoil_lambda::telemetry::chain;
use counterfoil_lambda::{Error, Front};
use serde_json::{Value, json};

use crate::routes::Service;

/// Handles one invocation; `front` is the router of the same service.
///
/// # Errors
/// When the event is neither of these.
pub async fn handle(service: Service, front: Front, event: Value) -> Result<Value, Error> {
    match event::read(event)? {
        Incoming::Http(request) => Ok(event::answer(front, *request).await?),
        Incoming::Other(event) if event.get("Records").is_some() => {
            batch(&service.exports, serde_json::from_value(event)?).await
        }
        Incoming::Other(event) => match AgentRequest::read(&event)? {
            Some(request) => request.answer(front, &service.agents).await,
            None => Err("this function takes HTTP API events and queue batches".into()),
        },
    }
}

/// Every message on its own: one that fails comes again, the others do not.
async fn batch(exports: &Exports, batch: SqsEvent) -> Result<Value, Error> {
    let mut failures = Vec::new();
    for message in batch.records {
        let id = message.message_id.unwrap_or_default();
        let body = message.body.unwrap_or_default();
        let done = match serde_json::from_str::<ExportRequest>(&body) {
            Ok(request) => work(exports, &request).await,
            Err(error) => {
                tracing::error!(
                    message.id = id,
                    cause = chain(&error),
                    "not an export request"
                );
                false
            }
        };
        if !done {
            failures.push(json!({ "itemIdentifier": id }));
        }
    }
    Ok(json!({ "batchItemFailures": failures }))
}

/// Whether the message is done with.
async fn work(exports: &Exports, request: &ExportRequest) -> bool {
    let export = request.export.to_string();
    match exports.work(request).await {
        Ok(Worked::Failed(failure)) => {
            tracing::error!(export.id = export, code = failure.code, "export failed");
            true
        }
        Ok(worked) => {
            tracing::info!(export.id = export, outcome = ?worked, "export");
            true
        }
        Err(error @ WorkError::Alarm(_)) => {
            tracing::error!(
                export.id = export,
                cause = chain(&error),
                "stored evidence does not verify"
            );
            true
        }
        Err(error) => {
            tracing::warn!(export.id = export, cause = chain(&error), "export again");
            false
        }
    }
}
