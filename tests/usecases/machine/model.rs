//! What must become of the action.

use std::collections::BTreeSet;

use counterfoil_core::repair::{ActionState, VoteKind};

use super::steps::{Ballot, Rules, Who};

/// What must become of the action, in a few lines.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) state: ActionState,
    pub(super) proposer: Who,
    pub(super) needed: usize,
    pub(super) at_once: bool,
    pub(super) approved: BTreeSet<Who>,
    pub(super) votes: usize,
    /// The row or the promise is not what was displayed any more.
    pub(super) unfit: bool,
    /// The rules in force.
    pub(super) rules: Option<Rules>,
    /// Who lost their role.
    pub(super) lost: BTreeSet<Who>,
    pub(super) too_late: bool,
    pub(super) updates: u64,
}

impl Model {
    /// Whether time has ended what waits; whoever asks next finds it so.
    fn expires(&mut self) -> bool {
        let over = self.too_late && self.state.is_waiting();
        if over {
            self.state = ActionState::Expired;
        }
        over
    }

    /// How many approvals an action of this proposer needs under these rules; `None` where no number
    /// is enough.
    pub(super) fn needs(proposer: Who, rules: Option<Rules>) -> Option<usize> {
        let baseline = usize::from(!proposer.is_person());
        match rules {
            None | Some(Rules::Plain) => Some(baseline),
            Some(Rules::TwoPeople) => Some(2),
            Some(Rules::Nobody) => None,
        }
    }

    /// Whose key is turned away: nothing of what they send is read.
    fn is_turned_away(&self, who: Who) -> bool {
        self.lost.contains(&who)
    }

    /// Approvals of those who may still give them.
    fn counting(&self) -> usize {
        let approved = self.approved.iter();
        approved.filter(|who| !self.is_turned_away(**who)).count()
    }

    /// Whether a vote counts.
    pub(super) fn vote(&mut self, ballot: Ballot) -> bool {
        if self.is_turned_away(ballot.who) {
            return false;
        }
        if !ballot.version || self.expires() {
            return false;
        }
        let approves = ballot.kind == VoteKind::Approve;
        let may = ballot.who.is_person() && (!approves || ballot.who != self.proposer);
        // Whoever said yes may still say no; nobody says yes twice.
        let new = !approves || !self.approved.contains(&ballot.who);
        let fits = ballot.digest && ballot.reason;
        if self.state != ActionState::Held || !may || !fits || !new {
            return false;
        }
        self.votes += 1;
        if !approves {
            self.state = ActionState::Rejected;
            return true;
        }
        self.approved.insert(ballot.who);
        if self.approved.len() >= self.needed {
            self.state = ActionState::Approved;
            if self.at_once {
                self.executes();
            }
        }
        true
    }

    pub(super) fn execute(&mut self, who: Who) {
        let may = who != Who::Reader;
        let ready = matches!(self.state, ActionState::Allowed | ActionState::Approved);
        // A machine has no sign-in, so it starts nobody's own repair; what fits no more it finds.
        let starts = who != Who::Machine || !self.proposer.is_person() || self.unfit;
        if self.is_turned_away(who) {
            return;
        }
        if may && ready && !self.expires() && starts {
            self.executes();
        }
    }

    /// Judged again, by the rules in force and with the approvals that still count.
    fn executes(&mut self) {
        let needed = Self::needs(self.proposer, self.rules);
        let enough = needed.is_some_and(|needed| self.counting() >= needed);
        if self.unfit || !enough {
            self.state = ActionState::Stale;
        } else {
            self.state = ActionState::Verified;
            self.updates += 1;
        }
    }

    pub(super) fn cancel(&mut self, who: Who) {
        let may = who.is_person() || who == self.proposer;
        if may && !self.is_turned_away(who) && self.state.is_waiting() {
            self.state = ActionState::Cancelled;
        }
    }

    pub(super) fn sweep(&mut self) {
        self.expires();
    }
}
