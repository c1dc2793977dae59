//! Runs of the reconciler as the state table holds them. Repairs keep their runs in evidence only.

mod basis;

use serde::{Deserialize, Serialize};

pub use basis::{Baseline, Basis, Instead};

use crate::ids::{ProjectId, RunId, SecretId};
use crate::ports::CreatedRange;
use crate::reconcile::drift_permille;
use crate::time::Timestamp;

/// Why a check runs that somebody asked for.
pub const MANUAL: &str = "manual";

/// Why a check runs that follows such a one after the race grace.
pub const SECOND_LOOK: &str = "second-look";

/// What a run looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunScope {
    /// One customer.
    Check {
        /// Stripe customer id.
        customer: String,
    },
    /// All of them.
    Scan,
}

/// How far a run has come. Each step is durable before the next begins, so that any message may
/// come twice and any worker may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStep {
    /// `run.open` is durable; both sides are being read.
    Looking,
    /// The first look is stored; the second one waits for the race grace.
    Confirming,
    /// `run.close` is durable; incident rows and proposals follow.
    Recording,
    /// Nothing is left to do.
    Done,
}

/// How a run ended, as `run.close` says it plus what it was too careful to conclude.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// Both sides were read whole.
    Complete,
    /// A page or a table could not be read whole: no incident opens or resolves.
    Partial,
    /// Nothing could be compared.
    Failed,
    /// The worker died; a sweep closed the run.
    Aborted,
}

/// Numbers of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunCounts {
    /// Stripe customers read.
    pub customers: u64,
    /// Stripe subscriptions read.
    pub subscriptions: u64,
    /// Rows of the app read.
    pub rows: u64,
    /// Differences found.
    pub findings: u64,
    /// Subjects with at least one of them.
    #[serde(default)]
    pub differing: u64,
    /// Requests that reading prices, products and features has cost, in a scan.
    #[serde(default)]
    pub catalog: u64,
}

impl RunCounts {
    /// Share of the customers that differ, in 1/1000, rounded up as a mass drift is.
    pub fn drift_permille(&self) -> u64 {
        u64::from(drift_permille(self.differing, self.customers))
    }
}

/// What one look has read and found, sealed in the data bucket ([`crate::snapshot`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Key in the bucket.
    pub key: String,
    /// The secret whose data key opens it.
    pub secret: SecretId,
    /// What evidence calls the file inside.
    pub name: String,
    /// SHA-256 of the file inside, `sha256:…`.
    pub digest: String,
    /// Size of the file inside.
    pub bytes: u64,
}

impl Snapshot {
    /// Where the sealed file under this secret lies: every object of a run under one prefix.
    pub fn key_of(project: ProjectId, run: RunId, secret: SecretId) -> String {
        format!("snapshots/{project}/{run}/{secret}.sealed")
    }
}

/// Repairs that a run could have proposed and did not, by the limit that kept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldBack {
    /// A mass drift is not acknowledged.
    pub breaker: u64,
    /// `max_repairs_per_run`.
    pub repairs: u64,
    /// `max_amount_at_risk`: the sum of the run, or another currency than the limit's.
    pub amount: u64,
}

/// Subjects about which a complete run concluded nothing, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LeftOut {
    /// A subscription's items were not read to their end.
    pub unread_items: u64,
    /// More customers belong together than a second look follows.
    pub too_many_customers: u64,
    /// The second look saw another difference than the first one.
    #[serde(default)]
    pub still_changing: u64,
}

impl Run {
    /// When it began the look by which it is decided what it says.
    pub fn looked_at(&self) -> Timestamp {
        self.decided_at.unwrap_or(self.as_of)
    }

    /// Whether it takes no second look: a person wants to know now. What it opens nobody has
    /// confirmed.
    pub fn is_one_look(&self) -> bool {
        self.reason == MANUAL
    }

