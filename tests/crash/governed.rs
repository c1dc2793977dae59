//! Governed runs whose workers die: at every step of opening, proposing, voting, telling the result and
//! completing, twice in a row, and while the schedule closes what was left. Each is the handler of the
//! function that does it.

use std::time::Duration;

use counterfoil_core::governed_run::{GovernedRun, RunState};
use counterfoil_core::records::RunAction;
use counterfoil_core::repair::{Action, ActionState};
use serde_json::{Value, json};

use super::ask::{Ask, Who};
use super::deaths::{Deaths, Workers, every_death};
use super::office::{Mark, Office};
use super::stage::{Stage, Turn, number};
use super::worker::{HOURS, Task};

/// Longer than any run stays open.
const LEFT: Duration = Duration::from_hours(24 * 36);
/// After so long the schedule ends a run whatever waits in it.
const ENDS: Duration = Duration::from_hours(24 * 35);

/// Whose request it is whose workers die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Propose,
    Vote,
    Report,
    Complete,
}

/// Whose workers die, and where.
#[derive(Debug, Clone, Copy)]
struct Case(Phase, Deaths);

impl Case {
    fn of(self, phase: Phase) -> Deaths {
        let dies = self.0 == phase;
        if dies { self.1 } else { Deaths::default() }
    }
}

/// A run that Ann's key opened.
pub(crate) struct Opened {
    id: String,
    mark: Mark,
}

impl Opened {
    /// The run, and what the workers who opened it did.
    async fn by(office: &Office, deaths: Deaths) -> (Self, Vec<Vec<String>>) {
        let flow = json!({
            "id": "refunds", "version_sha256": format!("sha256:{}", "a".repeat(64)),
            "kind": "governed",
        });
        let mark = office.mark().await;
        let open = Ask::post(Who::Ann, "/v1/runs".to_owned(), json!({ "flow": flow }));
        let (said, steps) = sent(office, &open, deaths).await;
        let id = named(&said, "/id");
        (Self { id, mark }, steps)
    }

    pub(crate) async fn new(office: &Office) -> Self {
        Self::by(office, Deaths::default()).await.0
    }

    /// Completes the run.
    pub(crate) async fn complete(&self, office: &Office, deaths: Deaths) -> Vec<Vec<String>> {
        let path = format!("/v1/runs/{}/complete", self.id);
        let complete = Ask::post(Who::Ann, path, json!({}));
        sent(office, &complete, deaths).await.1
    }

    /// Proposes something that waits for people.
    pub(crate) async fn propose(
        &self,
        office: &Office,
        deaths: Deaths,
    ) -> (Action, u64, Vec<Vec<String>>) {
        let params = json!({ "kind": "refund.create", "target": format!("invoice-{}", number()) });
        let body = json!({ "type": "run.action", "params": params, "reason": "ticket 77" });
        let propose = Ask::post(Who::Ann, self.actions(), body);
        let (said, steps) = sent(office, &propose, deaths).await;
        let (action, version) = of_run(office, &named(&said, "/action/id")).await;
        assert_eq!(action.state, ActionState::Held, "{}", action.rule);
        (action, version, steps)
    }

    /// Where its actions are proposed.
    pub(crate) fn actions(&self) -> String {
        format!("/v1/runs/{}/actions", self.id)
    }

    async fn run(&self, office: &Office) -> GovernedRun {
        office.record(&self.id).await.unwrap().value
    }

    /// The kinds of what was recorded since it was opened, all of it in this run; and the facts of
    /// `run.close`.
    pub(crate) async fn recorded(&self, office: &Office) -> (Vec<String>, Value) {
        let entries = office.since(self.mark).await;
        let mut close = Value::Null;
        for entry in &entries {
            assert_eq!(entry.run, self.id, "{entry:?}");
            if entry.kind == "run.close" {
                close = entry.facts.clone();
            }
        }
        (entries.into_iter().map(|entry| entry.kind).collect(), close)
    }
}

/// An action of a run that its caller does, with its version.
pub(crate) async fn of_run(office: &Office, id: &str) -> (Action, u64) {
    let found = office.record::<RunAction>(id).await;
    let found = found.unwrap().into_action();
    (found.value, found.version)
}

/// Ben's vote.
pub(crate) fn ballot(action: &Action, version: u64, vote: &str) -> Ask {
    let body = json!({
        "vote": vote, "reason": "checked the ticket", "action_digest": action.digest,
    });
    let path = format!("/v1/actions/{}/approvals", action.id);
    Ask::post(Who::Ben, path, body).of(version)
}

/// Sends a request until it is answered; the answer, and what the workers did.
async fn sent(office: &Office, ask: &Ask, deaths: Deaths) -> (Value, Vec<Vec<String>>) {
    let mut workers = Workers::of(office, deaths);
    let (status, said) = workers.until_answered(ask).await;
    let known = said["code"] == "already-created";
    assert!(status < 300 || known, "{deaths:?}: {status} {said}");
    (said, workers.steps())
}

