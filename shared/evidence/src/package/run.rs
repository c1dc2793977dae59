//! The run package: one run, with proofs (evidence-format section 12.1).

use std::collections::{BTreeMap, BTreeSet};

use super::write::{self, Members};
use super::{PackageError, RUN_FORMAT, named_redactions};
use crate::descriptor::Descriptor;
use crate::hash::Hash;
use crate::json::Json;
use crate::seal::SegmentEntry;

/// Builds a run package. It needs every entry of the run, every redact entry that an erased part
/// names ([`RunPackage::missing`]) and every `key.rotate` entry below the size of the seal, each
/// with its inclusion proof against that seal.
#[derive(Debug, Clone)]
pub struct RunPackage {
    run: String,
    descriptor: Json,
    seal: String,
    entries: BTreeMap<u64, Vec<u8>>,
    named: BTreeSet<u64>,
    consistency: BTreeMap<u64, Vec<Hash>>,
}

impl RunPackage {
    /// An empty package of a run under one seal.
    pub fn new(run: impl Into<String>, descriptor: &Descriptor, seal: impl Into<String>) -> Self {
        Self {
            run: run.into(),
            descriptor: descriptor.to_json(),
            seal: seal.into(),
            entries: BTreeMap::new(),
            named: BTreeSet::new(),
            consistency: BTreeMap::new(),
        }
    }

    /// Adds an entry, in any order.
    ///
    /// # Errors
    /// When its stored bytes are not what they should be.
    pub fn add(&mut self, entry: &SegmentEntry<'_>, proof: &[Hash]) -> Result<(), PackageError> {
        self.entries
            .insert(entry.seq, write::entry(entry, Some(proof))?);
        self.named.extend(named_redactions(entry));
        Ok(())
    }

    /// Adds the proof that links a seal of size `size`, which the auditor holds, to the package's.
    pub fn link(&mut self, size: u64, proof: &[Hash]) {
        self.consistency.insert(size, proof.to_vec());
    }

    /// Positions of redact entries that are named and not yet added.
    pub fn missing(&self) -> Vec<u64> {
        self.named
            .iter()
            .filter(|seq| !self.entries.contains_key(seq))
            .copied()
            .collect()
    }

    /// The package: one canonical JSON line, without a line feed.
    pub fn document(&self) -> Vec<u8> {
        Members::new()
            .maybe("consistency", consistency(&self.consistency))
            .json("descriptor", &self.descriptor)
            .raw(
                "entries",
                &write::array(self.entries.values().map(Vec::as_slice)),
            )
            .json("format", &RUN_FORMAT.into())
            .json("run", &self.run.as_str().into())
            .json("seals", &Json::Array(vec![self.seal.as_str().into()]))
            .end()
    }
}

/// The member `consistency`, left out when there is no proof.
pub(super) fn consistency(proofs: &BTreeMap<u64, Vec<Hash>>) -> Option<Vec<u8>> {
    if proofs.is_empty() {
        return None;
    }
    let items: Vec<Vec<u8>> = proofs
        .iter()
        .map(|(size, proof)| {
            let size = Json::uint(*size);
            Members::new()
                .json("proof", &write::proof(proof))
                .json("size", &size)
                .end()
        })
        .collect();
    Some(write::array(items.iter().map(Vec::as_slice)))
}
