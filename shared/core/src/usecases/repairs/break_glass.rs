//! Break-glass: for the night when nobody else can be reached. An owner replaces the approvals that are
//! missing, and nothing else: what policy denies stays denied, and another person looks at it within
//! seven days.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::counted::{append, has_approvals};
use super::ending::expire;
use super::follow_up::follow_up;
use super::in_run;
use super::judge::held_facts;
use super::refusal::record_refusal;
use super::vote::{Answered, VoteOnAction};
use super::{ActionError, execute, ignore};
use crate::governed_run::{Step, answering};
use crate::policy::{Effect, Judgement, OverrideFacts, Question};
use crate::ports::{Batch, EntryRef};
use crate::records::{Directory, OverrideUse, Project, Records, Versioned};
use crate::repair::{Action, ActionState, Overridden};
use crate::tenancy::{TenantCtx, WorkspaceCtx};
use crate::usecases::facts::answer;
use crate::usecases::grounds::Grounds;

/// Characters of a ticket's reference, at most.
const LONGEST_TICKET: usize = 64;

/// Breaking the glass, as it comes in.
#[derive(Debug)]
pub struct Glass<'a> {
    /// The digest of what was displayed.
    pub digest: &'a str,
    /// Why, at least 20 characters.
    pub reason: &'a str,
    /// Where it is written down: a reference, no sentence.
    pub ticket: &'a str,
    /// The version of the action that was displayed.
    pub version: u64,
}

impl VoteOnAction {
    /// Carries out what an owner has broken the glass for. What its caller does is theirs to do.
    ///
    /// # Errors
    /// Those of an execution.
    pub async fn carry_out(
        &self,
        ctx: &TenantCtx,
        overridden: Versioned<Action>,
    ) -> Result<Answered, ActionError> {
        if overridden.value.is_external() {
            return Ok(overridden.into());
        }
        // The glass is broken already: what fails now is no failure of that.
        let project = match self.ports.project(ctx).await {
            Ok(project) => project,
            Err(cause) => {
                return Ok(Answered {
                    action: overridden,
                    not_begun: Some(cause),
                });
            }
        };
        let begun = execute::begin_at_once(&self.ports, ctx, &project, overridden);
        Box::pin(begun).await
    }

