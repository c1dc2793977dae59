//! The stores of a stack beside evidence and seals, and one stack for every test that needs only
//! streams, rows and names of its own.

use std::sync::OnceLock;

use counterfoil_aws::Clients;
use counterfoil_aws::dynamodb::{DynamoDataKeys, DynamoState};
use counterfoil_aws::s3::S3Objects;

use super::cloud::Cloud;

impl Cloud {
    /// Deployed once: that takes longer than most tests.
    pub(crate) fn shared() -> &'static Self {
        static CLOUD: OnceLock<Cloud> = OnceLock::new();
        CLOUD.get_or_init(Self::new)
    }

    pub(crate) fn state(&self, clients: &Clients) -> DynamoState {
        DynamoState::new(clients.dynamodb.clone(), self.setting("STATE_TABLE"))
    }

    pub(crate) fn data_keys(&self, clients: &Clients) -> DynamoDataKeys {
        DynamoDataKeys::new(clients.dynamodb.clone(), self.setting("DATA_KEYS_TABLE"))
    }

    pub(crate) fn objects(&self, clients: &Clients) -> S3Objects {
        S3Objects::new(clients.s3.clone(), self.setting("DATA_BUCKET"))
    }
}
