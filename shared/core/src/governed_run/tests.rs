use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::ids::{KeyId, UserId};
use crate::money::Money;
use crate::repair::{ActionState, RunWork};
use crate::tenancy::Capability;

const START: Timestamp = Timestamp::from_millis(1_795_392_000_000);

fn hash(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn run(kind: FlowKind) -> GovernedRun {
    GovernedRun {
        id: RunId::new(START, 1),
        flow: Flow {
            id: "refunds".to_owned(),
            version: hash('a'),
            kind,
        },
        artifact: (kind == FlowKind::Deterministic).then(|| hash('b')),
        trace_id: None,
        by: Principal::ApiKey {
            id: KeyId::new(START, 2),
            capability: Capability::Repair,
            owner: UserId::new(START, 3),
            owner_role: None,
        },
        state: RunState::Open,
        failure: None,
        opened_at: START,
        acted_at: START,
        closed_at: None,
        tally: Tally::default(),
        held: 0,
        in_hand: 0,
        proposed: 0,
        repairs: 0,
        repairs_taken: 0,
        waiting: Vec::new(),
        output: None,
    }
}

fn act(n: u128) -> ActionId {
    ActionId::new(START, n)
}

const STATES: [ActionState; 12] = [
    ActionState::Denied,
    ActionState::Allowed,
    ActionState::Held,
    ActionState::Approved,
    ActionState::Rejected,
    ActionState::Expired,
    ActionState::Cancelled,
    ActionState::Executing,
    ActionState::Executed,
    ActionState::Verified,
    ActionState::Failed,
    ActionState::Stale,
];

const STEPS: [Step; 14] = [
    Step::Voted,
    Step::Approved,
    Step::Rejected,
    Step::Expired,
    Step::Cancelled,
    Step::Overridden,
    Step::Resolved,
    Step::Reported(Report::Executed),
    Step::Reported(Report::Failed),
    Step::WentStale,
    Step::Begun,
    Step::GivenUp,
    Step::Withdrawn,
    Step::Judged,
];

#[test]
fn nothing_leads_out_of_an_end_and_each_open_state_has_its_own_steps() {
    for state in STATES {
        let possible: Vec<Step> = STEPS
            .into_iter()
            .filter(|step| next(state, *step).is_ok())
            .collect();
        let expected: &[Step] = match state {
            ActionState::Held => &STEPS[..7],
            ActionState::Allowed => &STEPS[7..13],
            ActionState::Approved => &STEPS[7..],
            ActionState::Executing => &STEPS[7..9],
            _ => &[],
        };
        assert_eq!(possible, expected, "{state:?}");
        assert_eq!(is_open(state), !expected.is_empty(), "{state:?}");
    }
}

#[test]
fn a_denied_action_is_reached_by_no_step_so_no_approval_lifts_it() {
    for state in STATES {
        for step in STEPS {
            let after = next(state, step);
            assert_ne!(after, Ok(ActionState::Denied));
            assert_ne!(after, Ok(ActionState::Allowed));
        }
    }
}

/// Every order of a few actions and their steps, against counts made from scratch.
#[test]
fn counts_are_those_of_the_actions_whatever_the_order() {
    let effects = [Effect::Allow, Effect::Require, Effect::Deny];
    let answered = |steps: &[Step]| [&[Step::Resolved], steps].concat();
    let lives = [
        vec![],
        answered(&[Step::Rejected]),
        answered(&[Step::Expired]),
        answered(&[Step::Cancelled]),
        answered(&[Step::Approved]),
        answered(&[Step::Approved, Step::Reported(Report::Failed)]),
        answered(&[Step::Approved, Step::Begun]),
        vec![Step::Withdrawn],
        answered(&[Step::Approved, Step::Withdrawn]),
        answered(&[Step::Approved, Step::Begun, Step::Withdrawn]),
        // As many approvals as it asked for, and not all of them count any more.
        answered(&[Step::Voted]),
        vec![
            Step::Voted,
            Step::Resolved,
            Step::Approved,
            Step::Reported(Report::Executed),
        ],
    ];
    let mut n = 0;
    let mut run = run(FlowKind::Governed);
    let (mut held, mut in_hand, mut unresolved) = (0, 0, 0);
    for effect in effects {
        for life in &lives {
            n += 1;
            run = run.taking(act(n), effect, START).unwrap();
            let mut state = match effect {
                Effect::Allow => ActionState::Allowed,
                Effect::Require => ActionState::Held,
                Effect::Deny => ActionState::Denied,
            };
            for step in life {
                if let Ok(after) = next(state, *step) {
                    state = after;
                    run = run.after(act(n), *step, START);
                }
            }
            held += u64::from(state == ActionState::Held);
            in_hand += u64::from(matches!(
                state,
                ActionState::Allowed | ActionState::Approved | ActionState::Executing
            ));
            let waits = effect == Effect::Require && !life.contains(&Step::Resolved);
            unresolved += u64::from(waits);
            assert_eq!(run.waiting.contains(&act(n)), is_open(state));
        }
    }
    assert_eq!((run.held, run.in_hand), (held, in_hand));
    assert_eq!(run.tally.unresolved, unresolved);
    assert_eq!(run.tally.decisions(), 36);
    assert_eq!(
        (run.tally.allow, run.tally.require, run.tally.deny),
        (12, 12, 12)
    );
}

proptest! {
    /// Whatever is tried with the actions of a run, in whatever order: it can be completed exactly when
    /// nothing is held and nothing may be done any more, and what was withdrawn is neither.
    #[test]
    fn a_run_can_be_completed_exactly_when_each_of_its_actions_has_ended(
        effects in prop::collection::vec(0_usize..3, 1..6),
        tries in prop::collection::vec((0_usize..6, 0_usize..STEPS.len()), 0..40),
    ) {
        let mut run = run(FlowKind::Governed);
        let mut states = Vec::new();
        for (n, effect) in (1..).zip(&effects) {
            let (effect, state) = [
                (Effect::Allow, ActionState::Allowed),
                (Effect::Require, ActionState::Held),
                (Effect::Deny, ActionState::Denied),
            ][*effect];
            run = run.taking(act(n), effect, START).unwrap();
            states.push((act(n), state));
        }
        for (which, step) in tries {
            let count = states.len();
            let (id, state) = &mut states[which % count];
            // One that may be done is withdrawn without a vote; one that waits is not.
            if STEPS[step] == Step::Withdrawn {
                let may = matches!(state, ActionState::Allowed | ActionState::Approved);
                prop_assert_eq!(next(*state, STEPS[step]).is_ok(), may);
            }
            if let Ok(after) = next(*state, STEPS[step]) {
                *state = after;
                run = run.after(*id, STEPS[step], START);
            }
        }
        let open = states.iter().filter(|(_, state)| is_open(*state)).count();
        prop_assert_eq!(run.open_actions(), u64::try_from(open).unwrap());
        prop_assert_eq!(run.waiting.len(), open);
        let held = states.iter().filter(|(_, state)| *state == ActionState::Held).count();
        prop_assert_eq!(run.held, u64::try_from(held).unwrap());
        prop_assert_eq!(run.completed(None, None, START).is_ok(), open == 0);
    }
}

#[test]
fn a_run_takes_a_thousand_actions_and_no_more() {
    let mut run = run(FlowKind::Governed);
    for n in 0..MAX_ACTIONS {
        run = run.taking(act(n.into()), Effect::Deny, START).unwrap();
    }
    assert_eq!(run.takes_one(START), Err(NotTaken::Full));
    run.taking(act(0), Effect::Deny, START).unwrap_err();
}

#[test]
fn a_run_is_not_completed_over_an_open_action() {
    for effect in [Effect::Allow, Effect::Require] {
        let open = run(FlowKind::Governed)
            .taking(act(1), effect, START)
            .unwrap();
        let not = open.completed(None, None, START).unwrap_err();
        assert_eq!(not, NotClosed::OpenActions);
    }
    let denied = run(FlowKind::Governed).taking(act(1), Effect::Deny, START);
    let done = denied.unwrap().completed(None, None, START).unwrap();
    assert_eq!(done.state, RunState::Completed);
    let again = done.completed(None, None, START).unwrap_err();
    assert_eq!(again, NotClosed::Ended(RunState::Completed));
}

#[test]
fn a_deterministic_run_repeats_its_artifact_or_fails() {
    let open = run(FlowKind::Deterministic);
    let missing = open.clone().completed(None, None, START).unwrap_err();
    assert_eq!(missing, NotClosed::ArtifactMissing);
    let same = open
        .clone()
        .completed(Some(&hash('b')), None, START)
        .unwrap();
    assert_eq!((same.state, same.failure), (RunState::Completed, None));
    let other = open.completed(Some(&hash('c')), None, START).unwrap();
    assert_eq!(other.state, RunState::Failed);
    assert_eq!(other.failure.as_deref(), Some("artifact_mismatch"));
}

#[test]
fn a_run_ends_by_itself_when_idle_or_old_and_a_held_action_keeps_it_open_until_then() {
    let later = |days: u64| START.plus(Duration::from_hours(24 * days));
    let empty = run(FlowKind::Governed);
    let just_before = START.plus(Duration::from_hours(24).saturating_sub(Duration::from_millis(1)));
    assert_eq!(empty.due(just_before), None);
    assert_eq!(empty.due(later(1)), Some(RunEnd::Expired));
    let in_hand = empty.clone().taking(act(1), Effect::Allow, START).unwrap();
    assert_eq!(in_hand.due(later(1)), Some(RunEnd::Aborted));
    let held = empty.taking(act(1), Effect::Require, START).unwrap();
    assert_eq!(held.due(later(34)), None);
    assert_eq!(held.due(later(35)), Some(RunEnd::Expired));
    let ended = in_hand.swept(RunEnd::Aborted, later(1));
    assert_eq!(
        (ended.state, ended.due(later(90))),
        (RunState::Aborted, None)
    );
}

#[test]
fn a_name_a_digest_or_a_target_out_of_bounds_is_named_with_its_field() {
    let work = |kind: &str, target: Option<&str>, amount: Option<Money>| RunWork {
        kind: kind.to_owned(),
        amount,
        target: target.map(str::to_owned),
    };
    check_work(
        "/params",
        &work("refund.create", Some("inv_1"), Some(Money::new(1, "usd"))),
    )
    .unwrap();
    let long = "x".repeat(129);
    for (bad, field) in [
        (work("Refund", None, None), "/params/kind"),
        (work("", None, None), "/params/kind"),
        (work(&"k".repeat(65), None, None), "/params/kind"),
        (work("refund", Some("Jane Doe"), None), "/params/target"),
        (work("refund", Some(&long), None), "/params/target"),
        (
            work("refund", None, Some(Money::new(-1, "usd"))),
            "/params/amount/minor",
        ),
        (
            work("refund", None, Some(Money::new(1, "USD"))),
            "/params/amount/currency",
        ),
    ] {
        assert_eq!(check_work("/params", &bad).unwrap_err().field, field);
    }
    digest("/x", &hash('0')).unwrap();
    for bad in ["", "sha256:00", &hash('A'), &"0".repeat(71)] {
        digest("/x", bad).unwrap_err();
    }
}

#[test]
fn making_a_kind_harmless_or_no_longer_destructive_is_loosening_and_nothing_else_is() {
    let of = |kinds: &[(&str, bool)]| {
        kinds
            .iter()
            .map(|(kind, destructive)| {
                let registered = Registered {
                    destructive: *destructive,
                };
                ((*kind).to_owned(), registered)
            })
            .collect()
    };
    let now = FlowActions {
        actions: of(&[("refund", true), ("mail", false)]),
        ..FlowActions::none("refunds")
    };
    assert!(!now.loosened_by(&of(&[("refund", true), ("mail", false)])));
    let stricter = [("refund", true), ("mail", true), ("delete", true)];
    assert!(!now.loosened_by(&of(&stricter)));
    assert!(!now.loosened_by(&of(&[("refund", true)])));
    // Another flow may have it as harmless, and only this one said that it destroys.
    assert!(now.loosened_by(&of(&[("mail", false)])));
    assert!(now.loosened_by(&of(&[])));
    assert!(now.loosened_by(&of(&[("refund", false)])));
    assert!(now.loosened_by(&of(&[("new", false)])));
}
