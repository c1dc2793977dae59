//! What waits, and a person's no to it.

use counterfoil_evidence::hash::Hash;

use super::held_facts;
use crate::held_change::HeldChange;
use crate::ids::ActionId;
use crate::policy::{APPROVER_ROLE, Effect, Place, Question, VoteFacts};
use crate::ports::{Batch, StateKey};
use crate::records::{Record, Records, Versioned, workspace_row};
use crate::tenancy::{Principal, Role, TenantCtx};
use crate::usecases::admin::{AdminError, AdminPorts, Recorded, append, gone};
use crate::usecases::facts::answer;
use crate::usecases::governed::{Governed, Judging, Terms};

/// Words that are long enough, for asking whether somebody may say no at all.
const ABLE: &str = "0123456789";

/// Changes of a project and of its workspace that wait for further people.
#[derive(Debug, Clone)]
pub struct HeldChanges {
    /// Its ports.
    pub ports: AdminPorts,
}

impl HeldChanges {
    /// Whether somebody says no to such changes at all: who signed in with a role that votes.
    pub fn is_for(principal: &Principal) -> bool {
        let role = principal.role();
        role.is_some_and(Role::may_approve) && !principal.by_approver_key()
    }

    /// What waits, soonest end first: of the project, and for people of its workspace too. Whoever agreed
    /// and counts no more is not among those who did.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn list(&self, ctx: &TenantCtx) -> Result<Vec<Versioned<HeldChange>>, AdminError> {
        let directory = self.ports.directory();
        let mut found = self.waiting(ctx).await?;
        for change in found.iter_mut().map(|it| &mut it.value) {
            let mut counting = Vec::with_capacity(change.given.len());
            for given in &change.given {
                let member = directory.member(ctx.workspace(), given.by).await?;
                if member.is_some_and(|it| it.value.counts(change.role, change.at)) {
                    counting.push(*given);
                }
            }
            change.given = counting;
        }
        Ok(found)
    }

    async fn waiting(&self, ctx: &TenantCtx) -> Result<Vec<Versioned<HeldChange>>, AdminError> {
        let records = Records::of(self.ports.state.as_ref(), ctx);
        let mut found = records.list::<HeldChange>().await?;
        // A key, an approver key too, reaches its project only.
        if ctx.principal().person().is_some() && !ctx.principal().by_approver_key() {
            let directory = self.ports.directory();
            found.extend(directory.held_changes(ctx.workspace()).await?);
        }
        let now = self.ports.clock.now();
        found.retain(|it| it.value.waits(now));
        found.sort_by_key(|it| (it.value.expires_at, it.value.id));
        Ok(found)
    }

    /// Whether the caller may know the change and say no to it; records nothing. It comes before what
    /// they sent.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], then [`AdminError::Denied`].
    pub async fn admit(&self, ctx: &TenantCtx, id: &str) -> Result<(), AdminError> {
        let found = self.find(ctx, id).await?;
        let (_, place) = self.place(ctx, &found.value).await?;
        let judged = self.judge(ctx, &found.value, place, ABLE).await?;
        if judged.judgement.effect == Effect::Deny {
            return Err(AdminError::Denied {
                judgement: judged.judgement,
                decision: None,
            });
        }
        Ok(())
    }

    /// Ends what waits: whoever proposed it withdraws it, and whoever could agree rejects it.
    ///
    /// # Errors
    /// Those of [`Self::admit`]; a refusal by policy is recorded.
    pub async fn reject(
        &self,
        ctx: &TenantCtx,
        id: &str,
        reason: &str,
    ) -> Result<HeldChange, AdminError> {
        let found = self.find(ctx, id).await?;
        let (stream, place) = self.place(ctx, &found.value).await?;
        let governed = self.judge(ctx, &found.value, place, reason).await?;
        let (evidence, principal) = (self.ports.evidence.as_ref(), ctx.principal());
        if !governed.allowed() {
            let batch = governed.batch(principal, None, Vec::new())?;
            evidence.append(stream, batch).await?;
            return Err(AdminError::Denied {
                decision: Some(governed.decision()),
                judgement: governed.judgement,
            });
        }
        let held = found.decision().ok_or(AdminError::Changed)?;
        let vote = answer(
            held,
            (&principal.id(), false),
            principal,
            &governed.judgement,
        );
        let drafts = governed.answered(principal, held, vote, Some(reason));
        let batch = Batch::of(drafts).with(gone(row(ctx, &found.value), found.version));
        match append(evidence, stream, batch).await? {
            Recorded::Done(_) => Ok(found.value),
            Recorded::Again => Err(AdminError::Changed),
        }
    }

    /// A text that is not an id names nothing, and the table is not asked for it.
    async fn find(&self, ctx: &TenantCtx, id: &str) -> Result<Versioned<HeldChange>, AdminError> {
        let id: ActionId = id.parse().map_err(|_| AdminError::NotFound)?;
        let mut waiting = self.waiting(ctx).await?;
        waiting.retain(|it| it.value.id == id);
        waiting.pop().ok_or(AdminError::NotFound)
    }

    /// Where it is recorded and judged.
    async fn place(
        &self,
        ctx: &TenantCtx,
        change: &HeldChange,
    ) -> Result<(Hash, Place), AdminError> {
        if change.project.is_none() {
            let stream = self.ports.stream(ctx.workspace()).await?;
            return Ok((stream, Place::workspace(ctx.workspace())));
        }
        let project = self.ports.directory().project(ctx.project()).await?;
        let project = project.ok_or(AdminError::NotFound)?.value;
        Ok((project.stream_id()?, Place::project(&project)))
    }

    async fn judge(
        &self,
        ctx: &TenantCtx,
        change: &HeldChange,
        place: Place,
        reason: &str,
    ) -> Result<Governed, AdminError> {
        let principal = ctx.principal();
        let reason_chars = reason.trim().chars().count();
        let question = Question::Vote(VoteFacts {
            approves: false,
            on: held_facts(change),
            reason_chars: u64::try_from(reason_chars).unwrap_or(u64::MAX),
            digest_matches: true,
        });
        let judging = Judging {
            state: self.ports.state.as_ref(),
            clock: self.ports.clock.as_ref(),
            random: self.ports.random.as_ref(),
        };
        let judged = judging.at(place, principal, &question, Terms::default());
        let judged = Box::pin(judged).await?;
        if judged.allowed() && principal.by_approver_key() {
            let why = "an approver key votes on actions: for settings a person signs in";
            return Ok(judged.denied_by(APPROVER_ROLE, why.to_owned()));
        }
        // No rule knows which role a change needs.
        let own = principal.person() == Some(change.by);
        if judged.allowed() && !own && principal.role() < Some(change.role) {
            let needs = change.role.name();
            let why = format!(
                "people with the role {needs} or a higher one reject it, and whoever proposed it withdraws it"
            );
            return Ok(judged.denied_by(APPROVER_ROLE, why));
        }
        Ok(judged)
    }
}

/// The row of a change that was found for the caller.
fn row(ctx: &TenantCtx, change: &HeldChange) -> StateKey {
    let family = <HeldChange as Record>::FAMILY;
    if change.project.is_none() {
        return workspace_row(ctx.workspace(), family, &change.name);
    }
    StateKey {
        pk: format!("{}#{}#{family}", ctx.workspace(), ctx.project()),
        sk: change.name.clone(),
    }
}
