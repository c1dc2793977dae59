//! Proposing an action of a run: judged and recorded in the open run, in one transaction with the
//! action and the run's counts.

use counterfoil_evidence::hash::digest_string;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::facts::subject;
use super::judge::{About, Matter, Verdict};
use super::quota::{Quota, within};
use super::step::Waiting;
use super::{ATTEMPTS, DecisionRecord, GovernedRuns, RunError};
use crate::governed_run::{GovernedRun, check_work};
use crate::ids::{ActionId, DecisionId};
use crate::json::canonical;
use crate::ports::{AppendError, Batch};
use crate::records::{Project, RunAction, Versioned};
use crate::repair::{Action, ActionState, Resource, RunWork, Work};
use crate::tenancy::{Principal, TenantCtx};
use crate::time::Timestamp;
use crate::usecases::proposal::Proposal;

/// An action to propose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAction {
    /// What is to be done.
    pub work: RunWork,
    /// Why, in words for whoever approves.
    pub reason: Option<String>,
    /// The caller's own number of the step: it must be the next one, where it is given.
    pub seq: Option<u64>,
}

/// The answer to a proposal. A DENY is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedInRun {
    /// The action.
    pub action: Versioned<Action>,
    /// The same proposal waited already, so nothing was recorded.
    pub known: bool,
}

impl NewAction {
    /// Whether it keeps its rules.
    ///
    /// # Errors
    /// [`RunError::Invalid`] with the field.
    pub fn check(&self) -> Result<(), RunError> {
        check_work("/params", &self.work)?;
        Ok(())
    }
}

