//! Lists of what is recorded: runs, the entries of a project, and what concerns one customer.
//!
//! Reads only. Contents of erasable parts are not shown here; a list says that there was one, and
//! which entry took it away.

mod decisions;
mod entries;
mod ledger;
mod mappings;
mod packages;
mod runs;

use std::sync::Arc;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::header::Header;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::part::PartName;
use serde::Serialize;
use thiserror::Error;

pub use decisions::{LayerSaid, RecordedDecision, RecordedIn, RuleSaid};
pub use entries::{EntryContents, Span};
pub use ledger::LedgerRow;
pub use runs::{ListedRun, RunFilter, RunStatus};

use super::pages::{Cursors, NotACursor, Page, PageOf};
use super::vault::{Vault, VaultError};
use crate::ports::{
    EvidenceRead, PortError, PortErrorKind, Random, State, StoredEntry, StoredPart,
};
use crate::records::{Directory, Project, RecordError};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

/// Why a list could not be read.
#[derive(Debug, Error)]
pub enum ReadEvidenceError {
    /// Absent, or not yours: 404.
    #[error("there is no such record")]
    NotFound,
    /// The input breaks a rule: 400.
    #[error("{field} {rule}")]
    Invalid {
        /// JSON pointer to the field.
        field: &'static str,
        /// The rule and the fix.
        rule: &'static str,
    },
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read: 503.
    #[error("a record could not be read")]
    Record(#[from] RecordError),
    /// The key of pseudonyms could not be opened: 503.
    #[error("the key of pseudonyms could not be opened")]
    Vault(#[from] VaultError),
}

impl From<NotACursor> for ReadEvidenceError {
    fn from(_: NotACursor) -> Self {
        Self::Invalid {
            field: NotACursor::FIELD,
            rule: NotACursor::RULE,
        }
    }
}

/// An entry, without its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryLine {
    /// Position in the stream.
    pub seq: u64,
    /// What it records.
    pub kind: Kind,
    /// When.
    pub at: Timestamp,
    /// The run it belongs to.
    pub run: Option<String>,
    /// Leaf hash, hex64.
    pub leaf: String,
    /// It has, or had, an erasable part.
    pub subject: bool,
    /// The `redact` entry that explains why that part is gone.
    pub erased_by: Option<u64>,
}

impl EntryLine {
    fn of(entry: &StoredEntry, stream: Hash) -> Result<Self, PortError> {
        let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading an entry's header");
        let header = Header::parse(&entry.header, stream).map_err(corrupt)?;
        Ok(Self {
            seq: entry.seq,
            kind: header.kind,
            at: Timestamp::from_millis(header.at),
            leaf: header.leaf().to_string(),
            subject: header.commitment(PartName::Subject).is_some(),
            run: header.run.map(|run| run.id),
            erased_by: match entry.subject {
                Some(StoredPart::Erased(by)) => Some(by),
                _ => None,
            },
        })
    }
}

/// Reads what is recorded.
#[derive(Clone)]
pub struct ReadEvidence {
    /// Evidence.
    pub reader: Arc<dyn EvidenceRead>,
    /// State.
    pub state: Arc<dyn State>,
    /// Opens the key of pseudonyms.
    pub vault: Vault,
    /// Makes the key of cursors.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for ReadEvidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadEvidence")
    }
}

impl ReadEvidence {
    async fn cursors(
        &self,
        ctx: &TenantCtx,
        route: &'static str,
        filter: &impl Serialize,
    ) -> Result<Cursors, ReadEvidenceError> {
        let ports = (self.state.as_ref(), self.random.as_ref());
        Ok(Cursors::of(ports, ctx, route, filter).await?)
    }

    async fn project(&self, ctx: &TenantCtx) -> Result<Project, ReadEvidenceError> {
        let directory = Directory::of(self.state.as_ref());
        let found = directory.project(ctx.project()).await?;
        Ok(found.ok_or(ReadEvidenceError::NotFound)?.value)
    }
}
