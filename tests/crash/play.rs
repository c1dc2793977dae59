//! A repair from its proposal to its end, with workers that die on the way, and what must be so then.

use std::time::Duration;

use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::repair::ActionState;
use counterfoil_testkit::tcp_proxy::Loss;
use serde_json::{Value, json};

use super::fuse::{Point, Side};
use super::office::{Entry, Who};
use super::shop::Shop;
use super::stage::{Hours, Stage};
use super::worker::Worked;

/// What happens to the customer's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// The worker dies between UPDATE and COMMIT.
    KilledBeforeCommit,
    /// The server has committed; the answer is lost and the worker dies.
    KilledBeforeAnswer,
    /// The answer is lost; the worker lives, and looks.
    AnswerLost,
    /// COMMIT is lost; the worker lives, and looks.
    CommitLost,
}

impl Wire {
    const fn loss(self) -> Loss {
        match self {
            Self::KilledBeforeCommit | Self::CommitLost => Loss::Commit,
            Self::KilledBeforeAnswer | Self::AnswerLost => Loss::Answer,
        }
    }

    const fn kills(self) -> bool {
        matches!(self, Self::KilledBeforeCommit | Self::KilledBeforeAnswer)
    }

    /// Whether the row is changed in the end.
    const fn commits(self) -> bool {
        matches!(self, Self::KilledBeforeAnswer | Self::AnswerLost)
    }
}

/// When a worker is killed, and what is lost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Case {
    /// While it proposes.
    pub(crate) proposing: Option<Point>,
    /// While it takes the approval, which executes at once.
    pub(crate) approving: Option<Point>,
    /// What happens to its transaction besides.
    pub(crate) wire: Option<Wire>,
    /// While the sweep puts right what is left.
    pub(crate) sweeping: Option<Point>,
}

/// What reached the customer's database.
#[derive(Debug, Clone, Copy)]
struct Reached {
    /// UPDATE statements.
    statements: usize,
    /// The row is changed.
    changed: bool,
}

/// What the workers of a case did that is durable.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    pub(crate) proposing: Vec<String>,
    pub(crate) approving: Vec<String>,
    pub(crate) sweeping: Vec<String>,
}

pub(crate) fn points(steps: &[String]) -> Vec<Point> {
    let count = u32::try_from(steps.len()).unwrap();
    let sides = [Side::Before, Side::After];
    let all = (1..=count).flat_map(|step| sides.map(|side| Point { step, side }));
    all.collect()
}

