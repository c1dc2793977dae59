//! What must become of a repair, of taking it back, and of everybody who asks: governance in a few lines.
//!
//! Whoever is turned away at the door is told nothing. Then: is what was displayed the present version, is
//! the time over, do the rules let this caller, is the action in a state for it. Every refusal by the rules
//! and every change of a state leave entries; conflicts leave none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use counterfoil_core::incident::IncidentState;
use counterfoil_core::repair::{ActionState, VoteKind};

use super::answer::{Answer, Entries};
use super::judge::{FRESH_IN_LIVE, Served, Wrong};
use super::steps::{Ballot, Breaking, Caller, Door, Rules, Who};

/// How long an action waits.
const HOLD: Duration = Duration::from_hours(72);
/// How old it may be to break the glass.
const FRESH_FOR_GLASS: Duration = Duration::from_mins(5);
/// How often the glass is broken within 30 days.
const GLASSES: u32 = 3;

/// The repair, or what takes it back.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact that the model names"
)]
pub(super) struct Act {
    pub(super) state: ActionState,
    pub(super) proposer: Who,
    /// An agent proposed it.
    pub(super) of_agent: bool,
    pub(super) takes_back: bool,
    needed: usize,
    pub(super) approved: BTreeSet<Who>,
    pub(super) votes: usize,
    /// Whoever approved last, or proposed it where nobody had to, came with a second factor.
    vouched: bool,
    pub(super) overridden: bool,
    ends: Duration,
    /// The run that votes and result are in is open.
    begun: bool,
    /// What the incident is again if nothing comes of it.
    was: IncidentState,
}

#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact that the model names"
)]
pub(super) struct Model {
    /// The newest action that was not denied at once.
    pub(super) act: Act,
    pub(super) at_once: bool,
    pub(super) incident: IncidentState,
    /// The repair was carried out.
    repaired: bool,
    pub(super) updates: u64,
    pub(super) entries: Entries,
    /// The row grants what was promised.
    pub(super) granted: bool,
    pub(super) promised: bool,
    pub(super) rules: Option<Rules>,
    pub(super) frozen: bool,
    /// Whose keys are revoked.
    pub(super) revoked: BTreeSet<Who>,
    pub(super) demoted: bool,
    pub(super) gone: bool,
    pub(super) now: Duration,
    /// When each signed in, and whether with a second factor.
    pub(super) logins: BTreeMap<Who, (Duration, bool)>,
    glasses: u32,
}

impl Model {
    /// A customer who paid and got nothing, and a repair that this caller proposes.
    pub(super) fn new(by: Caller, at_once: bool, rules: Option<Rules>) -> Self {
        let nothing = Act {
            state: ActionState::Denied,
            proposer: by.who,
            of_agent: by.door == Door::Mcp,
            takes_back: false,
            needed: 0,
            approved: BTreeSet::new(),
            votes: 0,
            vouched: true,
            overridden: false,
            ends: HOLD,
            begun: false,
            was: IncidentState::Open,
        };
        let mut model = Self {
            act: nothing,
            at_once,
            incident: IncidentState::Open,
            repaired: false,
            updates: 0,
            entries: Entries::default(),
            granted: false,
            promised: true,
            rules,
            frozen: false,
            revoked: BTreeSet::new(),
            demoted: false,
            gone: false,
            now: Duration::ZERO,
            logins: [Who::Ann, Who::Ben]
                .map(|who| (who, (Duration::ZERO, true)))
                .into(),
            glasses: 0,
        };
        model.propose(by, false);
        model
    }

    /// Refused by the rules, in a run of its own.
    pub(super) fn denied(&mut self, by: Caller) -> Answer {
        self.entries.run();
        self.entries.decision(by.door == Door::Mcp);
        Answer::Denied
    }

    /// The run of votes and result is open from here on.
    fn begins(&mut self) {
        if !self.act.begun {
            self.act.begun = true;
            self.entries.opened += 1;
        }
    }

    fn ends(&mut self, state: ActionState) {
        self.entries.closed += 1;
        self.act.state = state;
    }

    fn ends_without_effect(&mut self, state: ActionState) {
        self.ends(state);
        self.incident = self.act.was;
    }

    /// Withdrawn or over: what had to be approved is resolved.
    fn resolves(&mut self, state: ActionState) {
        self.begins();
        self.entries.resolved += usize::from(self.act.needed > 0);
        self.ends_without_effect(state);
    }

    /// Whether time has ended what waits; whoever asks next finds it so.
    fn expires(&mut self) -> bool {
        let over = self.now >= self.act.ends && self.act.state.is_waiting();
        if over {
            self.resolves(ActionState::Expired);
        }
        over
    }

    /// A proposal is a run with one decision, whatever it is.
    fn propose(&mut self, by: Caller, takes_back: bool) -> Answer {
        let mut act = Act {
            state: ActionState::Allowed,
            proposer: by.who,
            of_agent: by.door == Door::Mcp,
            takes_back,
            needed: 0,
            approved: BTreeSet::new(),
            votes: 0,
            vouched: self.served(by).second_factor,
            overridden: false,
            ends: self.now + HOLD,
            begun: false,
            was: self.incident,
        };
        act.needed = self.needs(&act);
        self.entries.run();
        self.entries.decision(act.of_agent);
        let mut wrong = self.wrong(&act, self.served(by));
        // That is what it waits for.
        wrong.remove(&Wrong::Approvals);
        if !wrong.is_empty() {
            return Answer::Is(ActionState::Denied);
        }
        if act.needed > 0 {
            act.state = ActionState::Held;
        }
        self.incident = IncidentState::Repairing;
        self.act = act;
        Answer::Is(self.act.state)
    }

