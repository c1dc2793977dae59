//! Which entries a period is.

use counterfoil_evidence::hash::Hash;

use super::Exports;
use super::failure::{BuildError, corrupt};
use super::proofs::time_of;
use crate::time::Timestamp;

const BETWEEN: &str = "No entry was recorded in this period. The package holds the entry before it and \
                       the entry after it; they are consecutive, so nothing lies between them.";
const BEFORE: &str = "No entry was recorded in this period: it ends before the first entry of the stream, \
                      number 0, which the package holds. Nothing comes before that one.";
const AFTER: &str = "No entry of the seal was recorded in this period: it begins after the last entry that \
                     the seal covers, which the package holds. What came after that seal is not in it.";

/// Entries `from..to` of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) to: u64,
    /// The period that the entries are, complete, ms; `None` when nobody asked for one, or when no
    /// entry lies in it.
    pub(super) period: Option<(u64, u64)>,
    /// The entries are the neighbours of a period without entries.
    pub(super) empty: bool,
    /// What is to be said about an empty period.
    pub(super) remark: &'static str,
}

impl Span {
    /// Every entry below `size`.
    pub(super) const fn all(size: u64) -> Self {
        Self {
            from: 0,
            to: size,
            period: None,
            empty: false,
            remark: "",
        }
    }

    pub(super) const fn len(self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

impl Exports {
    /// The entries below `size` from `from` up to before `to`. A period without any becomes its
    /// neighbours: that nothing lies between consecutive entries is what proves it empty. At an end
    /// of the stream there is one.
    pub(super) async fn span(
        &self,
        stream: Hash,
        size: u64,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Span, BuildError> {
        let first = self.first_at(stream, size, from.as_millis()).await?;
        let end = self.first_at(stream, size, to.as_millis()).await?;
        if first < end {
            return Ok(Span {
                from: first,
                to: end,
                period: Some((from.as_millis(), to.as_millis())),
                empty: false,
                remark: "",
            });
        }
        Ok(Span {
            from: first.saturating_sub(1),
            to: first.saturating_add(1).min(size),
            period: None,
            empty: true,
            remark: match first {
                0 => BEFORE,
                _ if first == size => AFTER,
                _ => BETWEEN,
            },
        })
    }

    /// The first entry that is not older than `at`; `size` when all are. Times never decrease along
    /// a stream, so a few point reads find it.
    async fn first_at(&self, stream: Hash, size: u64, at: u64) -> Result<u64, BuildError> {
        let (mut low, mut high) = (0, size);
        while low < high {
            let middle = low.midpoint(high);
            let found = self.reader.nodes(stream, &[middle]).await?;
            let time = found.first().and_then(time_of);
            let time = time.ok_or_else(|| corrupt("looking for the beginning of a period"))?;
            if time < at {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}
