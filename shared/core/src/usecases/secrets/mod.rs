//! Storing, replacing, retiring and revoking secrets.
//!
//! Each change is planned first: its row, its `secret.changed` entry, and the versions whose data keys
//! are to go. Row and entry are one transaction; a caller that has judged the change puts them into
//! its own ([`SecretChange::into_batch`]). Data keys go afterwards ([`Secrets::finish`]).
//!
//! What if a step fails: a data key whose transaction failed seals nothing that is stored, and the
//! next attempt takes the next number. A crash before the data keys are gone leaves keys that no row
//! needs. [`Secrets::tidy`] destroys both.

mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::stream::Draft;
use thiserror::Error;

pub(super) use plan::secret_draft;
pub use plan::{Revoke, SecretStep};

use super::vault::{Vault, VaultError};
use crate::ids::{ProjectId, SecretId};
use crate::ports::{AppendError, Batch, Clock, EvidenceAppend, PortError, State, StateWrite};
use crate::records::{Directory, Project, RecordError, Records, Secret, VersionError, Versioned};
use crate::sealed::{Purpose, SealContext};
use crate::tenancy::TenantCtx;

/// Why a secret was not changed, or its data keys are still there. Trying again is safe.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The entry could not be written.
    #[error("evidence could not be written")]
    Evidence(#[from] AppendError),
    /// A value could not be sealed, or a data key not destroyed.
    #[error("a secret could not be sealed or shredded")]
    Vault(#[from] VaultError),
    /// A record could not be read or written.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// The project's stream is not known.
    #[error("the project's record could not be used")]
    Port(#[from] PortError),
    /// There is no such secret, or no such version of it.
    #[error("there is no such secret or version")]
    Version(#[from] VersionError),
    /// The key of the pseudonyms names all that was ever recorded: another one would name it anew.
    #[error("the key of the pseudonyms is never replaced")]
    NeverReplaced,
}

/// A planned change of one secret.
#[derive(Debug, Clone)]
pub struct SecretChange {
    /// The secret as it will be.
    pub secret: Secret,
    /// The entries that explain it, one for each version that changes.
    pub drafts: Vec<Draft>,
    /// The write of the row; its condition is the row that was planned on.
    pub write: StateWrite,
    /// Versions whose data keys go when this is durable.
    pub spent: Vec<u64>,
}

impl SecretChange {
    /// Adds entries and row to a transaction. The row cites the first entry.
    #[must_use]
    pub fn into_batch(self, mut batch: Batch) -> Batch {
        let entry = batch.drafts.len();
        batch.drafts.extend(self.drafts);
        batch.with(self.write.explained_by(entry))
    }
}

/// What a look at the data keys of all projects came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Versions that were retired.
    pub retired: u64,
    /// Data keys that were destroyed.
    pub shredded: u64,
}

/// Changes secrets.
#[derive(Clone)]
pub struct Secrets {
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// State.
    pub state: Arc<dyn State>,
    /// Seals and shreds.
    pub vault: Vault,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

/// For how long a data key without a row may belong to somebody who is still storing the row.
const IN_FLIGHT: Duration = Duration::from_hours(24);

/// Purposes whose data keys seal rows; those of snapshots go with their run.
const OF_ROWS: [Purpose; 4] = [
    Purpose::Read,
    Purpose::Repair,
    Purpose::Webhook,
    Purpose::Pseudonym,
];

impl Secrets {
    /// A new secret. `hint` is what may be shown of it.
    ///
    /// # Errors
    /// When the value could not be sealed; nothing is stored but a data key.
    pub async fn created(
        &self,
        ctx: &TenantCtx,
        purpose: Purpose,
        hint: &str,
        value: &[u8],
    ) -> Result<SecretChange, SecretError> {
        let now = self.clock.now();
        let id = SecretId::new(now, self.vault.random.bits128());
        let place = place(ctx, id, purpose);
        let (version, sealed) = self.vault.seal_above(&place, 0, value).await?;
        let secret = Secret::first(id, purpose, hint, version, sealed, now);
        let records = Records::of(self.state.as_ref(), ctx);
        let draft = secret_draft(ctx.principal(), &secret, version, SecretStep::Created);
        Ok(SecretChange {
            drafts: vec![draft],
            write: records.create(&secret)?,
            spent: Vec::new(),
            secret,
        })
    }

    /// A newer version of a secret. The older ones are readable for `overlap`, for whoever has begun
    /// with them.
    ///
    /// # Errors
    /// When there is no such secret or the value could not be sealed.
    pub async fn replaced(
        &self,
        ctx: &TenantCtx,
        id: SecretId,
        hint: &str,
        value: &[u8],
        overlap: Duration,
    ) -> Result<SecretChange, SecretError> {
        let before = self.row(ctx, id).await?;
        if before.value.purpose == Purpose::Pseudonym {
            return Err(SecretError::NeverReplaced);
        }
        let place = place(ctx, id, before.value.purpose);
        let sealed = self.vault.seal_above(&place, before.value.version, value);
        let sealed = sealed.await?;
        let now = self.clock.now();
        let (secret, step) = plan::replaced(&before.value, sealed, hint, now, overlap);
        let draft = secret_draft(ctx.principal(), &secret, secret.version, step);
        let records = Records::of(self.state.as_ref(), ctx);
        Ok(SecretChange {
            drafts: vec![draft],
            write: records.replace(before.version, &secret)?,
            spent: Vec::new(),
            secret,
        })
    }

    /// A secret without versions that must not be used any more.
    ///
    /// # Errors
    /// When there is no such secret or version.
    pub async fn revoked(
        &self,
        ctx: &TenantCtx,
        id: SecretId,
        which: Revoke,
    ) -> Result<SecretChange, SecretError> {
        let before = self.row(ctx, id).await?;
        let (secret, spent) = match which {
            Revoke::All => plan::without(&before.value, |_| true),
            Revoke::Version(number) => plan::without(&before.value, |it| it.version == number),
        };
        if spent.is_empty() {
            return Err(match which {
                Revoke::Version(number) => VersionError::Unknown(number),
                Revoke::All => VersionError::Revoked,
            }
            .into());
        }
        self.gone(ctx, before.version, secret, spent, SecretStep::Revoked)
    }

    /// A secret without the versions whose time is over; `None` when there is none.
    fn retired(
        &self,
        ctx: &TenantCtx,
        before: &Versioned<Secret>,
    ) -> Result<Option<SecretChange>, SecretError> {
        let now = self.clock.now();
        let (secret, spent) = plan::without(&before.value, |version| plan::is_over(version, now));
        if spent.is_empty() {
            return Ok(None);
        }
        let change = self.gone(ctx, before.version, secret, spent, SecretStep::Retired)?;
        Ok(Some(change))
    }

    fn gone(
        &self,
        ctx: &TenantCtx,
        before: u64,
        secret: Secret,
        spent: Vec<u64>,
        step: SecretStep,
    ) -> Result<SecretChange, SecretError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let draft = |version: &u64| secret_draft(ctx.principal(), &secret, *version, step);
        Ok(SecretChange {
            drafts: spent.iter().map(draft).collect(),
            write: records.replace(before, &secret)?,
            spent,
            secret,
        })
    }

    /// Records a change in a transaction of its own and destroys the data keys that are spent. A
    /// lost answer is settled by reading the row.
    ///
    /// # Errors
    /// After [`SecretError::Evidence`] with an unknown outcome the change may have happened; after
    /// [`SecretError::Vault`] it has, and [`Secrets::tidy`] destroys the keys. Otherwise it has not.
    pub async fn commit(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        change: SecretChange,
    ) -> Result<Secret, SecretError> {
        let batch = change.clone().into_batch(Batch::default());
        match self.evidence.append(project.stream_id()?, batch).await {
            Ok(_) => {}
            Err(error @ AppendError::OutcomeUnknown(_)) => {
                if !self.stands(ctx, &change).await? {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        self.finish(ctx, &change).await?;
        Ok(change.secret)
    }

    /// Whether the row is what the change makes of it. `false` proves nothing where the outcome of
    /// the transaction is not known.
    ///
    /// # Errors
    /// When the row cannot be read.
    pub async fn stands(
        &self,
        ctx: &TenantCtx,
        change: &SecretChange,
    ) -> Result<bool, RecordError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let found = records.get::<Secret>(&change.secret.id.to_string()).await?;
        Ok(found.is_some_and(|found| found.value == change.secret))
    }

    /// Destroys the data keys of a durable change.
    ///
    /// # Errors
    /// When one is still there; [`Secrets::tidy`] goes on.
    pub async fn finish(&self, ctx: &TenantCtx, change: &SecretChange) -> Result<(), SecretError> {
        let place = place(ctx, change.secret.id, change.secret.purpose);
        for version in &change.spent {
            let context = SealContext {
                version: *version,
                ..place.clone()
            };
            self.vault.shred(&context).await?;
        }
        Ok(())
    }

    /// The duty: retires versions whose time is over, and destroys data keys that no row needs, in
    /// every project. One project that fails does not stop the next.
    ///
    /// # Errors
    /// When the projects cannot be listed.
    pub async fn tidy(&self) -> Result<Vec<(ProjectId, Result<Tidied, SecretError>)>, RecordError> {
        let mut results = Vec::new();
        for project in Directory::of(self.state.as_ref()).projects().await? {
            results.push((project.id, self.tidy_project(&project).await));
        }
        Ok(results)
    }

    async fn tidy_project(&self, project: &Project) -> Result<Tidied, SecretError> {
        let ctx = Directory::system(project, "retire");
        let records = Records::of(self.state.as_ref(), &ctx);
        let mut tidied = Tidied::default();
        for secret in records.list::<Secret>().await? {
            if let Some(change) = self.retired(&ctx, &secret)? {
                let count = u64::try_from(change.spent.len()).unwrap_or(u64::MAX);
                tidied.retired = tidied.retired.saturating_add(count);
                self.commit(&ctx, project, change).await?;
            }
        }
        // Read after that, and before the keys: a row that is stored later has a higher number.
        let rows = records.list::<Secret>().await?.into_iter();
        let rows: BTreeMap<SecretId, Secret> = rows.map(|row| (row.value.id, row.value)).collect();
        for purpose in OF_ROWS {
            let spent = self.spent(&ctx, purpose, &rows).await?;
            for context in &spent {
                self.vault.shred(context).await?;
            }
            let count = u64::try_from(spent.len()).unwrap_or(u64::MAX);
            tidied.shredded = tidied.shredded.saturating_add(count);
        }
        Ok(tidied)
    }

    /// The data keys of a purpose that no row needs and no row will need.
    async fn spent(
        &self,
        ctx: &TenantCtx,
        purpose: Purpose,
        rows: &BTreeMap<SecretId, Secret>,
    ) -> Result<Vec<SealContext>, VaultError> {
        let settled = |id: SecretId| self.clock.now().since(id.made_at()) >= IN_FLIGHT;
        let spent = |context: &SealContext| match rows.get(&context.secret) {
            Some(row) => row.is_spent(context.version),
            None => settled(context.secret),
        };
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let keys = self.vault.keys_after(ctx, purpose, &after).await?;
            let Some((_, last)) = keys.last() else {
                return Ok(found);
            };
            after.clone_from(&last.name);
            let contexts = keys.into_iter().filter_map(|(context, _)| context);
            found.extend(contexts.filter(spent));
        }
    }

    async fn row(&self, ctx: &TenantCtx, id: SecretId) -> Result<Versioned<Secret>, SecretError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let found = records.get::<Secret>(&id.to_string()).await?;
        Ok(found.ok_or(VaultError::NoSecret)?)
    }
}

/// Where versions of a secret belong.
fn place(ctx: &TenantCtx, secret: SecretId, purpose: Purpose) -> SealContext {
    SealContext {
        workspace: ctx.workspace(),
        project: ctx.project(),
        purpose,
        secret,
        version: 0,
    }
}
