//! Sealing and opening secrets: a fresh data key per secret and version.

use std::sync::Arc;

use thiserror::Error;

use crate::ids::{ProjectId, SecretId, WorkspaceId};
use crate::ports::{KeyWrapper, PortError, Random, WrappedKeys};
use crate::reconcile::findings::pseudonym;
use crate::records::{Record, RecordError, Records, Secret};
use crate::redacted::Redacted;
use crate::sealed::{Purpose, SealContext, Sealed, SealedError};
use crate::tenancy::TenantCtx;

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
                &owner(context.workspace, context.project),
                &name,
                &key.wrapped,
            )
            .await?
        {
            // The name holds an older attempt's key; sealing under ours would lose the value.
            return Err(VaultError::Shredded);
        }
        let random = self.random.bytes32();
        let mut nonce = [0_u8; 12];
        nonce
            .iter_mut()
            .zip(random)
            .for_each(|(to, from)| *to = from);
        Ok(Sealed::seal(context, &key.plain, nonce, secret)?)
    }

    /// Opens a sealed value.
    pub async fn open(
        &self,
        context: &SealContext,
        sealed: &Sealed,
    ) -> Result<Redacted<Vec<u8>>, VaultError> {
        let owner = owner(context.workspace, context.project);
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
        let owner = owner(context.workspace, context.project);
        Ok(self.wrapped.shred(&owner, &key_name(context)).await?)
    }

    /// The pseudonym of a customer or of a row in one project.
    pub async fn pseudonym(
        &self,
        records: &Records<'_>,
        ctx: &TenantCtx,
        key: SecretId,
        name: &str,
    ) -> Result<String, VaultError> {
        let key = self
            .secret_bytes(records, ctx, key, Purpose::Pseudonym)
            .await?;
        let key: [u8; 32] = key
            .reveal()
            .as_slice()
            .try_into()
            .map_err(|_| VaultError::NoSecret)?;
        Ok(pseudonym(&key, name))
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

    /// Opens a stored secret of a project.
    pub async fn secret_bytes(
        &self,
        records: &Records<'_>,
        ctx: &TenantCtx,
        id: SecretId,
        purpose: Purpose,
    ) -> Result<Redacted<Vec<u8>>, VaultError> {
        let found = records.get::<Secret>(&id.to_string()).await?;
        let secret = found.ok_or(VaultError::NoSecret)?.value;
        if secret.purpose != purpose {
            return Err(VaultError::NoSecret);
        }
        let context = SealContext {
            workspace: ctx.workspace(),
            project: ctx.project(),
            purpose,
            secret: id,
            version: secret.version,
        };
        self.open(&context, &secret.sealed).await
    }
}

fn owner(workspace: WorkspaceId, project: ProjectId) -> String {
    format!("{workspace}#{project}")
}

fn key_name(context: &SealContext) -> String {
    format!("{}#{}#{}", Secret::FAMILY, context.secret, context.version)
}
