//! Governed runs whose workers die: at every step of proposing, voting, telling the result and
//! completing, twice in a row, and while the schedule closes what was left.

use std::time::Duration;

use counterfoil_core::governed_run::{Flow, FlowKind, GovernedRun, RunState};
use counterfoil_core::records::{Directory, Records, RunAction};
use counterfoil_core::repair::{Action, ActionState};
use counterfoil_core::usecases::{GovernedRuns, NewRun};
use serde_json::{Value, json};

use super::fuse::Point;
use super::office::{Entry, Office, Who};
use super::play::{points, until_answered};
use super::stage::{Stage, stage, turn};
use super::worker::{HOURS, Task, holder};

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
    Complete,
}

const PHASES: [Phase; 4] = [Phase::Propose, Phase::Vote, Phase::Report, Phase::Complete];

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
    async fn new(office: &'a Office) -> Self {
        let boot = office.stage.place.boot().await;
        let clock = office.time.clock();
        let runs = GovernedRuns {
            evidence: boot.evidence().unwrap(),
            state: boot.state().unwrap(),
            clock: std::sync::Arc::new(clock),
            random: boot.random(),
        };
        let ctx = holder(&boot, &clock, &office.ann).await;
        let new = NewRun {
            flow: Flow {
                id: "refunds".to_owned(),
                version: format!("sha256:{}", "a".repeat(64)),
                kind: FlowKind::Governed,
            },
            artifact: None,
            inputs: Vec::new(),
            trace_id: None,
        };
        let id = runs.open(&ctx, new).await.unwrap().value.id.to_string();
        Self { office, id }
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
async fn play(office: &Office, case: Option<Case>) -> [Vec<Vec<String>>; 4] {
    let before = office.entries().await.len();
    let run = Opened::new(office).await;
    let (proposing, action, version) = run.propose(&Case::of(case, Phase::Propose)).await;
    let voting = run.approve((&action, version), &Case::of(case, Phase::Vote));

    let body = json!({ "status": "executed", "action_digest": action.digest });
    let path = format!("/v1/actions/{}/result", action.id);
    let key = format!("report-{}", action.id);
    let deaths = Case::of(case, Phase::Report);
    let (reporting, _) = run.send((Who::Ann, &key), &path, None, &body, &deaths);

    let task = Task::Complete {
        key: office.ann.clone(),
        run: run.id.clone(),
    };
    let (completing, ended) = until_done(office, &task, &Case::of(case, Phase::Complete));
    let known = [
        json!({ "state": "completed" }),
        json!({ "ended": "completed" }),
    ];
    assert!(known.contains(&ended), "{case:?}: {ended}");

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
    [proposing, voting, reporting, completing]
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

/// A run that was left with an action that waits and one in hand; the steps of each worker that ends
/// it.
async fn left(stage: &'static Stage, deaths: &[Point]) -> Vec<Vec<String>> {
    let office = Office::new(stage, LEFT).await;
    let run = Opened::new(&office).await;
    let (_, waits, _) = run.propose(&[]).await;
    let (_, in_hand, version) = run.propose(&[]).await;
    run.approve((&in_hand, version), &[]);
    office.time.pass(ENDS);
    let (steps, _) = until_done(&office, &Task::EndRuns, deaths);
    let (_, again) = until_done(&office, &Task::EndRuns, &[]);
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
