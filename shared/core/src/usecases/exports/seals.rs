//! Which seals a package carries, and the one that covers it.

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::package::folder::seal_line;
use counterfoil_evidence::seal::Seal;

use super::Exports;
use super::failure::{BuildError, corrupt};
use crate::export::ExportSeal;
use crate::ports::{PortError, PortErrorKind, ScratchFile, SealedState};
use crate::time::Timestamp;

/// Larger than every time of a seal: 16 digits, as the table sorts them.
const LAST_AT: u64 = 9_999_999_999_999_999;

/// What a record and a manifest say of a seal.
pub(super) fn named(seal: &SealedState) -> ExportSeal {
    ExportSeal {
        size: seal.size,
        at: Timestamp::from_millis(seal.at),
        hash: seal.seal_hash.to_string(),
    }
}

/// Whether a seal has lines of two keys: the first one after a rotation.
pub(super) fn is_handover(note: &str) -> bool {
    Seal::parse(note).is_ok_and(|seal| {
        let origin = &seal.body.origin;
        let own = seal.lines.iter().filter(|line| line.name == *origin);
        own.count() > 1
    })
}

impl Exports {
    /// Asks for a seal of everything that was appended before, and returns the newest one.
    pub(super) async fn sealed(&self, stream: Hash) -> Result<SealedState, BuildError> {
        self.sealer.seal(stream).await?;
        let last = self.seals.last(stream).await?;
        Ok(last.ok_or_else(|| PortError::new(PortErrorKind::Unavailable, "sealing"))?)
    }

    /// Writes every seal from the first up to `newest`: what a full export carries. Returns how
    /// many.
    pub(super) async fn all_seals(
        &self,
        stream: Hash,
        newest: &SealedState,
        out: &mut dyn ScratchFile,
    ) -> Result<u64, BuildError> {
        let (mut size, mut at, mut count) = (0, 0, 0_u64);
        loop {
            let page = self.seals.after(stream, size, at).await?;
            if page.is_empty() {
                return Err(corrupt("listing seals"));
            }
            for seal in page {
                out.write_all(&seal_line(&seal.note)?)?;
                count = count.saturating_add(1);
                (size, at) = (seal.size, seal.at);
                if seal.seal_hash == newest.seal_hash {
                    return Ok(count);
                }
            }
        }
    }

    /// Writes the seals of entries `from..to`: all above `from` up to the first one above `to`, or
    /// up to `newest` where no larger one exists. Returns the last one and how many there are.
    pub(super) async fn range_seals(
        &self,
        stream: Hash,
        (from, to): (u64, u64),
        newest: &SealedState,
        out: &mut dyn ScratchFile,
    ) -> Result<(SealedState, u64), BuildError> {
        let (mut size, mut at, mut count) = (from, LAST_AT, 0_u64);
        loop {
            let page = self.seals.after(stream, size, at).await?;
            if page.is_empty() {
                return Err(corrupt("listing seals"));
            }
            for seal in page {
                out.write_all(&seal_line(&seal.note)?)?;
                count = count.saturating_add(1);
                (size, at) = (seal.size, seal.at);
                if seal.size > to || seal.seal_hash == newest.seal_hash {
                    return Ok((seal, count));
                }
            }
        }
    }
}
