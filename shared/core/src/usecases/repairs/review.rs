//! Another person looks at a use of break-glass, and says so.

use counterfoil_evidence::json::object;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::ActionError;
use super::break_glass::workspace;
use super::judge::held_facts;
use super::vote::VoteOnAction;
use crate::policy::Question;
use crate::ports::StateWrite;
use crate::records::{OverrideUse, Records, RunAction, Versioned};
use crate::repair::Action;
use crate::tenancy::TenantCtx;
use crate::usecases::facts::{actor, target};
use crate::usecases::governed::{AdminEffect, Judging, Terms};

impl VoteOnAction {
    /// Whether the caller may know the action and review such uses at all; records nothing.
    ///
    /// # Errors
    /// [`ActionError::NotFound`], then [`ActionError::Denied`].
    pub async fn admit_review(&self, ctx: &TenantCtx, id: &str) -> Result<(), ActionError> {
        let action = self.ports.action(ctx, id).await?.value;
        // Reviews are for people alone, and a machine is no principal of one.
        if ctx.principal().person().is_none() {
            return Err(ActionError::MissingCapability);
        }
        let project = self.ports.project(ctx).await?;
        let question = Question::Review {
            on: held_facts(&action),
            own: false,
            reason_chars: 10,
        };
        let judgement = Box::pin(self.judge(ctx, &project, &question)).await?;
        if judgement.allowed() {
            Ok(())
        } else {
            Err(ActionError::Denied(judgement))
        }
    }

    /// Acknowledges a use of break-glass, as another person than the one who used it.
    ///
    /// # Errors
    /// [`ActionError::WrongState`] where the glass was not broken, or that is acknowledged already;
    /// [`ActionError::Denied`] when policy refuses, which is recorded.
    pub async fn review(
        &self,
        ctx: &TenantCtx,
        id: &str,
        reason: &str,
    ) -> Result<Versioned<Action>, ActionError> {
        let project = self.ports.project(ctx).await?;
        let action = self.ports.action(ctx, id).await?;
        let of_workspace = workspace(ctx);
        let uses = Records::of(self.ports.state.as_ref(), &of_workspace);
        let mut used = uses.list::<OverrideUse>().await?;
        used.retain(|used| used.value.id == action.value.id);
        let used = used.pop().ok_or_else(|| ActionError::WrongState {
            state: "not one for which the glass was broken".to_owned(),
        })?;
        let judging = Judging {
            state: self.ports.state.as_ref(),
            clock: self.ports.clock.as_ref(),
            random: self.ports.random.as_ref(),
        };
        let person = ctx.principal().person();
        let question = Question::Review {
            on: held_facts(&action.value),
            own: person == Some(used.value.by),
            reason_chars: u64::try_from(reason.trim().chars().count()).unwrap_or(u64::MAX),
        };
        let judged = judging.in_project(ctx, &question, Terms::default()).await?;
        let mut after = used.value.clone();
        after.reviewed = person.map(|person| (person, self.ports.clock.now()));
        if judged.allowed() && used.value.reviewed.is_some() {
            return Err(ActionError::WrongState {
                state: "reviewed already".to_owned(),
            });
        }
        let facts = object([
            ("actor", actor(ctx.principal())),
            ("result", "ok".into()),
            ("target", target("action", action.value.id)),
            ("topic", "override.reviewed".into()),
        ]);
        let records = self.ports.records(ctx);
        let (reviewed, row) = with_review(&records, &action, reason.trim())?;
        let effect = AdminEffect {
            draft: Draft::new(Kind::ObservationRecorded, facts),
            rows: vec![uses.replace(used.version, &after)?],
        };
        let mut batch = judged.batch(ctx.principal(), Some(reason.trim()), vec![effect])?;
        if judged.allowed() {
            batch.state.extend(row);
        }
        self.ports
            .evidence
            .append(project.stream_id()?, batch)
            .await?;
        if judged.allowed() {
            Ok(reviewed)
        } else {
            Err(ActionError::Denied(judged.judgement))
        }
    }
}

/// An action with the words of its review, and the write after which it is so. Nothing is added to what
/// was erased. The same entry goes on to explain its state: what becomes of it later cites that.
fn with_review(
    records: &Records<'_>,
    action: &Versioned<Action>,
    words: &str,
) -> Result<(Versioned<Action>, Option<StateWrite>), ActionError> {
    let (mut after, version) = (action.clone(), action.version);
    let Some(broken) = after.value.overridden.as_mut() else {
        return Ok((after, None));
    };
    if action.value.is_erased() {
        return Ok((after, None));
    }
    broken.review = Some(words.to_owned());
    let mut row = if after.value.is_external() {
        records.replace(version, &RunAction::of(after.value.clone()))?
    } else {
        records.replace(version, &after.value)?
    };
    row.cites.clone_from(&action.evidence);
    after.version = version.saturating_add(1);
    Ok((after, Some(row)))
}
