//! Snapshots of a run, each sealed under a data key of its own, for a purpose of its own. They are
//! the run's work in progress between its steps, and what a replay of the run needs.

use std::collections::BTreeSet;

use super::{Reconcile, ReconcileError, Work};
use crate::ids::{IncidentId, SecretId};
use crate::json::canonical;
use crate::ports::{Objects, PortError, PortErrorKind};
use crate::records::RecordError;
use crate::redacted::Redacted;
use crate::run::Snapshot;
use crate::scan::{FileKind, ScanFile};
use crate::sealed::{Purpose, SealContext, Sealed};
use crate::snapshot::{FORMAT, Look, Recorder, Told, index_files, told};
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
        told: &Told,
        pseudonym: impl Fn(&str) -> Option<String>,
    ) -> Result<Snapshot, ReconcileError> {
        let file = recorder.finish(&told.found, &told.undecided, pseudonym)?;
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

    /// What the newest look has found, and about whom any look has concluded nothing.
    pub(super) async fn told(&self, work: &Work<'_>) -> Result<Told, ReconcileError> {
        let mut all = Told::default();
        for stored in &work.run.value.looks {
            let look = self.kept(work, stored).await?;
            let files = index_files(look.reveal())?;
            if !files.is_empty() {
                return self.told_in(work, &files).await;
            }
            let one = told(look.reveal())?;
            all.found = one.found;
            all.undecided.extend(one.undecided);
        }
        if work.run.value.looks.is_empty() {
            return Err(ReconcileError::NotReady);
        }
        Ok(all)
    }

    /// What came of a scan, from its files: what its second looks have left, or what the first one
    /// found where there was no second one, and about whom any of them has concluded nothing.
    pub(in crate::usecases) async fn told_in(
        &self,
        work: &Work<'_>,
        files: &[ScanFile],
    ) -> Result<Told, ReconcileError> {
        let again = files.iter().any(|file| file.kind == FileKind::Again);
        let looks = |file: &&ScanFile| matches!(file.kind, FileKind::First | FileKind::Again);
        let mut all = Told::default();
        for file in files.iter().filter(looks) {
            let stored = file.snapshot(work.project.id, work.run.value.id);
            let one = told(self.kept(work, &stored).await?.reveal())?;
            if !again || file.kind == FileKind::Again {
                all.found.extend(one.found);
            }
            all.undecided.extend(one.undecided);
        }
        Ok(all)
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
