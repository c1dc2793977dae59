//! Copies in locked storage: what is there already, and what has to be put (section 19, steps 1, 7).

use std::collections::BTreeSet;

use counterfoil_evidence::hash::{self, Hash};
use counterfoil_evidence::tree::{self, Frontier};

use super::{SealError, SealStream};
use crate::ports::{PutOnce, SealedState};
use crate::time::Timestamp;

/// Entries that are copied at a time.
const CHUNK: u64 = 1_024;

impl SealStream {
    /// Whether locked storage holds nothing newer than `last`; `false` when another sealer has moved
    /// on since it was read.
    pub(super) async fn is_newest(
        &self,
        stream: Hash,
        last: Option<&SealedState>,
    ) -> Result<bool, SealError> {
        let ours = last.map_or_else(String::new, |last| seal_object(stream, last));
        let prefix = format!("seal/{stream}/");
        if self.archive.keys_after(&prefix, &ours).await?.is_empty() {
            return Ok(true);
        }
        if self.seals.last(stream).await?.as_ref() == last {
            return Err(SealError::Rollback);
        }
        Ok(false)
    }

    /// Copies the last seal if a crash after its commit left that out. `Some` as in
    /// [`SealStream::publish`].
    pub(super) async fn publish_again(
        &self,
        stream: Hash,
        last: &SealedState,
        deadline: Timestamp,
    ) -> Result<Option<u64>, SealError> {
        let key = seal_object(stream, last);
        match self.archive.get(&key).await? {
            Some(copy) if copy == last.note.as_bytes() => Ok(None),
            Some(_) => Err(SealError::Equivocation { key }),
            None => {
                let seals = self.seals.all(stream).await?;
                let before = seals.iter().rev().find(|seal| seal.size < last.size);
                self.publish(stream, before, last, deadline).await
            }
        }
    }

    /// Copies a committed seal, and first the segment that it covers. `Some` when time ran out after
    /// this many entries: the next run goes on behind the copies that are there.
    pub(super) async fn publish(
        &self,
        stream: Hash,
        before: Option<&SealedState>,
        sealed: &SealedState,
        deadline: Timestamp,
    ) -> Result<Option<u64>, SealError> {
        let mut tree = before.map_or_else(Frontier::new, |before| before.frontier.clone());
        while tree.size() < sealed.size {
            let put = self.copy_some(stream, &mut tree, sealed).await?;
            // What was there already is no progress: a run that stops must have put something.
            if put && tree.size() < sealed.size && self.clock.now() > deadline {
                return Ok(Some(tree.size()));
            }
        }
        let note = sealed.note.clone().into_bytes();
        self.lock(seal_object(stream, sealed), note).await?;
        Ok(None)
    }

    /// The next object of a segment, at most `segment` header lines behind `tree`, never rewritten.
    /// They are read once more, so they are hashed once more: what is locked for years is what the
    /// seal is about. One that an earlier run has put is only looked at: then the answer is `false`.
    async fn copy_some(
        &self,
        stream: Hash,
        tree: &mut Frontier,
        sealed: &SealedState,
    ) -> Result<bool, SealError> {
        let start = tree.size();
        let end = sealed.size.min(start.saturating_add(self.segment.max(1)));
        let key = format!("seg/{stream}/{start:016}-{end:016}.jsonl");
        // Only before the last object can others be there already.
        let copy = if end < sealed.size {
            self.archive.get(&key).await?
        } else {
            None
        };
        if let Some(copy) = copy {
            for line in copy.split_inclusive(|byte| *byte == b'\n') {
                tree.push(hash::leaf(line.strip_suffix(b"\n").unwrap_or(line)));
            }
            if tree.size() == end && self.is_prefix(stream, tree, sealed).await? {
                return Ok(false);
            }
            return Err(SealError::Equivocation { key });
        }
        let lines = self.lines(stream, tree, end).await?;
        if tree.size() == end && self.is_prefix(stream, tree, sealed).await? {
            self.lock(key, lines).await?;
            return Ok(true);
        }
        Err(SealError::mismatch(
            "entries changed after they were sealed and before they were copied",
        ))
    }

    /// Header lines up to `end`, pushed to `tree`.
    async fn lines(
        &self,
        stream: Hash,
        tree: &mut Frontier,
        end: u64,
    ) -> Result<Vec<u8>, SealError> {
        let mut lines = Vec::new();
        let mut from = tree.size();
        while from < end {
            let to = end.min(from.saturating_add(CHUNK));
            for entry in self.evidence.entries(stream, from, to).await? {
                tree.push(hash::leaf(&entry.header));
                lines.extend_from_slice(&entry.header);
                lines.push(b'\n');
            }
            from = to;
        }
        Ok(lines)
    }

    /// Whether `tree` is what the sealed tree grew from: at its end the same, before it proved.
    async fn is_prefix(
        &self,
        stream: Hash,
        tree: &Frontier,
        sealed: &SealedState,
    ) -> Result<bool, SealError> {
        let (first, second) = (tree.size(), sealed.size);
        if first == second {
            return Ok(*tree == sealed.frontier);
        }
        let wanted = tree::consistency_nodes(first, second);
        let holders: BTreeSet<u64> = wanted.iter().map(|node| node.entry()).collect();
        let holders: Vec<u64> = holders.into_iter().collect();
        let stored = self.evidence.nodes(stream, &holders).await?;
        let lookup = |level: u32, index: u64| {
            let node = tree::NodeId { level, index };
            let entry = stored.iter().find(|entry| entry.seq == node.entry())?;
            entry.nodes.get(usize::try_from(level).ok()?).copied()
        };
        let Ok(proof) = tree::consistency_proof(first, second, lookup) else {
            return Ok(false);
        };
        let root = sealed.frontier.root();
        Ok(tree::check_consistency(first, tree.root(), second, root, &proof).is_ok())
    }

    async fn lock(&self, key: String, bytes: Vec<u8>) -> Result<(), SealError> {
        match self.archive.put_once(&key, bytes).await? {
            PutOnce::Stored => Ok(()),
            PutOnce::Different => Err(SealError::Equivocation { key }),
        }
    }
}

fn seal_object(stream: Hash, sealed: &SealedState) -> String {
    let SealedState { size, at, .. } = sealed;
    format!("seal/{stream}/{size:016}/{at:016}.note")
}
