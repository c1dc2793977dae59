//! Incidents: differences with a life.
//!
//! An incident is named by what differs (project, subject, kind, field), so a second run updates it
//! and never makes a second one.

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
    /// Promise and grant agree again.
    Resolved,
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
}

impl Incident {
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
            opened_by: run,
            opened_at: now,
            seen_by: run,
            seen_at: now,
            resolved_at: None,
            action: None,
        }
    }

    /// The incident after a run has seen the difference (again).
    #[must_use]
    pub fn seen(self, finding: Finding, run: RunId, now: Timestamp) -> Self {
        match self.state {
            IncidentState::Open | IncidentState::Repairing => Self {
                finding,
                seen_by: run,
                seen_at: now,
                ..self
            },
            IncidentState::Resolved => Self {
                state: IncidentState::Open,
                finding,
                opened_by: run,
                opened_at: now,
                seen_by: run,
                seen_at: now,
                resolved_at: None,
                ..self
            },
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
            ..self
        }
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
            ..self
        }
    }

    /// Money at risk per month, if there is any.
    pub const fn at_risk(&self) -> Option<&Money> {
        self.finding.at_risk.as_ref()
    }
}
