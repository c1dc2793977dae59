//! What a look has read, kept so that the run can be derived again.
//!
//! A snapshot is gzip-compressed JSON lines: first what was looked at and when, then every answer of
//! both sides in the order in which they were asked, then what was found. It holds personal data, so
//! it lies sealed under a data key of its own and is pruned or shredded; evidence names it by digest
//! only. Whoever is given it can run the engine on it and compare (`counterfoil verify --replay`).

mod files;
mod record;
mod replay;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use files::index_files;
pub(crate) use files::{changed, each_object, index, take_rows, take_stripe};
pub use record::Recorder;
pub use replay::Replay;

use crate::billing::{Catalog, Customer, Invoice, STRIPE_VERSION, Subscription};
use crate::cell::AppRow;
use crate::ids::{IncidentId, ProjectId, RunId};
use crate::mapping::TableColumns;
use crate::reconcile::{Finding, Undecided};
use crate::run::RunScope;
use crate::scan::ScanFile;
use crate::time::Timestamp;

/// The format's name, in the first line.
pub const FORMAT: &str = "counterfoil.snapshot/1";

/// What this build reads, and how: its version, the form in which it keeps objects, and the version of
/// Stripe's API.
pub fn reader() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("{version} {FORMAT} {STRIPE_VERSION}")
}

/// A line longer than this is not read: no row or Stripe object comes near.
const MAX_LINE: u64 = 8 << 20;

/// The first line: what this look is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// [`FORMAT`].
    pub format: String,
    /// The project.
    pub project: ProjectId,
    /// The run.
    pub run: RunId,
    /// What the run looks at.
    pub scope: RunScope,
    /// When promises are evaluated.
    pub as_of: Timestamp,
    /// Mode of the project.
    pub livemode: bool,
    /// In a second look, the incidents that already said what the first look found; they are not
    /// looked at again.
    pub known: Option<BTreeSet<IncidentId>>,
}

/// One answer, or one thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    Look(Look),
    Columns(Option<TableColumns>),
    Catalog(Catalog),
    /// One of all customers.
    Customer(Customer),
    /// One of all subscriptions.
    Subscription(Subscription),
    /// One of all open invoices.
    OpenInvoice(Invoice),
    /// One of all rows.
    Row(AppRow),
    /// A customer that has changed since an earlier scan.
    Changed {
        customer: String,
    },
    CustomerAsked {
        id: String,
        answer: Option<Customer>,
    },
    SubscriptionsAsked {
        customer: String,
        answer: Vec<Subscription>,
    },
    OpenInvoicesAsked {
        customer: String,
        answer: Vec<Invoice>,
    },
    RowsAsked {
        column: String,
        values: Vec<String>,
        answer: Vec<AppRow>,
    },
    Found(Finding),
    /// Somebody about whom nothing was concluded.
    Undecided(Undecided),
    /// In the index of a scan: one of its files.
    File(ScanFile),
    /// What the findings object calls a subject.
    Pseudonym {
        subject: String,
        pseudonym: String,
    },
}

/// Why a snapshot cannot be written or read.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Not gzip, cut, or a line that is too long.
    #[error("the snapshot is damaged")]
    Damaged(#[from] std::io::Error),
    /// A line is not of this format.
    #[error("line {line} of the snapshot is not of this format")]
    Shape {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// It does not begin with its first line, or is of another version.
    #[error("the snapshot is not of the format {FORMAT}")]
    Format,
}

/// Writes a snapshot as it is read.
pub(crate) struct Writer {
    gzip: GzEncoder<Vec<u8>>,
    failed: Option<SnapshotError>,
    lines: u64,
}

impl Writer {
    pub(crate) fn new(look: &Look) -> Self {
        let mut writer = Self {
            gzip: GzEncoder::new(Vec::new(), Compression::fast()),
            failed: None,
            lines: 0,
        };
        writer.line(&Line::Look(look.clone()));
        writer
    }

    /// Appends a line. A failure is kept for [`Writer::finish`]: a look must not end early because
    /// it cannot be kept.
    pub(crate) fn line(&mut self, line: &Line) {
        if self.failed.is_some() {
            return;
        }
        self.lines = self.lines.saturating_add(1);
        let written = serde_json::to_vec(line)
            .map_err(|source| SnapshotError::Shape {
                line: self.lines,
                source,
            })
            .and_then(|mut text| {
                text.push(b'\n');
                Ok(self.gzip.write_all(&text)?)
            });
        self.failed = written.err();
    }

    /// Compressed bytes so far.
    pub(crate) fn size(&self) -> usize {
        self.gzip.get_ref().len()
    }

    /// The compressed bytes.
    pub(crate) fn finish(self) -> Result<Vec<u8>, SnapshotError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.gzip.finish()?),
        }
    }
}

/// Reads a snapshot line by line.
pub(crate) struct Lines<R> {
    text: BufReader<GzDecoder<R>>,
    number: u64,
    next: Option<Line>,
}

impl<R: Read> Lines<R> {
    /// Opens a snapshot and reads its first line.
    pub(crate) fn open(bytes: R) -> Result<(Look, Self), SnapshotError> {
        let mut lines = Self {
            text: BufReader::new(GzDecoder::new(bytes)),
            number: 0,
            next: None,
        };
        lines.advance()?;
        match lines.take()? {
            Some(Line::Look(look)) if look.format == FORMAT => Ok((look, lines)),
            _ => Err(SnapshotError::Format),
        }
    }

    /// The next line, which stays.
    pub(crate) const fn peek(&self) -> Option<&Line> {
        self.next.as_ref()
    }

    /// The next line.
    pub(crate) fn take(&mut self) -> Result<Option<Line>, SnapshotError> {
        let line = self.next.take();
        self.advance()?;
        Ok(line)
    }

    fn advance(&mut self) -> Result<(), SnapshotError> {
        let mut text = Vec::new();
        let read = (&mut self.text)
            .take(MAX_LINE)
            .read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(());
        }
        self.number = self.number.saturating_add(1);
        let line = serde_json::from_slice(&text).map_err(|source| SnapshotError::Shape {
            line: self.number,
            source,
        })?;
        self.next = Some(line);
        Ok(())
    }
}

/// What came of a look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// What differs.
    pub found: Vec<Finding>,
    /// About whom nothing was concluded.
    pub undecided: Vec<Undecided>,
}

/// What came of a look, from the end of its snapshot.
///
/// # Errors
/// When the snapshot cannot be read.
pub fn told(bytes: &[u8]) -> Result<Told, SnapshotError> {
    let (_, mut lines) = Lines::open(bytes)?;
    let mut told = Told::default();
    while let Some(line) = lines.take()? {
        match line {
            Line::Found(finding) => told.found.push(finding),
            Line::Undecided(one) => told.undecided.push(one),
            _ => {}
        }
    }
    Ok(told)
}

/// What a look has found, from the end of its snapshot.
///
/// # Errors
/// When the snapshot cannot be read.
pub fn findings(bytes: &[u8]) -> Result<Vec<Finding>, SnapshotError> {
    Ok(told(bytes)?.found)
}

/// What the findings object calls each subject.
///
/// # Errors
/// When the snapshot cannot be read.
pub fn pseudonyms(bytes: &[u8]) -> Result<BTreeMap<String, String>, SnapshotError> {
    let (_, mut lines) = Lines::open(bytes)?;
    let mut names = BTreeMap::new();
    while let Some(line) = lines.take()? {
        if let Line::Pseudonym { subject, pseudonym } = line {
            names.insert(subject, pseudonym);
        }
    }
    Ok(names)
}
