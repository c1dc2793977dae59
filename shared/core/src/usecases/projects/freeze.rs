//! The emergency stop of a project: one admin sets it at once, two people lift it.
//!
//! While it is set, the rules deny every action of the group `operate`: repairs, actions of runs, ignoring
//! incidents, erasing, deleting. What makes less possible goes on: rejecting, revoking, legal holds. What if
//! a step fails: setting it is one transaction, and so is lifting it; the REQUIRE decision before may be
//! recorded without its proposal, which then is made anew.

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{ProjectError, Projects, changed, project_target};
use crate::policy::{Effect, Question};
use crate::ports::Batch;
use crate::records::{Directory, Project, ProposedUnfreeze, Versioned};
use crate::tenancy::{Role, TenantCtx};
use crate::usecases::facts::change;
use crate::usecases::governed::{DECISION, Governed, Terms, approved_by};
use crate::usecases::second_person::{NotSecond, Waiting};

/// What a request to freeze or to unfreeze came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FreezeChange {
    /// Still frozen: it waits for a second person.
    Held(Versioned<Project>),
    /// In force.
    Done(Versioned<Project>),
}

impl Projects {
    /// Freezes a project of the version given, or unfreezes it, which another person confirms who sends
    /// the same. Freezing one that is frozen takes the wish to unfreeze it back.
    ///
    /// # Errors
    /// [`ProjectError::Denied`], which is recorded; [`ProjectError::Changed`] when the project has another
    /// version by now.
    pub async fn freeze(
        &self,
        ctx: &TenantCtx,
        frozen: bool,
        version: u64,
    ) -> Result<FreezeChange, ProjectError> {
        let before = self.project(ctx).await?;
        let loosening = before.value.frozen && !frozen;
        let waiting = before.value.unfreeze.clone().filter(|_| loosening);
        let mut confirmed = None;
        if let Some(proposed) = waiting
            && self.judge_freeze(ctx, true, 1, None).await?.allowed()
        {
            match self.second_for(ctx, &proposed).await? {
                Ok(counts_as) => confirmed = Some((proposed, counts_as)),
                // Nobody can agree with them any more, so this request proposes.
                Err(NotSecond::ProposerGone | NotSecond::Expired) => {}
                Err(why @ NotSecond::Newcomer) => return Err(ProjectError::NotSecond(why)),
                Err(NotSecond::Own | NotSecond::TooSoon | NotSecond::Emptied) => {
                    return Ok(FreezeChange::Held(before));
                }
            }
        }
        let approvals = u8::from(confirmed.is_some());
        let hash = confirmed.as_ref().map(|(it, _)| it.action_hash.as_str());
        let judged = self.judge_freeze(ctx, loosening, approvals, hash).await?;
        if judged.judgement.effect == Effect::Deny {
            let refused = self.judge_freeze(ctx, loosening, approvals, None).await?;
            let stream = before.value.stream_id()?;
            return Err(self.refused(stream, ctx.principal(), refused).await);
        }
        if before.value.frozen == frozen && before.value.unfreeze.is_none() {
            return Ok(FreezeChange::Done(before));
        }
        if before.version != version {
            return Err(ProjectError::Changed);
        }
        if judged.allowed() {
            let draft = match &confirmed {
                Some((held, approver)) => {
                    judged.approved(ctx.principal(), &held.decision, approver)?
                }
                None => judged.opened(ctx.principal(), None)?,
            };
            self.put_frozen(ctx, before, &judged, draft, frozen).await
        } else {
            self.hold_unfreeze(ctx, before, &judged).await
        }
    }

    async fn second_for(
        &self,
        ctx: &TenantCtx,
        proposed: &ProposedUnfreeze,
    ) -> Result<Result<String, NotSecond>, ProjectError> {
        let second = Waiting {
            by: proposed.by,
            at: proposed.at,
            proposes: Role::Admin,
            confirms: Role::Admin,
        };
        let (directory, now) = (self.directory(), self.clock().now());
        let confirmed = second.confirmed_by(directory, ctx.workspace(), ctx.principal(), now);
        Ok(confirmed.await?)
    }

    async fn put_frozen(
        &self,
        ctx: &TenantCtx,
        before: Versioned<Project>,
        judged: &Governed,
        drafts: Vec<Draft>,
        frozen: bool,
    ) -> Result<FreezeChange, ProjectError> {
        let mut batch = Batch::of(drafts);
        let entry = batch.drafts.len();
        let about = [
            ("frozen", frozen.into()),
            ("frozen_before", before.value.frozen.into()),
        ];
        let facts = change(ctx.principal(), project_target(before.value.id), about);
        let draft = Draft::new(Kind::ConfigChanged, facts);
        let draft = draft.cite("decision", entry.saturating_sub(1));
        batch.drafts.extend([draft, judged.closing()]);
        let stream = before.value.stream_id()?;
        let after = Project {
            frozen,
            unfreeze: None,
            ..before.value
        };
        let row = Directory::write(
            Directory::project_key(after.id),
            Some(before.version),
            &after,
        )?;
        let batch = batch.with(row.explained_by(entry));
        let appended = self.create.evidence.append(stream, batch).await;
        let entries = appended.map_err(changed)?;
        Ok(FreezeChange::Done(Versioned {
            value: after,
            version: before.version.saturating_add(1),
            evidence: entries.get(entry).cloned(),
        }))
    }

    async fn hold_unfreeze(
        &self,
        ctx: &TenantCtx,
        before: Versioned<Project>,
        judged: &Governed,
    ) -> Result<FreezeChange, ProjectError> {
        let by = ctx.principal().person().ok_or(ProjectError::Changed)?;
        let stream = before.value.stream_id()?;
        let batch = judged.batch(ctx.principal(), None, Vec::new())?;
        let entries = self.create.evidence.append(stream, batch).await?;
        let decision = entries.get(DECISION).cloned();
        let decision = decision.ok_or(ProjectError::Changed)?;
        let after = Project {
            unfreeze: Some(Box::new(ProposedUnfreeze {
                by,
                at: self.clock().now(),
                decision: decision.clone(),
                action_hash: judged.action_hash.clone(),
            })),
            ..before.value
        };
        let row = Directory::write(
            Directory::project_key(after.id),
            Some(before.version),
            &after,
        )?;
        if !self
            .state()
            .write(vec![row.citing(decision.clone())])
            .await?
        {
            return Err(ProjectError::Changed);
        }
        Ok(FreezeChange::Held(Versioned {
            value: after,
            version: before.version.saturating_add(1),
            evidence: Some(decision),
        }))
    }

    async fn judge_freeze(
        &self,
        ctx: &TenantCtx,
        loosening: bool,
        approvals: u8,
        action_hash: Option<&str>,
    ) -> Result<Governed, ProjectError> {
        let question = Question::ChangeSetting {
            name: "frozen",
            loosening,
        };
        let terms = Terms {
            approvals: approved_by(ctx.principal(), approvals),
            action_hash,
            ..Terms::default()
        };
        Ok(self.judging().in_project(ctx, &question, terms).await?)
    }
}
