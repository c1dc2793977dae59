//! The checks queue.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use counterfoil_core::ports::{CheckRequest, Checks, PortError, PortErrorKind};

use crate::error;

/// The longest delay of a message.
const LONGEST: u64 = 900;

/// The checks queue.
#[derive(Debug, Clone)]
pub struct SqsChecks {
    client: Client,
    url: String,
}

impl SqsChecks {
    /// The queue at `url`.
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

#[async_trait]
impl Checks for SqsChecks {
    async fn send(&self, request: &CheckRequest, delay: Duration) -> Result<(), PortError> {
        let doing = "sending a check";
        let body = serde_json::to_string(request)
            .map_err(|source| PortError::caused(PortErrorKind::Refused, doing, source))?;
        let seconds = i32::try_from(delay.as_secs().min(LONGEST)).unwrap_or(i32::MAX);
        // A lost answer makes the SDK send twice, which the consumer does not mind.
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .delay_seconds(seconds)
            .send()
            .await
            .map_err(|e| error::write(doing, e))?;
        Ok(())
    }
}
