//! Every step, before and after it, once and twice in a row.

use std::time::Duration;

use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::repair::ActionState;
use serde_json::{Value, json};

use super::fuse::{Point, Side};
use super::shop::{Entry, Shop, Who};
use super::stage::{Stage, stage};
use super::worker::Worked;

/// When a worker is killed.
#[derive(Debug, Clone, Copy, Default)]
struct Case {
    /// While it proposes.
    proposing: Option<Point>,
    /// While it takes the approval, which executes at once.
    approving: Option<Point>,
    /// While the sweep puts right what is left.
    sweeping: Option<Point>,
}

/// What the workers of a case did that is durable.
#[derive(Debug, Default)]
struct Steps {
    proposing: Vec<String>,
    approving: Vec<String>,
    sweeping: Vec<String>,
}

fn points(steps: &[String]) -> Vec<Point> {
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
/// `Idempotency-Key`. The first worker dies at the point.
fn until_answered(
    stage: &Stage,
    point: Option<Point>,
    send: impl Fn(Option<Point>) -> Worked,
) -> (Vec<String>, u64, Value) {
    let first = send(point);
    let mut answer = body(&first);
    for _ in 0..4 {
        match answer {
            Some((409, ref problem)) if problem["code"] == "idempotency-in-flight" => {}
            Some((status, said)) => return (first.steps, status, said),
            None => {}
        }
        // The dead worker's lease ends.
        stage.pass(Duration::from_secs(61));
        answer = body(&send(None));
    }
    panic!("not answered: {answer:?}");
}

/// Plays a case, and says what its workers did.
async fn play(stage: &Stage, shop: &Shop, incident: &Incident, case: Case) -> Steps {
    let before = shop.updates();
    let number = stage.number();
    let propose = json!({ "reason": "support asked for it", "execute_on_approval": true });
    let path = format!("/v1/incidents/{}/repairs", incident.id);
    let key = format!("propose-{number}");
    let (proposing, status, said) = until_answered(stage, case.proposing, |point| {
        shop.post(Who::Ann, &path, (&key, None), &propose, point)
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
    let (approving, status, said) = until_answered(stage, case.approving, |point| {
        shop.post(Who::Ben, &path, (&key, Some(&etag)), &vote, point)
    });
    let known = said["code"] == "already-created";
    assert!(status == 200 || known, "{case:?}: {status} {said}");

    let mut sweeping = Vec::new();
    for round in 0..4 {
        // Longer than a sweep waits, and than it lets rest what it has tried.
        stage.pass(Duration::from_mins(6));
        let point = case.sweeping.filter(|_| round == 0);
        let swept = shop.sweep(point);
        if round == 0 {
            sweeping = swept.steps;
        }
        let (action, _) = shop.action(incident).await.unwrap();
        if swept.answer.is_some() && action.state.is_terminal() {
            break;
        }
    }
    let died = [(case.approving, &approving), (case.sweeping, &sweeping)];
    let sent = !died
        .iter()
        .any(|(point, steps)| sends_nothing(*point, steps));
    settled(shop, incident, (before, usize::from(sent)), case).await;
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
async fn settled(shop: &Shop, incident: &Incident, (before, sent): (usize, usize), case: Case) {
    let (state, becomes) = if sent == 1 {
        (ActionState::Verified, IncidentState::Resolved)
    } else {
        (ActionState::Failed, IncidentState::Open)
    };
    let (action, _) = shop.action(incident).await.unwrap();
    assert_eq!(action.state, state, "{case:?}");
    assert_eq!(shop.updates() - before, sent, "{case:?}: UPDATEs");
    let now = shop.incident(incident).await;
    assert_eq!(now.state, becomes, "{case:?}");
    assert_eq!(action.votes.len(), 1, "{case:?}");
    let follow_up = action.follow_up.unwrap().to_string();
    let entries = shop.entries().await;
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

#[test]
fn whatever_worker_is_killed_at_whatever_step_a_repair_happens_once_and_is_on_the_record() {
    let stage = stage();
    stage.runtime.block_on(async {
        let mut shops = vec![Shop::new(stage).await];
        let first = shops[0].next().unwrap();
        let whole = play(stage, &shops[0], &first, Case::default()).await;
        eprintln!("{whole:#?}");
        let all = whole.proposing.iter().chain(&whole.approving).cloned();
        let all: Vec<String> = all.collect();
        for row in [
            "run.decision",
            "run.resolution",
            "repair.started",
            "UPDATE",
            "repair.executed",
            "repair.verified",
        ] {
            assert!(all.iter().any(|step| step.contains(row)), "{row}: {all:?}");
        }
        let mut cases = Vec::new();
        for point in points(&whole.proposing) {
            cases.push(Case {
                proposing: Some(point),
                ..Case::default()
            });
        }
        for point in points(&whole.approving) {
            cases.push(Case {
                approving: Some(point),
                ..Case::default()
            });
        }
        let mut played = 0_usize;
        let mut next = cases.into_iter().collect::<std::collections::VecDeque<_>>();
        while let Some(case) = next.pop_front() {
            if shops.last().unwrap().is_used_up() {
                shops.push(Shop::new(stage).await);
            }
            let shop = shops.last_mut().unwrap();
            let incident = shop.next().unwrap();
            let steps = play(stage, shop, &incident, case).await;
            played += 1;
            // Whoever puts it right dies as well: at each of the steps that this takes.
            if case.approving.is_some() && case.sweeping.is_none() {
                for point in points(&steps.sweeping) {
                    next.push_back(Case {
                        sweeping: Some(point),
                        ..case
                    });
                }
            }
        }
        for shop in &shops {
            shop.verifies().await;
        }
        eprintln!("{played} cases in {} projects", shops.len());
    });
}
