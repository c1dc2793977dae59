//! The life of a repair, and of taking it back, against a small model of it: whatever people, keys,
//! agents, clocks, rows, promises and rules do in whatever order and at once, everybody is told what the
//! model says, each change and each refusal is on the record, and the row is written once or not at all.

mod answer;
mod bundle;
pub(crate) mod jitter;
mod judge;
mod model;
mod real;
mod steps;

use std::time::Duration;

use counterfoil_core::tenancy::Role;
use proptest::prelude::*;
use proptest::test_runner::Config;

use answer::Answer;
use model::Model;
use real::Real;
use steps::{Caller, Door, Rules, Step, Who, agent, first_rules, step};

/// How long all of it takes at most: no key ends, and no review of broken glass is overdue.
const AT_MOST: Duration = Duration::from_hours(6 * 24);

/// Does a step in both, and holds what each answers against the other.
async fn take(real: &mut Real, model: &mut Model, step: Step) {
    match step {
        Step::Vote(ballot) => {
            let version = real.now().await.1;
            assert_eq!(real.vote(ballot, version).await, model.vote(ballot));
        }
        Step::Rush(one, other) => {
            let version = real.now().await.1;
            let all = tokio::join!(
                real.vote(one, version),
                real.vote(other, version),
                real.vote(one, version),
                real.vote(other, version)
            );
            let ballots = [one, other];
            at_once(model, [one.by, other.by], all, |model, n| {
                model.vote(ballots[n])
            });
        }
        Step::Execute(by) => assert_eq!(real.execute(by).await, model.execute(by)),
        Step::Race(one, other) => {
            let all = tokio::join!(
                real.execute(one),
                real.execute(other),
                real.execute(one),
                real.execute(other)
            );
            let callers = [one, other];
            at_once(model, callers, all, |model, n| model.execute(callers[n]));
        }
        Step::Cancel(by) => assert_eq!(real.cancel(by).await, model.cancel(by)),
        Step::BreakGlass(breaking) => {
            let version = real.now().await.1;
            let answer = real.break_glass(breaking, version).await;
            assert_eq!(answer, model.break_glass(breaking));
        }
        Step::Undo(by) => assert_eq!(real.undo(by).await, model.undo(by)),
        Step::Sweep => {
            real.sweep().await;
            model.sweep();
        }
        happens => happen(real, model, happens).await,
    }
}

/// What happens by itself, or is somebody's business elsewhere.
async fn happen(real: &mut Real, model: &mut Model, step: Step) {
    match step {
        Step::RowBecomes(granted) => {
            real.world.set_row("u1", granted);
            model.granted = granted;
        }
        Step::PromiseEnds => {
            real.world.billing.cancel_all("cus_1");
            model.promised = false;
        }
        Step::RulesChange(rules) => {
            real.in_force(rules).await;
            model.rules = Some(rules);
        }
        Step::Freeze(frozen) => {
            real.world.freeze(frozen).await;
            model.frozen = frozen;
        }
        Step::KeyRevoked(who) => {
            real.revoke(who).await;
            model.revoked.insert(who);
        }
        Step::BenIsDemoted => {
            real.ben_is(Some(Role::Viewer)).await;
            (model.demoted, model.gone) = (true, false);
        }
        Step::BenLeaves => {
            real.ben_is(None).await;
            (model.demoted, model.gone) = (false, true);
        }
        Step::BenReturns => {
            real.ben_is(Some(Role::Owner)).await;
            (model.demoted, model.gone) = (false, false);
        }
        Step::SignIn(who, second_factor) => {
            real.sign_in(who, second_factor);
            model.logins.insert(who, (model.now, second_factor));
        }
        Step::TimePasses(time) if model.now + time <= AT_MOST => {
            real.world.clock.advance(time);
            model.now += time;
        }
        _ => {}
    }
}

/// Two ask at once for what the model can do alone, each twice. One of them changes something if anybody
/// can, which one is for the product to say; the others are told what they are told alone, or that
/// somebody was faster.
fn at_once(
    model: &mut Model,
    callers: [Caller; 2],
    answers: (Answer, Answer, Answer, Answer),
    ask: impl Fn(&mut Model, usize) -> Answer,
) {
    let alone = [0, 1].map(|n| {
        let mut after = model.clone();
        let answer = ask(&mut after, n);
        (after, answer)
    });
    let (a, b, c, d) = answers;
    let answers = [(0, a), (1, b), (0, c), (1, d)];
    let possible = alone.iter().any(|(_, answer)| answer.changes());
    for (n, answer) in answers {
        let overtaken = possible && matches!(answer, Answer::Changed | Answer::WrongState);
        assert!(overtaken || answer == alone[n].1, "{answers:?}: {n}");
    }
    let first = answers.iter().filter(|(_, answer)| answer.changes());
    let first: Vec<usize> = first.map(|(n, _)| *n).collect();
    assert_eq!(first.len(), usize::from(possible), "{answers:?}");
    if let [n] = first[..] {
        *model = alone[n].0.clone();
    }
    for (n, answer) in answers {
        if answer == Answer::Denied {
            model.denied(callers[n]);
        }
    }
}

/// What rows and stream must say after each step.
async fn check(real: &Real, model: &Model, after: &Step) {
    let (action, _) = real.now().await;
    assert_eq!(action.state, model.act.state, "after {after:?}");
    assert_eq!(action.votes.len(), model.act.votes, "votes that count");
    let incident = real.world.incident().await.state;
    assert_eq!(incident, model.incident, "after {after:?}");
    assert_eq!(real.world.app.updates(), model.updates, "UPDATEs");
    assert_eq!(real.entries(), model.entries, "after {after:?}");
    if action.state.is_terminal() {
        assert_eq!(model.entries.opened, model.entries.closed);
    }
}

async fn play(first: (Caller, bool), seed: u64, rules: Option<Rules>, ben: bool, steps: &[Step]) {
    let (by, at_once) = first;
    let mut real = Real::new(by, at_once, seed, rules).await;
    let mut model = Model::new(by, at_once, rules);
    happen(&mut real, &mut model, Step::SignIn(Who::Ben, ben)).await;
    check(&real, &model, &Step::Sweep).await;
    for step in steps {
        take(&mut real, &mut model, *step).await;
        check(&real, &model, step).await;
    }
    let world = &real.world;
    world.sealer().seal(world.stream()).await.unwrap();
}

fn proposer() -> impl Strategy<Value = Caller> {
    let by = |who, door| Caller { who, door };
    prop_oneof![
        1 => Just(by(Who::Ann, Door::Key)),
        1 => Just(by(Who::Ann, Door::Login)),
        2 => Just(by(Who::Machine, Door::Key)),
        3 => agent(),
    ]
}

proptest! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn everybody_is_told_what_the_model_says_and_each_change_and_refusal_is_on_the_record(
        by in proposer(),
        at_once: bool,
        seed: u64,
        rules in first_rules(),
        ben: bool,
        steps in prop::collection::vec(step(), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play((by, at_once), seed, rules, ben, &steps));
    }
}
