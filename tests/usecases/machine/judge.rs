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
    pub(super) over_mcp: bool,
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
    Agent,
    Mcp,
}

impl Model {
    pub(super) fn lost(&self, who: Who) -> bool {
        match who {
            // A client can do what the person can that it acts for.
            Who::Ben | Who::Client => self.demoted || self.gone,
            Who::Machine | Who::Agent => self.revoked.contains(&who),
            Who::Ann | Who::Reader => false,
        }
    }

    /// A key ends with what its person may do; whoever signs in is turned away only where they are nobody,
    /// and so is who acts for them. A key that speaks for a person is for HTTP alone.
    pub(super) fn is_turned_away(&self, by: Caller) -> bool {
        match (by.door, by.who) {
            (Door::Mcp, who) if who.is_person() => true,
            (Door::Login, Who::Ben) | (Door::Mcp, Who::Client) => self.gone,
            (Door::Login, _) => false,
            (Door::Key | Door::Mcp, who) => self.lost(who),
        }
    }

    pub(super) fn may_operate(&self, who: Who) -> bool {
        who != Who::Reader && !self.lost(who)
    }

    pub(super) fn may_approve(&self, who: Who) -> bool {
        who.is_person() && !self.lost(who)
    }

    pub(super) fn served(&self, by: Caller) -> Served {
        let (age, second_factor) = match (by.door, self.logins.get(&by.who)) {
            (Door::Login, Some((at, second_factor))) => {
                (self.now.saturating_sub(*at), *second_factor)
            }
            // An approver key stands for its person at any time.
            (_, Some(_)) => (Duration::ZERO, true),
            // A machine has no sign-in.
            (_, None) => (Duration::MAX, false),
        };
        Served {
            age,
            second_factor,
            over_mcp: by.door == Door::Mcp,
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
            (
                Wrong::Agent,
                self.rules == Some(Rules::NoAgents) && act.of_agent,
            ),
            (
                Wrong::Mcp,
                self.rules == Some(Rules::NotOverMcp) && by.over_mcp,
            ),
        ];
        let objections = objections.into_iter().filter(|(_, is)| *is);
        objections.map(|(wrong, _)| wrong).collect()
    }
}
