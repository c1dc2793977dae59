//! Asking another function, and waiting for its answer.

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ids::{IncidentId, ProjectId, RunId};
use counterfoil_core::ports::{Delegate, PortError, PortErrorKind, Proposals, SealRequests};
use serde_json::{Value, json};

use crate::error;

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
        let answered = self
            .client
            .invoke()
            .function_name(&self.name)
            .payload(Blob::new(request.to_string()))
            .send()
            .await
            .map_err(|e| error::write(doing, e, false))?;
        match answered.function_error {
            None => Ok(answered.payload.map(Blob::into_inner).unwrap_or_default()),
            Some(kind) => {
                // It may have failed after it did what it was asked for.
                let source = format!("the function answered with an error ({kind})");
                Err(PortError::caused(
                    PortErrorKind::OutcomeUnknown,
                    doing,
                    source,
                ))
            }
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
    async fn ask(&self, request: &Value) -> Result<Value, PortError> {
        self.invoke(request).await
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
