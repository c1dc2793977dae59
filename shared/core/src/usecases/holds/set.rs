//! Setting a legal hold.

use counterfoil_evidence::hash::{Hash, sha256};

use super::{ATTEMPTS, HoldError, LegalHolds, changed, check_target, set_draft};
use crate::deletion::{Deletion, DeletionScope};
use crate::hold::{HoldState, LegalHold};
use crate::ids::HoldId;
use crate::policy::Question;
use crate::ports::{AppendError, Batch, Expect, HoldTarget, HoldsWrite};
use crate::records::{Directory, Versioned};
use crate::tenancy::TenantCtx;
use crate::usecases::governed::{DECISION, Governed, Terms};

/// A hold to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// Of the caller; the same key never sets a second hold.
    pub idempotency_key: String,
    /// The whole workspace instead of the project.
    pub workspace: bool,
    /// What it keeps.
    pub target: HoldTarget,
    /// Why: 10 to 1,000 characters.
    pub reason: String,
}

impl LegalHolds {
    /// Whether the caller may set a hold at all, in the project or in all of the workspace; records
    /// nothing.
    ///
    /// # Errors
    /// [`HoldError::Denied`]; when the rules could not be read.
    pub async fn admit(&self, ctx: &TenantCtx, workspace: bool) -> Result<(), HoldError> {
        let judged = self.judge(ctx, &Question::SetHold, workspace).await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(HoldError::Denied(judged.judgement))
        }
    }

    /// Sets a hold.
    ///
    /// # Errors
    /// [`HoldError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn set(
        &self,
        ctx: &TenantCtx,
        new: &NewHold,
    ) -> Result<Versioned<LegalHold>, HoldError> {
        self.project(ctx).await?;
        self.check(ctx, new).await?;
        let id = identity(ctx, &new.idempotency_key);
        let found = self.directory().hold(ctx.workspace(), id).await?;
        if let Some(known) = found {
            return self.again(known, ctx, new).await;
        }
        let judged = self.judge(ctx, &Question::SetHold, new.workspace).await?;
        let hold = LegalHold {
            id,
            workspace: ctx.workspace(),
            project: (!new.workspace).then_some(ctx.project()),
            target: new.target.clone(),
            reason: new.reason.clone(),
            by: ctx.principal().clone(),
            set_at: self.clock.now(),
            state: if new.workspace {
                HoldState::Setting
            } else {
                HoldState::Active
            },
            decision: None,
        };
        let stream = self.stream_to_set_in(ctx, &hold).await?;
        if !judged.allowed() {
            let mut batch = Batch::of(judged.opened(ctx.principal(), None)?);
            batch.drafts.push(judged.closing());
            self.evidence.append(stream, batch).await?;
            return Err(HoldError::Denied(judged.judgement));
        }
        let key = Directory::hold_key(hold.workspace, hold.id);
        let write = Directory::write(key, None, &hold)?.explained_by(DECISION);
        for _ in 0..ATTEMPTS {
            let mut batch = Batch::of(judged.opened(ctx.principal(), None)?).with(write.clone());
            batch = self.unless_it_ends(ctx, batch, !new.workspace).await?;
            if !new.workspace {
                let holds = self.reader.holds(stream).await?;
                let after = changed(&holds, &hold, true).ok_or(HoldError::Unfinished)?;
                let draft = set_draft(&hold, ctx.principal())?;
                batch.drafts.push(draft.cite("decision", DECISION));
                batch = batch.holds(HoldsWrite::Replace(after));
            }
            batch.drafts.push(judged.closing());
            match self.evidence.append(stream, batch).await {
                Ok(entries) => {
                    let set = Versioned {
                        value: hold,
                        version: 1,
                        evidence: entries.get(DECISION).cloned(),
                    };
                    return if new.workspace {
                        self.spread(set).await
                    } else {
                        Ok(set)
                    };
                }
                // Its own row: the same request came twice at the same time.
                Err(AppendError::StateChanged { index: 0 }) => return Err(HoldError::Unfinished),
                Err(AppendError::HoldsChanged | AppendError::StateChanged { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(HoldError::Unfinished)
    }

    async fn stream_to_set_in(&self, ctx: &TenantCtx, hold: &LegalHold) -> Result<Hash, HoldError> {
        if hold.project.is_none() {
            self.workspace_stream(hold).await
        } else {
            Ok(self.project(ctx).await?.stream_id()?)
        }
    }

    /// Makes it a condition that the project is there, if it is one of the project, and that its
    /// workspace does not end just now: a hold in what is gone would keep nothing, and nobody could
    /// release it.
    async fn unless_it_ends(
        &self,
        ctx: &TenantCtx,
        mut batch: Batch,
        of_project: bool,
    ) -> Result<Batch, HoldError> {
        if of_project {
            let found = self.directory().project(ctx.project()).await?;
            let found = found.filter(|found| found.value.workspace == ctx.workspace());
            let found = found.ok_or(HoldError::NotFound)?;
            let key = Directory::project_key(ctx.project());
            batch = batch.provided(key, Expect::Version(found.version));
        }
        let scope = DeletionScope::Workspace(ctx.workspace());
        let key = Directory::deletion_key(ctx.workspace(), scope);
        let waiting = self.directory().find::<Deletion>("deletion", &key).await?;
        let expect = match waiting {
            Some(waiting) if waiting.value.carrying_since.is_some() => {
                return Err(HoldError::Ending);
            }
            Some(waiting) => Expect::Version(waiting.version),
            None => Expect::Absent,
        };
        Ok(batch.provided(key, expect))
    }

    /// Sets a recorded hold of a workspace: each project stream, then the workspace's own, and then
    /// once more the projects, for one that was created meanwhile.
    pub(super) async fn spread(
        &self,
        mut hold: Versioned<LegalHold>,
    ) -> Result<Versioned<LegalHold>, HoldError> {
        if hold.value.decision.is_none() {
            hold.value.decision.clone_from(&hold.evidence);
        }
        for stream in self.project_streams(&hold.value).await? {
            self.mirror(stream, &hold.value, true).await?;
        }
        let own = self.workspace_stream(&hold.value).await?;
        for _ in 0..ATTEMPTS {
            let holds = self.reader.holds(own).await?;
            let mut active = hold.value.clone();
            active.state = HoldState::Active;
            let key = Directory::hold_key(active.workspace, active.id);
            let write = Directory::write(key, Some(hold.version), &active)?.explained_by(0);
            let after = changed(&holds, &active, true).ok_or(HoldError::Unfinished)?;
            let draft = super::cited(set_draft(&active, &active.by)?, active.decision.as_ref());
            let batch = Batch::of([draft])
                .with(write)
                .holds(HoldsWrite::Replace(after));
            match self.evidence.append(own, batch).await {
                Ok(entries) => {
                    for stream in self.project_streams(&active).await? {
                        self.mirror(stream, &active, true).await?;
                    }
                    return Ok(Versioned {
                        value: active,
                        version: hold.version.saturating_add(1),
                        evidence: entries.into_iter().next(),
                    });
                }
                Err(AppendError::HoldsChanged) => {}
                Err(AppendError::StateChanged { .. }) => return Err(HoldError::Unfinished),
                Err(error) => return Err(error.into()),
            }
        }
        Err(HoldError::Unfinished)
    }

    /// The same request once more.
    async fn again(
        &self,
        known: Versioned<LegalHold>,
        ctx: &TenantCtx,
        new: &NewHold,
    ) -> Result<Versioned<LegalHold>, HoldError> {
        let project = (!new.workspace).then_some(ctx.project());
        let same = known.value.project == project
            && known.value.target == new.target
            && known.value.reason == new.reason;
        if !same {
            return Err(HoldError::KeyReused);
        }
        if known.value.state == HoldState::Setting {
            return self.spread(known).await;
        }
        Ok(known)
    }

    /// Judges an act on a hold of the project, or of the whole workspace, which is in no project.
    pub(super) async fn judge(
        &self,
        ctx: &TenantCtx,
        question: &Question,
        of_workspace: bool,
    ) -> Result<Governed, HoldError> {
        let (judging, terms) = (self.judging(), Terms::default());
        Ok(if of_workspace {
            let (workspace, principal) = (ctx.workspace(), ctx.principal());
            judging
                .in_workspace(workspace, principal, question, terms)
                .await?
        } else {
            judging.in_project(ctx, question, terms).await?
        })
    }

    async fn check(&self, ctx: &TenantCtx, new: &NewHold) -> Result<(), HoldError> {
        let chars = new.reason.trim().chars().count();
        if !(10..=1_000).contains(&chars) {
            let rule = "must say in 10 to 1,000 characters why";
            return Err(HoldError::Invalid {
                field: "/reason",
                rule,
            });
        }
        check_target(&new.target)?;
        if new.workspace && !matches!(new.target, HoldTarget::All { .. }) {
            let rule = "must be {\"all\":true}: a hold on a workspace keeps everything";
            return Err(HoldError::Invalid {
                field: "/target",
                rule,
            });
        }
        if let HoldTarget::Run { run } = &new.target {
            let known: Result<crate::ids::RunId, _> = run.parse();
            let stream = self.project(ctx).await?.stream_id()?;
            if known.is_err() || self.reader.run(stream, run).await?.is_empty() {
                return Err(HoldError::NotFound);
            }
        }
        Ok(())
    }
}

/// The id that this caller's key always leads to.
fn identity(ctx: &TenantCtx, key: &str) -> HoldId {
    let named = format!(
        "legal-hold\n{}\n{}\n{}\n{key}",
        ctx.workspace(),
        ctx.project(),
        ctx.principal().id()
    );
    let digest = sha256(named.as_bytes());
    let bits = digest.as_bytes().iter().take(16);
    HoldId::from_bits(bits.fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte)))
}
