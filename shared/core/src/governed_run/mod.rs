//! Governed runs: what an agent's flow does, step by step. Each step is proposed, judged, and only
//! then done by whoever runs the flow, who tells what became of it. The product does none of it.
//!
//! A run is open until it is completed, or until the sweep ends it. Everything here is pure.

mod closing;
mod input;
mod registration;
mod step;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use closing::{END_AFTER, IDLE_AFTER, NotClosed, RunEnd};
pub use input::{InvalidRun, MAX_ACTIONS_LISTED, MAX_REF, check_kind, check_work, digest};
pub use registration::{FlowActions, KnownKind, MAX_KINDS, Registered, Registrations, check_flow};
pub use step::{NotPossible, Report, Step, answering, is_open, next};

use crate::ids::{ActionId, RunId};
use crate::policy::Effect;
use crate::tenancy::Principal;
use crate::time::Timestamp;

/// Actions of one run at most: 1,000 decisions of about 4 KB are one package.
pub const MAX_ACTIONS: u64 = 1_000;

/// Inputs of one run at most. All of them are in one entry of the evidence.
pub const MAX_INPUTS: usize = 100;

/// Actions of one key, agent or person that may wait for approvals at the same time.
pub const HOLDS_PER_PROPOSER: usize = 50;

/// Actions of one project that may.
pub const HOLDS_PER_PROJECT: usize = 500;

/// The rule of a decision that is denied because too many wait already.
pub const HOLD_QUOTA: &str = "hold-quota";

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Its name in the project: its registration is found by it.
    pub id: String,
    /// Digest of the version that runs, `sha256:…`.
    pub version: String,
    /// Whether each execution must be exactly the same.
    pub kind: FlowKind,
}

/// What is promised about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowKind {
    /// Each action is judged and recorded.
    Governed,
    /// The same, and the artifact that it began with is the one that it ends with.
    Deterministic,
}

impl FlowKind {
    /// The name, as requests and evidence write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Governed => "governed",
            Self::Deterministic => "deterministic",
        }
    }
}

/// A file that the caller keeps: only its place and its digest come here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Where the caller keeps it: opaque, without personal data.
    pub name: String,
    /// `sha256:…`.
    pub digest: String,
    /// Its size, where the caller said so.
    #[serde(default)]
    pub bytes: u64,
    /// What it is, where the caller said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Takes actions.
    Open,
    /// Its caller said that it is done. Terminal.
    Completed,
    /// It ended with another artifact than it began with. Terminal.
    Failed,
    /// It was left with something in hand: allowed or approved, and nobody told what became of it.
    /// Terminal.
    Aborted,
    /// Its time was over, and nothing was in hand. Terminal.
    Expired,
}

impl RunState {
    /// The name, as requests and evidence write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Expired => "expired",
        }
    }
}

/// What `run.close` counts, kept with every entry of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Decisions that said ALLOW.
    pub allow: u64,
    /// Decisions that said REQUIRE.
    pub require: u64,
    /// Decisions that said DENY.
    pub deny: u64,
    /// Of those that said REQUIRE: neither approved nor rejected in the run.
    pub unresolved: u64,
    /// Approvals that were replaced by breaking the glass.
    #[serde(default)]
    pub overrides: u64,
}

impl Tally {
    /// All decisions.
    pub const fn decisions(&self) -> u64 {
        self.allow
            .saturating_add(self.require)
            .saturating_add(self.deny)
    }

    const fn decided(mut self, effect: Effect) -> Self {
        match effect {
            Effect::Allow => self.allow = self.allow.saturating_add(1),
            Effect::Require => {
                self.require = self.require.saturating_add(1);
                self.unresolved = self.unresolved.saturating_add(1);
            }
            Effect::Deny => self.deny = self.deny.saturating_add(1),
        }
        self
    }
}

/// That a run is open: a row beside it, so that open runs are found without reading every run there ever
/// was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    /// The run.
    pub id: RunId,
}

