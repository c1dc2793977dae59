//! What an action does: a repair of a row, or something that an agent does itself in a governed run.

use std::fmt;

use counterfoil_evidence::hash::digest_string;
use serde::{Deserialize, Serialize};

use super::RepairPlan;
use crate::cell::Cell;
use crate::ids::{IncidentId, RunId};
use crate::json::{JsonError, canonical};
use crate::money::Money;

/// What an action does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Work {
    /// The product changes one row of the customer's database.
    Repair(RepairPlan),
    /// Whoever runs the flow does it; the product judges, records and is told.
    Run(RunWork),
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
        }
    }

    /// The same without row values and references.
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
        }
    }
}

/// What an action is done to, as approvals bind to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Resource {
    /// A difference that is repaired.
    Incident(IncidentId),
    /// What the flow of this run does outside of the product.
    Run(RunId),
}

impl Resource {
    /// The incident that is repaired.
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
    use crate::time::Timestamp;

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
