//! Asking what a project's credentials may do, and keeping the answer as evidence.
//!
//! A new credential is probed in clear before it is sealed ([`Connections::stripe_key`],
//! [`Connections::reading_role`], [`Connections::repair_role`]), so that a wrong one is never stored;
//! [`Connections::draft`] is the entry for the transaction that stores it. Sealed ones are probed
//! again weekly. An entry is written when the answer has changed, and at least once a week.

mod ended;
mod entry;

use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::stream::Draft;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(super) use ended::ended_since;
pub use entry::Probe;

use super::vault::{Vault, VaultError};
use crate::connection::{KeyReport, RepairScope, RoleReport, Standing};
use crate::ids::{ProjectId, SecretId};
use crate::mapping::Artifact;
use crate::ports::{
    AppendError, Batch, Clock, EvidenceAppend, KeyProbe, PortError, PortErrorKind, RoleProbe, State,
};
use crate::records::{Directory, Project, Record, RecordError, Records, Versioned};
use crate::redacted::Redacted;
use crate::sealed::Purpose;
use crate::tenancy::{Principal, TenantCtx};
use crate::time::Timestamp;

/// How long an answer is good for.
const GOOD_FOR: Duration = Duration::from_hours(7 * 24);

/// The last answer about a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// The secret.
    pub id: SecretId,
    /// When it was recorded.
    pub at: Timestamp,
    /// What it amounts to.
    pub standing: Standing,
    /// The answer as sentences, for people.
    pub sentences: Vec<String>,
}

impl Record for Probed {
    const FAMILY: &'static str = "probe";

    fn id(&self) -> String {
        self.id.to_string()
    }
}

/// Why a project's credentials could not be probed, or the answer could not be kept. Probing again
/// is safe.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// A record could not be read or written.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// A secret could not be opened.
    #[error("a secret could not be opened")]
    Vault(#[from] VaultError),
    /// The other side did not answer; nothing is known and nothing was recorded.
    #[error("the other side of a connection did not answer")]
    Port(#[from] PortError),
    /// The entry could not be written.
    #[error("the answer of a probe could not be recorded")]
    Evidence(#[from] AppendError),
}

/// What the probes of one project said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSummary {
    /// The worst of both.
    pub standing: Standing,
    /// Entries that were written.
    pub recorded: usize,
}

/// Probes credentials.
#[derive(Clone)]
pub struct Connections {
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// State.
    pub state: Arc<dyn State>,
    /// Opens sealed credentials.
    pub vault: Vault,
    /// Asks Stripe.
    pub keys: Arc<dyn KeyProbe>,
    /// Asks databases.
    pub roles: Arc<dyn RoleProbe>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connections")
    }
}

impl Connections {
    /// What a Stripe key may do, before it is sealed.
    ///
    /// # Errors
    /// See [`KeyProbe::probe_key`].
    pub async fn stripe_key(
        &self,
        key: &Redacted<String>,
        livemode: bool,
    ) -> Result<KeyReport, PortError> {
        self.keys.probe_key(key, livemode).await
    }

    /// What a reading role may do, before its URL is sealed.
    ///
    /// # Errors
    /// See [`RoleProbe::probe_reading_role`].
    pub async fn reading_role(&self, url: &Redacted<String>) -> Result<RoleReport, PortError> {
        self.roles.probe_reading_role(url).await
    }

    /// What a repair role may do beside repairing what the mapping repairs, before its URL is sealed.
    ///
    /// # Errors
    /// See [`RoleProbe::probe_repair_role`].
    pub async fn repair_role(
        &self,
        url: &Redacted<String>,
        artifact: &Artifact,
    ) -> Result<RoleReport, PortError> {
        let table = artifact.table();
        let columns = artifact.repairable_columns();
        let scope = RepairScope {
            schema: &table.schema,
            table: &table.table,
            columns: &columns,
        };
        self.roles.probe_repair_role(url, scope).await
    }

    /// The entry that records a probe of a secret, for the transaction that stores the secret.
    pub fn draft(probe: &Probe, secret: SecretId, by: &Principal) -> Draft {
        probe.draft(secret, by)
    }

    /// Probes the reading credentials of every project.
    ///
    /// # Errors
    /// When the projects cannot be listed.
    pub async fn probe_all(
        &self,
    ) -> Result<Vec<(ProjectId, Result<ProbeSummary, ConnectionError>)>, RecordError> {
        let mut results = Vec::new();
        for project in Directory::of(self.state.as_ref()).projects().await? {
            results.push((project.id, self.probe(&project).await));
        }
        Ok(results)
    }

