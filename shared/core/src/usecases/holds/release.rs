//! Releasing a legal hold: proposed by one owner, approved by another.

use serde_json::json;

use super::{ATTEMPTS, HoldError, LegalHolds, changed, release_draft};
use crate::held_change::{HOLD, HeldChange};
use crate::hold::{HoldState, LegalHold};
use crate::policy::{Effect, Question};
use crate::ports::{AppendError, HoldsWrite};
use crate::records::{Directory, Versioned};
use crate::tenancy::{Role, TenantCtx};
use crate::usecases::held_changes::{Changes, Happens, Outcome, Settled, Wanted};

/// What became of a request to release.
pub type Released = Outcome<LegalHold>;

impl LegalHolds {
    /// Whether the caller may know a hold and release it; records nothing.
    ///
    /// # Errors
    /// [`HoldError::NotFound`], then [`HoldError::Denied`].
    pub async fn admit_release(&self, ctx: &TenantCtx, id: &str) -> Result<(), HoldError> {
        let hold = self.find(ctx, id).await?;
        let of_workspace = hold.value.project.is_none();
        let judged = self.judge(ctx, &Question::ReleaseHold, of_workspace);
        let judged = judged.await?;
        if judged.judgement.effect == Effect::Deny {
            Err(HoldError::Denied(judged.judgement))
        } else {
            Ok(())
        }
    }

    /// The release of a hold that waits for a second owner.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn release_waiting(
        &self,
        ctx: &TenantCtx,
        hold: &LegalHold,
    ) -> Result<Option<HeldChange>, HoldError> {
        if hold.state != HoldState::Active {
            return Ok(None);
        }
        let (changes, name) = (self.changes(), format!("{HOLD}{}", hold.id));
        Ok(match hold.project {
            Some(_) => changes.of_project(ctx, &name).await?,
            None => changes.of_workspace(hold.workspace, &name).await?,
        })
    }

    /// Proposes the release of a hold, or, as another owner, approves and does it.
    ///
    /// # Errors
    /// [`HoldError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn release(&self, ctx: &TenantCtx, id: &str) -> Result<Released, HoldError> {
        let hold = self.find(ctx, id).await?;
        match hold.value.state {
            HoldState::Active => {}
            HoldState::Releasing => return Ok(Outcome::Done(self.withdraw(hold).await?)),
            HoldState::Released => return Ok(Outcome::Done(hold)),
            state @ HoldState::Setting => return Err(HoldError::WrongState { state }),
        }
        let changes = self.changes();
        let wanted = self.wanted(ctx, &hold.value).await?;
        let asked = changes.ask(&wanted).await?;
        match changes.settle(&wanted, asked).await? {
            Settled::Waits(_) => Ok(Outcome::Held(hold)),
            Settled::Happens(happens) => self.end(&wanted, &happens, hold).await,
        }
    }

    async fn wanted<'a>(
        &'a self,
        ctx: &'a TenantCtx,
        hold: &LegalHold,
    ) -> Result<Wanted<'a>, HoldError> {
        let (name, value) = (format!("{HOLD}{}", hold.id), json!({ "released": hold.id }));
        let question = Question::ReleaseHold;
        let mut wanted = if hold.project.is_some() {
            let (changes, project) = (self.changes(), self.project(ctx).await?);
            changes.in_project(ctx, &project, &name, question, value)?
        } else {
            let stream = self.workspace_stream(hold).await?;
            let at = (hold.workspace, ctx.principal());
            Changes::in_workspace(at, stream, &name, question, value)
        };
        wanted.proposes = Role::Owner;
        Ok(wanted)
    }

    async fn end(
        &self,
        wanted: &Wanted<'_>,
        happens: &Happens,
        hold: Versioned<LegalHold>,
    ) -> Result<Released, HoldError> {
        for _ in 0..ATTEMPTS {
            let holds = self.reader.holds(wanted.stream).await?;
            let after = changed(&holds, &hold.value, false).ok_or(HoldError::Unfinished)?;
            let mut value = hold.value.clone();
            if value.decision.is_none() {
                value.decision.clone_from(&hold.evidence);
            }
            value.state = if value.project.is_some() {
                HoldState::Released
            } else {
                HoldState::Releasing
            };
            let mut batch = Changes::begun(wanted, happens)?;
            let decision = batch.drafts.len().saturating_sub(1);
            let released = release_draft(&value, wanted.principal).cite("decision", decision);
            batch.drafts.extend([released, happens.judged.closing()]);
            let key = Directory::hold_key(value.workspace, value.id);
            let write = Directory::write(key, Some(hold.version), &value)?;
            let batch = batch
                .with(write.explained_by(decision))
                .holds(HoldsWrite::Replace(after));
            let batch = happens.grounds.under(batch);
            match self.evidence.append(wanted.stream, batch).await {
                Ok(entries) => {
                    let released = Versioned {
                        value,
                        version: hold.version.saturating_add(1),
                        evidence: entries.get(decision).cloned(),
                    };
                    return Ok(Outcome::Done(self.withdraw(released).await?));
                }
                Err(AppendError::HoldsChanged) => {}
                Err(AppendError::StateChanged { .. }) => return Err(HoldError::Changed),
                Err(error) => return Err(error.into()),
            }
        }
        Err(HoldError::Unfinished)
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
            return Err(HoldError::Unfinished);
        }
        Ok(Versioned {
            value: after,
            version: hold.version.saturating_add(1),
            evidence: hold.evidence,
        })
    }

    fn changes(&self) -> Changes<'_> {
        Changes {
            evidence: self.evidence.as_ref(),
            judging: self.judging(),
        }
    }
}
