//! Governed runs whose workers die: at every step of opening, proposing, voting, telling the result and
//! completing, twice in a row, and while the schedule closes what was left. Each is the handler of the
//! function that does it.

use std::time::Duration;

use counterfoil_core::governed_run::{GovernedRun, RunState};
use counterfoil_core::records::{Directory, Records, RunAction};
use counterfoil_core::repair::{Action, ActionState};
use serde_json::{Value, json};

use super::fuse::Point;
use super::office::{Entry, Office, Who};
use super::play::{points, until_answered};
use super::stage::{Stage, stage, turn};
use super::worker::{HOURS, Task};

/// Longer than any run stays open.
const LEFT: Duration = Duration::from_hours(24 * 36);
/// After so long the schedule ends a run whatever waits in it.
const ENDS: Duration = Duration::from_hours(24 * 35);

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Propose,
    Vote,
    Report,
}

const PHASES: [Phase; 3] = [Phase::Propose, Phase::Vote, Phase::Report];

/// Which request's workers die, one after the other, and where.
#[derive(Debug, Clone, Copy)]
struct Case {
    phase: Phase,
    deaths: [Option<Point>; 2],
}

impl Case {
    /// The deaths of a request's workers.
    fn of(case: Option<Self>, phase: Phase) -> Vec<Point> {
        let case = case.filter(|case| case.phase == phase);
        case.into_iter()
            .flat_map(|it| it.deaths)
            .flatten()
            .collect()
    }
}

/// A run that Ann's key opened.
struct Opened<'a> {
    office: &'a Office,
    id: String,
}

impl<'a> Opened<'a> {
    /// The steps of each worker, and the run that they opened.
    fn new(office: &'a Office, deaths: &[Point]) -> (Vec<Vec<String>>, Self) {
        let flow = json!({
            "id": "refunds", "version_sha256": format!("sha256:{}", "a".repeat(64)),
            "kind": "governed",
        });
        let key = format!("open-{}", office.stage.number());
        let nothing = Self {
            office,
            id: String::new(),
        };
        let body = json!({ "flow": flow });
        let (steps, said) = nothing.send((Who::Ann, &key), "/v1/runs", None, &body, deaths);
        let id = said.get("id").or_else(|| said.get("resource_id"));
        let id = id.and_then(Value::as_str);
        let id = id.unwrap_or_else(|| panic!("{said}")).to_owned();
        (steps, Self { office, id })
    }

    /// Completes the run; the steps of each worker.
    fn complete(&self, deaths: &[Point]) -> Vec<Vec<String>> {
        let path = format!("/v1/runs/{}/complete", self.id);
        let key = format!("complete-{}", self.id);
        let done = self.send((Who::Ann, &key), &path, None, &json!({}), deaths);
        done.0
    }

    /// Sends a request as Ann or Ben until it is answered; the steps of each worker, and the answer.
    fn send(
        &self,
        (who, key): (Who, &str),
        path: &str,
        etag: Option<&str>,
        body: &Value,
        deaths: &[Point],
    ) -> (Vec<Vec<String>>, Value) {
        let (steps, status, said) = until_answered(&self.office.time, deaths, |point| {
            self.office.post(who, path, (key, etag), body, point)
        });
        let known = said["code"] == "already-created";
        assert!(status < 300 || known, "{deaths:?}: {status} {said}");
        (steps, said)
    }

    /// Proposes something that waits for people.
    async fn propose(&self, deaths: &[Point]) -> (Vec<Vec<String>>, Action, u64) {
        let number = self.office.stage.number();
        let params = json!({ "kind": "refund.create", "target": format!("invoice-{number}") });
        let body = json!({ "type": "run.action", "params": params, "reason": "ticket 77" });
        let path = format!("/v1/runs/{}/actions", self.id);
        let key = format!("propose-{number}");
        let (steps, said) = self.send((Who::Ann, &key), &path, None, &body, deaths);
        let id = said
            .pointer("/action/id")
            .or_else(|| said.get("resource_id"));
        let id = id
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{said}"));
        let (action, version) = self.action(id).await;
        assert_eq!(action.state, ActionState::Held, "{}", action.rule);
        (steps, action, version)
    }

    fn approve(&self, (action, version): (&Action, u64), deaths: &[Point]) -> Vec<Vec<String>> {
        let body = json!({
            "vote": "approve", "reason": "checked the ticket", "action_digest": action.digest,
        });
        let path = format!("/v1/actions/{}/approvals", action.id);
        let key = format!("approve-{}", action.id);
        let etag = format!("\"{version}\"");
        self.send((Who::Ben, &key), &path, Some(&etag), &body, deaths)
            .0
    }

