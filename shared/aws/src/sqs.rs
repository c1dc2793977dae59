//! The checks queue.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use counterfoil_core::ports::{CheckRequest, Checks, PortError, PortErrorKind};

use crate::resend::resend;

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
        // After a lost answer the message goes out twice, which the consumer does not mind.
        let send = || {
            self.client
                .send_message()
                .queue_url(&self.url)
                .message_body(&body)
                .delay_seconds(seconds)
                .customize()
                .config_override(
                    aws_sdk_sqs::Config::builder().retry_config(RetryConfig::disabled()),
                )
                .send()
        };
        resend(doing, send).await?;
        Ok(())
    }
}
