//! Uses of break-glass: an owner replaced missing approvals, and somebody else looks at it afterwards.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Record;
use crate::ids::{ActionId, ProjectId, UserId};
use crate::tenancy::WorkspaceCtx;
use crate::time::Timestamp;

/// For how long uses are counted.
pub const COUNTED_FOR: Duration = Duration::from_hours(30 * 24);
/// Within which time another person acknowledges a use.
pub const REVIEWED_WITHIN: Duration = Duration::from_hours(7 * 24);

/// One use of break-glass. There is at most one for an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideUse {
    /// Which use of the workspace it is, from 1.
    #[serde(default)]
    pub number: u64,
    /// The action.
    pub id: ActionId,
    /// Where.
    pub project: ProjectId,
    /// The owner who used it.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
    /// Who acknowledged it, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed: Option<(UserId, Timestamp)>,
    /// When somebody was told that its review is overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rung: Option<Timestamp>,
}

impl OverrideUse {
    /// Whether it counts for the limit of 30 days.
    pub fn counts(&self, now: Timestamp) -> bool {
        now.since(self.at) < COUNTED_FOR
    }

    /// Until when another person acknowledges it.
    pub fn reviewed_until(&self) -> Timestamp {
        self.at.plus(REVIEWED_WITHIN)
    }

    /// Whether nobody acknowledged it in time.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.reviewed.is_none() && now.since(self.at) >= REVIEWED_WITHIN
    }
}

impl Record<WorkspaceCtx> for OverrideUse {
    const FAMILY: &'static str = "override";

    fn id(&self) -> String {
        format!("{:010}", self.number)
    }
}
