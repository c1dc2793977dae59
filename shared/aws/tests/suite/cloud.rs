//! One emulator for the whole binary, one account with the whole stack per test. Where asked, the
//! tables lie in a second, independent DynamoDB.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use counterfoil_aws::Clients;
use counterfoil_aws::dynamodb::{DynamoEvidence, DynamoSeals, Tables};
use counterfoil_aws::s3::S3Archive;
use counterfoil_core::time::Timestamp;
use counterfoil_local::{Deploy, Deployment, Emulator, EmulatorOptions, new_account};
use counterfoil_testkit::http_faults::FaultProxy;

use crate::second::Second;

fn emulator() -> &'static Emulator {
    static EMULATOR: OnceLock<Emulator> = OnceLock::new();
    EMULATOR.get_or_init(|| Emulator::start(&EmulatorOptions::default(), &|_| {}).unwrap())
}

/// The stack in an account of its own.
pub(crate) struct Cloud {
    pub(crate) deployment: Deployment,
    settings: BTreeMap<String, String>,
    second: Option<Second>,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        let deploy = Deploy {
            account: Some(new_account()),
            ..Deploy::default()
        };
        let deployment = emulator().deploy(&deploy, &|_| {}).unwrap();
        let settings = deployment.settings();
        Self {
            deployment,
            settings,
            second: None,
        }
    }

    /// The same with all tables in the second DynamoDB; `None` where it is not installed.
    pub(crate) async fn with_second() -> Option<Self> {
        let second = Second::start()?;
        let mut cloud = Self::new();
        let here = cloud.clients().await.dynamodb;
        second.copy_tables(&here).await;
        cloud.second = Some(second);
        Some(cloud)
    }

    /// Address of the DynamoDB that has the tables.
    pub(crate) fn dynamodb(&self) -> &str {
        let second = self.second.as_ref().map(Second::endpoint);
        second.unwrap_or(&self.deployment.endpoint)
    }

    pub(crate) fn setting(&self, name: &str) -> String {
        self.settings[name].clone()
    }

    /// Clients that talk to the emulators directly.
    pub(crate) async fn clients(&self) -> Clients {
        let clients = self.clients_at(&self.deployment.endpoint).await;
        match &self.second {
            None => clients,
            Some(second) => Clients {
                dynamodb: self.clients_at(second.endpoint()).await.dynamodb,
                ..clients
            },
        }
    }

    /// Clients of the same account by another way.
    pub(crate) async fn clients_at(&self, endpoint: &str) -> Clients {
        Clients::for_endpoint(endpoint, &self.deployment.account).await
    }

    /// Clients whose way to DynamoDB leads through `proxy`.
    pub(crate) async fn clients_through(&self, proxy: &FaultProxy) -> Clients {
        let dynamodb = self.clients_at(&proxy.endpoint()).await.dynamodb;
        Clients {
            dynamodb,
            ..self.clients().await
        }
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

    pub(crate) fn seals(&self, clients: &Clients) -> DynamoSeals {
        let head = self.setting("EVIDENCE_HEAD_TABLE");
        DynamoSeals::new(clients.dynamodb.clone(), self.setting("SEALS_TABLE"), head)
    }

    pub(crate) fn archive(&self, clients: &Clients) -> S3Archive {
        S3Archive::new(clients.s3.clone(), self.setting("LOCKED_BUCKET"))
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
