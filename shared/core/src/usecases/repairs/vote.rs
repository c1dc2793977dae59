//! A person's yes or no, bound to the digest they were shown.

use super::counted::{append, has_approvals};
use super::ending::{end, expire};
use super::follow_up::{Said, follow_up};
use super::in_run;
use super::judge::vote_question;
use super::refusal::record_refusal;
use super::{ActionError, RepairPorts, execute};
use crate::governed_run::{Step, answering};
use crate::ids::UserId;
use crate::policy::{
    APPROVER_ROLE, APPROVER_SINCE, Asking, Effect, Judgement, Place, Question, Rules,
};
use crate::ports::Batch;
use crate::records::{Directory, Project, Versioned};
use crate::repair::{Action, ActionState, Vote, VoteKind};
use crate::tenancy::{Principal, TenantCtx};

/// Words that are long enough, for asking whether somebody may vote at all.
const ABLE: &str = "0123456789";

/// A vote as it comes in.
#[derive(Debug)]
pub struct Voted<'a> {
    /// Yes or no.
    pub kind: VoteKind,
    /// The digest of what was displayed.
    pub digest: &'a str,
    /// Why, at least 10 characters.
    pub reason: &'a str,
    /// The version of the action that was displayed; `None` skips the check (the digest binds).
    pub version: Option<u64>,
}

/// An action that people answered.
#[derive(Debug)]
pub struct Answered {
    /// As it is now.
    pub action: Versioned<Action>,
    /// Why it was not begun, where it was to be at once; it is as it was approved, and is begun later.
    pub not_begun: Option<ActionError>,
}

impl From<Versioned<Action>> for Answered {
    fn from(action: Versioned<Action>) -> Self {
        Self {
            action,
            not_begun: None,
        }
    }
}

/// Takes votes.
#[derive(Debug, Clone)]
pub struct VoteOnAction {
    /// Ports.
    pub ports: RepairPorts,
}

impl VoteOnAction {
    /// Counts a vote; the last approval executes where the proposal said so.
    ///
    /// # Errors
    /// [`ActionError::Denied`] when policy refuses the vote; the refusal is recorded.
    pub async fn vote(
        &self,
        ctx: &TenantCtx,
        id: &str,
        vote: &Voted<'_>,
    ) -> Result<Answered, ActionError> {
        let project = self.ports.project(ctx).await?;
        let action = self.ports.action(ctx, id).await?;
        if vote
            .version
            .is_some_and(|version| version != action.version)
        {
            return Err(ActionError::Changed);
        }
        if action.value.state.is_waiting()
            && action.value.binding.expires_at <= self.ports.clock.now()
        {
            Box::pin(expire(&self.ports, ctx, &project, action)).await?;
            return Err(ActionError::Expired);
        }
        // A vote whose key was revoked is as if it were not given: its person may vote themselves.
        let counted = Action {
            votes: self.ports.votes_that_count(ctx, &action.value).await?,
            ..action.value.clone()
        };
        let question = vote_question(&counted, vote.kind, vote.digest, vote.reason);
        let judgement = Box::pin(self.judge(ctx, &project, &question)).await?;
        let person = ctx.principal().person();
        let (Effect::Allow, Some(person)) = (judgement.effect, person) else {
            let recorded = record_refusal(&self.ports, ctx, &project, &action.value, &judgement);
            Box::pin(recorded).await?;
            return Err(ActionError::Denied(judgement));
        };
        // Policy lets people say no to anything; only what waits for approvals can hear it.
        if action.value.state != ActionState::Held {
            return Err(ActionError::in_state(action.value.state));
        }
        if vote.kind == VoteKind::Approve
            && let Some((name, why)) = self.no_approver(ctx, &action.value, person).await?
        {
            let judgement = judgement.denied_by(name, why);
            let recorded = record_refusal(&self.ports, ctx, &project, &action.value, &judgement);
            Box::pin(recorded).await?;
            return Err(ActionError::Denied(judgement));
        }
        let said = Said {
            reason: vote.reason,
            judgement: &judgement,
        };
        let answered = action.value.is_answered();
        let version = action.version;
        let mut voted = action.value;
        voted.votes.push(Vote {
            approver: person,
            kind: vote.kind,
            at: self.ports.clock.now(),
            second_factor: ctx.principal().second_factor(),
            via: ctx.principal().key(),
            reason: Some(vote.reason.to_owned()),
        });
        match vote.kind {
            VoteKind::Reject => {
                let recorded = self.reject(ctx, &project, version, voted, said);
                Ok(Box::pin(recorded).await?.into())
            }
            VoteKind::Approve => {
                let resolves = !answered && voted.is_answered();
                let voted = (version, voted, resolves);
                let recorded = self.approve(ctx, &project, voted, said);
                Box::pin(recorded).await
            }
        }
    }

    /// Whether the caller may know the action and vote on actions at all; records nothing. It comes
    /// before what they sent.
    ///
    /// # Errors
    /// [`ActionError::NotFound`], then [`ActionError::Denied`].
    pub async fn admit_vote(&self, ctx: &TenantCtx, id: &str) -> Result<(), ActionError> {
        let action = self.ports.action(ctx, id).await?;
        let project = self.ports.project(ctx).await?;
        // Rejecting asks for less than approving: who may not even reject may not vote.
        let kind = VoteKind::Reject;
        let question = vote_question(&action.value, kind, &action.value.digest, ABLE);
        let judgement = Box::pin(self.judge(ctx, &project, &question)).await?;
        if judgement.allowed() {
            Ok(())
        } else {
            Err(ActionError::Denied(judgement))
        }
    }

