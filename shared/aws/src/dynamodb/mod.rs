//! Evidence, seals, state and wrapped keys in DynamoDB (evidence-format section 18).

mod append;
mod attempt;
mod clock;
mod data_keys;
mod heads;
mod items;
mod read;
mod redact;
mod seals;
mod state;
mod store_time;
mod transaction;

pub use data_keys::DynamoDataKeys;
pub use seals::DynamoSeals;
pub use state::DynamoState;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;

use self::heads::KnownHeads;

/// How long an append contends before it gives up: below the 30 s of an HTTP API.
const PATIENCE: Duration = Duration::from_secs(10);

/// Names of the tables that evidence and its state live in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// Entries.
    pub evidence: String,
    /// Heads of streams and runs.
    pub head: String,
    /// Parts.
    pub parts: String,
    /// State.
    pub state: String,
}

/// Evidence streams in DynamoDB: appends and strongly consistent reads. Clones share what they know
/// about heads.
#[derive(Debug, Clone)]
pub struct DynamoEvidence {
    client: Client,
    tables: Tables,
    patience: Duration,
    known: Arc<KnownHeads>,
}

impl DynamoEvidence {
    /// Streams in these tables.
    pub fn new(client: Client, tables: Tables) -> Self {
        Self {
            client,
            tables,
            patience: PATIENCE,
            known: Arc::default(),
        }
    }

    /// How long an append contends with others, or tries to settle a lost answer, instead of 10 s.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// A call without the SDK's own retries.
fn once() -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::Config::builder().retry_config(RetryConfig::disabled())
}
