//! Secrets: versions, where they open, how they go, and the keys that seal them.

mod held;
mod moved;
mod nonces;
mod rewrap;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use counterfoil_core::ids::SecretId;
use counterfoil_core::ports::{PortError, PortErrorKind, WrappedKey, WrappedKeys};
use counterfoil_core::records::{Directory, Records, Secret};
use counterfoil_core::sealed::{Purpose, SealContext};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{Secrets, Vault, VaultError};

use super::world::World;

const OVERLAP: Duration = Duration::from_hours(1);

impl World {
    fn secrets(&self) -> Secrets {
        Secrets {
            evidence: self.store.clone(),
            state: self.store.clone(),
            vault: self.vault.clone(),
            clock: Arc::new(self.clock.clone()),
        }
    }

    fn system(&self) -> TenantCtx {
        Directory::system(&self.project, "test")
    }

    async fn row(&self, id: SecretId) -> Secret {
        let ctx = self.system();
        let records = Records::of(self.store.as_ref(), &ctx);
        let row = records.get::<Secret>(&id.to_string()).await.unwrap();
        row.unwrap().value
    }

    /// What everybody reads.
    async fn opened(&self, id: SecretId, purpose: Purpose) -> Result<String, VaultError> {
        let ctx = self.system();
        let records = Records::of(self.store.as_ref(), &ctx);
        let opened = self.vault.secret(&records, &ctx, id, purpose).await?;
        Ok(opened.reveal().clone())
    }

    /// Where a version of one of the project's secrets belongs.
    fn place(&self, secret: SecretId, purpose: Purpose, version: u64) -> SealContext {
        SealContext {
            workspace: self.workspace.id,
            project: self.project.id,
            purpose,
            secret,
            version,
        }
    }

    async fn key_names(&self, purpose: Purpose) -> Vec<String> {
        let owner = format!(
            "{}#{}#{}",
            self.workspace.id,
            self.project.id,
            purpose.name()
        );
        let (mut names, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.vault.wrapped.list(&owner, &after).await.unwrap();
            let Some(last) = page.last() else {
                return names;
            };
            after.clone_from(&last.name);
            names.extend(page.into_iter().map(|key| key.name));
        }
    }
}

/// A table of wrapped keys that stops working after a number of writes.
struct Failing {
    keys: Arc<dyn WrappedKeys>,
    writes_left: std::sync::atomic::AtomicUsize,
}

impl Failing {
    fn vault(vault: &Vault, writes: usize) -> Vault {
        Vault {
            wrapped: Arc::new(Self {
                keys: vault.wrapped.clone(),
                writes_left: writes.into(),
            }),
            ..vault.clone()
        }
    }

    fn write(&self) -> Result<(), PortError> {
        use std::sync::atomic::Ordering::SeqCst;
        let took = self
            .writes_left
            .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        let down = |_| PortError::new(PortErrorKind::Unavailable, "writing a data key");
        took.map(drop).map_err(down)
    }
}

#[async_trait]
impl WrappedKeys for Failing {
    async fn put(&self, owner: &str, name: &str, wrapped: &[u8]) -> Result<bool, PortError> {
        self.write()?;
        self.keys.put(owner, name, wrapped).await
    }

    async fn get(&self, owner: &str, name: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.keys.get(owner, name).await
    }

    async fn replace(
        &self,
        owner: &str,
        name: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, PortError> {
        self.write()?;
        self.keys.replace(owner, name, old, new).await
    }

    async fn list(&self, owner: &str, after: &str) -> Result<Vec<WrappedKey>, PortError> {
        self.keys.list(owner, after).await
    }

    async fn shred(&self, owner: &str, name: &str) -> Result<(), PortError> {
        self.write()?;
        self.keys.shred(owner, name).await
    }
}
