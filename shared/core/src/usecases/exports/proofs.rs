//! Descriptor, proofs and key rotations of a stream, from what its entries keep.

use std::collections::BTreeSet;

use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::tree;

use super::Exports;
use super::failure::{BuildError, corrupt};
use super::seals::is_handover;
use crate::ids::RunId;
use crate::ports::{PortError, PortErrorKind, StoredEntry, StoredPart};

/// The facts of an entry.
pub(super) fn facts_of(entry: &StoredEntry) -> Option<Json> {
    match entry.facts.as_ref()? {
        StoredPart::Present { bytes, .. } => Json::parse(bytes).ok(),
        StoredPart::Erased(_) => None,
    }
}

/// The kind of an entry.
pub(super) fn kind_of(entry: &StoredEntry) -> Option<Kind> {
    let header = Json::parse(&entry.header).ok()?;
    Kind::from_name(header.get("kind")?.as_str()?)
}

/// The run that an entry belongs to.
pub(super) fn run_of(entry: &StoredEntry) -> Option<RunId> {
    let header = Json::parse(&entry.header).ok()?;
    header.get("run")?.get("id")?.as_str()?.parse().ok()
}

/// The time of an entry, ms.
pub(super) fn time_of(entry: &StoredEntry) -> Option<u64> {
    Json::parse(&entry.header).ok()?.get("at")?.as_uint()
}

impl Exports {
    /// One entry, which must be there.
    pub(super) async fn entry(&self, stream: Hash, seq: u64) -> Result<StoredEntry, BuildError> {
        let found = self
            .reader
            .entries(stream, seq, seq.saturating_add(1))
            .await?;
        let found = found.into_iter().find(|entry| entry.seq == seq);
        found.ok_or_else(|| corrupt("reading an entry"))
    }

    pub(super) async fn descriptor(&self, stream: Hash) -> Result<Descriptor, BuildError> {
        let genesis = self.entry(stream, 0).await?;
        let facts = facts_of(&genesis).ok_or_else(|| corrupt("reading the stream's genesis"))?;
        let descriptor = facts.get("descriptor");
        let descriptor = descriptor.ok_or_else(|| corrupt("reading the stream's genesis"))?;
        Descriptor::from_json(descriptor).map_err(BuildError::Unverifiable)
    }

    /// The inclusion proof of entry `seq`, from nodes that the entries keep.
    pub(super) async fn proof(
        &self,
        stream: Hash,
        seq: u64,
        size: u64,
    ) -> Result<Vec<Hash>, BuildError> {
        let wanted = tree::inclusion_nodes(seq, size);
        let holders: BTreeSet<u64> = wanted.iter().map(|node| node.entry()).collect();
        let holders: Vec<u64> = holders.into_iter().collect();
        let stored = self.reader.nodes(stream, &holders).await?;
        let lookup = |level: u32, index: u64| {
            let node = tree::NodeId { level, index };
            let entry = stored.iter().find(|entry| entry.seq == node.entry())?;
            entry.nodes.get(usize::try_from(level).ok()?).copied()
        };
        let missing =
            |error| PortError::caused(PortErrorKind::Corrupt, "reading tree nodes", error);
        Ok(tree::inclusion_proof(seq, size, lookup).map_err(missing)?)
    }

    /// Every `key.rotate` entry below `size`. Only a seal that hands over has the lines of two keys,
    /// so nothing is looked for while the key of the beginning still seals.
    pub(super) async fn rotations(
        &self,
        stream: Hash,
        descriptor: &Descriptor,
        size: u64,
    ) -> Result<Vec<StoredEntry>, BuildError> {
        let mut rotations = Vec::new();
        if descriptor
            .sealers
            .contains(&self.signer.key().await?.hash())
        {
            return Ok(rotations);
        }
        let (mut from, mut at) = (0, 0);
        loop {
            let page = self.seals.after(stream, from, at).await?;
            let Some(last) = page.last() else { break };
            let end = (last.size, last.at);
            for seal in page {
                if is_handover(&seal.note) {
                    let entries = self
                        .reader
                        .entries(stream, from, seal.size.min(size))
                        .await?;
                    let rotated = |entry: &StoredEntry| kind_of(entry) == Some(Kind::KeyRotate);
                    rotations.extend(entries.into_iter().filter(rotated));
                }
                from = seal.size;
            }
            (from, at) = end;
            if from >= size {
                break;
            }
        }
        Ok(rotations)
    }
}