    /// Whether a mass drift stands in the way of its findings.
    pub const fn is_stopped(&self) -> bool {
        self.mass_drift && !self.drift_acknowledged
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Id.
    pub id: RunId,
    /// What it looks at.
    pub scope: RunScope,
    /// What caused it: `webhook`, `schedule`, `repair`; `asked` for a scan, `manual` for a check that
    /// somebody asked for, and `second-look` for the one that follows it.
    pub reason: String,
    /// Hash of the mapping that `run.open` cites: every step uses this one, whichever is active by
    /// then. `None` in runs of earlier builds.
    #[serde(default)]
    pub mapping: Option<String>,
    /// How far it is.
    pub step: RunStep,
    /// The one time at which promises are evaluated.
    pub as_of: Timestamp,
    /// When it last made progress.
    pub touched_at: Timestamp,
    /// When the look began by which it is decided what it says; the first one, where it says nothing.
    #[serde(default)]
    pub decided_at: Option<Timestamp>,
    /// What was read and found, one snapshot per look; the newest carries the run's findings.
    #[serde(default)]
    pub looks: Vec<Snapshot>,
    /// Numbers.
    pub counts: RunCounts,
    /// How it ended, once it has.
    pub result: Option<RunResult>,
    /// Differences are beyond the mapping's limit: nothing is proposed.
    pub mass_drift: bool,
    /// What could not be read, where that is why it is partial.
    #[serde(default)]
    pub unread: Option<Unread>,
    /// About how many it concluded nothing although it is complete.
    #[serde(default)]
    pub left_out: LeftOut,
    /// A person had acknowledged a mass drift of at least this size, so its incidents open one by
    /// one.
    #[serde(default)]
    pub drift_acknowledged: bool,
    /// What the Stripe side of a scan stems from.
    #[serde(default)]
    pub basis: Option<Basis>,
    /// Repairs that a limit has kept from being proposed.
    #[serde(default)]
    pub held_back: HeldBack,
    /// Its snapshots are given up: nobody may read them, and deleting them follows or is done.
    #[serde(default)]
    pub pruned: Option<Pruned>,
}

impl Run {
    /// A run that has just been opened.
    pub fn opened(id: RunId, scope: RunScope, reason: &str, as_of: Timestamp) -> Self {
        Self {
            id,
            scope,
            reason: reason.to_owned(),
            mapping: None,
            step: RunStep::Looking,
            as_of,
            touched_at: as_of,
            decided_at: None,
            looks: Vec::new(),
            counts: RunCounts::default(),
            result: None,
            mass_drift: false,
            unread: None,
            left_out: LeftOut::default(),
            drift_acknowledged: false,
            basis: None,
            held_back: HeldBack::default(),
            pruned: None,
        }
    }

    /// The earlier scan that this one goes on from; `None` where it has read everything.
    pub fn since(&self) -> Option<Baseline> {
        self.basis.as_ref()?.since
    }

    /// When the oldest of what it kept was read.
    pub fn read_since(&self) -> Timestamp {
        self.basis
            .as_ref()
            .map_or(self.as_of, |basis| basis.read_since)
    }

    /// Whether there may be objects of what it read. A scan has some from its first page on, however
    /// it ends, and its record does not name each of them.
    pub fn has_read(&self) -> bool {
        !self.looks.is_empty() || self.scope == RunScope::Scan
    }
}

/// What a run could not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// A list (`customers`, `subscriptions`, `open_invoices`, `events`); or `stripe`, `app` for the
    /// app's table, `credential`, `mapping`.
    pub what: String,
    /// Of a list: the objects that were created then.
    pub range: Option<CreatedRange>,
}

/// That the snapshots of a run are given up. Their digests stay in `run.close` for life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// When that was recorded.
    pub at: Timestamp,
    /// Every object is deleted and every data key destroyed.
    pub gone: bool,
    /// A worker of a scan may have stored something since: the duty deletes once more.
    #[serde(default)]
    pub again: bool,
}
