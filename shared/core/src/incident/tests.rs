use proptest::prelude::*;

use super::*;
use crate::reconcile::Symbol;

const DAY: u64 = 86_400_000;

fn finding(granted: i64) -> Finding {
    let report = Finding::mass_drift(1, 50).without_person("cus_1");
    Finding {
        kind: crate::reconcile::FindingKind::WrongSeats,
        expected: Symbol::Count(5),
        actual: Symbol::Count(granted),
        customers: vec!["cus_1".to_owned()],
        ..report
    }
}

fn at(day: u64) -> Timestamp {
    Timestamp::from_millis(DAY.saturating_mul(day))
}

fn run(day: u64) -> RunId {
    RunId::new(at(day), u128::from(day))
}

fn new() -> Incident {
    Incident::open(ProjectId::from_bits(1), finding(1), run(1), at(1))
}

fn terms(until: u64) -> IgnoreTerms {
    IgnoreTerms {
        until: at(until),
        reason: "a friend of the house".to_owned(),
    }
}

#[test]
fn an_ignored_incident_reopens_at_its_end_and_not_a_moment_before() {
    let ignored = new().ignore("usr_1", &terms(10), at(2)).unwrap();
    let just_before = Timestamp::from_millis(at(10).as_millis() - 1);
    let still = ignored.clone().seen(finding(1), run(9), just_before);
    assert_eq!(still.state, IncidentState::Ignored);
    assert_eq!(still.state_at(at(10)), IncidentState::Open);
    let open = still.seen(finding(1), run(10), at(10));
    assert_eq!((open.state, open.opened_by), (IncidentState::Open, run(10)));
    assert_eq!(open.past.len(), 1);
    assert_eq!(open.past[0].state, IncidentState::Ignored);
    assert!(open.ignored.is_none());
}

#[test]
fn an_ignored_incident_reopens_when_the_difference_is_another_one() {
    let ignored = new().ignore("usr_1", &terms(10), at(2)).unwrap();
    let open = ignored.seen(finding(2), run(3), at(3));
    assert_eq!(open.state, IncidentState::Open);
}

#[test]
fn terms_need_a_reason_and_an_end_within_180_days() {
    let refused = |until, reason: &str, expected| {
        let terms = IgnoreTerms {
            until,
            reason: reason.to_owned(),
        };
        assert_eq!(new().ignore("usr_1", &terms, at(2)), Err(expected));
    };
    let words = "long enough a reason";
    refused(at(2), words, Refused::BadEnd);
    refused(
        Timestamp::from_millis(at(182).as_millis() + 1),
        words,
        Refused::BadEnd,
    );
    refused(at(3), "   too short ", Refused::BadReason);
    assert!(new().ignore("usr_1", &terms(182), at(2)).is_ok());
}

#[test]
fn a_mass_drift_is_acknowledged_and_a_larger_one_asks_again() {
    let drift = |count| Finding::mass_drift(count, 50);
    let open = Incident::open(ProjectId::from_bits(1), drift(28), run(1), at(1));
    assert!(open.is_breaker());
    assert_eq!(
        open.clone().ignore("usr_1", &terms(9), at(2)),
        Err(Refused::MassDrift)
    );
    let words = "the plan was renamed";
    let known = open.acknowledge("usr_1", words, at(2)).unwrap();
    assert!(!known.is_breaker());
    assert_eq!(
        known.clone().acknowledge("usr_2", words, at(2)),
        Err(Refused::NotBreaker)
    );
    let same = known.seen(drift(28), run(3), at(3));
    assert!(!same.is_breaker());
    assert!(same.seen(drift(29), run(4), at(4)).is_breaker());
}

#[derive(Debug, Clone)]
enum Event {
    Seen(i64),
    Gone,
    Ignore(u64),
    Unignore,
    Propose,
    RepairFailed,
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (1_i64..4).prop_map(Event::Seen),
        Just(Event::Gone),
        (0_u64..250).prop_map(Event::Ignore),
        Just(Event::Unignore),
        Just(Event::Propose),
        Just(Event::RepairFailed),
        (0_u64..100).prop_map(Event::Wait),
    ];
    prop::collection::vec(event, 0..60)
}

fn legal(from: IncidentState, to: IncidentState) -> bool {
    use IncidentState::{Ignored, Open, Repairing, Resolved};
    from == to
        || matches!(
            (from, to),
            (Open, Repairing | Ignored | Resolved)
                | (Repairing | Ignored, Open | Resolved)
                | (Resolved, Open)
        )
}

fn apply(incident: &Incident, event: &Event, day: u64) -> Incident {
    let before = incident.clone();
    match event {
        Event::Seen(granted) => before.seen(finding(*granted), run(day), at(day)),
        Event::Gone if before.ends_unseen() => before.resolved(run(day), at(day)),
        Event::Ignore(days) => {
            let wanted = terms(day.saturating_add(*days));
            before
                .clone()
                .ignore("usr_1", &wanted, at(day))
                .unwrap_or(before)
        }
        Event::Unignore => before.clone().unignore(at(day)).unwrap_or(before),
        Event::Propose if before.state_at(at(day)) == IncidentState::Open => Incident {
            state: IncidentState::Repairing,
            ignored: None,
            ..before
        },
        Event::RepairFailed if before.state == IncidentState::Repairing => Incident {
            state: IncidentState::Open,
            ..before
        },
        Event::Gone | Event::Propose | Event::RepairFailed | Event::Wait(_) => before,
    }
}

proptest! {
    #[test]
    fn no_sequence_of_events_leaves_the_lifecycle(events in events()) {
        let mut incident = new();
        let mut day = 1_u64;
        for event in &events {
            day = day.saturating_add(match event { Event::Wait(days) => *days, _ => 1 });
            let after = apply(&incident, event, day);
            // An expired ignore counts as open.
            prop_assert!(legal(incident.state_at(at(day)), after.state)
                || legal(incident.state, after.state), "{event:?}: {incident:?}");
            prop_assert_eq!(after.id, incident.id);
            prop_assert_eq!(after.ignored.is_some(), after.state == IncidentState::Ignored);
            prop_assert_eq!(after.resolved_at.is_some(), after.state == IncidentState::Resolved);
            prop_assert!(after.past.len() <= MAX_PAST);
            if let Some(terms) = &after.ignored {
                prop_assert!(terms.until > terms.at);
                prop_assert!(terms.until.since(terms.at) <= MAX_IGNORE);
            }
            if matches!(event, Event::Seen(_)) {
                prop_assert!(after.state != IncidentState::Resolved);
                prop_assert!(!after.is_expired(at(day)), "an end is kept strictly");
            }
            if matches!(event, Event::Gone) && incident.state == IncidentState::Ignored {
                prop_assert_eq!(after.state, IncidentState::Resolved);
            }
            if matches!(event, Event::Propose)
                && incident.state_at(at(day)) == IncidentState::Ignored {
                prop_assert_eq!(after.state, IncidentState::Ignored);
            }
            incident = after;
        }
    }
}
