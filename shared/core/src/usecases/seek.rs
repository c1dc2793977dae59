//! The place of a time in a stream: entries are in the order of time, so a search over few of them finds
//! it.

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::header::Header;

use crate::ports::{EvidenceRead, PortError, PortErrorKind, StoredEntry};
use crate::time::Timestamp;

/// Into how many parts a round of the search divides what is left.
const PARTS: u64 = 16;

/// The position of the first entry that is not older than `at`; `size` where there is none.
pub(super) async fn first_at(
    reader: &dyn EvidenceRead,
    stream: Hash,
    size: u64,
    at: Timestamp,
) -> Result<u64, PortError> {
    // Everything before `low` is older, nothing from `high` on is.
    let (mut low, mut high) = (0, size);
    while low < high {
        let step = high.saturating_sub(low).div_ceil(PARTS).max(1);
        let marks: Vec<u64> = (1..=PARTS)
            .filter_map(|part| step.checked_mul(part)?.checked_add(low)?.checked_sub(1))
            .filter(|seq| *seq < high)
            .collect();
        let found = reader.nodes(stream, &marks).await?;
        if found.is_empty() {
            // The store has lost them: the walk begins here.
            return Ok(low);
        }
        for entry in found {
            if Timestamp::from_millis(header(&entry, stream)?.at) < at {
                low = low.max(entry.seq.saturating_add(1));
            } else {
                high = high.min(entry.seq);
            }
        }
    }
    Ok(low)
}

pub(super) fn header(entry: &StoredEntry, stream: Hash) -> Result<Header, PortError> {
    let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading an entry's header");
    Header::parse(&entry.header, stream).map_err(corrupt)
}