    pub(super) fn vote(&mut self, ballot: Ballot) -> Answer {
        let who = ballot.by.who;
        if self.is_turned_away(ballot.by) {
            return Answer::TurnedAway;
        }
        if !ballot.version {
            return Answer::Changed;
        }
        if self.expires() {
            return Answer::Expired;
        }
        let approves = ballot.kind == VoteKind::Approve;
        let held = self.act.state == ActionState::Held;
        let served = self.served(ballot.by);
        // Nobody approves what they proposed, or had proposed, or twice; whoever said yes may still say no.
        let behind = self.act.proposer == Who::Client && who == Who::Ben;
        let another = who != self.act.proposer && !behind && !self.act.approved.contains(&who);
        let approvable = another && held && served.age <= FRESH_IN_LIVE;
        let fits = ballot.digest && ballot.reason;
        if !self.may_approve(who) || !fits || (approves && !approvable) {
            return self.denied(ballot.by);
        }
        if !held {
            return Answer::WrongState;
        }
        self.begins();
        self.entries.resolved += 1;
        self.act.votes += 1;
        if !approves {
            self.ends_without_effect(ActionState::Rejected);
            return Answer::Is(ActionState::Rejected);
        }
        self.act.approved.insert(who);
        self.act.vouched = served.second_factor;
        let counts = |who: &&Who| !self.lost(**who);
        if self.act.approved.iter().filter(counts).count() >= self.act.needed {
            self.act.state = ActionState::Approved;
            if self.at_once {
                return self.carry_out(ballot.by);
            }
        }
        Answer::Is(self.act.state)
    }

    pub(super) fn execute(&mut self, by: Caller) -> Answer {
        if self.is_turned_away(by) {
            return Answer::TurnedAway;
        }
        if !self.may_operate(by.who) {
            return Answer::Incapable;
        }
        if !matches!(self.act.state, ActionState::Allowed | ActionState::Approved) {
            return Answer::WrongState;
        }
        if self.expires() {
            return Answer::Expired;
        }
        self.carry_out(by)
    }

    /// Judged again: by the rules in force, with the approvals that still count, on what is there now.
    fn carry_out(&mut self, by: Caller) -> Answer {
        let wrong = self.wrong(&self.act, self.served(by));
        // A repair is of what was displayed. What takes it back finds out when it writes.
        let fits = self.act.takes_back || (self.promised && !self.granted);
        let vouched = Served {
            age: Duration::ZERO,
            second_factor: self.act.vouched,
            // Machines never vouch: what they propose in live waits for a person.
            over_mcp: false,
        };
        let only_the_trigger = self.wrong(&self.act, vouched).is_empty();
        if fits && !wrong.is_empty() && only_the_trigger {
            return self.denied(by);
        }
        self.begins();
        if !fits || !wrong.is_empty() {
            // The record says why: what the rules say, or that something has changed. It is not that
            // somebody with an old sign-in triggered it.
            if only_the_trigger {
                self.entries.given_up += 1;
            } else {
                self.entries.decision(self.act.of_agent);
            }
            self.ends_without_effect(ActionState::Stale);
            return Answer::Is(ActionState::Stale);
        }
        self.entries.decision(self.act.of_agent);
        self.entries.started += 1;
        if self.granted != self.act.takes_back {
            self.entries.failed += 1;
            self.ends_without_effect(ActionState::Stale);
            return Answer::Is(ActionState::Stale);
        }
        self.entries.executed += 1;
        self.entries.verified += 1;
        self.updates += 1;
        self.granted = !self.act.takes_back;
        self.repaired = true;
        self.ends(ActionState::Verified);
        self.incident = if self.is_kept() {
            IncidentState::Resolved
        } else {
            IncidentState::Open
        };
        Answer::Is(ActionState::Verified)
    }

    pub(super) fn cancel(&mut self, by: Caller) -> Answer {
        if self.is_turned_away(by) {
            return Answer::TurnedAway;
        }
        if !self.may_approve(by.who) && by.who != self.act.proposer {
            return Answer::Incapable;
        }
        if !self.act.state.is_waiting() {
            return Answer::WrongState;
        }
        self.resolves(ActionState::Cancelled);
        Answer::Is(ActionState::Cancelled)
    }

    /// An owner replaces the approvals that are missing, and nothing else.
    pub(super) fn break_glass(&mut self, breaking: Breaking) -> Answer {
        let by = breaking.by;
        if self.is_turned_away(by) {
            return Answer::TurnedAway;
        }
        if !breaking.version {
            return Answer::Changed;
        }
        if self.expires() {
            return Answer::Expired;
        }
        let served = self.served(by);
        let owner = by.who == Who::Ben && by.door == Door::Login && !self.lost(by.who);
        let proven = served.second_factor && served.age <= FRESH_FOR_GLASS;
        let held = self.act.state == ActionState::Held;
        let may = owner && proven && held && breaking.reason && self.glasses < GLASSES;
        let broken = Act {
            overridden: true,
            ..self.act.clone()
        };
        if !may || !self.wrong(&broken, served).is_empty() {
            return self.denied(by);
        }
        self.begins();
        self.entries.resolved += 1;
        self.glasses += 1;
        self.act.overridden = true;
        self.act.state = ActionState::Approved;
        self.carry_out(by)
    }

    /// Proposes to take back what the repair wrote, which is another action.
    pub(super) fn undo(&mut self, by: Caller) -> Answer {
        if self.is_turned_away(by) {
            return Answer::TurnedAway;
        }
        if !self.may_operate(by.who) {
            return Answer::Incapable;
        }
        if !self.repaired || self.incident == IncidentState::Repairing {
            return Answer::WrongState;
        }
        self.propose(by, true)
    }

    pub(super) fn sweep(&mut self) {
        self.expires();
    }
}