    async fn action(&self, id: &str) -> (Action, u64) {
        let boot = self.office.stage.place.boot().await;
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.office.project, "test");
        let records = Records::of(state.as_ref(), &ctx);
        let found = records.get::<RunAction>(id).await.unwrap().unwrap();
        let found = found.into_action();
        (found.value, found.version)
    }

    async fn run(&self) -> GovernedRun {
        let boot = self.office.stage.place.boot().await;
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.office.project, "test");
        let records = Records::of(state.as_ref(), &ctx);
        let found = records.get::<GovernedRun>(&self.id).await;
        found.unwrap().unwrap().value
    }

    /// How often each kind of entry stands in the run.
    async fn counts<const N: usize>(&self, kinds: [&str; N]) -> [usize; N] {
        let entries = self.office.entries().await;
        let of = |kind: &str| {
            let of = |entry: &&Entry| entry.kind == kind && entry.run == self.id;
            entries.iter().filter(of).count()
        };
        kinds.map(of)
    }

    /// The facts of `run.close`.
    async fn close(&self) -> Value {
        let entries = self.office.entries().await;
        let mut closes = entries.into_iter();
        let close = closes.find(|entry| entry.kind == "run.close" && entry.run == self.id);
        close.unwrap().facts
    }
}

/// Plays a run from its first action to its end; the steps of each worker of each request.
async fn play(office: &Office, case: Option<Case>) -> [Vec<Vec<String>>; 3] {
    let before = office.entries().await.len();
    let (_, run) = Opened::new(office, &[]);
    let (proposing, action, version) = run.propose(&Case::of(case, Phase::Propose)).await;
    let voting = run.approve((&action, version), &Case::of(case, Phase::Vote));

    let body = json!({ "status": "executed", "action_digest": action.digest });
    let path = format!("/v1/actions/{}/result", action.id);
    let key = format!("report-{}", action.id);
    let deaths = Case::of(case, Phase::Report);
    let (reporting, _) = run.send((Who::Ann, &key), &path, None, &body, &deaths);

    run.complete(&[]);

    let (action, _) = run.action(&action.id.to_string()).await;
    assert_eq!(action.state, ActionState::Executed, "{case:?}");
    assert_eq!(action.votes.len(), 1, "{case:?}");
    assert_eq!(run.run().await.state, RunState::Completed, "{case:?}");
    let kinds = [
        "run.open",
        "run.decision",
        "run.resolution",
        "run.action",
        "run.close",
    ];
    assert_eq!(run.counts(kinds).await, [1; 5], "{case:?}");
    // Nor is there a refusal, or a second decision, in a run of its own.
    assert_eq!(office.entries().await.len(), before + 5, "{case:?}");
    let close = run.close().await;
    let counts = ["decisions", "require", "unresolved", "overrides"].map(|it| close[it].as_u64());
    assert_eq!(counts, [Some(1), Some(1), Some(0), Some(0)], "{case:?}");
    [proposing, voting, reporting]
}

/// Lets workers do a task, one after the other, until one of them lives.
fn until_done(office: &Office, task: &Task, deaths: &[Point]) -> (Vec<Vec<String>>, Value) {
    let mut steps = Vec::new();
    for death in deaths.iter().copied().map(Some).chain([None]) {
        let worked = office.work(task, death);
        steps.push(worked.steps);
        if let Some(answer) = worked.answer {
            return (steps, answer);
        }
    }
    panic!("{task:?}: nobody answered");
}

#[test]
fn whatever_worker_of_a_run_is_killed_twice_in_a_row_each_action_is_decided_and_ends_once() {
    let stage = stage();
    let _turn = turn();
    stage.runtime.block_on(async {
        let office = Office::new(stage, HOURS).await;
        let whole = play(&office, None).await;
        eprintln!("{whole:#?}");
        let mut played = 1_usize;
        for (phase, steps) in PHASES.into_iter().zip(whole) {
            assert!(
                steps[0].iter().any(|step| step.starts_with("run.")),
                "{steps:?}"
            );
            for first in points(&steps[0]) {
                let case = |second| Case {
                    phase,
                    deaths: [Some(first), second],
                };
                let at = PHASES.iter().position(|it| *it == phase).unwrap();
                let steps = play(&office, Some(case(None))).await;
                played += 1;
                // Whoever sends it again dies as well.
                for second in points(&steps[at][1]) {
                    play(&office, Some(case(Some(second)))).await;
                    played += 1;
                }
            }
        }
        office.verifies().await;
        eprintln!("{played} runs");
    });
}

