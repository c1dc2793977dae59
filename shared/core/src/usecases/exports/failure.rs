//! Why a worker did not make an export: for good, or for now.

use std::io;

use counterfoil_evidence::code::Fault;
use counterfoil_evidence::package::PackageError;
use thiserror::Error;

use crate::export::ExportFailure;
use crate::json::JsonError;
use crate::ports::{AppendError, PortError, PortErrorKind};
use crate::records::RecordError;

/// A build that did not end in a package.
#[derive(Debug, Error)]
pub(super) enum BuildError {
    /// The stored evidence does not make a package that verifies: an alarm.
    #[error("the stored evidence does not verify")]
    Unverifiable(#[source] Fault),
    /// The stored bytes do not make a package at all: an alarm.
    #[error("the stored evidence does not make a package")]
    Unpackable(#[from] PackageError),
    /// More than verifiers take.
    #[error("the package would be larger than a verifier takes")]
    TooLarge,
    /// A part was erased by an entry above the seal: seal again and start over.
    #[error("a part was erased meanwhile")]
    ErasedMeanwhile,
    /// Another worker has taken the export over.
    #[error("another worker has taken over")]
    Superseded,
    /// A service did not answer.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read.
    #[error("a record could not be read")]
    Record(#[from] RecordError),
    /// Evidence could not be written.
    #[error("evidence could not be written")]
    Evidence(#[from] AppendError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

impl BuildError {
    /// What the record says when trying again cannot help; `None` when it can.
    pub(super) fn for_good(&self) -> Option<ExportFailure> {
        let (code, detail) = match self {
            Self::Unverifiable(_) | Self::Unpackable(_) => (
                "evidence-not-verifiable",
                "The stored evidence does not make a package that verifies. The operator has been \
                 alarmed; see the runbook for evidence that does not verify.",
            ),
            Self::Port(error) if error.kind == PortErrorKind::Corrupt => (
                "evidence-not-verifiable",
                "A stored entry is missing or is not what was stored. The operator has been \
                 alarmed; see the runbook for evidence that does not verify.",
            ),
            Self::TooLarge => (
                "too-large",
                "The package would have more than 1 GiB, the most that verifiers take. Ask for \
                 shorter periods: each package proves that it begins where the one before ends.",
            ),
            _ => return None,
        };
        Some(ExportFailure {
            code: code.to_owned(),
            detail: detail.to_owned(),
        })
    }
}

impl From<io::Error> for BuildError {
    fn from(source: io::Error) -> Self {
        let doing = "using the working space of an export";
        PortError::caused(PortErrorKind::Unavailable, doing, source).into()
    }
}

/// A stored thing that cannot be what was stored.
pub(super) fn corrupt(doing: &str) -> BuildError {
    PortError::new(PortErrorKind::Corrupt, doing).into()
}
