//! Asking another function, and waiting for its answer.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::operation::invoke::builders::InvokeFluentBuilder;
use aws_sdk_lambda::primitives::Blob;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ids::{IncidentId, ProjectId, RunId};
use counterfoil_core::ports::{Delegate, PortError, PortErrorKind, Proposals, SealRequests};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::error;
use crate::resend::resend;

/// How long an agent's request waits for another function, over all attempts. Who asks has 30 seconds
/// itself, as has the HTTP API before it.
const PATIENCE: Duration = Duration::from_secs(25);

/// One other function.
#[derive(Debug, Clone)]
pub struct OtherFunction {
    client: Client,
    name: String,
}

impl OtherFunction {
    /// The function called `name`.
    pub const fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Invokes the function with an event and returns its answer: what a schedule does, by hand.
    ///
    /// # Errors
    /// When the function cannot be invoked or answers with an error.
    pub async fn invoke(&self, event: &Value) -> Result<Value, PortError> {
        let answer = self.send("invoking a function", event).await?;
        serde_json::from_slice(&answer).map_err(|_| error::corrupt("invoking a function"))
    }

    async fn send(&self, doing: &str, request: &Value) -> Result<Vec<u8>, PortError> {
        let sent = self.request(request).send().await;
        answer(doing, sent.map_err(|e| error::write(doing, e, false))?)
    }

    fn request(&self, request: &Value) -> InvokeFluentBuilder {
        let payload = Blob::new(request.to_string());
        self.client
            .invoke()
            .function_name(&self.name)
            .payload(payload)
    }
}

fn answer(doing: &str, answered: InvokeOutput) -> Result<Vec<u8>, PortError> {
    match answered.function_error {
        None => Ok(answered.payload.map(Blob::into_inner).unwrap_or_default()),
        Some(kind) => {
            // It may have failed after it did what it was asked for.
            let source = format!("the function answered with an error ({kind})");
            let kind = PortErrorKind::OutcomeUnknown;
            Err(PortError::caused(kind, doing, source))
        }
    }
}

#[async_trait]
impl Proposals for OtherFunction {
    async fn propose(
        &self,
        project: ProjectId,
        run: RunId,
        incident: IncidentId,
    ) -> Result<(), PortError> {
        let request = json!({
            "propose": { "project": project, "run": run, "incident": incident },
        });
        self.send("proposing a repair", &request).await.map(drop)
    }
}

#[async_trait]
impl Delegate for OtherFunction {
    /// Where a connection is lost, or no answer comes in time, the request is sent again: a function
    /// that was frozen meets connections that have ended meanwhile, and what is asked for is done once.
    async fn ask(&self, request: &Value) -> Result<Value, PortError> {
        let doing = "asking another function";
        let asked = resend(doing, || async {
            let sent = self.request(request).send().await;
            if let Err(cause) = &sent {
                tracing::warn!(%cause, function = self.name, "another function was not reached");
            }
            sent
        });
        let late = |elapsed| PortError::caused(PortErrorKind::OutcomeUnknown, doing, elapsed);
        let answered = timeout(PATIENCE, asked).await.map_err(late)??;
        let answered = answer(doing, answered)?;
        // Whoever answers what nobody can read may have done it.
        let unread = |_| PortError::new(PortErrorKind::OutcomeUnknown, doing);
        serde_json::from_slice(&answered).map_err(unread)
    }
}

#[async_trait]
impl SealRequests for OtherFunction {
    async fn seal(&self, stream: Hash) -> Result<(), PortError> {
        self.send(
            "sealing",
            &json!({ "seal": { "stream": stream.to_string() } }),
        )
        .await
        .map(drop)
    }
}