/// A governed run as the state table holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GovernedRun {
    /// Id.
    pub id: RunId,
    /// What is run.
    pub flow: Flow,
    /// Digest of the artifact that it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// The caller's trace id, for their own search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Who opened it.
    pub by: Principal,
    /// Where it is.
    pub state: RunState,
    /// Why it failed: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When something last happened in it.
    pub acted_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Actions that were proposed in it. Some are judged more than once.
    #[serde(default)]
    pub proposed: u64,
    /// What was decided in it.
    #[serde(default)]
    pub tally: Tally,
    /// Actions that wait for approvals.
    #[serde(default)]
    pub held: u64,
    /// Actions that may be done, and of which nobody told yet what became of them.
    #[serde(default)]
    pub in_hand: u64,
    /// Of all these: repairs. The product itself carries them out and ends them, so the run waits.
    #[serde(default, skip_serializing_if = "is_none")]
    pub repairs: u64,
    /// Repairs that it has taken so far, ended or not: the limit of a run is about these.
    #[serde(default, skip_serializing_if = "is_none")]
    pub repairs_taken: u64,
    /// The latest actions that have not ended, so that whoever may not close the run is told which.
    #[serde(default)]
    pub waiting: Vec<ActionId>,
    /// What it produced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Reference>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl GovernedRun {
    /// Actions that have not ended.
    pub const fn open_actions(&self) -> u64 {
        self.held.saturating_add(self.in_hand)
    }

    /// The run with one more judged action.
    ///
    /// # Errors
    /// [`NotTaken`] when it takes none.
    pub fn taking(
        mut self,
        action: ActionId,
        effect: Effect,
        now: Timestamp,
    ) -> Result<Self, NotTaken> {
        self.takes_one(now)?;
        self.proposed = self.proposed.saturating_add(1);
        self.tally = self.tally.decided(effect);
        self.acted_at = now;
        match effect {
            Effect::Allow => self.in_hand = self.in_hand.saturating_add(1),
            Effect::Require => self.held = self.held.saturating_add(1),
            Effect::Deny => return Ok(self),
        }
        self.waiting.push(action);
        if self.waiting.len() > MAX_ACTIONS_LISTED {
            self.waiting.remove(0);
        }
        Ok(self)
    }

    /// The run with one more judged repair.
    ///
    /// # Errors
    /// [`NotTaken`] when it takes none.
    pub fn taking_repair(
        self,
        action: ActionId,
        effect: Effect,
        now: Timestamp,
    ) -> Result<Self, NotTaken> {
        let mut run = self.taking(action, effect, now)?;
        if effect != Effect::Deny {
            run.repairs = run.repairs.saturating_add(1);
            run.repairs_taken = run.repairs_taken.saturating_add(1);
        }
        Ok(run)
    }

    /// The run after a step of one of its repairs.
    #[must_use]
    pub fn after_repair(self, action: ActionId, step: Step, now: Timestamp) -> Self {
        let mut run = self.after(action, step, now);
        if step.ends() {
            run.repairs = run.repairs.saturating_sub(1);
        }
        run
    }

    /// When it is over at the latest. Nothing in it waits longer than that.
    pub fn ends_at(&self) -> Timestamp {
        self.opened_at.plus(END_AFTER)
    }

    /// Whether it takes one more action at `now`.
    ///
    /// # Errors
    /// [`NotTaken`], where it does not.
    pub fn takes_one(&self, now: Timestamp) -> Result<(), NotTaken> {
        match self.state {
            // Nobody has closed it yet.
            RunState::Open if now >= self.ends_at() => Err(NotTaken::Ended(RunState::Expired)),
            RunState::Open if self.proposed >= MAX_ACTIONS => Err(NotTaken::Full),
            RunState::Open => Ok(()),
            state => Err(NotTaken::Ended(state)),
        }
    }

    /// The run after a step of one of its actions.
    #[must_use]
    pub fn after(mut self, action: ActionId, step: Step, now: Timestamp) -> Self {
        self.acted_at = now;
        match step {
            Step::Voted | Step::Begun => return self,
            Step::Resolved => {
                self.tally.unresolved = self.tally.unresolved.saturating_sub(1);
                return self;
            }
            Step::Approved | Step::Overridden => {
                self.held = self.held.saturating_sub(1);
                self.in_hand = self.in_hand.saturating_add(1);
                let overrides = u64::from(step == Step::Overridden);
                self.tally.overrides = self.tally.overrides.saturating_add(overrides);
                return self;
            }
            Step::Judged => {
                self.tally = self.tally.decided(Effect::Allow);
                return self;
            }
            Step::Rejected | Step::Expired | Step::Cancelled => {
                self.held = self.held.saturating_sub(1);
            }
            Step::Reported(_) | Step::Settled | Step::GivenUp | Step::Withdrawn => {
                self.in_hand = self.in_hand.saturating_sub(1);
            }
            Step::WentStale => {
                self.in_hand = self.in_hand.saturating_sub(1);
                self.tally = self.tally.decided(Effect::Deny);
            }
        }
        self.waiting.retain(|open| *open != action);
        self
    }
}

/// Why a run takes no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// It has as many as a run may have.
    Full,
    /// It has ended.
    Ended(RunState),
}
