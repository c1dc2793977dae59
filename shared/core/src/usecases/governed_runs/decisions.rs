//! Decisions by their id, and what a decision would be.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::judge::{Matter, RUN_ACTION};
use super::{GovernedRuns, RunError};
use crate::governed_run::{check_kind, check_work};
use crate::ids::{ActionId, DecisionId, RunId};
use crate::policy::Effect;
use crate::records::Versioned;
use crate::repair::{Action, RunWork};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;

/// How long a preview can be read again.
const PREVIEW_KEPT: Duration = Duration::from_hours(7 * 24);

/// A decision about an action of a run. What it saw is in its entry, this is its index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// Id.
    pub id: DecisionId,
    /// The kind of what was judged, as the policy's schema names it.
    pub action: String,
    /// The action; a preview has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<ActionId>,
    /// The run; a preview has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Only asked: nothing can come of it, and no entry records it.
    #[serde(default)]
    pub preview: bool,
    /// ALLOW, REQUIRE or DENY.
    pub effect: Effect,
    /// Approvals needed (0 unless REQUIRE).
    pub approvals: u8,
    /// The decisive rule.
    pub rule: String,
    /// Its sentence.
    pub reason: String,
    /// Digest of the workspace's bundle.
    pub policy: String,
    /// When.
    pub at: Timestamp,
}

impl DecisionRecord {
    pub(in crate::usecases) fn of_action(action: &Action, at: Timestamp) -> Self {
        Self {
            id: action.decision,
            action: action.binding.kind.clone(),
            act: Some(action.id),
            run: Some(action.binding.run),
            preview: false,
            effect: action.effect,
            approvals: action.approvals,
            rule: action.rule.clone(),
            reason: action.why.clone(),
            policy: action.policy.clone(),
            at,
        }
    }
}

/// What is only asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The flow whose registration counts.
    pub flow: String,
    /// What would be done.
    pub work: RunWork,
}

impl Preview {
    /// Whether it keeps its rules.
    ///
    /// # Errors
    /// [`RunError::Invalid`] with the field.
    pub fn check(&self) -> Result<(), RunError> {
        check_kind("/flow", &self.flow)?;
        check_work("/params", &self.work)?;
        Ok(())
    }
}

impl GovernedRuns {
    /// What the decision about an action would be now. Nothing is recorded in evidence, and nothing can
    /// come of it; the answer can be read again for a week.
    ///
    /// # Errors
    /// [`RunError::Invalid`], [`RunError::MissingCapability`].
    pub async fn preview(
        &self,
        ctx: &TenantCtx,
        preview: &Preview,
    ) -> Result<DecisionRecord, RunError> {
        self.admit_open(ctx).await?;
        preview.check()?;
        let project = self.project(ctx).await?;
        let now = self.clock.now();
        let matter = Matter {
            project: &project,
            flow: &preview.flow,
            act: ActionId::new(now, self.random.bits128()),
            work: &preview.work,
            proposer: ctx.principal(),
            at: now,
            dry_run: true,
        };
        let verdict = self.judge(ctx, &matter).await?.0;
        let record = DecisionRecord {
            id: DecisionId::new(now, self.random.bits128()),
            action: RUN_ACTION.to_owned(),
            act: None,
            run: None,
            preview: true,
            effect: verdict.effect,
            approvals: verdict.approvals,
            policy: verdict.policy().to_owned(),
            rule: verdict.rule,
            reason: verdict.reason,
            at: now,
        };
        let write = self.records(ctx).create(&record)?;
        let kept = self.state.write(vec![write.until(now.plus(PREVIEW_KEPT))]);
        if kept.await? {
            Ok(record)
        } else {
            Err(RunError::Changed)
        }
    }

    /// A decision about an action of a run, or a preview.
    ///
    /// # Errors
    /// [`RunError::NotFound`].
    pub async fn decision(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<DecisionRecord>, RunError> {
        let id: DecisionId = id.parse().map_err(|_| RunError::NotFound)?;
        let (records, id) = (self.records(ctx), id.to_string());
        let found = records.get::<DecisionRecord>(&id).await?;
        found.ok_or(RunError::NotFound)
    }
}
