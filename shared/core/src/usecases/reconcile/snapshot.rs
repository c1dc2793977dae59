//! Snapshots of a run, each sealed under a data key of its own, for a purpose of its own. They are
//! the run's work in progress between its steps, and what a replay of the run needs.

use std::collections::BTreeSet;

use super::{Reconcile, ReconcileError, Work};
use crate::ids::{IncidentId, SecretId};
use crate::json::canonical;
use crate::ports::{Objects, PortError, PortErrorKind};
use crate::reconcile::Finding;
use crate::records::RecordError;
use crate::redacted::Redacted;
use crate::run::Snapshot;
use crate::scan::ScanFile;
use crate::sealed::{Purpose, SealContext, Sealed};
use crate::snapshot::{FORMAT, Look, Recorder, findings, index_files};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::usecases::vault::{Vault, VaultError};

impl Reconcile {
    /// Begins the snapshot of a look.
    pub(in crate::usecases) fn recorder(
        work: &Work<'_>,
        as_of: Timestamp,
        known: Option<BTreeSet<IncidentId>>,
    ) -> Recorder {
        Recorder::new(&Self::first_line(work, as_of, known))
    }

    /// The first line of a file of this run.
    pub(in crate::usecases) fn first_line(
        work: &Work<'_>,
        as_of: Timestamp,
        known: Option<BTreeSet<IncidentId>>,
    ) -> Look {
        Look {
            format: FORMAT.to_owned(),
            project: work.project.id,
            run: work.run.value.id,
            scope: work.run.value.scope.clone(),
            as_of,
            livemode: work.project.livemode,
            known,
        }
    }

    /// Ends a snapshot, seals it and stores it.
    pub(super) async fn keep(
        &self,
        work: &Work<'_>,
        recorder: &Recorder,
        found: &[Finding],
        pseudonym: impl Fn(&str) -> Option<String>,
    ) -> Result<Snapshot, ReconcileError> {
        let file = recorder.finish(found, pseudonym)?;
        let number = work.run.value.looks.len().saturating_add(1);
        let name = ScanFile::name(work.run.value.id, &number.to_string());
        self.store(work, name, &file).await
    }

    /// Seals a file of the run under a new data key and stores it under a new object key. Nothing
    /// names it yet: when the worker dies here, nobody reads it, and it goes with the run's others.
    pub(in crate::usecases) async fn store(
        &self,
        work: &Work<'_>,
        name: String,
        file: &[u8],
    ) -> Result<Snapshot, ReconcileError> {
        let secret = SecretId::new(self.clock.now(), self.random.bits128());
        let snapshot = Snapshot {
            key: Snapshot::key_of(work.project.id, work.run.value.id, secret),
            secret,
            name,
            digest: counterfoil_evidence::hash::digest_string(file),
            bytes: u64::try_from(file.len()).unwrap_or(u64::MAX),
        };
        let sealed = self
            .vault
            .seal(&snapshot_context(work.ctx, secret), file)
            .await?;
        let object = canonical(&sealed)?;
        self.objects
            .put(&snapshot.key, object, "application/json")
            .await?;
        Ok(snapshot)
    }

    /// What the newest look has found.
    pub(super) async fn found(&self, work: &Work<'_>) -> Result<Vec<Finding>, ReconcileError> {
        let stored = work
            .run
            .value
            .looks
            .last()
            .ok_or(ReconcileError::NotReady)?;
        let newest = self.kept(work, stored).await?;
        let files = index_files(newest.reveal())?;
        if files.is_empty() {
            return Ok(findings(newest.reveal())?);
        }
        self.found_in(work, &files).await
    }

    /// What a scan has found, from its files: what its second looks have left, or what the first
    /// one found where there was no second one.
    pub(in crate::usecases) async fn found_in(
        &self,
        work: &Work<'_>,
        files: &[ScanFile],
    ) -> Result<Vec<Finding>, ReconcileError> {
        let mut found = Vec::new();
        for file in ScanFile::last_word(files) {
            let stored = file.snapshot(work.project.id, work.run.value.id);
            found.extend(findings(self.kept(work, &stored).await?.reveal())?);
        }
        Ok(found)
    }

    /// The file inside a snapshot of this run, which must be there and be what was stored.
    pub(in crate::usecases) async fn kept(
        &self,
        work: &Work<'_>,
        stored: &Snapshot,
    ) -> Result<Redacted<Vec<u8>>, ReconcileError> {
        let file = open_snapshot(&self.vault, self.objects.as_ref(), work.ctx, stored).await?;
        let same = |file: &Redacted<Vec<u8>>| {
            counterfoil_evidence::hash::digest_string(file.reveal()) == stored.digest
        };
        let corrupt = || PortError::new(PortErrorKind::Corrupt, "reading a snapshot of the run");
        Ok(file.filter(same).ok_or_else(corrupt)?)
    }
}

/// The file inside a snapshot; `None` once it was pruned, erased or its data key shredded.
///
/// # Errors
/// When a service does not answer, or the stored object is not what was stored.
pub async fn open_snapshot(
    vault: &Vault,
    objects: &dyn Objects,
    ctx: &TenantCtx,
    snapshot: &Snapshot,
) -> Result<Option<Redacted<Vec<u8>>>, VaultError> {
    let Some(object) = objects.get(&snapshot.key).await? else {
        return Ok(None);
    };
    let sealed: Sealed = serde_json::from_slice(&object).map_err(|source| RecordError::Shape {
        family: "snapshot",
        source,
    })?;
    let context = snapshot_context(ctx, snapshot.secret);
    match vault.open(&context, &sealed).await {
        Ok(file) => Ok(Some(file)),
        Err(VaultError::Shredded) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where a snapshot's data key belongs.
fn snapshot_context(ctx: &TenantCtx, secret: SecretId) -> SealContext {
    SealContext {
        workspace: ctx.workspace(),
        project: ctx.project(),
        purpose: Purpose::Snapshot,
        secret,
        version: 1,
    }
}
