//! One act of a person on one incident.

use std::time::Duration;

use counterfoil_evidence::hash::sha256;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::{IncidentError, Incidents};
use crate::incident::{Act, IgnoreTerms, Incident, MAX_REASON, MIN_REASON, Refused};
use crate::policy::{IncidentFacts, Question};
use crate::ports::Batch;
use crate::records::{Project, Records, Versioned};
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::usecases::facts::{change, target};
use crate::usecases::governed::{DECISION, Governed, Judging, Terms};

/// What a person does.
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

impl IncidentAct {
    fn reason(&self) -> &str {
        let (Self::Ignore { reason, .. } | Self::Reopen { reason } | Self::Acknowledge { reason }) =
            self;
        reason.trim()
    }

    fn question(&self, incident: IncidentFacts, now: Timestamp) -> Question {
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

    fn apply(&self, incident: Incident, by: &str, now: Timestamp) -> Result<Incident, Refused> {
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
}

impl Incidents {
    /// Whether the caller may know the incident and act on incidents at all; records nothing. It
    /// comes before what they sent.
    ///
    /// # Errors
    /// [`IncidentError::NotFound`], then [`IncidentError::Denied`].
    pub async fn admit(
        &self,
        ctx: &TenantCtx,
        id: &str,
    ) -> Result<Versioned<Incident>, IncidentError> {
        let incident = self.get(ctx, id).await?;
        let able = Question::Reopen(incident_facts(&incident.value, None, self.clock.now()));
        let judged = self.ask(ctx, &able).await?;
        if judged.allowed() {
            Ok(incident)
        } else {
            Err(IncidentError::Denied(judged.judgement))
        }
    }

    /// Does it, or answers its repeat. `key` is the caller's `Idempotency-Key`.
    ///
    /// # Errors
    /// See [`IncidentError`]; a denial by policy is recorded.
    pub async fn act(
        &self,
        ctx: &TenantCtx,
        id: &str,
        key: &str,
        act: &IncidentAct,
    ) -> Result<Versioned<Incident>, IncidentError> {
        let incident = self.get(ctx, id).await?;
        let project = self.project(ctx).await?;
        let repeat = repeat(ctx, key, act);
        match &incident.value.act {
            Some(done) if *done == repeat => return Ok(incident),
            Some(done) if done.key == repeat.key => return Err(IncidentError::KeyReused),
            _ => {}
        }
        let now = self.clock.now();
        if let Err(refusal) = self.admit(ctx, id).await {
            let judged = self.judge(ctx, &incident.value, act, now).await?;
            return self.refuse(ctx, &project, &judged, refusal).await;
        }
        let length = act.reason().chars().count();
        if !(MIN_REASON..=MAX_REASON).contains(&length) {
            return Err(invalid("/reason", "must have 10 to 1,000 characters"));
        }
        let by = ctx.principal().id();
        let mut after = match act.apply(incident.value.clone(), &by, now).map_err(refused) {
            Ok(after) => after,
            Err(refusal) => return Err(refusal),
        };
        after.act = Some(repeat);
        self.record(ctx, &project, incident, after, act, now).await
    }

    /// Records that policy refused what somebody asked for.
    async fn refuse(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        judged: &Governed,
        refusal: IncidentError,
    ) -> Result<Versioned<Incident>, IncidentError> {
        if !judged.allowed() {
            let mut batch = Batch::of(judged.opened(ctx.principal(), None)?);
            batch.drafts.push(judged.closing());
            self.evidence.append(project.stream_id()?, batch).await?;
        }
        Err(refusal)
    }

    async fn record(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        incident: Versioned<Incident>,
        after: Incident,
        act: &IncidentAct,
        now: Timestamp,
    ) -> Result<Versioned<Incident>, IncidentError> {
        let judged = self.judge(ctx, &incident.value, act, now).await?;
        if !judged.allowed() {
            let refusal = IncidentError::Denied(judged.judgement.clone());
            return self.refuse(ctx, project, &judged, refusal).await;
        }
        let records = Records::of(self.state.as_ref(), ctx);
        let finding = &incident.value.finding;
        let name = finding.customers.first().unwrap_or(&finding.subject);
        let about = self
            .vault
            .pseudonym(&records, ctx, project.pseudonym_key, name);
        let about = about.await.ok();
        let mut more = vec![("change", Json::from(act.word()))];
        if let IncidentAct::Ignore { until, .. } = act {
            more.push(("until", Json::uint(until.as_millis())));
        }
        let kind = match act {
            IncidentAct::Ignore { .. } => Kind::IncidentIgnored,
            IncidentAct::Reopen { .. } | IncidentAct::Acknowledge { .. } => Kind::IncidentChanged,
        };
        let facts = change(ctx.principal(), target("incident", after.id), more);
        let mut words = vec![("comment", Json::from(act.reason()))];
        if let Some(customer) = finding.customers.first() {
            words.push(("customer", customer.as_str().into()));
        }
        let draft = Draft::new(kind, facts)
            .in_run(judged.run())
            .subject(object(words))
            .about(about)
            .cite("decision", DECISION);
        let mut batch = Batch::of(judged.opened(ctx.principal(), None)?);
        let entry = batch.drafts.len();
        batch.drafts.push(draft);
        batch.drafts.push(judged.closing());
        let write = records.replace(incident.version, &after)?;
        let batch = batch.with(write.explained_by(entry));
        let entries = self.evidence.append(project.stream_id()?, batch).await?;
        Ok(Versioned {
            value: after,
            version: incident.version.saturating_add(1),
            evidence: entries.get(entry).cloned(),
        })
    }

    async fn judge(
        &self,
        ctx: &TenantCtx,
        incident: &Incident,
        act: &IncidentAct,
        now: Timestamp,
    ) -> Result<Governed, IncidentError> {
        let facts = incident_facts(incident, None, now);
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

/// What policy knows about an incident. `customer` is a pseudonym.
pub(in crate::usecases) fn incident_facts(
    incident: &Incident,
    customer: Option<String>,
    now: Timestamp,
) -> IncidentFacts {
    let finding = &incident.finding;
    IncidentFacts {
        id: incident.id.to_string(),
        kind: finding.kind.name(),
        at_risk: finding.at_risk.clone(),
        age_s: now.since(incident.opened_at).as_secs(),
        customer,
        legal_hold: false,
    }
}

fn repeat(ctx: &TenantCtx, key: &str, act: &IncidentAct) -> Act {
    let named = format!("{}\n{}\n{key}", ctx.principal().account(), act.word());
    Act {
        key: sha256(named.as_bytes()).to_string(),
        request: act.digest(),
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
