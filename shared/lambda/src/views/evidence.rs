//! Lists of what is recorded, as people and programs see them.

use counterfoil_core::governed_run;
use counterfoil_core::ids::{IncidentId, RunId};
use counterfoil_core::records::Versioned;
use counterfoil_core::run::{Run, RunScope};
use counterfoil_core::usecases::{self, EntryContents, EntryLine, LedgerRow, Page, RunStatus};
use serde::Serialize;
use utoipa::ToSchema;

use crate::open_words;
use crate::schema;
use crate::sight::Sight;

use super::run::Entry;

open_words! {
    /// What caused a run.
    pub(crate) RunPurpose: "schedule", "webhook", "asked", "manual", "second-look", "repair", "governed";
    /// Where a run is.
    pub(crate) RunStatusWord: "open", "complete", "partial", "failed", "aborted", "completed", "expired";
    /// What a run looks at.
    pub(crate) RunScopeWord: "scan", "check", "governed";
}

/// A page of runs.
#[derive(Serialize, ToSchema)]
pub struct Runs {
    items: Vec<ListedRun>,
    /// Where the next page begins; `null` at the end.
    next_cursor: Option<String>,
}

/// A check, a scan, or what an agent does.
#[derive(Serialize, ToSchema)]
pub struct ListedRun {
    #[schema(value_type = schema::RunId)]
    id: RunId,
    #[schema(value_type = RunPurpose)]
    purpose: String,
    #[schema(value_type = RunScopeWord)]
    scope: &'static str,
    /// Whom a check looks at.
    customer: Option<String>,
    #[schema(value_type = RunStatusWord)]
    status: RunStatus,
    /// The flow of a governed run.
    flow: Option<String>,
    /// The moment at which promises are evaluated; of a governed run, when it was opened.
    #[schema(value_type = schema::Time)]
    as_of: String,
    /// Differences found.
    findings: u64,
    /// Differences are beyond the mapping's limit: nothing is proposed.
    mass_drift: bool,
    /// The entry behind what is said here.
    evidence: Option<Entry>,
}

impl ListedRun {
    /// As whoever has `sight` sees it.
    pub fn of(run: &usecases::ListedRun, sight: Sight) -> Self {
        match run {
            usecases::ListedRun::Reconciled(run) => Self::reconciled(run, sight),
            usecases::ListedRun::Governed(run) => Self::governed(run),
        }
    }

    fn governed(run: &Versioned<governed_run::GovernedRun>) -> Self {
        let evidence = run.evidence.as_ref().map(Entry::of);
        let run = &run.value;
        Self {
            id: run.id,
            purpose: "governed".to_owned(),
            scope: "governed",
            customer: None,
            status: RunStatus::of_governed(run),
            flow: Some(run.flow.id.clone()),
            as_of: run.opened_at.to_string(),
            findings: 0,
            mass_drift: false,
            evidence,
        }
    }

    fn reconciled(run: &Versioned<Run>, sight: Sight) -> Self {
        let evidence = run.evidence.as_ref().map(Entry::of);
        let run = &run.value;
        let (scope, customer) = match &run.scope {
            RunScope::Check { customer } => ("check", Some(sight.id(customer))),
            RunScope::Scan => ("scan", None),
        };
        Self {
            id: run.id,
            purpose: run.reason.clone(),
            scope,
            customer,
            status: RunStatus::of(run),
            flow: None,
            as_of: run.as_of.to_string(),
            findings: run.counts.findings,
            mass_drift: run.mass_drift,
            evidence,
        }
    }
}

/// A page of entries.
#[derive(Serialize, ToSchema)]
pub struct Entries {
    items: Vec<ListedEntry>,
    /// Where the next page begins; `null` at the end.
    next_cursor: Option<String>,
}

/// An entry of a stream, without its contents.
#[derive(Serialize, ToSchema)]
pub struct ListedEntry {
    /// Position in the stream.
    seq: u64,
    /// What it records.
    #[schema(examples("run.open"))]
    kind: &'static str,
    #[schema(value_type = schema::Time)]
    at: String,
    /// The run it belongs to.
    run: Option<String>,
    /// Leaf hash.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    leaf: String,
    /// The `redact` entry that explains why its erasable contents are gone.
    erased_by: Option<u64>,
}

