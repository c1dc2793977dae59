//! Recomputing what is to be sealed from the stored bytes (evidence-format section 19, step 4).

use counterfoil_evidence::hash::{self, Hash};
use counterfoil_evidence::header::Header;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::seal::SegmentCheck;
use counterfoil_evidence::stream::Head;
use counterfoil_evidence::tree::Frontier;

use super::{SealError, SealStream};
use crate::ports::{SealProgress, SealedState};
use crate::time::Timestamp;
use crate::usecases::facts::segment_entry;

/// Entries that are read and checked at a time.
const CHUNK: u64 = 256;

/// What a recomputation goes on from.
#[derive(Debug, Clone)]
pub(super) struct Base {
    /// The seal it is based on.
    seal: Option<Hash>,
    pub(super) size: u64,
    leaf: Hash,
    pub(super) frontier: Frontier,
    /// No entry may be older, ms.
    at: u64,
    rotated: bool,
}

impl Base {
    /// The last seal, or the place that an earlier run after this seal came to.
    pub(super) fn of(
        stream: Hash,
        last: Option<&SealedState>,
        progress: Option<SealProgress>,
    ) -> Self {
        let base = match last {
            None => Self {
                seal: None,
                size: 0,
                leaf: stream,
                frontier: Frontier::new(),
                at: 0,
                rotated: false,
            },
            Some(last) => Self {
                seal: Some(last.seal_hash),
                size: last.size,
                leaf: last.leaf,
                frontier: last.frontier.clone(),
                at: last.at,
                rotated: false,
            },
        };
        match progress {
            Some(place) if place.base == base.seal && place.size > base.size => Self {
                size: place.size,
                leaf: place.leaf,
                frontier: place.frontier,
                rotated: place.rotated,
                ..base
            },
            _ => base,
        }
    }
}

/// How a recomputation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recomputed {
    /// All of it agrees; whether it holds a rotation.
    Agrees { rotated: bool },
    /// Time ran out after this many entries; the place is kept.
    Stopped { size: u64 },
}

impl SealStream {
    /// Whether the entry before `base` ended the stream. It is read again, so that what a seal or a
    /// kept place says of it is known to be what is stored.
    pub(super) async fn closed(&self, stream: Hash, base: &mut Base) -> Result<bool, SealError> {
        let Some(seq) = base.size.checked_sub(1) else {
            return Ok(false);
        };
        let found = self.evidence.nodes(stream, &[seq]).await?;
        let Some(entry) = found.into_iter().next() else {
            return Err(SealError::mismatch(format!("entry {seq} is gone")));
        };
        if hash::leaf(&entry.header) != base.leaf {
            let what = format!("entry {seq} is not the one that was checked before");
            return Err(SealError::mismatch(what));
        }
        let header = Header::parse(&entry.header, stream).map_err(SealError::Mismatch)?;
        base.at = base.at.max(header.at);
        Ok(header.kind == Kind::StreamClose)
    }

    /// Recomputes from `base` to `head`. `rotation` names the keys that a `key.rotate` must retire
    /// and add.
    pub(super) async fn recompute(
        &self,
        base: &Base,
        head: &Head,
        rotation: Option<(Hash, Hash)>,
        deadline: Timestamp,
    ) -> Result<Recomputed, SealError> {
        let stream = head.stream;
        let mut check = SegmentCheck::after(stream, base.size, base.leaf, base.frontier.clone())
            .not_before(base.at);
        if let Some((retire, add)) = rotation.filter(|_| !base.rotated) {
            check = check.with_rotation(retire, add);
        }
        let mut from = base.size;
        while from < head.size {
            let to = head.size.min(from.saturating_add(CHUNK));
            self.check_chunk(&mut check, stream, from, to).await?;
            from = to;
            if from < head.size && self.clock.now() > deadline {
                let place = SealProgress {
                    base: base.seal,
                    size: check.size(),
                    leaf: check.leaf(),
                    frontier: check.frontier().clone(),
                    rotated: base.rotated || check.rotated(),
                };
                if place.size == from {
                    self.seals.keep_progress(stream, &place).await?;
                    return Ok(Recomputed::Stopped { size: place.size });
                }
            }
        }
        check.finish(head).map_err(SealError::Mismatch)?;
        Ok(Recomputed::Agrees {
            rotated: base.rotated || check.rotated(),
        })
    }

    async fn check_chunk(
        &self,
        check: &mut SegmentCheck,
        stream: Hash,
        from: u64,
        to: u64,
    ) -> Result<(), SealError> {
        for entry in self.evidence.entries(stream, from, to).await? {
            let entry = segment_entry(&entry);
            if let Some(run) = check.run_needed(&entry).map_err(SealError::Mismatch)? {
                let earlier = self.evidence.run(stream, &run).await?;
                let earlier: Vec<_> = earlier.iter().map(segment_entry).collect();
                check
                    .know_run(&run, &earlier)
                    .map_err(SealError::Mismatch)?;
            }
            check.push(&entry).map_err(SealError::Mismatch)?;
        }
        if check.size() == to {
            return Ok(());
        }
        let what = format!("entry {} is gone", check.size());
        Err(SealError::mismatch(what))
    }
}
