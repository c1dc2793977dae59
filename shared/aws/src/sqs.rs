//! The checks queue, the scans queue and the exports queue.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use counterfoil_core::ports::{
    CheckRequest, Checks, ExportRequest, ExportRequests, PortError, PortErrorKind, ScanRequest,
    ScanRequests,
};

use serde::Serialize;

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
        let seconds = whole_seconds(delay);
        send(&self.client, &self.url, "sending a check", request, seconds).await
    }
}

/// The scans queue.
#[derive(Debug, Clone)]
pub struct SqsScans {
    client: Client,
    url: String,
}

impl SqsScans {
    /// The queue at `url`.
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

#[async_trait]
impl ScanRequests for SqsScans {
    async fn send(&self, request: &ScanRequest, delay: Duration) -> Result<(), PortError> {
        let (seconds, doing) = (whole_seconds(delay), "sending a piece of a scan");
        send(&self.client, &self.url, doing, request, seconds).await
    }
}

fn whole_seconds(delay: Duration) -> i32 {
    i32::try_from(delay.as_secs().min(LONGEST)).unwrap_or(i32::MAX)
}

/// The exports queue.
#[derive(Debug, Clone)]
pub struct SqsExports {
    client: Client,
    url: String,
}

impl SqsExports {
    /// The queue at `url`.
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }
}

#[async_trait]
impl ExportRequests for SqsExports {
    async fn send(&self, request: &ExportRequest) -> Result<(), PortError> {
        send(&self.client, &self.url, "asking for an export", request, 0).await
    }
}

/// After a lost answer the message goes out twice, which the consumers do not mind.
async fn send<T: Serialize + Sync>(
    client: &Client,
    url: &str,
    doing: &str,
    request: &T,
    seconds: i32,
) -> Result<(), PortError> {
    let body = serde_json::to_string(request)
        .map_err(|source| PortError::caused(PortErrorKind::Refused, doing, source))?;
    let send = || {
        client
            .send_message()
            .queue_url(url)
            .message_body(&body)
            .delay_seconds(seconds)
            .customize()
            .config_override(aws_sdk_sqs::Config::builder().retry_config(RetryConfig::disabled()))
            .send()
    };
    resend(doing, send).await?;
    Ok(())
}
