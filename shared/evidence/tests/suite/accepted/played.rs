//! Runs whose governance result is what matters.

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::Verdict;

use super::whole;
use crate::forge::{Forge, Sealer, check, with};
use crate::rules::{closing, decision, opening, resolution, step};

/// One run `a` about one action.
pub struct Run {
    forge: Forge,
}

impl Run {
    fn add(&mut self, kind: &str, facts: Json) -> Hash {
        self.forge.add(kind, Some("a"), facts, None)
    }

    pub fn decide(&mut self, effect: &str) -> Hash {
        self.add("run.decision", decision(effect, "x"))
    }

    pub fn hold_for(&mut self, approvals: u64) -> Hash {
        let facts = with(decision("REQUIRE", "x"), "approvals", Json::uint(approvals));
        self.add("run.decision", facts)
    }

    pub fn vote(&mut self, decision: Hash, approver: &str, effect: &str) {
        self.add("run.resolution", resolution(decision, approver, effect));
    }

    pub fn override_(&mut self, decision: Hash) {
        let vote = resolution(decision, "usr_1", "ALLOW");
        self.add("run.resolution", with(vote, "override", true.into()));
    }

    pub fn act(&mut self, kind: &str, decision: Hash) {
        self.add(kind, step(decision, "x"));
    }
}

/// Plays a run and closes it with the counts that it gives.
pub fn run_of(play: fn(&mut Run) -> [u64; 6]) -> Verdict {
    whole(played(play))
}

pub fn played(play: impl Fn(&mut Run) -> [u64; 6]) -> Forge {
    let mut run = Run {
        forge: Forge::new("prj_1", &Sealer::new(1)),
    };
    run.add("run.open", opening());
    let counts = play(&mut run);
    run.add("run.close", closing(counts));
    run.forge
}

pub fn begun(then: &[&str], package: fn(&Forge) -> Json) -> Verdict {
    let mut forge = played(|run| {
        let decided = run.decide("ALLOW");
        run.act("repair.started", decided);
        for kind in then {
            run.act(kind, decided);
        }
        [1, 1, 0, 0, 0, 0]
    });
    forge.seal();
    check(&package(&forge), &forge.trust())
}

pub fn aborted() -> Verdict {
    let mut run = Run {
        forge: Forge::new("prj_1", &Sealer::new(1)),
    };
    run.add("run.open", opening());
    let decided = run.decide("ALLOW");
    run.act("repair.started", decided);
    run.add(
        "run.close",
        with(closing([1, 1, 0, 0, 0, 0]), "status", "aborted".into()),
    );
    whole(run.forge)
}

pub fn result_later() -> Verdict {
    let mut forge = played(|run| {
        let decided = run.decide("ALLOW");
        run.act("repair.started", decided);
        [1, 1, 0, 0, 0, 0]
    });
    forge.add("run.open", Some("b"), opening(), None);
    let again = forge.add("run.decision", Some("b"), decision("ALLOW", "x"), None);
    forge.add("repair.executed", Some("b"), step(again, "x"), None);
    forge.add("run.close", Some("b"), closing([1, 1, 0, 0, 0, 0]), None);
    whole(forge)
}

pub fn later_run() -> Verdict {
    let mut forge = Forge::new("prj_1", &Sealer::new(1));
    forge.add("run.open", Some("a"), opening(), None);
    let held = forge.add("run.decision", Some("a"), decision("REQUIRE", "x"), None);
    let closed = forge.add("run.close", Some("a"), closing([1, 0, 1, 0, 1, 0]), None);
    let cause = object([("entry", Json::from(held)), ("seq", Json::uint(2))]);
    let facts = with(with(opening(), "cause", cause), "prior_run", closed.into());
    forge.add("run.open", Some("b"), facts, None);
    forge.add(
        "run.resolution",
        Some("b"),
        resolution(held, "usr_1", "ALLOW"),
        None,
    );
    let decided = forge.add("run.decision", Some("b"), decision("ALLOW", "x"), None);
    forge.add("repair.started", Some("b"), step(decided, "x"), None);
    forge.add("repair.executed", Some("b"), step(decided, "x"), None);
    forge.add("run.close", Some("b"), closing([1, 1, 0, 0, 0, 0]), None);
    whole(forge)
}
