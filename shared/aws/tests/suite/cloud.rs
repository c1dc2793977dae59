//! One emulator for the whole binary, one account with the whole stack per test.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use counterfoil_aws::Clients;
use counterfoil_aws::dynamodb::{DynamoDataKeys, DynamoEvidence, DynamoSeals, DynamoState, Tables};
use counterfoil_aws::s3::{S3Archive, S3Objects};
use counterfoil_core::time::Timestamp;
use counterfoil_local::{Deploy, Deployment, Emulator, EmulatorOptions, new_account};

fn emulator() -> &'static Emulator {
    static EMULATOR: OnceLock<Emulator> = OnceLock::new();
    EMULATOR.get_or_init(|| Emulator::start(&EmulatorOptions::default(), &|_| {}).unwrap())
}

/// The stack in an account of its own.
pub(crate) struct Cloud {
    pub(crate) deployment: Deployment,
    settings: BTreeMap<String, String>,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        let deploy = Deploy {
            account: Some(new_account()),
            functions: BTreeMap::new(),
        };
        let deployment = emulator().deploy(&deploy, &|_| {}).unwrap();
        let settings = deployment.settings();
        Self {
            deployment,
            settings,
        }
    }

    pub(crate) fn setting(&self, name: &str) -> String {
        self.settings[name].clone()
    }

    /// Clients that talk to the emulator directly.
    pub(crate) async fn clients(&self) -> Clients {
        self.clients_at(&self.deployment.endpoint).await
    }

    /// Clients of the same account by another way.
    pub(crate) async fn clients_at(&self, endpoint: &str) -> Clients {
        Clients::for_endpoint(endpoint, &self.deployment.account).await
    }

    pub(crate) fn evidence(&self, clients: &Clients) -> DynamoEvidence {
        let tables = Tables {
            evidence: self.setting("EVIDENCE_TABLE"),
            head: self.setting("EVIDENCE_HEAD_TABLE"),
            parts: self.setting("EVIDENCE_PARTS_TABLE"),
            state: self.setting("STATE_TABLE"),
        };
        DynamoEvidence::new(clients.dynamodb.clone(), tables)
    }

    pub(crate) fn state(&self, clients: &Clients) -> DynamoState {
        DynamoState::new(clients.dynamodb.clone(), self.setting("STATE_TABLE"))
    }

    pub(crate) fn seals(&self, clients: &Clients) -> DynamoSeals {
        let head = self.setting("EVIDENCE_HEAD_TABLE");
        DynamoSeals::new(clients.dynamodb.clone(), self.setting("SEALS_TABLE"), head)
    }

    pub(crate) fn data_keys(&self, clients: &Clients) -> DynamoDataKeys {
        DynamoDataKeys::new(clients.dynamodb.clone(), self.setting("DATA_KEYS_TABLE"))
    }

    pub(crate) fn archive(&self, clients: &Clients) -> S3Archive {
        S3Archive::new(clients.s3.clone(), self.setting("LOCKED_BUCKET"))
    }

    pub(crate) fn objects(&self, clients: &Clients) -> S3Objects {
        S3Objects::new(clients.s3.clone(), self.setting("DATA_BUCKET"))
    }
}

/// The time of this machine, which the adapters stamp entries with.
#[expect(
    clippy::disallowed_methods,
    reason = "the adapters' clock is the machine's"
)]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}
