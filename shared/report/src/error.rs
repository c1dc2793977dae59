//! Why there is no report.

use counterfoil_evidence::code::Fault;
use krilla::error::KrillaError;
use thiserror::Error;

/// Why no report was written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The package is not what it claims: a report is rendered only from bytes that passed
    /// verification.
    #[error("the package was refused with {}", .0.code)]
    Refused(Fault),
    /// The package is intact, but not at the level that was asked for.
    #[error("the package reaches level {reached} and level {required} is required")]
    Level {
        /// Level that was reached.
        reached: u8,
        /// Level that was asked for.
        required: u8,
    },
    /// A run report needs a run package.
    #[error("the package is {0}, not a run package")]
    NotARun(&'static str),
    /// The summary of a delivery contradicts the verdict.
    #[error("the summary does not fit the verified package: {0}")]
    Summary(&'static str),
    /// A verified package has a shape that the report does not know.
    #[error("the verified package has an entry without {0}")]
    Shape(&'static str),
    /// An embedded font cannot be read.
    #[error("an embedded font cannot be read")]
    Font,
    /// The square code cannot be drawn.
    #[error("the square code cannot be drawn")]
    Code,
    /// A page or the attachment cannot be set up.
    #[error("a page or the attachment cannot be set up")]
    Page,
    /// The PDF writer refused the document, for instance because a rule of PDF/A is broken.
    #[error("the document could not be written as pdf/a-3a and pdf/ua-1")]
    Written(#[source] Box<KrillaError>),
}

impl ReportError {
    pub(crate) fn written(error: KrillaError) -> Self {
        Self::Written(Box::new(error))
    }
}
