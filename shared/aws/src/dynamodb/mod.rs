//! Evidence, seals, state and wrapped keys in DynamoDB (evidence-format section 18).

mod append;
mod data_keys;
mod items;
mod read;
mod seals;
mod state;
mod transaction;

pub use data_keys::DynamoDataKeys;
pub use seals::DynamoSeals;
pub use state::DynamoState;

use aws_sdk_dynamodb::Client;

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

/// Evidence streams in DynamoDB: appends and strongly consistent reads.
#[derive(Debug, Clone)]
pub struct DynamoEvidence {
    client: Client,
    tables: Tables,
}

impl DynamoEvidence {
    /// Streams in these tables.
    pub const fn new(client: Client, tables: Tables) -> Self {
        Self { client, tables }
    }
}
