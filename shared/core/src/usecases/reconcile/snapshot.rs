//! What a run has found, sealed between its steps: a data key per object, a purpose that no other
//! function may open.

use super::{Reconcile, ReconcileError, Work};
use crate::ids::SecretId;
use crate::json::canonical;
use crate::ports::{PortError, PortErrorKind};
use crate::reconcile::Finding;
use crate::records::RecordError;
use crate::run::SealedObject;
use crate::sealed::{Purpose, SealContext, Sealed};
use crate::tenancy::TenantCtx;

impl Reconcile {
    /// Seals findings under a data key of their own and stores them.
    pub(super) async fn store(
        &self,
        work: &Work<'_>,
        findings: &[Finding],
    ) -> Result<SealedObject, ReconcileError> {
        let secret = SecretId::new(self.clock.now(), self.random.bits128());
        let context = work_context(work.ctx, secret);
        let bytes = serde_json::to_vec(findings).map_err(shape)?;
        let sealed = self.vault.seal(&context, &bytes).await?;
        let key = format!(
            "snapshots/{}/{}/{secret}.sealed",
            work.project.id, work.run.value.id
        );
        let object = canonical(&sealed)?;
        self.objects.put(&key, object, "application/json").await?;
        Ok(SealedObject { key, secret })
    }

    pub(super) async fn load(&self, work: &Work<'_>) -> Result<Vec<Finding>, ReconcileError> {
        let stored = work
            .run
            .value
            .findings
            .as_ref()
            .ok_or(ReconcileError::NotReady)?;
        let missing = || PortError::new(PortErrorKind::Corrupt, "reading the run's findings");
        let object = self.objects.get(&stored.key).await?.ok_or_else(missing)?;
        let sealed: Sealed = serde_json::from_slice(&object).map_err(shape)?;
        let bytes = self
            .vault
            .open(&work_context(work.ctx, stored.secret), &sealed)
            .await?;
        Ok(serde_json::from_slice(bytes.reveal()).map_err(shape)?)
    }
}

fn shape(source: serde_json::Error) -> RecordError {
    RecordError::Shape {
        family: "findings",
        source,
    }
}

fn work_context(ctx: &TenantCtx, secret: SecretId) -> SealContext {
    SealContext {
        workspace: ctx.workspace(),
        project: ctx.project(),
        purpose: Purpose::Snapshot,
        secret,
        version: 1,
    }
}
