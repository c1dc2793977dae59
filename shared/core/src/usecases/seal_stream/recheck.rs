//! Ending a refusal: only when everything that is stored is what locked storage holds.
//!
//! It repairs nothing. Where an entry differs, the stream stays refused (docs/runbooks).

use counterfoil_evidence::hash::{self, Hash};
use counterfoil_evidence::header::Header;
use counterfoil_evidence::tree::Frontier;

use super::recompute::{Base, Recomputed};
use super::{SealError, SealStream};
use crate::ports::{SealedState, StoredEntry, StoredPart};
use crate::time::Timestamp;

/// Entries that are read at a time.
const CHUNK: u64 = 256;
/// The deadline of what must come to its end.
const NEVER: Timestamp = Timestamp::from_millis(u64::MAX);

/// What was found to be intact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rechecked {
    /// Number of sealed entries, each compared with its locked copy.
    pub sealed: u64,
    /// Number of entries of the stream, each recomputed.
    pub size: u64,
}

impl SealStream {
    /// Compares every sealed entry with its locked copy, recomputes the rest, and lifts the refusal
    /// of the stream when all of it agrees.
    ///
    /// # Errors
    /// What differs, as in [`SealStream::seal`]; then the refusal stays.
    pub async fn recheck(&self, stream: Hash) -> Result<Rechecked, SealError> {
        let keys = self.keys().await?;
        let start = self.seals.start(stream).await?;
        let last = start.last.as_ref();
        let in_force = self.in_force(stream, &keys, last).await?;
        if !self.is_newest(stream, last).await? {
            return Err(SealError::Busy);
        }
        if let Some(last) = last {
            self.publish_again(stream, last, NEVER).await?;
            self.compare_with_copies(stream, last).await?;
        }
        let Some(head) = self.evidence.head(stream).await? else {
            return Err(SealError::Rollback);
        };
        let mut base = Base::of(stream, last, None);
        if head.size < base.size {
            return Err(SealError::Rollback);
        }
        self.closed(stream, &mut base).await?;
        let rotation = keys.rotation(in_force);
        match self.recompute(&base, &head, rotation, NEVER).await? {
            Recomputed::Agrees { .. } => {}
            Recomputed::Stopped { .. } => return Err(SealError::Busy),
        }
        let now = self.clock.now();
        if !self.seals.lift(stream, start.refusals, now).await? {
            return Err(SealError::RefusedAgain);
        }
        Ok(Rechecked {
            sealed: base.size,
            size: head.size,
        })
    }

    /// Every sealed entry is the line that locked storage has, and the lines make the sealed tree.
    async fn compare_with_copies(&self, stream: Hash, last: &SealedState) -> Result<(), SealError> {
        let prefix = format!("seg/{stream}/");
        let mut tree = Frontier::new();
        let mut after = String::new();
        loop {
            let keys = self.archive.keys_after(&prefix, &after).await?;
            let Some(newest) = keys.last() else { break };
            newest.clone_into(&mut after);
            for key in keys {
                self.compare_segment(stream, &key, &mut tree).await?;
            }
        }
        if tree == last.frontier {
            return Ok(());
        }
        Err(SealError::mismatch(format!(
            "the locked copies end at entry {} and do not give the last seal's tree",
            tree.size()
        )))
    }

    /// One locked segment. Segments may overlap where a sealer went on after another.
    async fn compare_segment(
        &self,
        stream: Hash,
        key: &str,
        tree: &mut Frontier,
    ) -> Result<(), SealError> {
        let range = key.rsplit('/').next().and_then(|name| {
            let (from, to) = name.strip_suffix(".jsonl")?.split_once('-')?;
            Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?))
        });
        let Some((from, to)) = range.filter(|(from, to)| from < to && *from <= tree.size()) else {
            return Err(SealError::mismatch(format!("{key} does not follow")));
        };
        let copy = self.archive.get(key).await?.unwrap_or_default();
        let mut lines = copy.split_inclusive(|byte| *byte == b'\n');
        let mut next = from;
        while next < to {
            let end = to.min(next.saturating_add(CHUNK));
            for entry in self.evidence.entries(stream, next, end).await? {
                if entry.seq != next {
                    break;
                }
                next = next.saturating_add(1);
                let line = lines.next().and_then(|line| line.strip_suffix(b"\n"));
                if line != Some(entry.header.as_slice()) {
                    return Err(differs(entry.seq, "is not its locked copy"));
                }
                if entry.seq >= tree.size() {
                    check_new(stream, &entry, tree)?;
                }
            }
            if next < end {
                return Err(differs(next, "is gone"));
            }
        }
        if lines.next().is_some() {
            return Err(SealError::mismatch(format!("{key} has more lines")));
        }
        Ok(())
    }
}

/// An entry that no segment before had.
fn check_new(stream: Hash, entry: &StoredEntry, tree: &mut Frontier) -> Result<(), SealError> {
    if tree.push(hash::leaf(&entry.header)) != entry.nodes {
        return Err(differs(entry.seq, "has other persisted nodes"));
    }
    check_parts(stream, entry)
}

fn check_parts(stream: Hash, entry: &StoredEntry) -> Result<(), SealError> {
    let header = Header::parse(&entry.header, stream).map_err(SealError::Mismatch)?;
    let commits = |part: &Option<StoredPart>| match part {
        Some(StoredPart::Present { bytes, salt }) => Some(hash::commitment(salt, bytes)),
        Some(StoredPart::Erased(_)) | None => None,
    };
    if commits(&entry.facts) != Some(header.facts) {
        return Err(differs(entry.seq, "has lost its facts, or has others"));
    }
    let erased = matches!(entry.subject, Some(StoredPart::Erased(by)) if by > entry.seq);
    if commits(&entry.subject) != header.subject && !(erased && header.subject.is_some()) {
        return Err(differs(entry.seq, "has lost its subject, or has another"));
    }
    Ok(())
}

fn differs(seq: u64, how: &str) -> SealError {
    SealError::mismatch(format!("entry {seq} {how}"))
}
