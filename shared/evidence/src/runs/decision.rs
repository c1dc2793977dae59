//! A decision and what became of it.

use std::collections::BTreeSet;

use crate::recorded::Recorded;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Require,
    Deny,
}

/// Where a REQUIRE decision stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Rejected,
    Approved,
    Unresolved,
}

/// Votes on a decision.
#[derive(Clone, Default)]
struct Votes {
    approvers: BTreeSet<String>,
    rejected: bool,
}

#[derive(Clone)]
pub(super) struct Decision {
    pub(super) run: String,
    pub(super) action: String,
    pub(super) effect: Effect,
    /// A resolution marked break-glass.
    pub(super) overridden: bool,
    approvals: u64,
    /// Votes of all runs.
    votes: Votes,
    /// Votes of its own run, which alone count for that run's totals.
    own: Votes,
}

impl Decision {
    pub(super) fn new(item: &Recorded, run: &str) -> Self {
        let effect = match item.text("effect") {
            "ALLOW" => Effect::Allow,
            "REQUIRE" => Effect::Require,
            _ => Effect::Deny,
        };
        Self {
            run: run.to_owned(),
            action: item.text("action_hash").to_owned(),
            effect,
            overridden: false,
            approvals: item.uint("approvals").unwrap_or(1),
            votes: Votes::default(),
            own: Votes::default(),
        }
    }

    pub(super) fn resolve(&mut self, approver: &str, allows: bool, overrides: bool, own: bool) {
        self.overridden |= overrides;
        self.votes.take(approver, allows);
        if own {
            self.own.take(approver, allows);
        }
    }

    pub(super) fn standing(&self) -> Standing {
        self.votes.standing(self.approvals)
    }

    pub(super) fn standing_in_run(&self) -> Standing {
        self.own.standing(self.approvals)
    }
}

impl Votes {
    fn take(&mut self, approver: &str, allows: bool) {
        if allows {
            self.approvers.insert(approver.to_owned());
        } else {
            self.rejected = true;
        }
    }

    fn standing(&self, approvals: u64) -> Standing {
        let count = u64::try_from(self.approvers.len()).unwrap_or(u64::MAX);
        if self.rejected {
            Standing::Rejected
        } else if count >= approvals {
            Standing::Approved
        } else {
            Standing::Unresolved
        }
    }
}