/// The id of what a request made, also where it is told that it was done before.
fn named(said: &Value, pointer: &str) -> String {
    let id = said.pointer(pointer).or_else(|| said.get("resource_id"));
    let id = id.and_then(Value::as_str);
    id.unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// Plays a run from its beginning to its end, with one action.
async fn play(office: &Office, case: Case) -> Vec<Vec<String>> {
    let runs = office.records::<GovernedRun>().await.len();
    let (run, opening) = Opened::by(office, case.of(Phase::Open)).await;
    let (action, version, proposing) = run.propose(office, case.of(Phase::Propose)).await;
    let approve = ballot(&action, version, "approve");
    let (_, voting) = sent(office, &approve, case.of(Phase::Vote)).await;

    let body = json!({ "status": "executed", "action_digest": action.digest });
    let path = format!("/v1/actions/{}/result", action.id);
    let report = Ask::post(Who::Ann, path, body);
    let (_, reporting) = sent(office, &report, case.of(Phase::Report)).await;

    let completing = run.complete(office, case.of(Phase::Complete)).await;

    let (action, _) = of_run(office, &action.id.to_string()).await;
    assert_eq!(action.state, ActionState::Executed, "{case:?}");
    assert_eq!(action.votes.len(), 1, "{case:?}");
    assert_eq!(run.run(office).await.state, RunState::Completed, "{case:?}");
    let all = office.records::<GovernedRun>().await.len();
    assert_eq!(all, runs + 1, "{case:?}");
    let (recorded, close) = run.recorded(office).await;
    let kinds = [
        "run.open",
        "run.decision",
        "run.resolution",
        "run.action",
        "run.close",
    ];
    // Nor is there a refusal, or a second decision, in a run of its own.
    assert_eq!(recorded, kinds, "{case:?}");
    let counts = ["decisions", "require", "unresolved", "overrides"].map(|it| close[it].as_u64());
    assert_eq!(counts, [Some(1), Some(1), Some(0), Some(0)], "{case:?}");
    assert_eq!(office.left().await, (0, 0), "{case:?}");
    match case.0 {
        Phase::Open => opening,
        Phase::Propose => proposing,
        Phase::Vote => voting,
        Phase::Report => reporting,
        Phase::Complete => completing,
    }
}

#[test]
fn whatever_worker_of_a_run_is_killed_twice_in_a_row_each_action_is_decided_and_ends_once() {
    let turn = Turn::take();
    turn.runtime.block_on(async {
        let office = Office::new(turn.stage(), HOURS).await;
        let mut played = 0;
        for (phase, kind) in [
            (Phase::Open, "run.open"),
            (Phase::Propose, "run.decision"),
            (Phase::Vote, "run.resolution"),
            (Phase::Report, "run.action"),
            (Phase::Complete, "run.close"),
        ] {
            let play = async |deaths| play(&office, Case(phase, deaths)).await;
            let (whole, count) = every_death(play).await;
            assert!(whole[0].iter().any(|step| step == kind), "{whole:?}");
            played += count;
        }
        office.verifies().await;
        eprintln!("{played} runs");
    });
}

/// A run that was left with an action that waits and one in hand; what the workers who end it did.
async fn left(stage: &'static Stage, deaths: Deaths) -> Vec<Vec<String>> {
    let office = Office::new(stage, LEFT).await;
    let run = Opened::new(&office).await;
    let (waits, ..) = run.propose(&office, Deaths::default()).await;
    let (in_hand, version, _) = run.propose(&office, Deaths::default()).await;
    office.does(&ballot(&in_hand, version, "approve")).await;
    office.time.pass(ENDS);
    let ends = Task::Schedule(json!({ "detail": { "job": "runs" } }));
    let mut workers = Workers::of(&office, deaths);
    workers.until_done(&ends).await;
    let again = Workers::of(&office, Deaths::default())
        .until_done(&ends)
        .await;
    assert_eq!(
        again,
        json!({ "expired": 0, "aborted": 0, "ended": 0 }),
        "{deaths:?}"
    );
    let state = async |action: &Action| of_run(&office, &action.id.to_string()).await.0.state;
    assert_eq!(state(&waits).await, ActionState::Expired, "{deaths:?}");
    assert_eq!(state(&in_hand).await, ActionState::Approved, "{deaths:?}");
    assert_eq!(
        run.run(&office).await.state,
        RunState::Aborted,
        "{deaths:?}"
    );
    let (recorded, close) = run.recorded(&office).await;
    let kinds = [
        "run.open",
        "run.decision",
        "run.decision",
        "run.resolution",
        "run.resolution",
        "run.close",
    ];
    assert_eq!(recorded, kinds, "{deaths:?}");
    assert_eq!(close["unresolved"], 0, "{close}");
    assert_eq!(close["unreported"], 1, "{close}");
    office.verifies().await;
    workers.steps()
}

#[test]
fn a_run_that_was_left_ends_once_whatever_worker_of_the_schedule_is_killed_twice_in_a_row() {
    let turn = Turn::take();
    turn.runtime.block_on(async {
        let stage = turn.stage();
        let (whole, played) = every_death(async |deaths| left(stage, deaths).await).await;
        assert_eq!(whole[0], ["run.resolution", "run.close"]);
        eprintln!("{played} runs that were left");
    });
}
