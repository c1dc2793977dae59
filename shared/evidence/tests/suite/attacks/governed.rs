//! Decisions, resolutions, actions, counts and references.

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::Verdict;

use super::{Row, judge, written};
use crate::forge::{Forge, Sealer, check, with};
use crate::rules::{base, closing, decision, opening, resolution, seq, step};

pub(super) const ROWS: &[Row] = &[
    (
        "59",
        "action recorded before its decision",
        before_decision,
        "E_ACTION_BEFORE_DECISION",
    ),
    (
        "59b",
        "action with another action_hash",
        || {
            governed(|r| {
                let d = r.decide("ALLOW", "x");
                r.act("repair.started", d, "y");
            })
        },
        "E_ACTION_BEFORE_DECISION",
    ),
    (
        "59d",
        "action under a decision of another run",
        other_run,
        "E_ACTION_BEFORE_DECISION",
    ),
    (
        "60",
        "action after DENY",
        || {
            governed(|r| {
                let d = r.decide("DENY", "x");
                r.act("repair.started", d, "x");
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "60b",
        "action on an unresolved REQUIRE",
        || {
            governed(|r| {
                let d = r.decide("REQUIRE", "x");
                r.act("repair.started", d, "x");
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "60c",
        "action on a rejected REQUIRE",
        || {
            governed(|r| {
                let d = r.decide("REQUIRE", "x");
                r.vote(d, "a", "ALLOW");
                r.vote(d, "b", "DENY");
                r.act("repair.started", d, "x");
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "60d",
        "one approver counted twice",
        || {
            governed(|r| {
                let d = r.decide2("x");
                r.vote(d, "a", "ALLOW");
                r.vote(d, "a", "ALLOW");
                r.act("repair.started", d, "x");
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "60f",
        "override alone does not approve",
        || {
            governed(|r| {
                let d = r.decide2("x");
                r.break_glass(d);
                r.act("repair.started", d, "x");
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "101",
        "DENY, then ALLOW of the same action",
        || {
            governed(|r| {
                r.decide("DENY", "x");
                let d = r.decide("ALLOW", "x");
                r.act("repair.started", d, "x");
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "101b",
        "rejected, then ALLOW of the same action",
        || {
            governed(|r| {
                let held = r.decide("REQUIRE", "x");
                r.vote(held, "a", "DENY");
                let d = r.decide("ALLOW", "x");
                r.act("repair.started", d, "x");
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "101c",
        "DENY in one run, ALLOW in a later one",
        || {
            two_runs(|f| {
                f.add("run.decision", Some("a"), decision("DENY", "x"), None);
                [1, 0, 0, 1, 0, 0]
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "101d",
        "held action executed under a later ALLOW",
        || {
            governed(|r| {
                r.decide("REQUIRE", "x");
                let d = r.decide("ALLOW", "x");
                r.act("repair.started", d, "x");
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "101f",
        "one decision, two effects",
        || {
            governed(|r| {
                let d = r.decide("ALLOW", "x");
                r.act("repair.started", d, "x");
                r.act("repair.executed", d, "x");
                r.act("repair.executed", d, "x");
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "101g",
        "started again after its result",
        || {
            governed(|r| {
                let d = r.decide("ALLOW", "x");
                r.act("repair.started", d, "x");
                r.act("repair.failed", d, "x");
                r.act("repair.started", d, "x");
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "101h",
        "an effect in each of two runs",
        || {
            two_runs(|f| {
                let d = f.add("run.decision", Some("a"), decision("ALLOW", "x"), None);
                f.add("repair.executed", Some("a"), step(d, "x"), None);
                [1, 1, 0, 0, 0, 0]
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "101j",
        "held, one approval of two, done in a later run",
        || {
            two_runs(|f| {
                let facts = with(decision("REQUIRE", "x"), "approvals", Json::uint(2));
                let d = f.add("run.decision", Some("a"), facts, None);
                f.add(
                    "run.resolution",
                    Some("a"),
                    resolution(d, "u", "ALLOW"),
                    None,
                );
                [1, 0, 1, 0, 1, 0]
            })
        },
        "E_UNAUTHORIZED_ACTION",
    ),
    (
        "87",
        "false count in run.close",
        || {
            written(|f| {
                f.add("run.open", Some("r9"), opening(), None);
                f.add("run.close", Some("r9"), closing([1, 1, 0, 0, 0, 0]), None);
            })
        },
        "E_RUN_COUNT",
    ),
    (
        "88",
        "second run.open",
        || {
            governed(|r| {
                r.forge.add("run.open", Some("r9"), opening(), None);
            })
        },
        "E_RUN_OPEN",
    ),
    (
        "88b",
        "run without run.open",
        || {
            written(|f| {
                f.add("run.decision", Some("r9"), decision("ALLOW", "x"), None);
            })
        },
        "E_RUN_OPEN",
    ),
    (
        "89",
        "decision after run.close",
        || {
            written(|f| {
                f.add("run.decision", Some("r1"), decision("ALLOW", "x"), None);
            })
        },
        "E_RUN_AFTER_CLOSE",
    ),
    (
        "90",
        "reference to an entry that does not exist",
        || {
            written(|f| {
                f.add(
                    "run.open",
                    Some("r9"),
                    with(opening(), "prior_run", Hash::ZERO.into()),
                    None,
                );
            })
        },
        "E_REF",
    ),
    (
        "90b",
        "resolution of a DENY",
        || {
            governed(|r| {
                let d = r.decide("DENY", "x");
                r.vote(d, "a", "ALLOW");
            })
        },
        "E_REF",
    ),
    (
        "90c",
        "resolution, in a later run, of a DENY",
        || two_runs_vote(),
        "E_REF",
    ),
    (
        "90d",
        "cause with another seq",
        || {
            written(|f| {
                let cause = object([("entry", f.entries[3].leaf.into()), ("seq", Json::uint(4))]);
                f.add(
                    "run.open",
                    Some("r9"),
                    with(opening(), "cause", cause),
                    None,
                );
            })
        },
        "E_REF",
    ),
    (
        "90e",
        "prior_run that is no run.close",
        || {
            written(|f| {
                let leaf = f.entries[3].leaf;
                f.add(
                    "run.open",
                    Some("r9"),
                    with(opening(), "prior_run", leaf.into()),
                    None,
                );
            })
        },
        "E_REF",
    ),
    (
        "90f",
        "verification of something that is no repair",
        || {
            governed(|r| {
                r.counts = [1, 1, 0, 0, 0, 0];
                let d = r.decide("ALLOW", "x");
                let facts = object([("repair", Json::from(d)), ("result", "match".into())]);
                r.forge.add("repair.verified", Some("r9"), facts, None);
            })
        },
        "E_REF",
    ),
    (
        "109",
        "two branches of one run",
        || {
            written(|f| {
                f.forget_run("r1");
                f.add("run.open", Some("r1"), opening(), None);
            })
        },
        "E_RUN_AFTER_CLOSE",
    ),
];

#[test]
fn governed_runs_are_refused() {
    judge(ROWS);
}

/// Entries of run `r9`, one after the other.
struct Governed {
    forge: Forge,
    counts: [u64; 6],
}

impl Governed {
    fn decide(&mut self, effect: &str, action: &str) -> Hash {
        self.forge
            .add("run.decision", Some("r9"), decision(effect, action), None)
    }

    fn decide2(&mut self, action: &str) -> Hash {
        let facts = with(decision("REQUIRE", action), "approvals", Json::uint(2));
        self.forge.add("run.decision", Some("r9"), facts, None)
    }

    fn vote(&mut self, decision: Hash, approver: &str, effect: &str) {
        let facts = resolution(decision, approver, effect);
        self.forge.add("run.resolution", Some("r9"), facts, None);
    }

    fn break_glass(&mut self, decision: Hash) {
        let facts = with(resolution(decision, "a", "ALLOW"), "override", true.into());
        self.forge.add("run.resolution", Some("r9"), facts, None);
    }

    fn act(&mut self, kind: &str, decision: Hash, action: &str) {
        self.forge
            .add(kind, Some("r9"), step(decision, action), None);
    }
}

fn governed(write: fn(&mut Governed)) -> Verdict {
    let mut run = Governed {
        forge: base(),
        counts: [0; 6],
    };
    run.forge.add("run.open", Some("r9"), opening(), None);
    write(&mut run);
    run.forge
        .add("run.close", Some("r9"), closing(run.counts), None);
    run.forge.seal();
    check(&run.forge.export(), &run.forge.trust())
}

/// Run `a` with what `write` adds, then run `b` with an ALLOW of the same action and its effect.
fn two_runs(write: fn(&mut Forge) -> [u64; 6]) -> Verdict {
    let mut forge = Forge::new("prj_1", &Sealer::new(1));
    forge.add("run.open", Some("a"), opening(), None);
    let counts = write(&mut forge);
    forge.add("run.close", Some("a"), closing(counts), None);
    forge.add("run.open", Some("b"), opening(), None);
    let decided = forge.add("run.decision", Some("b"), decision("ALLOW", "x"), None);
    forge.add("repair.started", Some("b"), step(decided, "x"), None);
    forge.add("repair.executed", Some("b"), step(decided, "x"), None);
    forge.add("run.close", Some("b"), closing([1, 1, 0, 0, 0, 0]), None);
    forge.seal();
    check(&forge.export(), &forge.trust())
}

fn two_runs_vote() -> Verdict {
    let mut forge = Forge::new("prj_1", &Sealer::new(1));
    forge.add("run.open", Some("a"), opening(), None);
    let denied = forge.add("run.decision", Some("a"), decision("DENY", "x"), None);
    forge.add("run.close", Some("a"), closing([1, 0, 0, 1, 0, 0]), None);
    forge.add("run.open", Some("b"), opening(), None);
    forge.add(
        "run.resolution",
        Some("b"),
        resolution(denied, "u", "ALLOW"),
        None,
    );
    forge.add("run.close", Some("b"), closing([0; 6]), None);
    forge.seal();
    check(&forge.export(), &forge.trust())
}

fn other_run() -> Verdict {
    written(|forge| {
        let decided = forge.entries[seq::DECISION].leaf;
        forge.add("run.open", Some("r9"), opening(), None);
        forge.add("repair.started", Some("r9"), step(decided, "r1"), None);
    })
}

/// The action cites a decision that the next entry makes.
fn before_decision() -> Verdict {
    let decided = {
        let mut forge = base();
        forge.add("run.open", Some("r9"), opening(), None);
        forge.add("run.decision", Some("r9"), decision("ALLOW", "x"), None)
    };
    let mut forge = base();
    forge.add("run.open", Some("r9"), opening(), None);
    forge.add("repair.started", Some("r9"), step(decided, "x"), None);
    forge.add("run.decision", Some("r9"), decision("ALLOW", "x"), None);
    forge.seal();
    check(&forge.export(), &forge.trust())
}
