//! What is still kept of the inputs of runs, for `counterfoil verify --replay` (evidence-format
//! section 12.5). It stands beside the evidence and changes no verdict.

use counterfoil_evidence::hash::digest_string;

use super::Exports;
use super::collect::Summary;
use super::failure::BuildError;
use super::tar::Archive;
use super::work::Job;
use crate::bundles::StoredBundle;
use crate::records::{Directory, Mapping, Records};
use crate::redacted::Redacted;
use crate::run::{Run, Snapshot};
use crate::snapshot::index_files;
use crate::tenancy::TenantCtx;
use crate::usecases::reconcile::{mapping_name, open_snapshot};
use crate::usecases::vault::VaultError;

/// Most bytes of inputs: working space holds the evidence beside them.
const LARGEST: u64 = 1 << 30;

impl Exports {
    /// Adds compiled mappings and snapshots under the names that entries give them. What was pruned
    /// or erased is left out; so is a file that is not what its entry names, and what no longer fits.
    /// The bundles of the workspace that decisions cite and that are still stored.
    pub(super) async fn bundles(
        &self,
        job: &Job<'_>,
        summary: &Summary,
    ) -> Result<Vec<StoredBundle>, BuildError> {
        let directory = Directory::of(self.state.as_ref());
        let mut bundles = Vec::new();
        for digest in &summary.policies {
            let found = directory.policy_bundle(job.ctx.workspace(), digest).await?;
            bundles.extend(found.map(|found| found.value));
        }
        Ok(bundles)
    }

    pub(super) async fn inputs(
        &self,
        job: &mut Job<'_>,
        summary: &Summary,
        archive: &mut Archive,
    ) -> Result<(), BuildError> {
        let directory = Directory::of(self.state.as_ref());
        let ctx = job.ctx.clone();
        let setting = directory.retention(ctx.workspace()).await?;
        let retention = setting.map(|setting| setting.value).unwrap_or_default();
        let records = Records::of(self.state.as_ref(), &ctx);
        for digest in &summary.mappings {
            let Some(mapping) = records.get::<Mapping>(digest).await? else {
                continue;
            };
            let text = mapping.value.artifact;
            if digest_string(text.as_bytes()) == *digest {
                let name = format!("inputs/{}", mapping_name(digest));
                archive.bytes(&name, text.as_bytes())?;
            }
        }
        let mut room = LARGEST;
        for id in &summary.looked {
            let run = records.get::<Run>(id).await?;
            let kept = run.filter(|run| retention.keeps(&run.value, self.clock.now()));
            if let Some(run) = kept
                && !self.looks(&ctx, &run.value, &mut room, archive).await?
            {
                return Ok(());
            }
            job.alive().await?;
        }
        Ok(())
    }

    /// Adds what a run has read, a scan's files behind the index that names them; `false` when there
    /// is no more room.
    async fn looks(
        &self,
        ctx: &TenantCtx,
        run: &Run,
        room: &mut u64,
        archive: &mut Archive,
    ) -> Result<bool, BuildError> {
        for look in &run.looks {
            let Some(file) = self.kept(ctx, look).await? else {
                continue;
            };
            if !add(look, &file, room, archive)? {
                return Ok(false);
            }
            // What is no index has no files; a damaged one helps nobody.
            for part in index_files(file.reveal()).unwrap_or_default() {
                let part = part.snapshot(ctx.project(), run.id);
                let Some(file) = self.kept(ctx, &part).await? else {
                    continue;
                };
                if !add(&part, &file, room, archive)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The file inside a snapshot, if it is still kept and is what its entry names.
    async fn kept(
        &self,
        ctx: &TenantCtx,
        look: &Snapshot,
    ) -> Result<Option<Redacted<Vec<u8>>>, BuildError> {
        let file = open_snapshot(&self.vault, self.objects.as_ref(), ctx, look).await;
        let file = match file {
            Err(VaultError::Port(error)) => return Err(error.into()),
            // What does not open helps nobody; the replay says that it is missing.
            other => other.ok().flatten(),
        };
        Ok(file.filter(|file| digest_string(file.reveal()) == look.digest))
    }
}

fn add(
    look: &Snapshot,
    file: &Redacted<Vec<u8>>,
    room: &mut u64,
    archive: &mut Archive,
) -> Result<bool, BuildError> {
    let bytes = u64::try_from(file.reveal().len()).unwrap_or(u64::MAX);
    let Some(rest) = room.checked_sub(bytes) else {
        return Ok(false);
    };
    *room = rest;
    archive.bytes(&format!("inputs/{}", look.name), file.reveal())?;
    Ok(true)
}
