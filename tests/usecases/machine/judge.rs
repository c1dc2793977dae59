//! What the rules say: governance.md, sections 5 to 9, as far as a repair meets them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::model::{Act, Model};
use super::steps::{Caller, Door, Rules, Who};

/// How old a sign-in may be to approve in live or to have a person's own repair carried out.
pub(super) const FRESH_IN_LIVE: Duration = Duration::from_mins(15);

/// What the rules read about whoever is served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    pub(super) age: Duration,
    pub(super) second_factor: bool,
}

/// Why a repair is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wrong {
    Frozen,
    SignIn,
    Approvals,
    Proposer,
    Rules,
    SecondFactor,
}

impl Model {
    pub(super) fn lost(&self, who: Who) -> bool {
        match who {
            Who::Ben => self.demoted || self.gone,
            Who::Machine => self.revoked,
            Who::Ann | Who::Reader => false,
        }
    }

    /// A key ends with what its person may do; whoever signs in is turned away only where they are nobody.
    pub(super) fn is_turned_away(&self, by: Caller) -> bool {
        match by.door {
            Door::Key => self.lost(by.who),
            Door::Login => by.who == Who::Ben && self.gone,
        }
    }

    pub(super) fn may_operate(&self, who: Who) -> bool {
        who != Who::Reader && !self.lost(who)
    }

    pub(super) fn may_approve(&self, who: Who) -> bool {
        who.is_person() && !self.lost(who)
    }

    pub(super) fn served(&self, by: Caller) -> Served {
        match (by.door, self.logins.get(&by.who)) {
            (Door::Login, Some((at, second_factor))) => Served {
                age: self.now.saturating_sub(*at),
                second_factor: *second_factor,
            },
            // An approver key stands for its person at any time.
            (_, Some(_)) => Served {
                age: Duration::ZERO,
                second_factor: true,
            },
            (_, None) => Served {
                age: Duration::MAX,
                second_factor: false,
            },
        }
    }

    /// What was written is what is promised.
    pub(super) fn is_kept(&self) -> bool {
        self.granted == self.promised
    }

    /// How many approvals the rules ask for now.
    pub(super) fn needs(&self, act: &Act) -> usize {
        let for_machines = usize::from(!act.proposer.is_person());
        let to_take_back = usize::from(act.takes_back && self.is_kept());
        let own = if self.rules == Some(Rules::TwoPeople) {
            2
        } else {
            0
        };
        for_machines.max(to_take_back).max(own)
    }

    /// Everything that the rules object to.
    pub(super) fn wrong(&self, act: &Act, by: Served) -> BTreeSet<Wrong> {
        let approvals = act.approved.iter().filter(|who| !self.lost(**who)).count();
        // Ben is the only owner.
        let broken = act.overridden && !self.lost(Who::Ben);
        let objections = [
            (Wrong::Frozen, self.frozen),
            (
                Wrong::SignIn,
                act.proposer.is_person() && by.age > FRESH_IN_LIVE,
            ),
            (Wrong::Approvals, !broken && approvals < self.needs(act)),
            (Wrong::Proposer, self.lost(act.proposer)),
            (Wrong::Rules, self.rules == Some(Rules::Nobody)),
            (
                Wrong::SecondFactor,
                self.rules == Some(Rules::SecondFactor) && !by.second_factor,
            ),
        ];
        let objections = objections.into_iter().filter(|(_, is)| *is);
        objections.map(|(wrong, _)| wrong).collect()
    }
}
