//! What people, keys, clocks, rows, promises and rules do.

use counterfoil_core::repair::VoteKind;
use proptest::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// A person, by a key of hers that speaks for her.
    Ann,
    /// Another person.
    Ben,
    /// A plain key of Ann's.
    Machine,
    /// A key that may only read.
    Reader,
}

impl Who {
    pub(super) const fn is_person(self) -> bool {
        matches!(self, Self::Ann | Self::Ben)
    }
}

/// What somebody sends as a vote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ballot {
    pub(super) who: Who,
    pub(super) kind: VoteKind,
    /// The digest of what was displayed, or of something else.
    pub(super) digest: bool,
    /// The version that was displayed is the present one.
    pub(super) version: bool,
    pub(super) reason: bool,
}

/// The workspace's own rules about repairs, beside the baseline's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rules {
    /// Nothing more than the baseline asks for.
    Plain,
    /// Two approvals.
    TwoPeople,
    /// No repair at all.
    Nobody,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Vote(Ballot),
    /// Two people, each with a double click, at once.
    Rush(Ballot, Ballot),
    Execute(Who),
    /// Two who execute at once.
    Race(Who, Who),
    Cancel(Who),
    /// Somebody else writes the row.
    RowChanges,
    /// What Stripe promises changes.
    PromiseEnds,
    /// Another bundle is in force.
    RulesChange(Rules),
    /// Ben may not approve any more.
    BenIsDemoted,
    /// Ben is nobody of the workspace any more.
    BenLeaves,
    /// Ben is back, with his role.
    BenReturns,
    TimePasses,
    TooMuchTimePasses,
    Sweep,
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        3 => Just(Who::Ann),
        4 => Just(Who::Ben),
        2 => Just(Who::Machine),
        1 => Just(Who::Reader),
    ]
}

fn ballot() -> impl Strategy<Value = Ballot> {
    let kind = prop_oneof![6 => Just(VoteKind::Approve), 1 => Just(VoteKind::Reject)];
    let mostly = || prop::bool::weighted(0.85);
    (who(), kind, mostly(), mostly(), mostly()).prop_map(|(who, kind, digest, version, reason)| {
        Ballot {
            who,
            kind,
            digest,
            version,
            reason,
        }
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    prop_oneof![
        3 => Just(Rules::Plain),
        2 => Just(Rules::TwoPeople),
        1 => Just(Rules::Nobody),
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => ballot().prop_map(Step::Vote),
        3 => (ballot(), ballot()).prop_map(|(one, other)| Step::Rush(one, other)),
        3 => who().prop_map(Step::Execute),
        2 => (who(), who()).prop_map(|(one, other)| Step::Race(one, other)),
        1 => who().prop_map(Step::Cancel),
        1 => Just(Step::RowChanges),
        1 => Just(Step::PromiseEnds),
        2 => rules().prop_map(Step::RulesChange),
        1 => Just(Step::BenIsDemoted),
        1 => Just(Step::BenLeaves),
        2 => Just(Step::BenReturns),
        2 => Just(Step::TimePasses),
        1 => Just(Step::TooMuchTimePasses),
        2 => Just(Step::Sweep),
    ]
}