impl ListedEntry {
    /// What its header says.
    pub fn of(entry: &EntryLine) -> Self {
        Self {
            seq: entry.seq,
            kind: entry.kind.name(),
            at: entry.at.to_string(),
            run: entry.run.clone(),
            leaf: entry.leaf.clone(),
            erased_by: entry.erased_by,
        }
    }
}

/// An entry with what stays of it.
#[derive(Serialize, ToSchema)]
pub struct WholeEntry {
    /// Stream id.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    stream: String,
    /// Position in the stream.
    seq: u64,
    /// What it records.
    #[schema(examples("run.open"))]
    kind: &'static str,
    #[schema(value_type = schema::Time)]
    at: String,
    /// The run it belongs to.
    run: Option<String>,
    /// Leaf hash.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    leaf: String,
    /// It has, or had, erasable contents; packages have them.
    erasable: bool,
    /// The `redact` entry that explains why its erasable contents are gone.
    erased_by: Option<u64>,
    /// Its facts (docs/evidence-format.md section 6); `null` where the store lost them.
    #[schema(value_type = Option<Object>)]
    facts: Option<serde_json::Value>,
}

impl WholeEntry {
    /// With its facts.
    pub fn of(entry: EntryContents) -> Self {
        let line = entry.line;
        Self {
            stream: entry.stream,
            seq: line.seq,
            kind: line.kind.name(),
            at: line.at.to_string(),
            run: line.run,
            leaf: line.leaf,
            erasable: line.subject,
            erased_by: line.erased_by,
            facts: entry.facts,
        }
    }
}

/// A page of a customer's Access Ledger.
#[derive(Serialize, ToSchema)]
pub struct Ledger {
    items: Vec<LedgerLine>,
    /// Where the next page begins; `null` at the end.
    next_cursor: Option<String>,
}

/// What an entry says about a customer.
#[derive(Serialize, ToSchema)]
pub struct LedgerLine {
    /// What is recorded.
    #[schema(examples("incident.opened"))]
    kind: &'static str,
    #[schema(value_type = schema::Time)]
    at: String,
    /// The run it belongs to.
    run: Option<String>,
    /// Stream id.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    stream: String,
    /// Position in the stream.
    seq: u64,
    /// Leaf hash.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    leaf: String,
    /// The line of the findings object of a scan, counted from 1.
    line: Option<u64>,
    /// The incident that the line is about.
    #[schema(value_type = Option<schema::IncidentId>)]
    incident: Option<IncidentId>,
}

impl LedgerLine {
    /// One row.
    pub fn of(row: LedgerRow) -> Self {
        Self {
            kind: row.entry.kind.name(),
            at: row.entry.at.to_string(),
            run: row.entry.run,
            stream: row.stream,
            seq: row.entry.seq,
            leaf: row.entry.leaf,
            line: row.line,
            incident: row.incident,
        }
    }
}

impl Runs {
    /// A page, as whoever has `sight` sees it.
    pub fn of(page: Page<usecases::ListedRun>, sight: Sight) -> Self {
        let items = page.items.iter();
        Self {
            items: items.map(|run| ListedRun::of(run, sight)).collect(),
            next_cursor: page.next_cursor,
        }
    }
}

impl Entries {
    /// A page.
    pub fn of(page: Page<EntryLine>) -> Self {
        Self {
            items: page.items.iter().map(ListedEntry::of).collect(),
            next_cursor: page.next_cursor,
        }
    }
}

impl Ledger {
    /// A page.
    pub fn of(page: Page<LedgerRow>) -> Self {
        Self {
            items: page.items.into_iter().map(LedgerLine::of).collect(),
            next_cursor: page.next_cursor,
        }
    }
}

super::silent!(
    Entries,
    Ledger,
    LedgerLine,
    ListedEntry,
    ListedRun,
    Runs,
    WholeEntry
);
