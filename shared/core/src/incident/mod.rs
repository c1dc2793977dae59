//! Incidents: differences with a life.
//!
//! An incident is named by what differs (project, subject, kind, field), so a second run updates it
//! and never makes a second one. What a look does to it is here, what a person does is in `acts`.
//! Pure: whoever calls makes the change durable with the entry that explains it.

mod acts;

pub use acts::{
    Acknowledged, Act, IgnoreTerms, Ignored, MAX_IGNORE, MAX_REASON, MIN_REASON, Refused,
};

use std::time::Duration;

use counterfoil_evidence::hash::sha256;
use serde::{Deserialize, Serialize};

use crate::erasure::ERASED;
use crate::ids::{ActionId, IncidentId, ProjectId, RunId};
use crate::money::Money;
use crate::reconcile::Finding;
use crate::time::Timestamp;

/// Where an incident is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Promise and grant differ.
    Open,
    /// A repair was proposed, is held or is being executed.
    Repairing,
    /// A person has decided to live with this difference, as it is, for a time.
    Ignored,
    /// Promise and grant agree again.
    Resolved,
}

/// Whether a second read of both sides, after the race grace, has said the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Confirmation {
    /// Not yet: one look has said it.
    Awaited {
        /// Since when the incident says what it says.
        since: Timestamp,
    },
    /// It has.
    Given {
        /// The run that confirmed it.
        by: RunId,
    },
}

impl Default for Confirmation {
    /// Of a row of an earlier build.
    fn default() -> Self {
        Self::Given {
            by: RunId::from_bits(0),
        }
    }
}

/// Earlier lives that an incident remembers; evidence has them all.
const MAX_PAST: usize = 16;

/// A life that is over, or was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The state that it left.
    pub state: IncidentState,
    /// The run that had opened it.
    pub opened_by: RunId,
    /// When.
    pub opened_at: Timestamp,
    /// When it was resolved, or when it was ignored no longer.
    pub ended_at: Timestamp,
}

/// An incident as the state table holds it. The full finding has personal data; it is here, where
/// it can be erased, and as a pseudonymous line in the findings of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Id, derived from the identity.
    pub id: IncidentId,
    /// State.
    pub state: IncidentState,
    /// The newest finding.
    pub finding: Finding,
    /// Whether that has lasted. Nothing repairs what has not.
    #[serde(default)]
    pub confirmation: Confirmation,
    /// The run that opened it (again).
    pub opened_by: RunId,
    /// When.
    pub opened_at: Timestamp,
    /// The run that saw it last.
    pub seen_by: RunId,
    /// When.
    pub seen_at: Timestamp,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
    /// The repair that is on its way, or the last one.
    pub action: Option<ActionId>,
    /// On which terms it is ignored; present exactly while it is.
    #[serde(default)]
    pub ignored: Option<Ignored>,
    /// Who has looked at a mass drift and takes it for real.
    #[serde(default)]
    pub acknowledged: Option<Acknowledged>,
    /// Earlier lives, oldest first.
    #[serde(default)]
    pub past: Vec<Past>,
    /// The newest act of somebody, so that its repeat is known.
    #[serde(default)]
    pub act: Option<Act>,
}

impl Incident {
    /// The same while an action is about to repair it.
    #[must_use]
    pub fn repaired_by(self, action: ActionId) -> Self {
        Self {
            state: IncidentState::Repairing,
            action: Some(action),
            ..self
        }
    }

    /// The id of the incident of this finding.
    pub fn identity(project: ProjectId, finding: &Finding) -> IncidentId {
        let field = finding
            .field
            .map(crate::reconcile::Field::name)
            .unwrap_or_default();
        let named = format!(
            "{project}\n{}\n{}\n{field}",
            finding.subject,
            finding.kind.name()
        );
        let bits = sha256(named.as_bytes())
            .as_bytes()
            .iter()
            .take(16)
            .fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
        IncidentId::from_bits(bits)
    }

    /// A new incident.
    pub fn open(project: ProjectId, finding: Finding, run: RunId, now: Timestamp) -> Self {
        Self {
            id: Self::identity(project, &finding),
            state: IncidentState::Open,
            finding,
            confirmation: Confirmation::Awaited { since: now },
            opened_by: run,
            opened_at: now,
            seen_by: run,
            seen_at: now,
            resolved_at: None,
            action: None,
            ignored: None,
            acknowledged: None,
            past: Vec::new(),
            act: None,
        }
    }

    /// The incident after a run has seen the difference (again). An ignored one stays ignored while
    /// its terms last and the difference is still the one that was accepted.
    #[must_use]
    pub fn seen(self, finding: Finding, run: RunId, now: Timestamp) -> Self {
        let reopens = match self.state {
            IncidentState::Open | IncidentState::Repairing => false,
            IncidentState::Resolved => true,
            IncidentState::Ignored => self.is_expired(now) || !self.says(&finding),
        };
        let confirmation = if self.says(&finding) && !reopens {
            self.confirmation
        } else {
            Confirmation::Awaited { since: now }
        };
        let after = if reopens {
            self.reopened(run, now)
        } else {
            self
        };
        // A larger mass drift than the one that was acknowledged is a new question.
        let acknowledged = after
            .acknowledged
            .clone()
            .filter(|known| known.covers(&finding));
        Self {
            finding,
            confirmation,
            acknowledged,
            seen_by: run,
            seen_at: now,
            ..after
        }
    }

