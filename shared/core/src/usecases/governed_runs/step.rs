//! Steps of an action of a run: their entries, its record and the run's counts, in one transaction.

use counterfoil_evidence::hash::Hash;
use serde::{Deserialize, Serialize};

use super::{ATTEMPTS, RunError};
use crate::governed_run::{GovernedRun, RunState, Step, next};
use crate::ids::{ActionId, RunId};
use crate::policy::Effect;
use crate::ports::{AppendError, Batch, EvidenceAppend, StateWrite};
use crate::records::{Records, RunAction, Versioned};
use crate::repair::{Action, ActionState};
use crate::time::Timestamp;

/// An action that waits: what its caller does for approvals, what the product does for approvals or to
/// be begun. A row beside the action, so that what waits is found without reading every action there ever was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The action.
    pub id: ActionId,
    /// Its run.
    pub run: RunId,
    /// Who proposed it.
    pub proposer: String,
    /// Equal where two proposals are the same.
    pub sameness: String,
    /// Until when it waits.
    pub expires_at: Timestamp,
    /// It waits for approvals. What the product does waits on once it has them, to be begun.
    #[serde(default = "yes")]
    pub held: bool,
    /// The product does it.
    #[serde(default)]
    pub repair: bool,
}

const fn yes() -> bool {
    true
}

impl Waiting {
    pub(in crate::usecases) fn of(action: &Action, sameness: &str) -> Self {
        Self {
            id: action.id,
            run: action.binding.run,
            proposer: action.proposer.account(),
            sameness: sameness.to_owned(),
            expires_at: action.binding.expires_at,
            held: action.effect == Effect::Require,
            repair: !action.is_external(),
        }
    }
}

/// Steps to take at once.
#[derive(Debug)]
pub(in crate::usecases) struct Stepped {
    /// The action as it is to be, but for its state.
    pub(in crate::usecases) action: Action,
    /// The version that was read.
    pub(in crate::usecases) version: u64,
    /// What happens to it.
    pub(in crate::usecases) steps: Vec<Step>,
    /// The entries that say so, the last of which explains what the action is then; rows beside the
    /// action and its run that change with it; and what must hold besides.
    pub(in crate::usecases) batch: Batch,
}

impl Stepped {
    /// Takes the steps. Other actions of the same run may come in between; another step of this one may
    /// not.
    ///
    /// # Errors
    /// [`RunError::WrongState`], [`RunError::Ended`] of its run, [`RunError::Changed`].
    pub(in crate::usecases) async fn take(
        self,
        evidence: &dyn EvidenceAppend,
        stream: Hash,
        records: Records<'_>,
        now: Timestamp,
    ) -> Result<Versioned<Action>, RunError> {
        let Self {
            mut action,
            version,
            steps,
            mut batch,
        } = self;
        let before = action.state;
        for step in &steps {
            action.state = next(action.state, *step).map_err(|not| RunError::WrongState(not.0))?;
        }
        let last = batch.drafts.len().saturating_sub(1);
        let explained = batch.state.into_iter().map(|row| row.explained_by(last));
        batch.state = explained.collect();
        let run_row = batch.state.len();
        let left_waiting = before == ActionState::Held && action.state != ActionState::Held;
        let id = action.binding.run.to_string();
        for _ in 0..ATTEMPTS {
            let run = records.get::<GovernedRun>(&id).await?;
            let run = run.ok_or(RunError::NotFound)?;
            if run.value.state != RunState::Open {
                return Err(RunError::Ended(run.value.state));
            }
            let steps = steps.iter();
            let after = steps.fold(run.value, |run, step| run.after(action.id, *step, now));
            let stored = RunAction::of(action.clone());
            let mut batch = batch
                .clone()
                .with(records.replace(run.version, &after)?.explained_by(last))
                .with(records.replace(version, &stored)?.explained_by(last));
            if left_waiting {
                let key = records.key::<Waiting>(&action.id.to_string());
                batch = batch.with(StateWrite::delete(key).explained_by(last));
            }
            match evidence.append(stream, batch).await {
                Ok(entries) => {
                    return Ok(Versioned {
                        value: action,
                        version: version.saturating_add(1),
                        evidence: entries.into_iter().next_back(),
                    });
                }
                Err(AppendError::StateChanged { index }) if index == run_row => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RunError::Busy)
    }
}
