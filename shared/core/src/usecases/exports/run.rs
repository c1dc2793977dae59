//! A run as a package (evidence-format section 12.1).

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::package::RunPackage;

use super::Exports;
use super::collect::Summary;
use super::failure::{BuildError, corrupt};
use super::proofs::kind_of;
use crate::ids::RunId;
use crate::ports::{PortError, PortErrorKind, SealedState};
use crate::usecases::facts::segment_entry;

/// A run's package, and what it is about.
pub(super) struct RunDocument {
    pub(super) document: Vec<u8>,
    pub(super) summary: Summary,
    /// Lines of the index.
    pub(super) index: String,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Exports {
    /// The package of a closed run under a seal; `None` for a run without `run.close` below it.
    pub(super) async fn run_document(
        &self,
        stream: Hash,
        run: RunId,
        seal: &SealedState,
    ) -> Result<Option<RunDocument>, BuildError> {
        let entries = self.reader.run(stream, &run.to_string()).await?;
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Err(corrupt("reading the entries of a run"));
        };
        if kind_of(last) != Some(Kind::RunClose) {
            return Ok(None);
        }
        if last.seq >= seal.size {
            return Err(PortError::new(PortErrorKind::Unavailable, "sealing").into());
        }
        let descriptor = self.descriptor(stream).await?;
        let mut package = RunPackage::new(run.to_string(), &descriptor, seal.note.clone());
        let mut summary = Summary::default();
        let mut index = String::new();
        for entry in &entries {
            index.push_str(&summary.take(entry)?);
            let proof = self.proof(stream, entry.seq, seal.size).await?;
            package.add(&segment_entry(entry), &proof)?;
        }
        if summary.redactions.iter().any(|seq| *seq >= seal.size) {
            return Err(BuildError::ErasedMeanwhile);
        }
        let mut more = Vec::new();
        for seq in package.missing() {
            more.push(self.entry(stream, seq).await?);
        }
        more.extend(self.rotations(stream, &descriptor, seal.size).await?);
        for entry in &more {
            index.push_str(&summary.take(entry)?);
            let proof = self.proof(stream, entry.seq, seal.size).await?;
            package.add(&segment_entry(entry), &proof)?;
        }
        Ok(Some(RunDocument {
            document: package.document(),
            summary,
            index,
            from: first.seq,
            to: last.seq.saturating_add(1),
        }))
    }
}
