//! What people, keys, clocks, rows, promises and rules do.

use std::time::Duration;

use counterfoil_core::repair::VoteKind;
use counterfoil_core::usecases::SWEEP_AFTER;
use proptest::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// An approver.
    Ann,
    /// An owner.
    Ben,
    /// A plain key of Ann's.
    Machine,
    /// A key that may only read.
    Reader,
    /// An agent with a key of its own, which Ann made.
    Agent,
    /// A client that Ben let in, which acts for him.
    Client,
}

impl Who {
    pub(super) const fn is_person(self) -> bool {
        matches!(self, Self::Ann | Self::Ben)
    }
}

/// How somebody comes. Machines have their key alone, and agents come over MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// With a key; a person's speaks for them.
    Key,
    /// By a sign-in, which grows old.
    Login,
    /// Over MCP, with a key or as a client.
    Mcp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) who: Who,
    pub(super) door: Door,
}

impl Caller {
    pub(super) const fn over_mcp(who: Who) -> Self {
        let door = Door::Mcp;
        Self { who, door }
    }
}

/// What somebody sends as a vote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ballot {
    pub(super) by: Caller,
    pub(super) kind: VoteKind,
    /// The digest of what was displayed, or of something else.
    pub(super) digest: bool,
    /// The version that was displayed is the present one.
    pub(super) version: bool,
    pub(super) reason: bool,
}

impl Ballot {
    /// Yes, to what was displayed, at a time when it counts.
    const fn good(who: Who) -> Self {
        let door = Door::Key;
        Self {
            by: Caller { who, door },
            kind: VoteKind::Approve,
            digest: true,
            version: true,
            reason: true,
        }
    }
}

/// What somebody sends to break the glass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Breaking {
    pub(super) by: Caller,
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
    /// Whoever triggers it came with a second factor.
    SecondFactor,
    /// Nothing that an agent proposed.
    NoAgents,
    /// Nothing that is triggered over MCP, whoever proposed it.
    NotOverMcp,
    /// No repair at all.
    Nobody,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Vote(Ballot),
    /// Two people, each with a double click, at once.
    Rush(Ballot, Ballot),
    Execute(Caller),
    /// Two who execute at once, each twice.
    Race(Caller, Caller),
    Cancel(Caller),
    BreakGlass(Breaking),
    /// Somebody proposes to take back what the repair wrote.
    Undo(Caller),
    /// Somebody else writes the row: it grants what was promised, or not.
    RowBecomes(bool),
    /// Stripe promises the customer nothing any more.
    PromiseEnds,
    /// Another bundle is in force.
    RulesChange(Rules),
    /// The emergency stop is pulled, or lifted.
    Freeze(bool),
    /// The key of a machine is revoked.
    KeyRevoked(Who),
    /// Ben may not approve any more.
    BenIsDemoted,
    /// Ben is nobody of the workspace any more.
    BenLeaves,
    /// Ben is back, with his role.
    BenReturns,
    /// Somebody signs in again, with or without a second factor.
    SignIn(Who, bool),
    TimePasses(Duration),
    Sweep,
}

/// Within these and beyond them lie what a sign-in may be old for breaking the glass (5 minutes) and for
/// approving in live (15 minutes), and what an action waits (72 hours).
const TIMES: [Duration; 3] = [
    SWEEP_AFTER,
    Duration::from_mins(16),
    Duration::from_hours(73),
];

fn person() -> impl Strategy<Value = Who> {
    prop_oneof![3 => Just(Who::Ann), 4 => Just(Who::Ben)]
}

pub(super) fn caller() -> impl Strategy<Value = Caller> {
    let door = prop_oneof![Just(Door::Key), Just(Door::Login)];
    let by = |who, door| Caller { who, door };
    prop_oneof![
        7 => (person(), door).prop_map(move |(who, door)| by(who, door)),
        2 => Just(by(Who::Machine, Door::Key)),
        1 => Just(by(Who::Reader, Door::Key)),
        4 => agent(),
        // A key that speaks for a person is no credential of an agent.
        1 => person().prop_map(Caller::over_mcp),
    ]
}

/// Whoever comes over MCP: with a key that is an agent's alone, with one that comes over HTTP as well, or
/// for somebody.
pub(super) fn agent() -> impl Strategy<Value = Caller> {
    let who = prop_oneof![
        3 => Just(Who::Agent),
        1 => Just(Who::Machine),
        2 => Just(Who::Client),
    ];
    who.prop_map(Caller::over_mcp)
}

fn mostly() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.85)
}

fn ballot() -> impl Strategy<Value = Ballot> {
    let kind = prop_oneof![6 => Just(VoteKind::Approve), 1 => Just(VoteKind::Reject)];
    let form = (mostly(), mostly(), mostly());
    (caller(), kind, form).prop_map(|(by, kind, (digest, version, reason))| Ballot {
        by,
        kind,
        digest,
        version,
        reason,
    })
}

/// Mostly by the owner after a sign-in, since nobody else may.
fn breaking() -> impl Strategy<Value = Breaking> {
    let owner = Caller {
        who: Who::Ben,
        door: Door::Login,
    };
    let by = prop_oneof![2 => Just(owner), 1 => caller()];
    (by, mostly(), mostly()).prop_map(|(by, version, reason)| Breaking {
        by,
        version,
        reason,
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    prop_oneof![
        3 => Just(Rules::Plain),
        2 => Just(Rules::TwoPeople),
        3 => Just(Rules::SecondFactor),
        1 => Just(Rules::NoAgents),
        2 => Just(Rules::NotOverMcp),
        1 => Just(Rules::Nobody),
    ]
}

/// The rules that a repair is proposed under.
pub(super) fn first_rules() -> impl Strategy<Value = Option<Rules>> {
    prop_oneof![
        5 => Just(None),
        2 => Just(Some(Rules::Plain)),
        3 => Just(Some(Rules::TwoPeople)),
        3 => Just(Some(Rules::SecondFactor)),
        3 => Just(Some(Rules::NotOverMcp)),
        1 => Just(Some(Rules::NoAgents)),
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let asked = prop_oneof![
        9 => ballot().prop_map(Step::Vote),
        4 => (ballot(), ballot()).prop_map(|(one, other)| Step::Rush(one, other)),
        6 => person().prop_map(|who| Step::Vote(Ballot::good(who))),
        7 => caller().prop_map(Step::Execute),
        4 => agent().prop_map(Step::Execute),
        2 => (caller(), caller()).prop_map(|(one, other)| Step::Race(one, other)),
        1 => caller().prop_map(Step::Cancel),
        3 => breaking().prop_map(Step::BreakGlass),
        4 => caller().prop_map(Step::Undo),
    ];
    let happens = prop_oneof![
        2 => any::<bool>().prop_map(Step::RowBecomes),
        1 => Just(Step::PromiseEnds),
        3 => rules().prop_map(Step::RulesChange),
        1 => Just(Step::Freeze(true)),
        2 => Just(Step::Freeze(false)),
        1 => prop::sample::select(&[Who::Machine, Who::Agent][..]).prop_map(Step::KeyRevoked),
        1 => Just(Step::BenIsDemoted),
        1 => Just(Step::BenLeaves),
        3 => Just(Step::BenReturns),
        5 => (person(), any::<bool>()).prop_map(|(who, second)| Step::SignIn(who, second)),
        4 => prop::sample::select(&TIMES[..2]).prop_map(Step::TimePasses),
        1 => Just(Step::TimePasses(TIMES[2])),
        2 => Just(Step::Sweep),
    ];
    prop_oneof![2 => asked, 1 => happens]
}
