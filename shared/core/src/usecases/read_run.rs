//! What is known about a run, and that its contents were erased.

use std::sync::Arc;

use counterfoil_evidence::header::Header;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::part::PartName;
use thiserror::Error;

use crate::erasure::Erasure;
use crate::governed_run::GovernedRun;
use crate::ids::RunId;
use crate::ports::{EvidenceRead, PortError, PortErrorKind, State, StoredPart};
use crate::records::{Directory, RecordError, Records};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

/// One entry of a run, without its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryView {
    /// Position in the stream.
    pub seq: u64,
    /// What it records.
    pub kind: Kind,
    /// When.
    pub at: Timestamp,
    /// It has, or had, an erasable part.
    pub subject: bool,
    /// The `redact` entry that explains why that part is gone.
    pub erased_by: Option<u64>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// It is closed.
    pub closed: bool,
    /// Its entries, ascending.
    pub entries: Vec<EntryView>,
    /// Its contents were erased as a whole.
    pub erasure: Option<Erasure>,
    /// What it is, where it is a governed one.
    pub governed: Option<Box<GovernedRun>>,
}

impl RunView {
    /// Positions of the `redact` entries that took something from it, ascending.
    pub fn erased_by(&self) -> Vec<u64> {
        let mut by: Vec<u64> = self
            .entries
            .iter()
            .filter_map(|entry| entry.erased_by)
            .collect();
        by.sort_unstable();
        by
    }

    /// Whether nothing erasable is left of it.
    pub fn is_erased(&self) -> bool {
        let mut erasable = self.entries.iter().filter(|entry| entry.subject);
        self.erasure.is_some()
            || (self.entries.iter().any(|entry| entry.subject)
                && erasable.all(|entry| entry.erased_by.is_some()))
    }
}

/// Why a run could not be read.
#[derive(Debug, Error)]
pub enum ReadRunError {
    /// No such run, or not yours: 404.
    #[error("there is no such run")]
    NotFound,
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read: 503.
    #[error("a record could not be read")]
    Record(#[from] RecordError),
}

/// Reads runs.
#[derive(Clone)]
pub struct ReadRun {
    /// Evidence.
    pub reader: Arc<dyn EvidenceRead>,
    /// State.
    pub state: Arc<dyn State>,
}

impl std::fmt::Debug for ReadRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadRun")
    }
}

impl ReadRun {
    /// A run of the caller's project.
    ///
    /// # Errors
    /// [`ReadRunError::NotFound`] when there is none.
    pub async fn get(&self, ctx: &TenantCtx, id: &str) -> Result<RunView, ReadRunError> {
        let id: RunId = id.parse().map_err(|_| ReadRunError::NotFound)?;
        let found = Directory::of(self.state.as_ref())
            .project(ctx.project())
            .await?;
        let project = found.ok_or(ReadRunError::NotFound)?.value;
        let stream = project.stream_id()?;
        let stored = self.reader.run(stream, &id.to_string()).await?;
        if stored.is_empty() {
            return Err(ReadRunError::NotFound);
        }
        let mut entries = Vec::new();
        for entry in stored {
            let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading an entry's header");
            let header = Header::parse(&entry.header, stream).map_err(corrupt)?;
            entries.push(EntryView {
                seq: entry.seq,
                kind: header.kind,
                at: Timestamp::from_millis(header.at),
                subject: header.commitment(PartName::Subject).is_some(),
                erased_by: match entry.subject {
                    Some(StoredPart::Erased(by)) => Some(by),
                    _ => None,
                },
            });
        }
        let records = Records::of(self.state.as_ref(), ctx);
        let erasure = records.get::<Erasure>(&id.to_string()).await?;
        let governed = records.get::<GovernedRun>(&id.to_string()).await?;
        Ok(RunView {
            id,
            closed: entries.iter().any(|entry| entry.kind == Kind::RunClose),
            entries,
            erasure: erasure.map(|row| row.value.settled(row.evidence.as_ref())),
            governed: governed.map(|row| Box::new(row.value)),
        })
    }
}
