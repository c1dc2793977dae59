//! One act of somebody on one incident.

use std::time::Duration;

use counterfoil_evidence::hash::sha256;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::hold::Held;
use super::{IncidentError, Incidents, incident_facts};
use crate::incident::{Act, IgnoreTerms, Incident, MAX_REASON, MIN_REASON, Refused};
use crate::policy::{Effect, IncidentFacts, Question};
use crate::ports::{AppendError, Batch};
use crate::reconcile::Finding;
use crate::records::{Project, Records, Versioned};
use crate::repair::{Action, IgnorePlan};
use crate::tenancy::{Principal, TenantCtx};
use crate::time::Timestamp;
use crate::usecases::facts::{change, target};
use crate::usecases::governed::{DECISION, Governed, Judging, Terms};
use crate::usecases::grounds::Grounds;
use crate::usecases::vault::VaultError;

/// What somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentAct {
    /// Accept the difference until a time.
    Ignore {
        /// The end, exclusive, at most 180 days away.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// Take an ignore back.
    Reopen {
        /// Why.
        reason: String,
    },
    /// Take a mass drift for real.
    Acknowledge {
        /// Why.
        reason: String,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentActed {
    /// It is done: the incident as it is now.
    Done(Box<Versioned<Incident>>),
    /// It waits for approvals, or has: the action as it is now.
    Held(Box<Versioned<Action>>),
}

/// Index of the incident among the rows of an act.
const INCIDENT: usize = 0;

/// Attempts while what is judged changes.
const ATTEMPTS: u32 = 16;

impl IncidentAct {
    /// What an action is that was held.
    pub(in crate::usecases) fn of(plan: &IgnorePlan) -> Self {
        Self::Ignore {
            until: plan.until,
            reason: plan.reason.clone(),
        }
    }

    fn reason(&self) -> &str {
        let (Self::Ignore { reason, .. } | Self::Reopen { reason } | Self::Acknowledge { reason }) =
            self;
        reason.trim()
    }

    /// What policy is asked.
    pub(in crate::usecases) fn question(
        &self,
        incident: IncidentFacts,
        now: Timestamp,
    ) -> Question {
        match self {
            Self::Ignore { .. } => Question::Ignore {
                incident,
                reason_chars: u64::try_from(self.reason().chars().count()).unwrap_or(u64::MAX),
                lasts_s: u64::try_from(self.lasts(now).as_millis().div_ceil(1_000))
                    .unwrap_or(u64::MAX),
            },
            Self::Reopen { .. } => Question::Reopen(incident),
            Self::Acknowledge { .. } => Question::ResetBreaker,
        }
    }

    fn lasts(&self, now: Timestamp) -> Duration {
        match self {
            Self::Ignore { until, .. } => until.since(now),
            Self::Reopen { .. } | Self::Acknowledge { .. } => Duration::ZERO,
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Ignore { .. } => "ignored",
            Self::Reopen { .. } => "reopened",
            Self::Acknowledge { .. } => "acknowledged",
        }
    }

    /// Digest of what is asked, the end included.
    fn digest(&self) -> String {
        let until = match self {
            Self::Ignore { until, .. } => until.as_millis(),
            Self::Reopen { .. } | Self::Acknowledge { .. } => 0,
        };
        let asked = format!("{}\n{until}\n{}", self.word(), self.reason());
        sha256(asked.as_bytes()).to_string()
    }

    /// The incident after it.
    pub(in crate::usecases) fn apply(
        &self,
        incident: Incident,
        by: &str,
        now: Timestamp,
    ) -> Result<Incident, Refused> {
        match self {
            Self::Ignore { until, reason } => {
                let terms = IgnoreTerms {
                    until: *until,
                    reason: reason.clone(),
                };
                incident.ignore(by, &terms, now)
            }
            Self::Reopen { .. } => incident.unignore(now),
            Self::Acknowledge { reason } => incident.acknowledge(by, reason, now),
        }
    }

    /// The entry that says that it was done by `actor`; without its run and its decision.
    pub(in crate::usecases) fn entry(&self, actor: &Principal, incident: &Incident) -> Draft {
        let mut more = vec![("change", Json::from(self.word()))];
        if let Self::Ignore { until, .. } = self {
            more.push(("until", Json::uint(until.as_millis())));
        }
        let kind = match self {
            Self::Ignore { .. } => Kind::IncidentIgnored,
            Self::Reopen { .. } | Self::Acknowledge { .. } => Kind::IncidentChanged,
        };
        let mut words = vec![("comment", Json::from(self.reason()))];
        if let Some(customer) = incident.finding.customers.first() {
            words.push(("customer", customer.as_str().into()));
        }
        let facts = change(actor, target("incident", incident.id), more);
        Draft::new(kind, facts).subject(object(words))
    }
}

impl Incidents {
    /// Whether the caller may know the incident and open it again or acknowledge it at all; records
    /// nothing. It comes before what they sent.
    ///
    /// # Errors
    /// [`IncidentError::NotFound`], then [`IncidentError::Denied`].
    pub async fn admit(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<Incident>, IncidentError> {
        self.able(ctx, id, Question::Reopen).await
    }

    /// The same for an ignore, which may have to wait for approvals.
    ///
    /// # Errors
    /// [`IncidentError::NotFound`], then [`IncidentError::Denied`].
    pub async fn admit_ignore(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<Incident>, IncidentError> {
        let ignore = |incident| Question::Ignore {
            incident,
            reason_chars: MIN_REASON.try_into().unwrap_or(u64::MAX),
            lasts_s: 1,
        };
        self.able(ctx, id, ignore).await
    }

    async fn able(
        &self,
        ctx: &TenantCtx,
        id: &str,
        asked: impl FnOnce(IncidentFacts) -> Question + Send,
    ) -> Result<Versioned<Incident>, IncidentError> {
        let incident = self.get(ctx, id).await?;
        let project = self.project(ctx).await?;
        let customer = self.pseudonym(ctx, &project, &incident.value.finding);
        let facts = incident_facts(&incident.value, customer.await?, self.clock.now());
        let able = asked(facts);
        let judgement = self.ask(ctx, &able).await?.judgement;
        if judgement.effect == Effect::Deny {
            Err(IncidentError::Denied(judgement))
        } else {
            Ok(incident)
        }
    }

    /// Does it, or has it wait for approvals, or answers its repeat. `key` is the caller's
    /// `Idempotency-Key`.
    ///
    /// # Errors
    /// See [`IncidentError`]; a denial by policy is recorded.
    pub async fn act(
        &self,
        ctx: &TenantCtx,
        id: &str,
        key: &str,
        act: &IncidentAct,
    ) -> Result<IncidentActed, IncidentError> {
        let incident = self.get(ctx, id).await?;
        let project = self.project(ctx).await?;
        let repeat = repeat(ctx, key, act);
        match &incident.value.act {
            Some(done) if done.key == repeat.key && done.request == repeat.request => {
                return match done.action {
                    Some(action) => {
                        let action = self.action(ctx, &action.to_string()).await?;
                        Ok(IncidentActed::Held(Box::new(action)))
                    }
                    None => Ok(IncidentActed::Done(Box::new(incident))),
                };
            }
            Some(done) if done.key == repeat.key => return Err(IncidentError::KeyReused),
            _ => {}
        }
        let now = self.clock.now();
        let admitted = match act {
            IncidentAct::Ignore { .. } => self.admit_ignore(ctx, id).await,
            IncidentAct::Reopen { .. } | IncidentAct::Acknowledge { .. } => {
                self.admit(ctx, id).await
            }
        };
        if let Err(refusal) = admitted {
            let judged = self
                .judge(ctx, &project, &incident.value, (act, now))
                .await?;
            if judged.judgement.effect == Effect::Deny {
                self.refuse(ctx, &project, &judged).await?;
            }
            return Err(refusal);
        }
        let length = act.reason().chars().count();
        if !(MIN_REASON..=MAX_REASON).contains(&length) {
            return Err(invalid("/reason", "must have 10 to 1,000 characters"));
        }
        let by = ctx.principal().id();
        let after = act.apply(incident.value.clone(), &by, now);
        let mut after = after.map_err(refused)?;
        after.act = Some(repeat.clone());
        let mut attempts = 0_u32;
        let judged = loop {
            let (grounds, ctx) = &self.standing(ctx).await?;
            let judged = self
                .judge(ctx, &project, &incident.value, (act, now))
                .await?;
            if !judged.allowed() {
                break judged;
            }
            let into = (&after, grounds);
            let done = self.record(ctx, &project, &incident, into, (act, &judged));
            match done.await {
                // Something that was judged is another thing at this moment: it is judged with that.
                Err(IncidentError::Evidence(AppendError::StateChanged { index }))
                    if index != INCIDENT && attempts < ATTEMPTS =>
                {
                    attempts = attempts.saturating_add(1);
                }
                Err(IncidentError::Evidence(error)) => return Err(error.into()),
                done => return Ok(IncidentActed::Done(Box::new(done?))),
            }
        };
        match (judged.judgement.effect, act) {
            (Effect::Require, IncidentAct::Ignore { until, reason }) => {
                let terms = IgnoreTerms {
                    until: *until,
                    reason: reason.clone(),
                };
                let held = Held {
                    incident,
                    terms,
                    repeat,
                    judged,
                };
                let held = Box::pin(self.hold(ctx, &project, held)).await?;
                Ok(IncidentActed::Held(Box::new(held)))
            }
            // The others are held by no rule of ours: what a workspace's own rules hold does not happen.
            _ => Err(self.refuse(ctx, &project, &judged).await?),
        }
    }

    /// Records that policy refused what somebody asked for, and says so.
    pub(super) async fn refuse(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        judged: &Governed,
    ) -> Result<IncidentError, IncidentError> {
        let mut batch = Batch::of(judged.opened(ctx.principal(), None)?);
        batch.drafts.push(judged.closing());
        self.evidence.append(project.stream_id()?, batch).await?;
        Ok(IncidentError::Denied(judged.judgement.clone()))
    }

    /// Does it. [`IncidentError::Evidence`] says which row was another one.
    async fn record(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        incident: &Versioned<Incident>,
        (after, grounds): (&Incident, &Grounds),
        (act, judged): (&IncidentAct, &Governed),
    ) -> Result<Versioned<Incident>, IncidentError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let about = self.about(ctx, project, &incident.value.finding).await;
        let draft = act
            .entry(ctx.principal(), &incident.value)
            .in_run(judged.run())
            .about(about)
            .cite("decision", DECISION);
        let mut batch = Batch::of(judged.opened(ctx.principal(), None)?);
        let entry = batch.drafts.len();
        batch.drafts.push(draft);
        batch.drafts.push(judged.closing());
        let write = records.replace(incident.version, after)?;
        let batch = grounds.under(batch.with(write.explained_by(entry)));
        let appended = self.evidence.append(project.stream_id()?, batch).await;
        let entries = appended.map_err(IncidentError::Evidence)?;
        Ok(Versioned {
            value: after.clone(),
            version: incident.version.saturating_add(1),
            evidence: entries.get(entry).cloned(),
        })
    }

    /// The pseudonym of whom a difference is about. Records lead to the entries as well, so an outage of
    /// the key service costs an entry nothing else.
    pub(super) async fn about(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        finding: &Finding,
    ) -> Option<String> {
        self.pseudonym(ctx, project, finding).await.ok()
    }

    /// The same for a judgement, which there is none without it: a rule may be about this customer.
    async fn pseudonym(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        finding: &Finding,
    ) -> Result<String, VaultError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let whom = finding.whom();
        self.vault.pseudonym(&records, ctx, project, whom).await
    }

    async fn judge(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        incident: &Incident,
        (act, now): (&IncidentAct, Timestamp),
    ) -> Result<Governed, IncidentError> {
        let customer = self.pseudonym(ctx, project, &incident.finding).await?;
        let facts = incident_facts(incident, customer, now);
        self.ask(ctx, &act.question(facts, now)).await
    }

    async fn ask(&self, ctx: &TenantCtx, question: &Question) -> Result<Governed, IncidentError> {
        let judging = Judging {
            state: self.state.as_ref(),
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
        };
        let judged = judging.in_project(ctx, question, Terms::default());
        Ok(Box::pin(judged).await?)
    }
}

fn repeat(ctx: &TenantCtx, key: &str, act: &IncidentAct) -> Act {
    let named = format!("{}\n{}\n{key}", ctx.principal().account(), act.word());
    Act {
        key: sha256(named.as_bytes()).to_string(),
        request: act.digest(),
        action: None,
    }
}

const fn invalid(field: &'static str, rule: &'static str) -> IncidentError {
    IncidentError::Invalid { field, rule }
}

const fn refused(refused: Refused) -> IncidentError {
    match refused {
        Refused::BadEnd => invalid("/until", "must lie after now and at most 180 days away"),
        Refused::BadReason => invalid("/reason", "must have 10 to 1,000 characters"),
        refused => IncidentError::WrongState(refused),
    }
}