impl GovernedRuns {
    /// Proposes an action of an open run. The same proposal that still waits is answered as it was.
    ///
    /// # Errors
    /// [`RunError::Ended`] and [`RunError::Full`] when the run takes none.
    pub async fn propose(
        &self,
        ctx: &TenantCtx,
        run: &str,
        new: &NewAction,
    ) -> Result<ProposedInRun, RunError> {
        let mut found = self.admit(ctx, run).await?;
        new.check()?;
        let sameness = sameness(ctx, &found.value, &new.work)?;
        for _ in 0..ATTEMPTS {
            found.value.takes_one(self.clock.now())?;
            in_order(&found.value, new.seq)?;
            let waiting = self.records(ctx).list::<Waiting>().await?;
            if let Some(same) = waiting.iter().find(|it| it.value.sameness == sameness) {
                let action = match self.action(ctx, &same.value.id.to_string()).await {
                    // A transaction is not seen in all of its rows at once.
                    Err(RunError::NotFound) => return Err(RunError::Busy),
                    action => action?,
                };
                // One whose time is over and that nobody has closed yet waits for nobody any more.
                let waits = action.value.binding.expires_at > self.clock.now();
                if action.value.state == ActionState::Held && waits {
                    return Ok(ProposedInRun {
                        action,
                        known: true,
                    });
                }
            }
            let (grounds, project, proposer) = self.standing(ctx).await?;
            let asking = (&project, &proposer);
            let mut judged = self.judged(ctx, asking, &found.value, new).await?;
            let mut batch = self.batch(ctx, &found, &mut judged, &sameness)?;
            let rows = batch.state.len();
            // Nobody is asked again: its caller does it now.
            if judged.action.state == ActionState::Allowed {
                batch = grounds.under(batch);
            }
            match self.evidence.append(project.stream_id()?, batch).await {
                Ok(entries) => {
                    let mut action = judged.action;
                    action.decided = entries.into_iter().next();
                    return Ok(ProposedInRun {
                        action: Versioned {
                            evidence: action.decided.clone(),
                            value: action,
                            version: 1,
                        },
                        known: false,
                    });
                }
                // Another action of the same run was faster: the counts are another one's.
                Err(AppendError::StateChanged { index: RUN_ROW }) => {
                    found = self.run(ctx, run).await?;
                }
                // Something else began to wait: it is counted again.
                Err(AppendError::StateChanged { index: HELD_ROW }) => {}
                // Something that was judged is another thing at this moment: it is judged with that.
                Err(AppendError::StateChanged { index }) if index >= rows => {}
                Err(AppendError::RunConflict { .. }) => {
                    let now = self.run(ctx, run).await?;
                    return Err(RunError::Ended(now.value.state));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(RunError::Busy)
    }

    /// Judges, and makes the action of it.
    async fn judged(
        &self,
        ctx: &TenantCtx,
        (project, proposer): (&Project, &Principal),
        run: &GovernedRun,
        new: &NewAction,
    ) -> Result<Judged, RunError> {
        let now = self.clock.now();
        let act = ActionId::new(now, self.random.bits128());
        let matter = Matter {
            project,
            flow: &run.flow.id,
            act,
            work: &new.work,
            proposer,
            at: now,
            dry_run: false,
        };
        let verdict = self.judge(ctx, &matter).await?;
        let (judgement, quota) = within(&self.records(ctx), ctx, verdict.0).await?;
        let verdict = Verdict(judgement);
        let proposal = Proposal {
            judgement: &verdict.0,
            at: now,
            id: act,
            decision: DecisionId::new(now, self.random.bits128()),
            run: run.id,
            ends: Some(run.ends_at()),
            resource: Resource::Run(run.id),
            work: Work::Run(new.work.clone()),
            salt: self.random.bytes32(),
        };
        let action = Action {
            reason: new.reason.clone(),
            // Votes and results are in the open run itself.
            follow_up: Some(run.id),
            ..proposal.action(ctx)?
        };
        Ok(Judged {
            action,
            verdict,
            quota,
            at: now,
        })
    }

    fn batch(
        &self,
        ctx: &TenantCtx,
        run: &Versioned<GovernedRun>,
        judged: &mut Judged,
        sameness: &str,
    ) -> Result<Batch, RunError> {
        let Judged {
            action,
            verdict,
            quota,
            at,
        } = judged;
        let Work::Run(work) = &action.work else {
            return Err(super::corrupt("recording an action of a run"));
        };
        let about = About {
            id: action.decision,
            run: run.value.id,
            act: action.id,
            action_hash: &action.digest,
            principal: ctx.principal(),
            at: *at,
            until: action.binding.expires_at,
        };
        let draft = Draft::new(Kind::RunDecision, verdict.facts(&about)?)
            .in_run(run.value.id)
            .subject(subject(work, &action.salt, action.reason.as_deref())?);
        let records = self.records(ctx);
        let after = run.value.clone().taking(action.id, verdict.0.effect, *at)?;
        let index = DecisionRecord::of_action(action, *at);
        let mut batch = Batch::of([draft])
            .with(records.replace(run.version, &after)?.explained_by(0))
            .with(
                records
                    .create(&RunAction::of(action.clone()))?
                    .explained_by(0),
            )
            .with(records.create(&index)?.explained_by(0));
        if let Some(quota) = quota.take() {
            let waiting = Waiting::of(action, sameness);
            batch = batch
                .with(records.create(&waiting)?.explained_by(0))
                .with(quota.taking(&records, action)?.explained_by(0));
        }
        Ok(batch)
    }
}

/// Whether it is the step that the caller says it is.
pub(in crate::usecases) fn in_order(run: &GovernedRun, seq: Option<u64>) -> Result<(), RunError> {
    let next = run.proposed;
    if seq.is_none_or(|seq| seq == next) {
        return Ok(());
    }
    let rule = "must be the number of actions proposed before in this run, beginning with 0: read the run, or leave it out";
    Err(crate::governed_run::InvalidRun::new("/seq", rule).into())
}

/// Where the run's record and what waits for approvals are among the writes of [`GovernedRuns::batch`].
const RUN_ROW: usize = 0;
const HELD_ROW: usize = 4;

struct Judged {
    action: Action,
    verdict: Verdict,
    /// Where it is to wait, what it was counted by.
    quota: Option<Quota>,
    at: Timestamp,
}

/// What two proposals have in common that are the same.
fn sameness(ctx: &TenantCtx, run: &GovernedRun, work: &RunWork) -> Result<String, RunError> {
    let same = serde_json::json!({
        "principal": ctx.principal().account(), "run": run.id, "work": work,
    });
    Ok(digest_string(&canonical(&same)?))
}