    /// Why the approval of somebody who may vote does not count for this action: a rule can ask for a
    /// higher role than votes need, and whoever was let in, or raised, after the proposal is no second
    /// person. The rules are not asked about either.
    async fn no_approver(
        &self,
        ctx: &TenantCtx,
        action: &Action,
        person: UserId,
    ) -> Result<Option<(&'static str, String)>, ActionError> {
        let needs = action.approver_role();
        if ctx.principal().role() < Some(needs) {
            let needs = needs.name();
            let why = format!("approvals of people with the role {needs} or a higher one count");
            return Ok(Some((APPROVER_ROLE, why)));
        }
        let directory = Directory::of(self.ports.state.as_ref());
        let member = directory.member(ctx.workspace(), person).await?;
        let counts = member.is_some_and(|it| it.value.has_role_since() <= action.proposed_at());
        let why = "whoever approves has had the role for that since before it was proposed";
        Ok((!counts).then(|| (APPROVER_SINCE, why.to_owned())))
    }

    pub(super) async fn judge(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        question: &Question,
    ) -> Result<Judgement, ActionError> {
        let rules = Rules::load(self.ports.state.as_ref(), ctx.workspace()).await?;
        let now = self.ports.clock.now();
        let asking = Asking::new(ctx.principal(), now, Place::project(project));
        Ok(rules.judge(question, &asking, self.ports.clock.as_ref()))
    }

    /// The action, for whoever may have it executed.
    ///
    /// # Errors
    /// [`ActionError::NotFound`], then [`ActionError::MissingCapability`].
    pub async fn admit_execute(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<Action>, ActionError> {
        let action = self.ports.action(ctx, id).await?;
        if !ctx.principal().may_operate() {
            return Err(ActionError::MissingCapability);
        }
        Ok(action)
    }

    /// The action, for whoever may withdraw it: its proposer, and whoever may approve.
    ///
    /// # Errors
    /// [`ActionError::NotFound`], then [`ActionError::MissingCapability`].
    pub async fn admit_cancel(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<Action>, ActionError> {
        let action = self.ports.action(ctx, id).await?;
        let approver =
            matches!(ctx.principal(), Principal::User { role, .. } if role.may_approve());
        if !approver && ctx.principal().account() != action.value.proposer.account() {
            return Err(ActionError::MissingCapability);
        }
        Ok(action)
    }

    /// Executes a repair that policy allowed or people approved. Whoever may propose repairs may
    /// trigger it; the trigger decides nothing, the recorded approvals do. An action that somebody else
    /// does is theirs to do from here on.
    ///
    /// A person sends the digest of what they were shown; of a machine it is compared if it comes.
    ///
    /// # Errors
    /// [`ActionError::OtherDigest`]; [`ActionError::WrongState`] for what is not approved or has begun.
    pub async fn execute(
        &self,
        ctx: &TenantCtx,
        id: &str,
        digest: Option<&str>,
    ) -> Result<Versioned<Action>, ActionError> {
        let project = self.ports.project(ctx).await?;
        let action = self.admit_execute(ctx, id).await?;
        let same = match digest {
            Some(digest) => digest == action.value.digest,
            None => ctx.principal().person().is_none(),
        };
        if !same {
            return Err(ActionError::OtherDigest);
        }
        if action.value.is_external() {
            return Box::pin(in_run::begin(&self.ports, ctx, &project, action, digest)).await;
        }
        Box::pin(execute::execute(&self.ports, ctx, &project, action, digest)).await
    }

    /// Withdraws an action before its execution is recorded: its proposer may, and whoever may approve.
    pub async fn cancel(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<Action>, ActionError> {
        let project = self.ports.project(ctx).await?;
        let action = self.admit_cancel(ctx, id).await?;
        if !action.value.state.is_waiting() {
            return Err(ActionError::in_state(action.value.state));
        }
        let (version, action) = (action.version, action.value);
        end(
            &self.ports,
            ctx,
            &project,
            version,
            action,
            ActionState::Cancelled,
            None,
        )
        .await
    }

    async fn approve(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        (version, mut action, resolves): (u64, Action, bool),
        said: Said<'_>,
    ) -> Result<Answered, ActionError> {
        let enough = self.ports.has_enough(ctx, &action).await?;
        let step = if enough { Step::Approved } else { Step::Voted };
        let steps = answering(resolves, step);
        if action.is_external() {
            let voted = (version, action);
            let answered = if enough {
                Box::pin(in_run::approve(&self.ports, ctx, voted, steps, said)).await?
            } else {
                let (ports, why) = (&self.ports, Some(said));
                in_run::resolve(ports, ctx, project, voted, steps, why).await?
            };
            return Ok(answered.into());
        }
        if enough {
            action.state = ActionState::Approved;
        }
        let votes = follow_up(&self.ports, project, ctx.principal(), &mut action).await?;
        let mut batch =
            Batch::of(votes.drafts(ctx.principal(), &ctx.principal().id(), true, Some(said)));
        let entry = batch.drafts.len().saturating_sub(1);
        let records = self.ports.records(ctx);
        batch = batch.with(records.replace(version, &action)?.explained_by(entry));
        if enough {
            batch = has_approvals(&records, &action, batch, entry).await?;
        }
        append(&self.ports, ctx, project, (&action, &steps), batch).await?;
        let voted = Versioned {
            value: action,
            version: version.saturating_add(1),
            evidence: None,
        };
        if voted.value.state == ActionState::Approved && voted.value.execute_on_approval {
            return execute::begin_at_once(&self.ports, ctx, project, voted).await;
        }
        Ok(voted.into())
    }

    async fn reject(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        version: u64,
        action: Action,
        said: Said<'_>,
    ) -> Result<Versioned<Action>, ActionError> {
        end(
            &self.ports,
            ctx,
            project,
            version,
            action,
            ActionState::Rejected,
            Some(said),
        )
        .await
    }
}
