//! What the product has stored, and what Postgres was told.

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::seal::SealKey;
use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::ports::{EvidenceRead, SealSigner, StoredPart};
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::run::{Run, RunScope};
use serde_json::Value;

use super::stage::{Stack, Stage, wait};
use super::tenant::Tenant;

/// An entry of a project's stream.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) kind: String,
    pub(crate) run: String,
    pub(crate) header: Vec<u8>,
    pub(crate) facts: Value,
}

impl Stack {
    pub(crate) async fn incidents(&self, tenant: &Tenant) -> Vec<Incident> {
        let ctx = Directory::system(&tenant.project, "test");
        let state = self.boot.state().unwrap();
        let records = Records::of(state.as_ref(), &ctx);
        let found = records.list::<Incident>().await.unwrap();
        found.into_iter().map(|incident| incident.value).collect()
    }

    pub(crate) async fn runs(&self, tenant: &Tenant) -> Vec<Run> {
        let ctx = Directory::system(&tenant.project, "test");
        let state = self.boot.state().unwrap();
        let records = Records::of(state.as_ref(), &ctx);
        let found = records.list::<Run>().await.unwrap();
        found.into_iter().map(|run| run.value).collect()
    }

    /// Every entry of the project's stream so far.
    pub(crate) async fn entries(&self, tenant: &Tenant) -> Vec<Entry> {
        self.stream(tenant.project.stream_id().unwrap()).await
    }

    /// Every entry of the workspace's stream so far.
    pub(crate) async fn workspace_entries(&self, tenant: &Tenant) -> Vec<Entry> {
        let state = self.boot.state().unwrap();
        let directory = Directory::of(state.as_ref());
        let workspace = directory.workspace(tenant.project.workspace).await;
        let stream = workspace.unwrap().unwrap().value.stream;
        self.stream(stream.parse().unwrap()).await
    }

    async fn stream(&self, stream: Hash) -> Vec<Entry> {
        let reader = self.boot.evidence().unwrap();
        let size = reader.head(stream).await.unwrap().unwrap().size;
        let stored = reader.entries(stream, 0, size).await.unwrap();
        let entries = stored.into_iter().map(|entry| {
            let header: Value = serde_json::from_slice(&entry.header).unwrap();
            let text = |pointer: &str| {
                let text = header.pointer(pointer).and_then(Value::as_str);
                text.unwrap_or_default().to_owned()
            };
            let Some(StoredPart::Present { bytes, .. }) = &entry.facts else {
                panic!("entry {} has no facts", entry.seq);
            };
            Entry {
                kind: text("/kind"),
                run: text("/run/id"),
                facts: serde_json::from_slice(bytes).unwrap(),
                header: entry.header,
            }
        });
        entries.collect()
    }

    pub(crate) async fn seal_key(&self) -> SealKey {
        self.boot.signer().unwrap().key().await.unwrap()
    }
}

impl Stage {
    /// Waits for the open incident that a webhook about `customer` leads to.
    pub(crate) async fn incident(&self, tenant: &Tenant, customer: &str) -> Incident {
        wait("an incident", async || {
            let found = self.incident_now(tenant, customer).await;
            found.filter(|incident| incident.state == IncidentState::Open)
        })
        .await
    }

    pub(crate) async fn incident_now(&self, tenant: &Tenant, customer: &str) -> Option<Incident> {
        let incidents = self.main.incidents(tenant).await;
        incidents.into_iter().find(|incident| {
            let mut named = incident.finding.customers.iter();
            named.any(|named| named == customer)
        })
    }

    /// Delivers an event about `customer` and waits for the incident.
    pub(crate) async fn found(&self, tenant: &Tenant, customer: &str) -> Incident {
        let taken = self.webhook(tenant, customer).await;
        assert_eq!(taken.status, 200, "{}", taken.text);
        self.incident(tenant, customer).await
    }

    /// Runs that look at one customer: those that deliveries cause.
    pub(crate) async fn checks(&self, tenant: &Tenant) -> Vec<Run> {
        let mut runs = self.main.runs(tenant).await;
        runs.retain(|run| matches!(run.scope, RunScope::Check { .. }));
        runs
    }

    /// Waits for the end of the tenant's first check.
    pub(crate) async fn finished_check(&self, tenant: &Tenant) -> Run {
        wait("the end of a check", async || {
            let runs = self.checks(tenant).await;
            runs.into_iter().find(|run| run.result.is_some())
        })
        .await
    }

    /// The UPDATE statements that the server has executed for the tenant's roles.
    pub(crate) fn updates(&self, tenant: &Tenant) -> usize {
        let log = std::fs::read_to_string(self.postgres.log_path()).unwrap();
        let database = format!("@{} ", tenant.database);
        let executed = |line: &&str| line.contains("execute ") && line.contains(": UPDATE ");
        let theirs = log.lines().filter(|line| line.contains(&database));
        theirs.filter(executed).count()
    }

    pub(crate) fn granted(&self, tenant: &Tenant, user: &str) -> bool {
        let query = format!("SELECT premium FROM app_users WHERE id = '{user}'");
        self.postgres.sql(&tenant.database, &query).unwrap().trim() == "t"
    }

    /// The whole table as text.
    pub(crate) fn rows(&self, tenant: &Tenant) -> String {
        let query = "SELECT app_users::text FROM app_users ORDER BY id";
        self.postgres.sql(&tenant.database, query).unwrap()
    }
}
