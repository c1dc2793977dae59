//! How a governed run ends: its caller completes it, or the sweep ends what was left.

use std::time::Duration;

use thiserror::Error;

use super::{FlowKind, GovernedRun, Reference, RunState};
use crate::time::Timestamp;

/// A run without open holds ends by itself when nothing happened in it for so long.
pub const IDLE_AFTER: Duration = Duration::from_hours(24);

/// A run ends by itself when it is so old: the longest hold, 30 days, and five more.
pub const END_AFTER: Duration = Duration::from_hours(35 * 24);

/// The failure of a deterministic run that ended with another artifact than it began with.
const ARTIFACT_MISMATCH: &str = "artifact_mismatch";

/// Why a run is not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotClosed {
    /// It has ended before.
    #[error("the run has ended")]
    Ended(RunState),
    /// Actions have not ended.
    #[error("actions of the run are open")]
    OpenActions,
    /// A deterministic run repeats the digest of its artifact.
    #[error("the digest of the artifact is missing")]
    ArtifactMissing,
}

/// How the sweep ends a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// Its worker died: something was in hand.
    Aborted,
    /// Its time is over.
    Expired,
}

impl GovernedRun {
    /// The run as its caller ends it. A deterministic one fails when `artifact` is not the one that it
    /// began with; of another run `artifact` is compared where it is given.
    ///
    /// # Errors
    /// [`NotClosed`].
    pub fn completed(
        mut self,
        artifact: Option<&str>,
        output: Option<Reference>,
        now: Timestamp,
    ) -> Result<Self, NotClosed> {
        if self.state != RunState::Open {
            return Err(NotClosed::Ended(self.state));
        }
        if self.open_actions() > 0 {
            return Err(NotClosed::OpenActions);
        }
        if artifact.is_none() && self.flow.kind == FlowKind::Deterministic {
            return Err(NotClosed::ArtifactMissing);
        }
        let began_with = self.artifact.as_deref().unwrap_or(&self.flow.version);
        let same = artifact.is_none_or(|artifact| artifact == began_with);
        if !same {
            self.failure = Some(ARTIFACT_MISMATCH.to_owned());
        }
        self.output = output;
        let state = if same {
            RunState::Completed
        } else {
            RunState::Failed
        };
        Ok(self.ended(state, now))
    }

    /// Whether its time is over at `now`, and how it ends. Nobody waits longer than a hold may last,
    /// so a held action keeps a run open until the run is as old as a run may be.
    pub fn due(&self, now: Timestamp) -> Option<RunEnd> {
        // A repair is ended where it is carried out, and waits no longer than its run may.
        if self.state != RunState::Open || self.repairs > 0 {
            return None;
        }
        let old = now >= self.ends_at();
        let idle = self.held == 0 && now.since(self.acted_at) >= IDLE_AFTER;
        (old || idle).then_some(if self.in_hand > 0 {
            RunEnd::Aborted
        } else {
            RunEnd::Expired
        })
    }

    /// The run as the sweep ends it.
    #[must_use]
    pub fn swept(self, end: RunEnd, now: Timestamp) -> Self {
        let state = match end {
            RunEnd::Aborted => RunState::Aborted,
            RunEnd::Expired => RunState::Expired,
        };
        self.ended(state, now)
    }

    fn ended(mut self, state: RunState, now: Timestamp) -> Self {
        self.state = state;
        self.closed_at = Some(now);
        self
    }
}
