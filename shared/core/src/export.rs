//! Exports as the state table holds them: what was asked for, how far it is, what can be fetched.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{ExportId, RunId};
use crate::records::Record;
use crate::tenancy::Principal;
use crate::time::Timestamp;

/// How long a finished export can be fetched. Packages hold personal data, so copies do not lie
/// around: whoever needs it later asks again.
pub const KEPT: Duration = Duration::from_hours(7 * 24);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
pub enum ExportScope {
    /// One closed run.
    Run {
        /// Its id.
        run_id: RunId,
    },
    /// Every entry of the project from `from` up to before `to`.
    Period {
        /// First moment.
        from: Timestamp,
        /// The moment after the last one.
        to: Timestamp,
    },
    /// Every entry of the project.
    All,
    /// Every entry of the workspace's own stream.
    Workspace,
    /// The runs that concern a customer.
    Customer {
        /// Stripe customer id.
        customer: String,
    },
}

impl ExportScope {
    /// Its name in the API and in evidence.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Run { .. } => "run",
            Self::Period { .. } => "period",
            Self::All => "all",
            Self::Workspace => "workspace",
            Self::Customer { .. } => "customer",
        }
    }
}

/// What is asked for, and what is to come with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The evidence.
    pub scope: ExportScope,
    /// What runs have read, as far as it is still kept, for a replay. It holds personal data of every
    /// customer that they read, so it comes only when it is asked for.
    pub inputs: bool,
}

impl From<ExportScope> for Wanted {
    /// Without inputs.
    fn from(scope: ExportScope) -> Self {
        Self {
            scope,
            inputs: false,
        }
    }
}

/// Where an export is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportState {
    /// Waits for a worker.
    Queued,
    /// A worker is at it.
    Running,
    /// Can be fetched.
    Ready,
    /// Will not be made; `failure` says why.
    Failed,
}

/// How far a worker is. Counted, never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Entries (of a ledger: runs) that were read.
    pub done: u64,
    /// How many there are, once that is known.
    pub of: Option<u64>,
}

/// Why an export will not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFailure {
    /// A stable code.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

/// One file that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFile {
    /// `package` or `report`.
    pub part: String,
    /// Object key in the data bucket.
    pub object: String,
    /// What a browser saves.
    pub filename: String,
    /// Media type.
    pub content_type: String,
    /// `counterfoil.run/1`, `counterfoil.delivery/1`, `application/pdf`.
    pub format: String,
    /// `sha256:…`.
    pub digest: String,
    /// Size.
    pub bytes: u64,
}

/// The seal that covers an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportSeal {
    /// Entries under it.
    pub size: u64,
    /// When it was made, ms.
    pub at: Timestamp,
    /// Its hash, hex64.
    pub hash: String,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Package first.
    pub files: Vec<ExportFile>,
    /// First entry.
    pub from: u64,
    /// The entry after the last one.
    pub to: u64,
    /// Entries in it.
    pub entries: u64,
    /// No entry lies in the period that was asked for: the package holds its two neighbours, which
    /// prove that.
    pub empty: bool,
    /// The covering seal.
    pub seal: ExportSeal,
    /// When.
    pub at: Timestamp,
}

/// An export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// Id.
    pub id: ExportId,
    /// What was asked for.
    pub scope: ExportScope,
    /// Whether inputs come with it.
    #[serde(default)]
    pub inputs: bool,
    /// Who asked.
    pub by: Principal,
    /// Where it is.
    pub state: ExportState,
    /// The stream it is of, hex64.
    pub stream: String,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// When a worker last said something.
    pub touched_at: Timestamp,
    /// How often a worker has begun.
    pub attempt: u32,
    /// How far the worker is.
    pub progress: Progress,
    /// What was made, once it is ready.
    pub made: Option<Made>,
    /// Why not, once it has failed.
    pub failure: Option<ExportFailure>,
}

impl Export {
    /// The file of this part, if it can be fetched.
    pub fn file(&self, part: &str) -> Option<&ExportFile> {
        let files = self.made.as_ref().map_or(&[][..], |made| &made.files);
        files.iter().find(|file| file.part == part)
    }

    /// Until when it can be fetched.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.made.as_ref().map(|made| made.at.plus(KEPT))
    }

    /// Whether nothing more will happen to it.
    pub const fn is_final(&self) -> bool {
        matches!(self.state, ExportState::Ready | ExportState::Failed)
    }
}

impl Record for Export {
    const FAMILY: &'static str = "export";

    fn id(&self) -> String {
        self.id.to_string()
    }
}

/// Remembers the answer to a request that came with an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// SHA-256 over who asked and the key.
    pub id: String,
    /// What was asked for then.
    pub scope: ExportScope,
    /// Whether inputs were to come with it.
    #[serde(default)]
    pub inputs: bool,
    /// The export.
    pub export: ExportId,
}

impl Record for Asked {
    const FAMILY: &'static str = "export-asked";

    fn id(&self) -> String {
        self.id.clone()
    }
}