    /// The incident after a run of which a second look has said the same.
    #[must_use]
    pub fn confirmed(self, run: RunId) -> Self {
        let confirmation = match self.confirmation {
            Confirmation::Awaited { .. } => Confirmation::Given { by: run },
            given @ Confirmation::Given { .. } => given,
        };
        Self {
            confirmation,
            ..self
        }
    }

    /// Whether a second look has said the same as the first one.
    pub const fn is_confirmed(&self) -> bool {
        matches!(self.confirmation, Confirmation::Given { .. })
    }

    /// Whether a look that sees this finding at `at` needs no second one: it is confirmed, or this is
    /// the second one.
    pub fn outlasts(&self, finding: &Finding, at: Timestamp, grace: Duration) -> bool {
        let lasted = match self.confirmation {
            Confirmation::Given { .. } => true,
            Confirmation::Awaited { since } => at >= since.plus(grace),
        };
        self.says(finding) && lasted
    }

    /// Open again, with its earlier life remembered.
    fn reopened(mut self, run: RunId, now: Timestamp) -> Self {
        self.past.push(Past {
            state: self.state,
            opened_by: self.opened_by,
            opened_at: self.opened_at,
            ended_at: self.resolved_at.unwrap_or(now),
        });
        let surplus = self.past.len().saturating_sub(MAX_PAST);
        self.past.drain(..surplus);
        Self {
            state: IncidentState::Open,
            opened_by: run,
            opened_at: now,
            resolved_at: None,
            ignored: None,
            acknowledged: None,
            ..self
        }
    }

    /// Whether the terms on which it is ignored are over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.state == IncidentState::Ignored
            && self.ignored.as_ref().is_none_or(|terms| terms.until <= now)
    }

    /// The state that counts at `now`: an ignored incident whose terms are over is open, also before
    /// a run has written that down.
    pub fn state_at(&self, now: Timestamp) -> IncidentState {
        if self.is_expired(now) {
            IncidentState::Open
        } else {
            self.state
        }
    }

    /// The incident after a complete look found no difference any more.
    #[must_use]
    pub fn resolved(self, run: RunId, now: Timestamp) -> Self {
        Self {
            state: IncidentState::Resolved,
            seen_by: run,
            seen_at: now,
            resolved_at: Some(now),
            ignored: None,
            ..self
        }
    }

    /// Whether a run that no longer sees the difference ends this incident. One whose repair is on
    /// its way is left to the repair.
    pub fn ends_unseen(&self) -> bool {
        matches!(self.state, IncidentState::Open | IncidentState::Ignored)
    }

    /// Whether it is a mass drift that nobody has acknowledged: nothing is proposed meanwhile.
    pub fn is_breaker(&self) -> bool {
        self.finding.is_mass_drift()
            && self.state == IncidentState::Open
            && self.acknowledged.is_none()
    }

    /// Whether it is a mass drift that a person has acknowledged.
    pub fn is_settled_drift(&self) -> bool {
        self.finding.is_mass_drift()
            && self.state == IncidentState::Open
            && self.acknowledged.is_some()
    }

    /// Whether a person has taken a mass drift of this size for real.
    pub fn is_acknowledged_for(&self, drift: &Finding) -> bool {
        let known = self.acknowledged.as_ref();
        self.state == IncidentState::Open && known.is_some_and(|known| known.covers(drift))
    }

    /// Whether the incident already says what this finding says.
    pub fn says(&self, finding: &Finding) -> bool {
        self.state != IncidentState::Resolved
            && self.finding.expected == finding.expected
            && self.finding.actual == finding.actual
    }

    /// Whether it is about this Stripe customer.
    pub fn concerns(&self, customer: &str) -> bool {
        let finding = &self.finding;
        finding.subject == customer || finding.customers.iter().any(|it| it == customer)
    }

    /// Whether it ended after this time.
    pub fn ended_after(&self, time: Timestamp) -> bool {
        self.is_past() && self.resolved_at.is_some_and(|at| at > time)
    }

    /// Whether it is over.
    pub fn is_past(&self) -> bool {
        self.state == IncidentState::Resolved
    }

    /// Whether its personal data was erased.
    pub fn is_erased(&self) -> bool {
        self.finding.subject == ERASED
    }

    /// The incident without personal data: kind, time and run stay. If both sides still differ, the
    /// next look opens it again.
    #[must_use]
    pub fn erased(self, now: Timestamp) -> Self {
        let resolved_at = self.resolved_at.or(Some(now));
        Self {
            state: IncidentState::Resolved,
            finding: self.finding.without_person(ERASED),
            resolved_at,
            ignored: None,
            act: None,
            ..self
        }
    }

    /// Money at risk per month, if there is any.
    pub const fn at_risk(&self) -> Option<&Money> {
        self.finding.at_risk.as_ref()
    }
}

#[cfg(test)]
mod tests;
