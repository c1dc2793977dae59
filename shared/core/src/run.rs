//! Runs of the reconciler as the state table holds them. Repairs keep their runs in evidence only.

use serde::{Deserialize, Serialize};

use crate::ids::{RunId, SecretId};
use crate::time::Timestamp;

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
}

/// A sealed object in the data bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedObject {
    /// Key in the bucket.
    pub key: String,
    /// The secret whose data key opens it.
    pub secret: SecretId,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Id.
    pub id: RunId,
    /// What it looks at.
    pub scope: RunScope,
    /// What caused it: `webhook`, `schedule`, `manual`, `repair`.
    pub reason: String,
    /// How far it is.
    pub step: RunStep,
    /// The one time at which promises are evaluated.
    pub as_of: Timestamp,
    /// When it last made progress.
    pub touched_at: Timestamp,
    /// Findings of the newest look, sealed: the run's work in progress.
    pub findings: Option<SealedObject>,
    /// Numbers.
    pub counts: RunCounts,
    /// How it ended, once it has.
    pub result: Option<RunResult>,
    /// Differences are beyond the mapping's limit: nothing is proposed.
    pub mass_drift: bool,
}
