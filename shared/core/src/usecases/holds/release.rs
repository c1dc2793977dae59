//! Releasing a legal hold: proposed by one owner, approved by another.

use super::{ATTEMPTS, HoldError, LegalHolds, changed, release_draft};
use crate::hold::{HoldState, LegalHold, ProposedRelease};
use crate::policy::{Effect, Question};
use crate::ports::{AppendError, Batch, HoldsWrite};
use crate::records::{Directory, Versioned};
use crate::tenancy::{Role, TenantCtx};
use crate::usecases::governed::{DECISION, Governed, Terms, approved_by};
use crate::usecases::second_person::{NotSecond, Waiting};

/// What became of a request to release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// Waits for a second owner.
    Held(Versioned<LegalHold>),
    /// Over.
    Done(Versioned<LegalHold>),
}

impl LegalHolds {
    /// Whether the caller may know a hold and release it; records nothing.
    ///
    /// # Errors
    /// [`HoldError::NotFound`], then [`HoldError::Denied`].
    pub async fn admit_release(&self, ctx: &TenantCtx, id: &str) -> Result<(), HoldError> {
        self.find(ctx, id).await?;
        let judged = self.judge_release(ctx, 0, None).await?;
        if judged.judgement.effect == Effect::Deny {
            Err(HoldError::Denied(judged.judgement))
        } else {
            Ok(())
        }
    }

