//! The one place that makes SDK clients.
//!
//! Service configurations are always built from the loaded one (`Builder::from(&config)`): a
//! configuration built by hand would talk to AWS even where the environment names another endpoint.
//! There is no read timeout by default, so every attempt has one here.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::Credentials;

use crate::http::client;

/// Clients of every service, cheap to clone. Connections are made when they are first used.
#[derive(Debug, Clone)]
pub struct Clients {
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// KMS.
    pub kms: aws_sdk_kms::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// Lambda.
    pub lambda: aws_sdk_lambda::Client,
    /// Credentials for what is signed without a client.
    pub credentials: Option<SharedCredentialsProvider>,
}

/// Retries that fit into one invocation: three attempts, at most half a second apart.
fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_millis(500))
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_millis(500))
        .operation_attempt_timeout(attempt)
        .operation_timeout(attempt.saturating_mul(4))
        .build()
}

impl Clients {
    /// Clients as the environment of a function configures them.
    pub async fn from_env() -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest()).http_client(client());
        Self::from_config(&config.load().await)
    }

    /// Clients of one account of an emulator at `endpoint`.
    pub async fn for_endpoint(endpoint: &str, account: &str) -> Self {
        let credentials = Credentials::new(account, "test", None, None, "local");
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client())
            .region(aws_config::Region::new("us-east-1"))
            .endpoint_url(endpoint)
            .credentials_provider(credentials)
            .load()
            .await;
        Self::from_config(&config)
    }

    fn from_config(config: &SdkConfig) -> Self {
        let short = timeouts(Duration::from_secs(2));
        let long = timeouts(Duration::from_secs(20));
        let (retry, once) = (retries(), RetryConfig::disabled());
        Self {
            credentials: config.credentials_provider(),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(
                aws_sdk_dynamodb::config::Builder::from(config)
                    .retry_config(retry.clone())
                    .timeout_config(short.clone())
                    .build(),
            ),
            s3: aws_sdk_s3::Client::from_conf(
                aws_sdk_s3::config::Builder::from(config)
                    .retry_config(retry.clone())
                    .timeout_config(long.clone())
                    .build(),
            ),
            kms: aws_sdk_kms::Client::from_conf(
                aws_sdk_kms::config::Builder::from(config)
                    .retry_config(retry.clone())
                    .timeout_config(short.clone())
                    .build(),
            ),
            sqs: aws_sdk_sqs::Client::from_conf(
                aws_sdk_sqs::config::Builder::from(config)
                    .retry_config(retry)
                    .timeout_config(short)
                    .build(),
            ),
            // An invocation is not repeated by the SDK: the callee may be working already.
            lambda: aws_sdk_lambda::Client::from_conf(
                aws_sdk_lambda::config::Builder::from(config)
                    .retry_config(once)
                    .timeout_config(long)
                    .build(),
            ),
        }
    }
}
