//! Which kinds of action a flow has registered: a setting of the project, changed by admins.
//!
//! A kind that is registered as harmless is let through where it waited for a person before. So that
//! needs a second person, who sends the same. What if a step fails: the REQUIRE decision may be recorded
//! without its proposal, which then is made anew; the registration itself is one transaction.

use std::collections::BTreeMap;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{GovernedRuns, RunError};
use crate::governed_run::{FlowActions, ProposedActions, Registered, check_flow};
use crate::policy::{Effect, Question};
use crate::ports::{AppendError, Batch, StateWrite};
use crate::records::{Directory, Versioned};
use crate::tenancy::{Role, TenantCtx};
use crate::usecases::facts::{change, target_named};
use crate::usecases::governed::{DECISION, Governed, Judging, Terms, approved_by};
use crate::usecases::second_person::{NotSecond, Waiting};

/// What a request to register came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowChange {
    /// Waits for a second person.
    Held(Versioned<FlowActions>),
    /// In force.
    Done(Versioned<FlowActions>),
}

impl GovernedRuns {
    /// What a flow has registered; version 0 where nobody registered anything.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn flow(
        &self,
        ctx: &TenantCtx,
        flow: &str,
    ) -> Result<Versioned<FlowActions>, RunError> {
        check_flow(flow, &BTreeMap::new())?;
        let records = self.records(ctx);
        let found = records.get::<FlowActions>(&FlowActions::row(flow)).await?;
        Ok(found.unwrap_or_else(|| Versioned {
            value: FlowActions::none(flow),
            version: 0,
            evidence: None,
        }))
    }

    /// Whether the caller may register kinds of action at all; records nothing. It comes before what
    /// they sent.
    ///
    /// # Errors
    /// [`RunError::Denied`].
    pub async fn admit_flow(&self, ctx: &TenantCtx) -> Result<(), RunError> {
        let judged = self.judge_flow(ctx, false, 0, None).await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(RunError::Denied(judged.judgement))
        }
    }

    /// Registers what a flow of the version given may do, instead of what it had registered.
    ///
    /// # Errors
    /// [`RunError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn register(
        &self,
        ctx: &TenantCtx,
        flow: &str,
        actions: BTreeMap<String, Registered>,
        version: u64,
    ) -> Result<FlowChange, RunError> {
        check_flow(flow, &actions)?;
        let stream = self.project(ctx).await?.stream_id()?;
        let now = self.flow(ctx, flow).await?;
        if now.version != version {
            return Err(RunError::Changed);
        }
        let loosening = now.value.loosened_by(&actions);
        let person = ctx.principal().person();
        let waiting = now.value.proposed.clone();
        let waiting = waiting.filter(|proposed| proposed.actions == actions && person.is_some());
        let waiting = match waiting {
            Some(proposed) if self.judge_flow(ctx, loosening, 1, None).await?.allowed() => {
                match self.second(ctx, &proposed).await? {
                    Ok(counts_as) => Some((proposed, counts_as)),
                    // Nobody can agree with them any more, so this request proposes.
                    Err(NotSecond::ProposerGone | NotSecond::Expired) => None,
                    Err(why @ NotSecond::Newcomer) => return Err(RunError::NotSecond(why)),
                    Err(NotSecond::Own | NotSecond::TooSoon | NotSecond::Emptied) => {
                        return Ok(FlowChange::Held(now));
                    }
                }
            }
            // Policy refuses whoever asks, which is recorded below.
            waiting => waiting.map(|proposed| (proposed, ctx.principal().id())),
        };
        let approvals = u8::from(waiting.is_some());
        let hash = waiting.as_ref().map(|(it, _)| it.action_hash.as_str());
        let judged = self.judge_flow(ctx, loosening, approvals, hash).await?;
        match (judged.judgement.effect, person) {
            (Effect::Allow, _) => {
                let drafts = match &waiting {
                    Some((held, approver)) => {
                        judged.approved(ctx.principal(), &held.decision, approver)?
                    }
                    None => judged.opened(ctx.principal(), None)?,
                };
                self.put_flow(ctx, (stream, drafts), &judged, now, actions)
                    .await
            }
            (Effect::Require, Some(by)) => {
                let mut batch = Batch::of(judged.opened(ctx.principal(), None)?);
                batch.drafts.push(judged.closing());
                let entries = self.evidence.append(stream, batch).await?;
                let decision = entries.get(DECISION).cloned().ok_or(RunError::Changed)?;
                let after = FlowActions {
                    proposed: Some(Box::new(ProposedActions {
                        actions,
                        by,
                        at: self.clock.now(),
                        decision: decision.clone(),
                        action_hash: judged.action_hash,
                    })),
                    ..now.value
                };
                let write = self.flow_row(ctx, now.version, &after)?;
                let write = write.citing(decision.clone());
                if !self.state.write(vec![write]).await? {
                    return Err(RunError::Changed);
                }
                Ok(FlowChange::Held(Versioned {
                    value: after,
                    version: version.saturating_add(1),
                    evidence: Some(decision),
                }))
            }
            _ => {
                // A refused confirmation is a decision of its own, with a hash of its own.
                let refused = self.judge_flow(ctx, loosening, approvals, None).await?;
                let mut batch = Batch::of(refused.opened(ctx.principal(), None)?);
                batch.drafts.push(refused.closing());
                self.evidence.append(stream, batch).await?;
                Err(RunError::Denied(refused.judgement))
            }
        }
    }

    async fn put_flow(
        &self,
        ctx: &TenantCtx,
        (stream, mut drafts): (Hash, Vec<Draft>),
        judged: &Governed,
        now: Versioned<FlowActions>,
        actions: BTreeMap<String, Registered>,
    ) -> Result<FlowChange, RunError> {
        let decision = drafts.len().saturating_sub(1);
        let entry = drafts.len();
        let about = [
            ("actions", listed(&actions)),
            ("actions_before", listed(&now.value.actions)),
        ];
        let target = target_named("flow", &now.value.id);
        let facts = change(ctx.principal(), target, about);
        drafts.push(Draft::new(Kind::ConfigChanged, facts).cite("decision", decision));
        drafts.push(judged.closing());
        let after = FlowActions {
            actions,
            proposed: None,
            ..now.value
        };
        let write = self.flow_row(ctx, now.version, &after)?;
        let batch = Batch::of(drafts).with(write.explained_by(entry));
        let entries = match self.evidence.append(stream, batch).await {
            Ok(entries) => entries,
            Err(AppendError::StateChanged { .. }) => return Err(RunError::Changed),
            Err(error) => return Err(error.into()),
        };
        Ok(FlowChange::Done(Versioned {
            value: after,
            version: now.version.saturating_add(1),
            evidence: entries.get(entry).cloned(),
        }))
    }

    fn flow_row(
        &self,
        ctx: &TenantCtx,
        version: u64,
        flow: &FlowActions,
    ) -> Result<StateWrite, RunError> {
        let records = self.records(ctx);
        Ok(match version {
            0 => records.create(flow)?,
            version => records.replace(version, flow)?,
        })
    }

    /// Who the caller counts as when they confirm.
    async fn second(
        &self,
        ctx: &TenantCtx,
        proposed: &ProposedActions,
    ) -> Result<Result<String, NotSecond>, RunError> {
        let second = Waiting {
            by: proposed.by,
            at: proposed.at,
            proposes: Role::Admin,
            confirms: Role::Admin,
        };
        let directory = Directory::of(self.state.as_ref());
        let now = self.clock.now();
        let confirmed = second.confirmed_by(directory, ctx.workspace(), ctx.principal(), now);
        Ok(confirmed.await?)
    }

    async fn judge_flow(
        &self,
        ctx: &TenantCtx,
        loosening: bool,
        approvals: u8,
        hash: Option<&str>,
    ) -> Result<Governed, RunError> {
        let question = Question::ChangeSetting {
            name: "flow",
            loosening,
        };
        let terms = Terms {
            approvals: approved_by(ctx.principal(), approvals),
            action_hash: hash,
            ..Terms::default()
        };
        let judging = Judging {
            state: self.state.as_ref(),
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
        };
        Ok(judging.in_project(ctx, &question, terms).await?)
    }
}

/// Kinds of action as facts: names that admins chose.
fn listed(actions: &BTreeMap<String, Registered>) -> Json {
    let one = |(kind, it): (&String, &Registered)| {
        object([
            ("destructive", it.destructive.into()),
            ("kind", kind.as_str().into()),
        ])
    };
    Json::Array(actions.iter().map(one).collect())
}