    /// Proposes the release of a hold, or, as another owner, approves and does it.
    ///
    /// # Errors
    /// [`HoldError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn release(&self, ctx: &TenantCtx, id: &str) -> Result<Released, HoldError> {
        let hold = self.find(ctx, id).await?;
        match hold.value.state {
            HoldState::Active => {}
            HoldState::Releasing => return Ok(Released::Done(self.withdraw(hold).await?)),
            HoldState::Released => return Ok(Released::Done(hold)),
            state @ HoldState::Setting => return Err(HoldError::WrongState { state }),
        }
        let now = self.clock.now();
        let Some(waiting) = hold.value.release.clone() else {
            return self.propose(ctx, hold).await;
        };
        if !self.judge_release(ctx, 1, None).await?.allowed() {
            return self.refuse_approval(ctx, &hold).await;
        }
        let second = Waiting {
            by: waiting.by,
            at: waiting.at,
            proposes: Role::Owner,
            confirms: Role::Owner,
        };
        let directory = self.directory();
        let confirmed = second.confirmed_by(directory, ctx.workspace(), ctx.principal(), now);
        match confirmed.await? {
            Ok(approver) => self.approve(ctx, hold, &waiting, &approver).await,
            // Nobody can agree with them any more, so this request proposes.
            Err(NotSecond::ProposerGone | NotSecond::Expired) => self.propose(ctx, hold).await,
            Err(why @ NotSecond::Newcomer) => Err(HoldError::NotSecond(why)),
            Err(NotSecond::Own | NotSecond::TooSoon | NotSecond::Emptied) => {
                Ok(Released::Held(hold))
            }
        }
    }

    async fn propose(
        &self,
        ctx: &TenantCtx,
        hold: Versioned<LegalHold>,
    ) -> Result<Released, HoldError> {
        let judged = self.judge_release(ctx, 0, None).await?;
        let mut batch = Batch::of(judged.opened(ctx.principal(), None)?);
        batch.drafts.push(judged.closing());
        let stream = self.own_stream(ctx, &hold.value).await?;
        let person = ctx.principal().person();
        let (Effect::Require, Some(by)) = (judged.judgement.effect, person) else {
            self.evidence.append(stream, batch).await?;
            return Err(HoldError::Denied(judged.judgement));
        };
        // The decision is not durable yet: what cites it follows in a write of its own, and a crash
        // in between only means that the release is proposed again.
        let entries = self.evidence.append(stream, batch).await?;
        let decision = entries.get(DECISION).cloned().ok_or(HoldError::Changed)?;
        let mut after = hold.value;
        after.release = Some(ProposedRelease {
            by,
            at: self.clock.now(),
            decision: decision.clone(),
            action_hash: judged.action_hash,
        });
        if after.decision.is_none() {
            after.decision = hold.evidence;
        }
        let key = Directory::hold_key(after.workspace, after.id);
        let write = Directory::write(key, Some(hold.version), &after)?.citing(decision.clone());
        if !self.state.write(vec![write]).await? {
            return Err(HoldError::Changed);
        }
        Ok(Released::Held(Versioned {
            value: after,
            version: hold.version.saturating_add(1),
            evidence: Some(decision),
        }))
    }

    /// Records a refused approval: a decision of its own, with a hash of its own.
    async fn refuse_approval(
        &self,
        ctx: &TenantCtx,
        hold: &Versioned<LegalHold>,
    ) -> Result<Released, HoldError> {
        let refused = self.judge_release(ctx, 1, None).await?;
        let stream = self.own_stream(ctx, &hold.value).await?;
        let mut batch = Batch::of(refused.opened(ctx.principal(), None)?);
        batch.drafts.push(refused.closing());
        self.evidence.append(stream, batch).await?;
        Err(HoldError::Denied(refused.judgement))
    }

    async fn approve(
        &self,
        ctx: &TenantCtx,
        hold: Versioned<LegalHold>,
        waiting: &ProposedRelease,
        approver: &str,
    ) -> Result<Released, HoldError> {
        let judged = self
            .judge_release(ctx, 1, Some(&waiting.action_hash))
            .await?;
        let stream = self.own_stream(ctx, &hold.value).await?;
        for _ in 0..ATTEMPTS {
            let holds = self.reader.holds(stream).await?;
            let after = changed(&holds, &hold.value, false).ok_or(HoldError::Changed)?;
            let mut value = hold.value.clone();
            value.release = None;
            value.state = if value.project.is_some() {
                HoldState::Released
            } else {
                HoldState::Releasing
            };
            let mut batch =
                Batch::of(judged.approved(ctx.principal(), &waiting.decision, approver)?);
            let decision = batch.drafts.len().saturating_sub(1);
            let released = release_draft(&value, ctx.principal()).cite("decision", decision);
            batch.drafts.extend([released, judged.closing()]);
            let key = Directory::hold_key(value.workspace, value.id);
            let write = Directory::write(key, Some(hold.version), &value)?;
            let batch = batch
                .with(write.explained_by(decision))
                .holds(HoldsWrite::Replace(after));
            match self.evidence.append(stream, batch).await {
                Ok(entries) => {
                    let released = Versioned {
                        value,
                        version: hold.version.saturating_add(1),
                        evidence: entries.get(decision).cloned(),
                    };
                    return Ok(Released::Done(self.withdraw(released).await?));
                }
                Err(AppendError::HoldsChanged) => {}
                Err(AppendError::StateChanged { .. }) => return Err(HoldError::Changed),
                Err(error) => return Err(error.into()),
            }
        }
        Err(HoldError::Changed)
    }

    /// Releases what the workspace's stream has released in its projects, last one first.
    pub(super) async fn withdraw(
        &self,
        hold: Versioned<LegalHold>,
    ) -> Result<Versioned<LegalHold>, HoldError> {
        if hold.value.state != HoldState::Releasing {
            return Ok(hold);
        }
        let mut told = hold.value.clone();
        told.decision.clone_from(&hold.evidence);
        let mut streams = self.held_streams(&hold.value).await?;
        streams.reverse();
        for stream in streams {
            self.mirror(stream, &told, false).await?;
        }
        let mut after = hold.value;
        after.state = HoldState::Released;
        let key = Directory::hold_key(after.workspace, after.id);
        let mut write = Directory::write(key, Some(hold.version), &after)?;
        write.cites.clone_from(&hold.evidence);
        if !self.state.write(vec![write]).await? {
            return Err(HoldError::Changed);
        }
        Ok(Versioned {
            value: after,
            version: hold.version.saturating_add(1),
            evidence: hold.evidence,
        })
    }

    async fn own_stream(
        &self,
        ctx: &TenantCtx,
        hold: &LegalHold,
    ) -> Result<counterfoil_evidence::hash::Hash, HoldError> {
        if hold.project.is_none() {
            return self.workspace_stream(hold).await;
        }
        Ok(self.project(ctx).await?.stream_id()?)
    }

    async fn judge_release(
        &self,
        ctx: &TenantCtx,
        approvals: u8,
        action_hash: Option<&str>,
    ) -> Result<Governed, HoldError> {
        let terms = Terms {
            approvals: approved_by(ctx.principal(), approvals),
            action_hash,
            ..Terms::default()
        };
        let judging = self.judging();
        Ok(judging
            .in_project(ctx, &Question::ReleaseHold, terms)
            .await?)
    }
}
