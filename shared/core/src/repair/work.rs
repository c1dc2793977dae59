//! What an action does: a repair of a row, an ignore of a difference, or something that an agent does
//! itself in a governed run.

use std::fmt;

use counterfoil_evidence::hash::digest_string;
use serde::{Deserialize, Serialize};

use super::RepairPlan;
use crate::cell::Cell;
use crate::ids::{IncidentId, RunId};
use crate::json::{JsonError, canonical};
use crate::money::Money;
use crate::reconcile::{Finding, Symbol};
use crate::time::Timestamp;

/// What an action does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Work {
    /// The product changes one row of the customer's database.
    Repair(RepairPlan),
    /// Whoever runs the flow does it; the product judges, records and is told.
    Run(RunWork),
    /// The product leaves a difference alone for a time.
    Ignore(IgnorePlan),
}

/// Living with a difference, as it is, for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IgnorePlan {
    /// The end, exclusive.
    pub until: Timestamp,
    /// Why: words of whoever proposed it.
    pub reason: String,
    /// What was promised then.
    pub expected: Symbol,
    /// What was granted then.
    pub actual: Symbol,
    /// Money at risk per month then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_risk: Option<Money>,
}

impl IgnorePlan {
    /// To live with what this finding says.
    pub fn of(finding: &Finding, until: Timestamp, reason: &str) -> Self {
        Self {
            until,
            reason: reason.to_owned(),
            expected: finding.expected.clone(),
            actual: finding.actual.clone(),
            at_risk: finding.at_risk.clone(),
        }
    }

    /// Whether the difference is still the one that was to be lived with.
    pub fn is_about(&self, finding: &Finding) -> bool {
        self.expected == finding.expected && self.actual == finding.actual
    }
}

/// What an agent wants to do in a governed run. All of it comes from the caller, and none of it is
/// personal data: whoever registers a flow declares that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunWork {
    /// The kind of action, for example `refund.create`. What is known of it comes from the flow's
    /// registration, never from here.
    pub kind: String,
    /// Money that it moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// What it is done to: an opaque reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl Work {
    /// The salted digest by which decisions name it: SHA-256 of salt followed by the canonical JSON.
    ///
    /// # Errors
    /// When a value has no canonical form.
    pub fn digest(&self, salt: &[u8; 32]) -> Result<String, JsonError> {
        let mut bytes = salt.to_vec();
        bytes.extend(canonical(self)?);
        Ok(digest_string(&bytes))
    }

    /// Whether what could be erased of it is gone.
    pub const fn is_erased(&self) -> bool {
        match self {
            Self::Repair(plan) => plan.changes.is_empty(),
            Self::Run(work) => work.target.is_none(),
            Self::Ignore(plan) => plan.reason.is_empty(),
        }
    }

    /// The same without row values, words and references.
    #[must_use]
    pub fn erased(self) -> Self {
        match self {
            Self::Repair(plan) => Self::Repair(RepairPlan {
                key: Cell::Null,
                changes: Vec::new(),
                ..plan
            }),
            Self::Run(work) => Self::Run(RunWork {
                target: None,
                ..work
            }),
            Self::Ignore(plan) => Self::Ignore(IgnorePlan {
                reason: String::new(),
                expected: Symbol::Nothing,
                actual: Symbol::Nothing,
                ..plan
            }),
        }
    }
}

/// What an action is done to, as approvals bind to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Resource {
    /// A difference that is repaired or ignored.
    Incident(IncidentId),
    /// What the flow of this run does outside of the product.
    Run(RunId),
}

impl Resource {
    /// The incident that is repaired or ignored.
    pub const fn incident(self) -> Option<IncidentId> {
        match self {
            Self::Incident(id) => Some(id),
            Self::Run(_) => None,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incident(id) => id.fmt(f),
            Self::Run(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_of_an_earlier_build_is_read_as_one() {
        let stored = serde_json::json!({
            "schema": "public", "table": "users", "key_column": "id",
            "key": Cell::Text("u1".to_owned()), "changes": [],
        });
        let work: Work = serde_json::from_value(stored).unwrap();
        assert!(matches!(work, Work::Repair(plan) if plan.table == "users"));
    }

    #[test]
    fn work_of_a_run_reads_back_as_itself() {
        let work = Work::Run(RunWork {
            kind: "refund.create".to_owned(),
            amount: Some(Money::new(2_900, "usd")),
            target: Some("inv_1".to_owned()),
        });
        let text = serde_json::to_value(&work).unwrap();
        assert_eq!(serde_json::from_value::<Work>(text).unwrap(), work);
        assert_ne!(
            work.digest(&[0; 32]).unwrap(),
            work.digest(&[1; 32]).unwrap()
        );
    }

    #[test]
    fn an_ignore_reads_back_as_itself_and_its_digest_binds_to_end_and_words() {
        let plan = IgnorePlan {
            until: Timestamp::from_millis(5),
            reason: "given by hand".to_owned(),
            expected: Symbol::Nothing,
            actual: Symbol::name("pro"),
            at_risk: None,
        };
        let digest = |plan: IgnorePlan| Work::Ignore(plan).digest(&[0; 32]).unwrap();
        let work = Work::Ignore(plan.clone());
        let text = serde_json::to_value(&work).unwrap();
        assert_eq!(serde_json::from_value::<Work>(text).unwrap(), work);
        let later = IgnorePlan {
            until: Timestamp::from_millis(6),
            ..plan.clone()
        };
        let other = IgnorePlan {
            reason: "given by hand!".to_owned(),
            ..plan.clone()
        };
        assert_ne!(digest(later), digest(plan.clone()));
        assert_ne!(digest(other), digest(plan));
        assert!(!work.is_erased() && work.erased().is_erased());
    }

    #[test]
    fn a_resource_is_written_as_its_id_alone() {
        let run = Resource::Run(RunId::new(Timestamp::from_millis(1), 2));
        let incident = Resource::Incident(IncidentId::new(Timestamp::from_millis(1), 2));
        for resource in [run, incident] {
            let text = serde_json::to_value(resource).unwrap();
            assert_eq!(text, serde_json::Value::from(resource.to_string()));
            assert_eq!(serde_json::from_value::<Resource>(text).unwrap(), resource);
        }
    }
}
