//! Reports for people, rendered from evidence that was verified.

use std::collections::BTreeMap;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::verify::{Accepted, Trust};

use super::PortError;

/// What the evidence does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportAbout {
    /// Name of the workspace.
    pub workspace: String,
    /// Name of the project.
    pub project: String,
    /// The export's id.
    pub export: String,
    /// Time of issue, ms.
    pub issued_at: u64,
}

/// A run, for the report of a bulk delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLine {
    /// Its id.
    pub run: String,
    /// When it was opened, ms.
    pub at: u64,
    /// What for: `scan`, `check`, `repair`, `export`.
    pub purpose: String,
    /// How it ended; `None` while it is open.
    pub status: Option<String>,
    /// Decisions: ALLOW, REQUIRE, DENY.
    pub decisions: (u64, u64, u64),
    /// The entry that answers what the run left held, where a later run in the package has it.
    pub answer: Option<u64>,
}

/// A change of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentLine {
    /// Entry.
    pub seq: u64,
    /// When, ms.
    pub at: u64,
    /// The incident.
    pub incident: String,
    /// `opened`, `changed`, `ignored` or `resolved`.
    pub event: String,
}

/// A change in a customer's database, tried once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairLine {
    /// Entry.
    pub seq: u64,
    /// When, ms.
    pub at: u64,
    /// The run.
    pub run: String,
    /// `executed`, `failed`, or `unknown` where nobody knows.
    pub outcome: String,
    /// What a reading afterwards gave: `match` or `mismatch`; `None` where the package has none.
    pub checked: Option<String>,
    /// What was changed, who erased what it was, or why nothing was; may be empty.
    pub change: String,
}

/// A bulk delivery.
#[derive(Debug, Clone, Copy)]
pub struct ReportDelivery<'a> {
    /// What the evidence does not say.
    pub about: &'a ReportAbout,
    /// The verdict on `evidence.tar`.
    pub accepted: &'a Accepted,
    /// SHA-256 of `evidence.tar`.
    pub digest: Hash,
    /// Its size.
    pub bytes: u64,
    /// What was pinned.
    pub trust: &'a Trust,
    /// `manifest.json` without its line for the report.
    pub manifest: &'a [u8],
    /// The period that was proved complete, ms, half open.
    pub period: Option<(u64, u64)>,
    /// The entries, half open.
    pub entries: (u64, u64),
    /// Entries by kind.
    pub kinds: &'a BTreeMap<String, u64>,
    /// Runs, as many as a report shows, and how many there are.
    pub runs: (&'a [RunLine], u64),
    /// Changes of incidents.
    pub incidents: (&'a [IncidentLine], u64),
    /// Repairs.
    pub repairs: (&'a [RepairLine], u64),
}

/// Renders reports as PDF. Same input, same bytes.
pub trait Reports: Send + Sync {
    /// The report of a run package; it verifies the package itself.
    ///
    /// # Errors
    /// `Corrupt` when the package does not verify.
    fn run(&self, package: &[u8], trust: &Trust, about: &ReportAbout)
    -> Result<Vec<u8>, PortError>;

    /// The report of a bulk delivery.
    ///
    /// # Errors
    /// `Corrupt` when the lines are not those of the verdict.
    fn delivery(&self, delivery: &ReportDelivery<'_>) -> Result<Vec<u8>, PortError>;
}