/// Opens a run and completes it, and looks whether that happened once; the steps of each worker of both.
async fn opened_and_completed(
    office: &Office,
    (opening, completing): (&[Point], &[Point]),
) -> [Vec<Vec<String>>; 2] {
    let deaths = (opening, completing);
    let before = (office.entries().await.len(), office.runs().await);
    let (opening, run) = Opened::new(office, opening);
    assert_eq!(run.run().await.state, RunState::Open, "{deaths:?}");
    let completing = run.complete(completing);
    assert_eq!(run.run().await.state, RunState::Completed, "{deaths:?}");
    assert_eq!(
        run.counts(["run.open", "run.close"]).await,
        [1, 1],
        "{deaths:?}"
    );
    let after = (office.entries().await.len(), office.runs().await);
    assert_eq!(after, (before.0 + 2, before.1 + 1), "{deaths:?}");
    [opening, completing]
}

#[test]
fn a_run_opens_once_and_completes_once_whatever_worker_is_killed_twice_in_a_row() {
    let stage = stage();
    let _turn = turn();
    stage.runtime.block_on(async {
        let office = Office::new(stage, HOURS).await;
        let [opening, completing] = opened_and_completed(&office, (&[], &[])).await;
        eprintln!("{opening:#?} {completing:#?}");
        for (steps, kind) in [(&opening, "run.open"), (&completing, "run.close")] {
            assert!(steps[0].iter().any(|step| step == kind), "{steps:?}");
        }
        let mut played = 1_usize;
        for first in points(&opening[0]) {
            let [steps, _] = opened_and_completed(&office, (&[first], &[])).await;
            played += 1;
            // Whoever sends it again dies as well.
            for second in points(&steps[1]) {
                opened_and_completed(&office, (&[first, second], &[])).await;
                played += 1;
            }
        }
        for first in points(&completing[0]) {
            let [_, steps] = opened_and_completed(&office, (&[], &[first])).await;
            played += 1;
            for second in points(&steps[1]) {
                opened_and_completed(&office, (&[], &[first, second])).await;
                played += 1;
            }
        }
        office.verifies().await;
        eprintln!("{played} runs that were opened and completed");
    });
}

/// A run that was left with an action that waits and one in hand; the steps of each worker that ends
/// it.
async fn left(stage: &'static Stage, deaths: &[Point]) -> Vec<Vec<String>> {
    let office = Office::new(stage, LEFT).await;
    let (_, run) = Opened::new(&office, &[]);
    let (_, waits, _) = run.propose(&[]).await;
    let (_, in_hand, version) = run.propose(&[]).await;
    run.approve((&in_hand, version), &[]);
    office.time.pass(ENDS);
    let ends = Task::Schedule(json!({ "detail": { "job": "runs" } }));
    let (steps, _) = until_done(&office, &ends, deaths);
    let (_, again) = until_done(&office, &ends, &[]);
    assert_eq!(
        again,
        json!({ "expired": 0, "aborted": 0, "ended": 0 }),
        "{deaths:?}"
    );
    let state = |action: &Action| {
        let id = action.id.to_string();
        let run = &run;
        async move { run.action(&id).await.0.state }
    };
    assert_eq!(state(&waits).await, ActionState::Expired, "{deaths:?}");
    assert_eq!(state(&in_hand).await, ActionState::Approved, "{deaths:?}");
    assert_eq!(run.run().await.state, RunState::Aborted, "{deaths:?}");
    let kinds = ["run.open", "run.decision", "run.resolution", "run.close"];
    assert_eq!(run.counts(kinds).await, [1, 2, 2, 1], "{deaths:?}");
    let close = run.close().await;
    assert_eq!(close["unresolved"], 0, "{close}");
    assert_eq!(close["unreported"], 1, "{close}");
    office.verifies().await;
    steps
}

#[test]
fn a_run_that_was_left_ends_once_whatever_worker_of_the_schedule_is_killed_twice_in_a_row() {
    let stage = stage();
    let _turn = turn();
    stage.runtime.block_on(async {
        let whole = left(stage, &[]).await;
        eprintln!("{whole:#?}");
        assert_eq!(whole[0], ["run.resolution", "run.close"]);
        let mut played = 1_usize;
        for first in points(&whole[0]) {
            let steps = left(stage, &[first]).await;
            played += 1;
            for second in points(&steps[1]) {
                left(stage, &[first, second]).await;
                played += 1;
            }
        }
        eprintln!("{played} runs that were left");
    });
}
