//! The life of one action against a small model of it: whatever people, keys, clocks, rows,
//! promises and rules do in whatever order and at once, it is executed once or not at all, and both
//! leave their records.

mod bundle;
pub(crate) mod jitter;
mod model;
mod real;
mod steps;

use std::collections::BTreeSet;
use std::time::Duration;

use counterfoil_core::incident::IncidentState;
use counterfoil_core::repair::ActionState;
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::{ActionError, SWEEP_AFTER};
use proptest::prelude::*;
use proptest::test_runner::Config;

use model::Model;
use real::Real;
use steps::{Ballot, Rules, Step, Who, step};

/// Longer than any hold.
const TOO_LONG: Duration = Duration::from_hours(73);

/// Does a step in both, and holds one against the other.
async fn take(real: &Real, model: &mut Model, step: Step) {
    let (_, version) = real.now().await;
    let decisions = real.world.count("run.decision");
    match step {
        Step::Vote(ballot) => {
            let before = model.state;
            let answer = real.vote(ballot, version).await;
            let counted = model.vote(ballot);
            if counted {
                assert_eq!(answer.unwrap(), model.state);
            } else {
                let refused = answer.unwrap_err();
                if let ActionError::Denied(_) = refused {
                    let now = real.world.count("run.decision");
                    assert_eq!(now, decisions + 1, "a refusal is on the record");
                    assert_eq!(model.state, before);
                }
            }
        }
        Step::Rush(one, other) => rush(real, model, one, other, version).await,
        Step::Execute(who) => {
            drop(real.execute(who).await);
            model.execute(who);
        }
        Step::Race(one, other) => {
            let all = tokio::join!(
                real.execute(one),
                real.execute(other),
                real.execute(one),
                real.execute(other)
            );
            drop(all);
            model.execute(one);
            model.execute(other);
        }
        Step::Cancel(who) => {
            real.cancel(who).await;
            model.cancel(who);
        }
        Step::RowChanges => {
            if model.state != ActionState::Verified {
                real.world.set_row("u1", true);
                model.unfit = true;
            }
        }
        Step::PromiseEnds => {
            if model.state != ActionState::Verified {
                real.world.billing.cancel_all("cus_1");
                model.unfit = true;
            }
        }
        Step::RulesChange(rules) => {
            real.in_force(rules).await;
            model.rules = Some(rules);
        }
        Step::BenIsDemoted => {
            real.ben_is(Some(Role::Viewer)).await;
            model.lost.insert(Who::Ben);
        }
        Step::BenLeaves => {
            real.ben_is(None).await;
            model.lost.insert(Who::Ben);
        }
        Step::BenReturns => {
            real.ben_is(Some(Role::Owner)).await;
            model.lost.remove(&Who::Ben);
        }
        Step::TimePasses => real.world.clock.advance(SWEEP_AFTER),
        Step::TooMuchTimePasses => {
            real.world.clock.advance(TOO_LONG);
            model.too_late = true;
        }
        Step::Sweep => {
            real.sweep().await;
            model.sweep();
        }
    }
}

/// Everybody clicks twice, at once, on what was displayed to all of them. Which of two votes that both
/// could count does count is for the product to say; that it is one of them, for the model.
async fn rush(real: &Real, model: &mut Model, one: Ballot, other: Ballot, version: u64) {
    let all = tokio::join!(
        real.vote(one, version),
        real.vote(other, version),
        real.vote(one, version),
        real.vote(other, version)
    );
    let (first, second) = (
        all.0.is_ok() || all.2.is_ok(),
        all.1.is_ok() || all.3.is_ok(),
    );
    let counted = [&all.0, &all.1, &all.2, &all.3];
    let counted = counted.iter().filter(|answer| answer.is_ok()).count();
    assert!(counted <= 1, "votes on one version: {all:?}");
    let mut of_one = model.clone();
    let mut of_other = model.clone();
    let could = (of_one.vote(one), of_other.vote(other));
    match could {
        (false, false) => assert_eq!(counted, 0, "{all:?}"),
        (true, false) => assert!(first, "{all:?}"),
        (false, true) => assert!(second, "{all:?}"),
        (true, true) => assert_eq!(counted, 1, "{all:?}"),
    }
    match could {
        // None of them counts, but whoever comes first finds that time is over.
        (false, false) => {
            model.vote(one);
            model.vote(other);
        }
        (_, true) if second => *model = of_other,
        _ => *model = of_one,
    }
}

/// What the stream and the rows must say in the end.
async fn settled(real: &Real, model: &Model) {
    let world = &real.world;
    let (action, _) = real.now().await;
    assert_eq!(action.state, model.state);
    assert_eq!(action.votes.len(), model.votes, "votes that count");
    assert_eq!(world.app.updates(), model.updates, "UPDATEs");
    assert!(model.updates <= 1);
    let updates = usize::try_from(model.updates).unwrap();
    for kind in ["repair.started", "repair.executed", "repair.verified"] {
        assert_eq!(world.count(kind), updates, "{kind}");
    }
    assert_eq!(world.count("repair.failed"), 0);
    let ended = match model.state {
        ActionState::Expired | ActionState::Cancelled => 1,
        _ => 0,
    };
    let resolutions = world.count("run.resolution");
    assert!(
        (model.votes..=model.votes + ended).contains(&resolutions),
        "a record for each vote that counts: {resolutions}"
    );
    if action.state.is_terminal() {
        assert_eq!(world.count("run.open"), world.count("run.close"));
        let incident = world.incident().await.state;
        let expected = if updates == 1 {
            IncidentState::Resolved
        } else {
            IncidentState::Open
        };
        assert_eq!(incident, expected);
    }
    world.sealer().seal(world.stream()).await.unwrap();
}

async fn play(proposer: Who, at_once: bool, seed: u64, rules: Option<Rules>, steps: &[Step]) {
    let real = Real::new(proposer, at_once, seed, rules).await;
    let needed = usize::from(real.action.approvals);
    assert_eq!(Model::needs(proposer, rules), Some(needed));
    let mut model = Model {
        state: real.action.state,
        proposer,
        needed,
        at_once,
        approved: BTreeSet::new(),
        votes: 0,
        unfit: false,
        rules,
        lost: BTreeSet::new(),
        too_late: false,
        updates: 0,
    };
    for step in steps {
        take(&real, &mut model, *step).await;
        let (action, _) = real.now().await;
        assert_eq!(action.state, model.state, "after {step:?}");
    }
    settled(&real, &model).await;
}

proptest! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn an_action_is_executed_once_or_not_at_all_and_both_leave_their_records(
        proposer in prop_oneof![Just(Who::Ann), Just(Who::Machine)],
        at_once: bool,
        seed: u64,
        rules in prop_oneof![3 => Just(None), 1 => Just(Some(Rules::Plain)), 2 => Just(Some(Rules::TwoPeople))],
        steps in prop::collection::vec(step(), 1..16),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(proposer, at_once, seed, rules, &steps));
    }
}
