//! Sealing and opening secrets: a fresh data key per secret and version.

use std::sync::Arc;

use thiserror::Error;

use crate::ids::{ProjectId, SecretId, WorkspaceId};
use crate::ports::{KeyWrapper, PortError, PortErrorKind, Random, WrappedKey, WrappedKeys};
use crate::reconcile::findings::pseudonym;
use crate::records::{Project, RecordError, Records, Secret, SecretVersion, VersionError};
use crate::redacted::Redacted;
use crate::sealed::{Purpose, SealContext, Sealed, SealedError};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

/// Why a secret could not be sealed or opened.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The key service or a table did not answer.
    #[error("the key service or its table did not answer")]
    Port(#[from] PortError),
    /// The record of the secret could not be read.
    #[error("the secret's record could not be read")]
    Record(#[from] RecordError),
    /// The value does not open here.
    #[error("the secret does not open")]
    Sealed(#[from] SealedError),
    /// The data key was destroyed or never existed.
    #[error("the secret's data key is gone: enter the credential again")]
    Shredded,
    /// This version of the secret is not readable; there is no fallback to another one.
    #[error("this version of the secret is not readable")]
    Version(#[from] VersionError),
    /// The version's data key exists already: it belongs to another attempt.
    #[error("the version of the secret is taken by another attempt")]
    Taken,
    /// No such secret, or it is for another purpose.
    #[error("the project has no such secret")]
    NoSecret,
    /// The opened value is not text.
    #[error("the secret is not text")]
    NotText,
}

/// Envelope encryption for one deployment.
#[derive(Clone)]
pub struct Vault {
    /// KMS.
    pub keys: Arc<dyn KeyWrapper>,
    /// The table of wrapped keys.
    pub wrapped: Arc<dyn WrappedKeys>,
    /// Nonces.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// Seals a value under a new data key. The wrapped key is durable before this returns, so a
    /// sealed value without its key cannot be stored by accident.
    pub async fn seal(&self, context: &SealContext, secret: &[u8]) -> Result<Sealed, VaultError> {
        let key = self.keys.generate(&context.encryption_context()).await?;
        let name = key_name(context);
        if !self
            .wrapped
            .put(
                &owner(context.workspace, context.project, context.purpose),
                &name,
                &key.wrapped,
            )
            .await?
        {
            // The name holds an older attempt's key; sealing under ours would lose the value.
            return Err(VaultError::Taken);
        }
        let random = self.random.as_ref();
        Ok(Sealed::fresh(context, &key.plain, random, secret)?)
    }

    /// Seals the next version of a secret: the first number above `above` that no earlier attempt
    /// has taken. What an attempt left behind is one data key that seals nothing stored.
    ///
    /// # Errors
    /// [`VaultError::Taken`] when too many attempts have left numbers behind.
    pub async fn seal_above(
        &self,
        context: &SealContext,
        above: u64,
        secret: &[u8],
    ) -> Result<(u64, Sealed), VaultError> {
        for step in 1..=ATTEMPTS {
            let version = above.saturating_add(step);
            let context = SealContext {
                version,
                ..context.clone()
            };
            match self.seal(&context, secret).await {
                Err(VaultError::Taken) => {}
                sealed => return Ok((version, sealed?)),
            }
        }
        Err(VaultError::Taken)
    }

    /// Opens a sealed value.
    pub async fn open(
        &self,
        context: &SealContext,
        sealed: &Sealed,
    ) -> Result<Redacted<Vec<u8>>, VaultError> {
        let owner = owner(context.workspace, context.project, context.purpose);
        let wrapped = self
            .wrapped
            .get(&owner, &key_name(context))
            .await?
            .ok_or(VaultError::Shredded)?;
        let key = self
            .keys
            .unwrap(&wrapped, &context.encryption_context())
            .await?;
        Ok(sealed.open(context, &key)?)
    }

    /// Destroys the data key of a sealed value: nobody can open it any more, in any copy.
    pub async fn shred(&self, context: &SealContext) -> Result<(), VaultError> {
        let owner = owner(context.workspace, context.project, context.purpose);
        Ok(self.wrapped.shred(&owner, &key_name(context)).await?)
    }

    /// Destroys every data key of one project: whatever was sealed for it opens nowhere any more,
    /// in no copy and no backup. Nothing is sealed outside projects. Returns how many keys went.
    ///
    /// Nobody may seal for the project meanwhile; whoever deletes it sees to that first. Doing it
    /// again is safe.
    pub async fn shred_project(&self, ctx: &TenantCtx) -> Result<u64, VaultError> {
        let mut gone = 0_u64;
        for purpose in Purpose::ALL {
            let owner = owner(ctx.workspace(), ctx.project(), purpose);
            loop {
                let keys = self.wrapped.list(&owner, "").await?;
                if keys.is_empty() {
                    break;
                }
                for key in keys {
                    self.wrapped.shred(&owner, &key.name).await?;
                    gone = gone.saturating_add(1);
                }
            }
        }
        Ok(gone)
    }

    /// The next data keys of one purpose of a project after the one named `after`: where they
    /// belong, their names and what is stored. Empty only at the end.
    pub(super) async fn keys_after(
        &self,
        ctx: &TenantCtx,
        purpose: Purpose,
        after: &str,
    ) -> Result<Vec<(Option<SealContext>, WrappedKey)>, VaultError> {
        let owner = owner(ctx.workspace(), ctx.project(), purpose);
        let keys = self.wrapped.list(&owner, after).await?.into_iter();
        let belongs = |key: WrappedKey| {
            let context = named(&key.name).map(|(secret, version)| SealContext {
                workspace: ctx.workspace(),
                project: ctx.project(),
                purpose,
                secret,
                version,
            });
            (context, key)
        };
        Ok(keys.map(belongs).collect())
    }

    /// Wraps a data key anew under the newest key material and puts it in the place of what is
    /// stored; the sealed value stays as it is. `false` when the key was destroyed meanwhile, or
    /// another worker was faster.
    pub(super) async fn rewrap(
        &self,
        context: &SealContext,
        stored: &WrappedKey,
    ) -> Result<bool, VaultError> {
        let bound = context.encryption_context();
        let key = self.keys.unwrap(&stored.wrapped, &bound).await?;
        let wrapped = self.keys.wrap(&key, &bound).await?;
        // What cannot be opened again must not take the place of what can.
        if self.keys.unwrap(&wrapped, &bound).await?.reveal() != key.reveal() {
            return Err(PortError::new(PortErrorKind::Corrupt, "wrapping a data key").into());
        }
        let owner = owner(context.workspace, context.project, context.purpose);
        let replaced = self
            .wrapped
            .replace(&owner, &stored.name, &stored.wrapped, &wrapped);
        Ok(replaced.await?)
    }

    /// The pseudonym of a customer or of a row in one project.
    pub async fn pseudonym(
        &self,
        records: &Records<'_>,
        ctx: &TenantCtx,
        project: &Project,
        name: &str,
    ) -> Result<String, VaultError> {
        let key = self.pseudonym_key(records, ctx, project).await?;
        Ok(pseudonym(&key, name))
    }

    /// The key of a project's pseudonyms, for whoever makes many of them.
    pub async fn pseudonym_key(
        &self,
        records: &Records<'_>,
        ctx: &TenantCtx,
        project: &Project,
    ) -> Result<[u8; 32], VaultError> {
        let id = project.pseudonym_key;
        let key = self.secret_bytes(records, ctx, id, Purpose::Pseudonym);
        let key = key.await?.reveal().as_slice().try_into();
        key.map_err(|_| VaultError::NoSecret)
    }

    /// Opens a stored secret of a project as text.
    pub async fn secret(
        &self,
        records: &Records<'_>,
        ctx: &TenantCtx,
        id: SecretId,
        purpose: Purpose,
    ) -> Result<Redacted<String>, VaultError> {
        let bytes = self.secret_bytes(records, ctx, id, purpose).await?;
        let text = String::from_utf8(bytes.reveal().clone()).map_err(|_| VaultError::NotText)?;
        Ok(Redacted::new(text))
    }

    /// Opens the newest version of a stored secret of a project.
    pub async fn secret_bytes(
        &self,
        records: &Records<'_>,
        ctx: &TenantCtx,
        id: SecretId,
        purpose: Purpose,
    ) -> Result<Redacted<Vec<u8>>, VaultError> {
        let secret = stored(records, id, purpose).await?;
        self.open_version(ctx, &secret, secret.current()?).await
    }

    /// Opens one version of a stored secret, also an older one until it is retired.
    pub async fn secret_at(
        &self,
        records: &Records<'_>,
        ctx: &TenantCtx,
        id: SecretId,
        purpose: Purpose,
        (version, now): (u64, Timestamp),
    ) -> Result<Redacted<Vec<u8>>, VaultError> {
        let secret = stored(records, id, purpose).await?;
        self.open_version(ctx, &secret, secret.at(version, now)?)
            .await
    }

    async fn open_version(
        &self,
        ctx: &TenantCtx,
        secret: &Secret,
        version: &SecretVersion,
    ) -> Result<Redacted<Vec<u8>>, VaultError> {
        let context = SealContext {
            workspace: ctx.workspace(),
            project: ctx.project(),
            purpose: secret.purpose,
            secret: secret.id,
            version: version.version,
        };
        self.open(&context, &version.sealed).await
    }
}

async fn stored(
    records: &Records<'_>,
    id: SecretId,
    purpose: Purpose,
) -> Result<Secret, VaultError> {
    let found = records.get::<Secret>(&id.to_string()).await?;
    let secret = found.ok_or(VaultError::NoSecret)?.value;
    if secret.purpose == purpose {
        Ok(secret)
    } else {
        Err(VaultError::NoSecret)
    }
}

/// Numbers that are tried for a new version: each failed attempt to store one takes a number.
const ATTEMPTS: u64 = 100;

/// The partition of data keys: a role reaches those of its purposes (template.yaml).
fn owner(workspace: WorkspaceId, project: ProjectId, purpose: Purpose) -> String {
    format!("{workspace}#{project}#{}", purpose.name())
}

fn key_name(context: &SealContext) -> String {
    format!("{}#{}", context.secret, context.version)
}

/// Secret and version in the name of a data key.
fn named(name: &str) -> Option<(SecretId, u64)> {
    let (secret, version) = name.split_once('#')?;
    Some((secret.parse().ok()?, version.parse().ok()?))
}