    /// Probes the reading credentials of one project and records what is new.
    ///
    /// # Errors
    /// When one of both could not be asked: what the other said is recorded all the same.
    pub async fn probe(&self, project: &Project) -> Result<ProbeSummary, ConnectionError> {
        let ctx = Directory::system(project, "probe");
        let records = Records::of(self.state.as_ref(), &ctx);
        let mut asked = Vec::new();
        if let Some(key) = project.stripe_key {
            asked.push((key, self.ask_key(&ctx, project, key).await?));
        }
        if let Some(database) = project.read_database {
            let opened = self.vault.secret(&records, &ctx, database, Purpose::Read);
            let role = self.reading_role(&opened.await?).await;
            let role = known(role.map(Probe::ReadingRole), Probe::RoleRefused);
            asked.push((database, role));
        }
        let mut summary = ProbeSummary {
            standing: Standing::Ok,
            recorded: 0,
        };
        let mut failed = None;
        for (secret, probe) in asked {
            match probe {
                Ok(probe) => {
                    summary.standing = summary.standing.max(probe.standing());
                    if self.keep(project, &records, secret, &probe).await? {
                        summary.recorded = summary.recorded.saturating_add(1);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(summary), |error| Err(error.into()))
    }

    /// Probes the Stripe key of one project alone, because Stripe said that the connection ended;
    /// `None` when there is no such project or no
    /// key of it any more.
    ///
    /// # Errors
    /// When Stripe did not answer, or its answer could not be recorded.
    pub async fn probe_key(&self, id: ProjectId) -> Result<Option<ProbeSummary>, ConnectionError> {
        let found = Directory::of(self.state.as_ref()).project(id).await?;
        let Some(Versioned { value: project, .. }) = found else {
            return Ok(None);
        };
        let ctx = Directory::system(&project, "probe");
        let records = Records::of(self.state.as_ref(), &ctx);
        let Some(key) = project.stripe_key else {
            return Ok(None);
        };
        let probe = self.ask_key(&ctx, &project, key).await??;
        let recorded = self.keep(&project, &records, key, &probe).await?;
        Ok(Some(ProbeSummary {
            standing: probe.standing(),
            recorded: usize::from(recorded),
        }))
    }

    /// What Stripe says to the key; the inner error when it says nothing.
    async fn ask_key(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        key: SecretId,
    ) -> Result<Result<Probe, PortError>, VaultError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let key = self.vault.secret(&records, ctx, key, Purpose::Read).await?;
        let answer = self.stripe_key(&key, project.livemode).await;
        Ok(known(answer.map(Probe::Key), Probe::KeyRefused))
    }

    /// Records an answer that is new or due, and what it changes; whether there was anything.
    async fn keep(
        &self,
        project: &Project,
        records: &Records<'_>,
        secret: SecretId,
        probe: &Probe,
    ) -> Result<bool, ConnectionError> {
        let now = self.clock.now();
        let probed = Probed {
            id: secret,
            at: now,
            standing: probe.standing(),
            sentences: probe.sentences(),
        };
        let by = Principal::System {
            duty: "probe".to_owned(),
        };
        let mut batch = Batch::default();
        if let Some(change) = ended::changed(records, secret, probe, &by, now).await? {
            batch.drafts.push(change.draft);
            batch = batch.with(change.write.explained_by(0));
        }
        let last = records.get::<Probed>(&secret.to_string()).await?;
        let write = match &last {
            None => Some(records.create(&probed)?),
            Some(last) => {
                let same = last.value.sentences == probed.sentences;
                let fresh = same && now < last.value.at.plus(GOOD_FOR);
                let write = || records.replace(last.version, &probed);
                (!fresh).then(write).transpose()?
            }
        };
        if let Some(write) = write {
            let write = write.explained_by(batch.drafts.len());
            batch.drafts.push(probe.draft(secret, &by));
            batch = batch.with(write);
        }
        if batch.drafts.is_empty() {
            return Ok(false);
        }
        let stream = project.stream_id()?;
        self.evidence.append(stream, batch).await?;
        Ok(true)
    }
}

/// A refusal is an answer; silence is none.
fn known(
    answer: Result<Probe, PortError>,
    refused: fn(String) -> Probe,
) -> Result<Probe, PortError> {
    match answer {
        Err(error) if error.kind == PortErrorKind::Refused => {
            let cause = error.source.as_ref().map(ToString::to_string);
            Ok(refused(cause.unwrap_or_else(|| error.to_string())))
        }
        other => other,
    }
}
