//! Giving up snapshots: recorded first, then the data keys are destroyed and the objects deleted,
//! retried until nothing is left.

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::facts::{change, target};
use super::reconcile::ABANDONED;
use super::vault::{Vault, VaultError};
use crate::ids::SecretId;
use crate::ports::{
    AppendError, Batch, Clock, EntryRef, EvidenceAppend, Holds, HoldsWrite, Objects, PortError,
    State,
};
use crate::records::{RecordError, Records, Versioned};
use crate::run::{Pruned, Run, RunScope};
use crate::sealed::{Purpose, SealContext};
use crate::tenancy::TenantCtx;
use thiserror::Error;

/// Runs in one transaction: 1 + 3 x 32 + 1 <= 100 items.
pub(super) const RUNS: usize = 32;

/// Why snapshots were not given up. What was recorded stays, and the next attempt goes on there.
#[derive(Debug, Error)]
pub enum PruneError {
    /// The record could not be written: nothing was deleted for it.
    #[error("evidence could not be written: nothing was deleted")]
    Evidence(#[from] AppendError),
    /// A service did not answer.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read or written.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// A data key could not be destroyed.
    #[error("a data key could not be destroyed")]
    Vault(#[from] VaultError),
}

/// What giving up snapshots needs.
pub(super) struct Prune<'a> {
    pub(super) evidence: &'a dyn EvidenceAppend,
    pub(super) state: &'a dyn State,
    pub(super) objects: &'a dyn Objects,
    pub(super) vault: &'a Vault,
    pub(super) clock: &'a dyn Clock,
    pub(super) ctx: &'a TenantCtx,
}

impl Prune<'_> {
    /// Appends `snapshot.pruned` for each of at most [`RUNS`] runs, with the digests of what goes.
    /// `holds` is the register that was judged; `decision` the leaf of the decision behind it.
    pub(super) async fn record(
        &self,
        stream: Hash,
        runs: &[Versioned<Run>],
        holds: &Holds,
        reason: &str,
        decision: Option<&EntryRef>,
    ) -> Result<(), PruneError> {
        let records = Records::of(self.state, self.ctx);
        let mut batch = Batch::default().holds(HoldsWrite::Unchanged(holds.version));
        for run in runs {
            let entry = batch.drafts.len();
            batch.drafts.push(self.draft(&run.value, reason, decision));
            let mut after = run.value.clone();
            after.pruned = Some(Pruned {
                at: self.clock.now(),
                gone: false,
                again: false,
            });
            batch = batch.with(records.replace(run.version, &after)?.explained_by(entry));
        }
        if !batch.drafts.is_empty() {
            self.evidence.append(stream, batch).await?;
        }
        Ok(())
    }

    fn draft(&self, run: &Run, reason: &str, decision: Option<&EntryRef>) -> Draft {
        let digests = run.looks.iter().map(|look| look.digest.as_str().into());
        let mut more = vec![
            ("digests", Json::Array(digests.collect())),
            ("reason", reason.into()),
        ];
        if let Some(decision) = decision {
            more.push(("decision", decision.leaf.as_str().into()));
        }
        let facts = change(self.ctx.principal(), target("run", run.id), more);
        Draft::new(Kind::SnapshotPruned, facts)
    }

    /// Destroys the keys and deletes the objects of a run whose end is recorded; returns how many
    /// objects went. Objects that no record names, because a worker died, go as well.
    pub(super) async fn delete(&self, run: &Versioned<Run>) -> Result<u64, PruneError> {
        let prefix = format!("snapshots/{}/{}/", self.ctx.project(), run.value.id);
        for look in &run.value.looks {
            self.shred(look.secret).await?;
        }
        let mut deleted = 0_u64;
        // A list of keys ends after the first thousand, and a scan may have more files.
        loop {
            let listed = self.objects.keys(&prefix).await?;
            if listed.is_empty() {
                break;
            }
            for secret in listed.iter().filter_map(|key| secret_of(key)) {
                self.shred(secret).await?;
            }
            for key in &listed {
                self.objects.delete(key).await?;
                deleted = deleted.saturating_add(1);
            }
        }
        let records = Records::of(self.state, self.ctx);
        let mut after = run.value.clone();
        // A worker of a scan that has lost its shard may still be storing what it read; it lives no
        // longer than its function may run, and the duty comes again after that.
        let now = self.clock.now();
        let settled = after.scope != RunScope::Scan || now.since(after.touched_at) >= ABANDONED;
        if let Some(pruned) = &mut after.pruned {
            pruned.gone = true;
            pruned.again = !settled;
        }
        let mut write = records.replace(run.version, &after)?;
        write.cites.clone_from(&run.evidence);
        // Lost to another writer: the next pass finds the run as it is then.
        self.state.write(vec![write]).await?;
        Ok(deleted)
    }

    async fn shred(&self, secret: SecretId) -> Result<(), VaultError> {
        let context = SealContext {
            workspace: self.ctx.workspace(),
            project: self.ctx.project(),
            purpose: Purpose::Snapshot,
            secret,
            version: 1,
        };
        self.vault.shred(&context).await
    }
}

/// The secret in `snapshots/<project>/<run>/<secret>.sealed`.
fn secret_of(key: &str) -> Option<SecretId> {
    let name = key.rsplit('/').next()?.strip_suffix(".sealed")?;
    name.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_of_a_snapshot_is_in_its_key() {
        let secret = SecretId::from_bits(7);
        let key = format!("snapshots/prj_1/run_1/{secret}.sealed");
        assert_eq!(secret_of(&key), Some(secret));
        assert_eq!(secret_of("snapshots/prj_1/run_1/other"), None);
    }
}