/// Takes the answer's body out of a worker's answer.
fn body(worked: &Worked) -> Option<(u64, Value)> {
    let answer = worked.answer.as_ref()?;
    let status = answer["statusCode"].as_u64().unwrap();
    let body = answer["body"].as_str().unwrap_or_default();
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

/// Sends a request until it is answered, as a client that was not answered does: with the same
/// `Idempotency-Key`. The first workers die at the points. The steps of each worker, and the answer.
pub(crate) fn until_answered(
    time: &Hours,
    deaths: &[Point],
    send: impl Fn(Option<Point>) -> Worked,
) -> (Vec<Vec<String>>, u64, Value) {
    let mut steps = Vec::new();
    for attempt in 0..6 {
        let worked = send(deaths.get(attempt).copied());
        let answer = body(&worked);
        steps.push(worked.steps);
        match answer {
            Some((409, ref problem)) if problem["code"] == "idempotency-in-flight" => {}
            Some((status, said)) => return (steps, status, said),
            None => {}
        }
        // The dead worker's lease ends.
        time.pass(Duration::from_secs(61));
    }
    panic!("not answered: {steps:?}");
}

/// Plays a case, and says what its workers did.
pub(crate) async fn play(stage: &Stage, shop: &Shop, incident: &Incident, case: Case) -> Steps {
    let before = shop.updates();
    let number = stage.number();
    let propose = json!({ "reason": "support asked for it", "execute_on_approval": true });
    let path = format!("/v1/incidents/{}/repairs", incident.id);
    let key = format!("propose-{number}");
    let (mut proposing, status, said) =
        until_answered(&shop.office.time, case.proposing.as_slice(), |point| {
            shop.office
                .post(Who::Ann, &path, (&key, None), &propose, point)
        });
    let known = said["code"] == "already-created";
    assert!(status == 201 || known, "{case:?}: {status} {said}");
    let (action, version) = shop.action(incident).await.unwrap();
    assert_eq!(action.state, ActionState::Held, "{case:?} {}", action.rule);

    let path = format!("/v1/actions/{}/approvals", action.id);
    let vote = json!({
        "vote": "approve", "reason": "checked the invoice", "action_digest": action.digest,
    });
    let key = format!("approve-{number}");
    let etag = format!("\"{version}\"");
    let losses = shop.losses();
    if let Some(wire) = case.wire {
        shop.cut(wire.loss(), wire.kills());
    }
    let (mut approving, status, said) =
        until_answered(&shop.office.time, case.approving.as_slice(), |point| {
            shop.office
                .post(Who::Ben, &path, (&key, Some(&etag)), &vote, point)
        });
    let known = said["code"] == "already-created";
    assert!(status == 200 || known, "{case:?}: {status} {said}");

    let (proposing, approving) = (proposing.swap_remove(0), approving.swap_remove(0));

    let mut sweeping = Vec::new();
    for round in 0..4 {
        // Longer than a sweep waits, and than it lets rest what it has tried.
        shop.office.time.pass(Duration::from_mins(6));
        let point = case.sweeping.filter(|_| round == 0);
        let swept = shop.office.sweep(point);
        if round == 0 {
            sweeping = swept.steps;
        }
        let (action, _) = shop.action(incident).await.unwrap();
        if swept.answer.is_some() && action.state.is_terminal() {
            break;
        }
    }
    let lost = usize::try_from(shop.losses() - losses).unwrap();
    assert_eq!(lost, usize::from(case.wire.is_some()), "{case:?}");
    let died = [(case.approving, &approving), (case.sweeping, &sweeping)];
    let mut died = died.iter();
    let sent = !died.any(|(point, steps)| sends_nothing(*point, steps));
    let reached = Reached {
        statements: usize::from(case.wire.is_some() || sent),
        changed: case.wire.map_or(sent, Wire::commits),
    };
    settled(shop, incident, (before, reached), case).await;
    Steps {
        proposing,
        approving,
        sweeping,
    }
}

/// Whether a worker died between the record that the repair begins and the UPDATE: then nothing was
/// sent, and the row says so. `steps` are those that it came to.
fn sends_nothing(point: Option<Point>, steps: &[String]) -> bool {
    let last = steps.last().map_or("", String::as_str);
    match point.map(|point| point.side) {
        Some(Side::After) => last.contains("repair.started"),
        Some(Side::Before) => last == "UPDATE",
        None => false,
    }
}

/// What must be so in the end, whatever died.
async fn settled(
    shop: &Shop,
    incident: &Incident,
    (before, reached): (usize, Reached),
    case: Case,
) {
    let sent = usize::from(reached.changed);
    let (state, becomes) = if reached.changed {
        (ActionState::Verified, IncidentState::Resolved)
    } else {
        (ActionState::Failed, IncidentState::Open)
    };
    let (action, _) = shop.action(incident).await.unwrap();
    assert_eq!(action.state, state, "{case:?}");
    let updates = shop.updates() - before;
    assert_eq!(updates, reached.statements, "{case:?}: UPDATEs");
    assert_eq!(shop.granted(incident), reached.changed, "{case:?}: row");
    let now = shop.incident(incident).await;
    assert_eq!(now.state, becomes, "{case:?}");
    assert_eq!(action.votes.len(), 1, "{case:?}");
    let follow_up = action.follow_up.unwrap().to_string();
    let entries = shop.office.entries().await;
    let count = |kind: &str, run: &str| {
        let of = |entry: &&Entry| entry.kind == kind && entry.run == run;
        entries.iter().filter(of).count()
    };
    for (kind, times) in [
        ("run.open", 1),
        ("run.resolution", 1),
        ("run.decision", 1),
        ("repair.started", 1),
        ("repair.executed", sent),
        ("repair.failed", 1 - sent),
        ("repair.verified", sent),
        ("incident.resolved", sent),
        ("run.close", 1),
    ] {
        assert_eq!(count(kind, &follow_up), times, "{case:?}: {kind}");
    }
    let proposed = action.binding.run.to_string();
    assert_eq!(count("run.decision", &proposed), 1, "{case:?}");
    let id = action.id.to_string();
    let started = entries
        .iter()
        .filter(|entry| entry.kind == "repair.started");
    let mut started = started.filter(|entry| entry.facts["act"] == id.as_str());
    let started = started
        .next()
        .unwrap_or_else(|| panic!("{case:?}: nothing started"));
    let cited = started.facts["decision"].as_str().unwrap();
    assert!(!cited.is_empty(), "{case:?}: an effect without a decision");
}