    /// Replaces the approvals that an action is missing. From then on it is a use of break-glass,
    /// whatever becomes of the action. `ring` is called before that is recorded: nobody would hear of
    /// what is recorded and not told.
    ///
    /// # Errors
    /// [`ActionError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn override_approvals(
        &self,
        ctx: &TenantCtx,
        id: &str,
        glass: &Glass<'_>,
        ring: &(dyn Fn() + Sync),
    ) -> Result<Versioned<Action>, ActionError> {
        let project = self.ports.project(ctx).await?;
        let action = self.ports.action(ctx, id).await?;
        if glass.version != action.version || glass.digest != action.value.digest {
            return Err(ActionError::Changed);
        }
        let now = self.ports.clock.now();
        if action.value.state.is_waiting() && action.value.binding.expires_at <= now {
            expire(&self.ports, ctx, &project, action).await?;
            return Err(ActionError::Expired);
        }
        let by = ctx.principal().person().map(|person| Overridden {
            by: person,
            at: now,
            ticket: glass.ticket.trim().to_owned(),
            reason: Some(glass.reason.trim().to_owned()),
            review: None,
        });
        let broken = Action {
            overridden: by.clone(),
            ..action.value.clone()
        };
        let (grounds, project) = self.ports.grounds(ctx, &broken).await?;
        self.ports.still_as_they_came(ctx).await?;
        let (question, number) = self.question(ctx, &action.value, glass).await?;
        let judgement = Box::pin(self.judge(ctx, &project, &question)).await?;
        let (Effect::Allow, Some(by)) = (judgement.effect, by) else {
            let recorded = record_refusal(&self.ports, ctx, &project, &action.value, &judgement);
            Box::pin(recorded).await?;
            return Err(ActionError::Denied(judgement));
        };
        // What the rules deny with the glass broken leaves the action as it is, and is no use.
        let without = self.without_approvals(ctx, &project, &broken, &by);
        let without = Box::pin(without).await?;
        if without.effect == Effect::Deny {
            let recorded = record_refusal(&self.ports, ctx, &project, &action.value, &without);
            Box::pin(recorded).await?;
            return Err(ActionError::Denied(without));
        }
        ring();
        let by = (by, number, &judgement);
        let recorded = self.record(ctx, (&project, &grounds), action, by, glass.reason);
        Box::pin(recorded).await
    }

    /// Whether the caller may know the action and break the glass at all; records nothing. It comes
    /// before what they sent.
    ///
    /// # Errors
    /// [`ActionError::NotFound`], then [`ActionError::Denied`].
    pub async fn admit_break_glass(&self, ctx: &TenantCtx, id: &str) -> Result<(), ActionError> {
        let action = self.ports.action(ctx, id).await?.value;
        let project = self.ports.project(ctx).await?;
        let question = Question::Override(OverrideFacts {
            on: crate::policy::HeldFacts {
                effect: "REQUIRE",
                ..held_facts(&action)
            },
            reason_chars: 20,
            ticket: true,
            last_30d: 0,
            overdue_reviews: 0,
        });
        let judgement = Box::pin(self.judge(ctx, &project, &question)).await?;
        if judgement.allowed() {
            Ok(())
        } else {
            Err(ActionError::Denied(judgement))
        }
    }

    /// What the rules say of carrying the action out where the glass is broken.
    async fn without_approvals(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        broken: &Action,
        by: &Overridden,
    ) -> Result<Judgement, ActionError> {
        if broken.is_external() {
            return in_run::judge_broken(&self.ports, ctx, project, broken, by).await;
        }
        if broken.ignore().is_some() {
            return ignore::judge_now(&self.ports, ctx, project, broken).await;
        }
        execute::judge_now(&self.ports, ctx, project, broken).await
    }

    /// The question, and the number of the use that it would be. Only one can take it, so one that came
    /// in between was not counted here, and this one is tried again.
    async fn question(
        &self,
        ctx: &TenantCtx,
        action: &Action,
        glass: &Glass<'_>,
    ) -> Result<(Question, u64), ActionError> {
        let now = self.ports.clock.now();
        let uses = self.ports.uses(ctx).await?;
        let count = |wanted: fn(&OverrideUse, crate::time::Timestamp) -> bool| {
            let found = uses.iter().filter(|used| wanted(used, now)).count();
            u64::try_from(found).unwrap_or(u64::MAX)
        };
        let last = uses.iter().map(|used| used.number).max();
        let question = Question::Override(OverrideFacts {
            on: held_facts(action),
            reason_chars: u64::try_from(glass.reason.trim().chars().count()).unwrap_or(u64::MAX),
            ticket: is_ticket(glass.ticket.trim()),
            last_30d: count(OverrideUse::counts),
            overdue_reviews: u64::try_from(self.unreviewed_in_time(&uses).await?.len())
                .unwrap_or(u64::MAX),
        });
        Ok((question, last.unwrap_or_default().saturating_add(1)))
    }

    /// The use of the workspace whose review is overdue for longest: nobody breaks the glass before it
    /// is acknowledged.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn overdue(&self, ctx: &TenantCtx) -> Result<Option<OverrideUse>, ActionError> {
        let uses = self.ports.uses(ctx).await?;
        let overdue = self.unreviewed_in_time(&uses).await?.into_iter();
        Ok(overdue.min_by_key(|used| (used.at, used.number)))
    }

    /// Uses whose review is overdue. With its project a use ends that nobody can review any more.
    async fn unreviewed_in_time(
        &self,
        uses: &[OverrideUse],
    ) -> Result<Vec<OverrideUse>, ActionError> {
        let (now, directory) = (
            self.ports.clock.now(),
            Directory::of(self.ports.state.as_ref()),
        );
        let mut overdue = Vec::new();
        for used in uses.iter().filter(|used| used.is_overdue(now)) {
            if directory.project(used.project).await?.is_some() {
                overdue.push(used.clone());
            }
        }
        Ok(overdue)
    }

    /// The resolution, the action and its use, in one transaction.
    async fn record(
        &self,
        ctx: &TenantCtx,
        (project, grounds): (&Project, &Grounds),
        action: Versioned<Action>,
        (by, number, judgement): (Overridden, u64, &Judgement),
        reason: &str,
    ) -> Result<Versioned<Action>, ActionError> {
        let (version, mut action) = (action.version, action.value);
        let used = OverrideUse {
            number,
            id: action.id,
            project: ctx.project(),
            by: by.by,
            at: by.at,
            reviewed: None,
            rung: None,
        };
        let decision = action.decided.clone().ok_or(ActionError::Changed)?;
        let facts = overriding(ctx, &decision, judgement)?;
        if action.is_external() {
            let (found, by) = ((version, action), (by, &used));
            let done = in_run::override_with(&self.ports, ctx, found, by, facts, reason.trim());
            return Box::pin(done).await;
        }
        let answered = action.is_answered();
        action.state = ActionState::Approved;
        action.overridden = Some(by);
        let steps = answering(!answered && action.is_answered(), Step::Overridden);
        let follow_up = follow_up(&self.ports, project, ctx.principal(), &mut action).await?;
        let mut drafts = follow_up.opening();
        let entry = drafts.len();
        let words = object([("comment", reason.trim().into())]);
        drafts.push(
            Draft::new(Kind::RunResolution, facts)
                .in_run(follow_up.run)
                .subject(words)
                .about(action.about.clone()),
        );
        let of_workspace = workspace(ctx);
        let uses = Records::of(self.ports.state.as_ref(), &of_workspace);
        let records = self.ports.records(ctx);
        let batch = Batch::of(drafts)
            .with(records.replace(version, &action)?.explained_by(entry))
            .with(uses.create(&used)?.explained_by(entry));
        let batch = has_approvals(&records, &action, batch, entry).await?;
        let batch = grounds.under(batch);
        append(&self.ports, ctx, project, (&action, &steps), batch).await?;
        Ok(Versioned {
            value: action,
            version: version.saturating_add(1),
            evidence: None,
        })
    }
}

/// The resolution of an owner who stands in for others.
fn overriding(
    ctx: &TenantCtx,
    decision: &EntryRef,
    judgement: &Judgement,
) -> Result<Json, ActionError> {
    let voter = ctx.principal().id();
    let said = answer(decision, (&voter, true), ctx.principal(), judgement);
    let Json::Object(mut facts) = said else {
        return Err(ActionError::Changed);
    };
    facts.insert("override".to_owned(), true.into());
    Ok(Json::Object(facts))
}

/// Uses are counted for the whole workspace.
pub(super) fn workspace(ctx: &TenantCtx) -> WorkspaceCtx {
    WorkspaceCtx::new(ctx.workspace(), ctx.principal().clone())
}

/// A reference stays in the record for ever, so it is no sentence.
fn is_ticket(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_#/.:".contains(letter);
    !text.is_empty() && text.len() <= LONGEST_TICKET && text.chars().all(fits)
}
