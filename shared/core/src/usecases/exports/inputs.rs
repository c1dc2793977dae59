//! What is still kept of the inputs of runs, for `counterfoil verify --replay` (evidence-format
//! section 12.5). It stands beside the evidence and changes no verdict.

use counterfoil_evidence::hash::digest_string;

use super::Exports;
use super::collect::Summary;
use super::failure::BuildError;
use super::tar::Archive;
use super::work::Job;
use crate::ports::{PortError, PortErrorKind};
use crate::records::{Directory, Mapping, Records};
use crate::run::Run;
use crate::usecases::reconcile::{mapping_name, open_snapshot};

impl Exports {
    /// Adds compiled mappings and snapshots under the names that entries give them. What was pruned
    /// or erased is left out; a file that is not what its entry names is left out too.
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
        for id in &summary.looked {
            let run = records.get::<Run>(id).await?;
            let kept = run.filter(|run| retention.keeps(&run.value, self.clock.now()));
            for look in kept.iter().flat_map(|run| &run.value.looks) {
                let file = open_snapshot(&self.vault, self.objects.as_ref(), &ctx, look).await;
                let file = file.map_err(|error| {
                    PortError::caused(PortErrorKind::Unavailable, "opening a snapshot", error)
                })?;
                if let Some(file) = file.filter(|file| digest_string(file.reveal()) == look.digest)
                {
                    archive.bytes(&format!("inputs/{}", look.name), file.reveal())?;
                }
            }
            job.alive().await?;
        }
        Ok(())
    }
}
