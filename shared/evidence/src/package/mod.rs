//! Packages: what an auditor receives (evidence-format section 12).
//!
//! The builders take stored bytes and join them; they judge nothing. Whoever offers a package
//! verifies it first with [`crate::verify`].

mod export;
pub mod folder;
pub mod gzip;
mod range;
mod run;
pub mod tar;
mod write;

pub use export::ExportPackage;
pub use range::RangePackage;
pub use run::RunPackage;

use thiserror::Error;

use crate::code::Fault;
use crate::seal::SegmentEntry;

/// `format` of a run package.
pub const RUN_FORMAT: &str = "counterfoil.run/1";
/// `format` of a full export.
pub const EXPORT_FORMAT: &str = "counterfoil.export/1";
/// `format` of a range export.
pub const RANGE_FORMAT: &str = "counterfoil.range/1";

/// Why stored bytes do not become a package.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackageError {
    /// A part that the header names is not there, or one is there that it does not name.
    #[error("entry {seq} does not have the parts of its header; restore them or record the loss")]
    Parts {
        /// The entry.
        seq: u64,
    },
    /// Stored bytes are not canonical.
    #[error("the stored bytes of entry {seq} are not canonical")]
    Bytes {
        /// The entry.
        seq: u64,
        /// What is wrong with them.
        #[source]
        fault: Fault,
    },
    /// A seal is not a note.
    #[error("a seal is not a note")]
    Seal(#[source] Fault),
    /// Entries of an export or a range must be added without a gap.
    #[error("entry {got} was added where entry {expected} belongs")]
    Gap {
        /// The next position.
        expected: u64,
        /// The position given.
        got: u64,
    },
}

/// Positions of the redact entries that absent parts of `entry` name: what a package must hold as
/// well.
pub fn named_redactions(entry: &SegmentEntry<'_>) -> Option<u64> {
    match entry.subject {
        Some(crate::seal::SegmentPart::Erased(by)) => Some(by),
        _ => None,
    }
}
