//! A decision and what became of it.

use std::collections::BTreeSet;

use crate::recorded::Recorded;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Require,
    Deny,
}

/// Where a REQUIRE decision stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Rejected,
    Approved,
    Unresolved,
}

/// Votes on a decision.
#[derive(Debug, Clone, Default)]
struct Votes {
    approvers: BTreeSet<String>,
    rejected: bool,
}

/// What resolutions said; only a REQUIRE decision has it.
#[derive(Debug, Clone, Default)]
struct Ballot {
    /// Votes of all runs.
    all: Votes,
    /// Votes of its own run, which alone count for that run's totals.
    own: Votes,
}

#[derive(Debug, Clone)]
pub(super) struct Decision {
    /// Number of its run.
    pub(super) run: u32,
    /// Number of what it is about.
    pub(super) action: u32,
    pub(super) effect: Effect,
    /// A resolution marked break-glass.
    pub(super) overridden: bool,
    approvals: u64,
    ballot: Option<Box<Ballot>>,
}

impl Decision {
    pub(super) fn new(item: &Recorded<'_>, run: u32, action: u32) -> Self {
        let effect = match item.text("effect").as_ref() {
            "ALLOW" => Effect::Allow,
            "REQUIRE" => Effect::Require,
            _ => Effect::Deny,
        };
        Self {
            run,
            action,
            effect,
            overridden: false,
            approvals: item.uint("approvals").unwrap_or(1),
            ballot: None,
        }
    }

    pub(super) fn resolve(&mut self, approver: &str, allows: bool, overrides: bool, own: bool) {
        self.overridden |= overrides;
        let ballot = self.ballot.get_or_insert_default();
        ballot.all.take(approver, allows);
        if own {
            ballot.own.take(approver, allows);
        }
    }

    pub(super) fn standing(&self) -> Standing {
        self.stands(|ballot| &ballot.all)
    }

    pub(super) fn standing_in_run(&self) -> Standing {
        self.stands(|ballot| &ballot.own)
    }

    fn stands(&self, of: impl Fn(&Ballot) -> &Votes) -> Standing {
        match self.ballot.as_deref() {
            Some(ballot) => of(ballot).standing(self.approvals),
            None => Votes::default().standing(self.approvals),
        }
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
