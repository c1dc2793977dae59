//! The first decision under a baseline, whose workers die: that it is the first is said once in the stream of
//! the workspace, before it, and whoever decides later says nothing.

use counterfoil_core::policy::baseline_digest;
use counterfoil_core::ports::{Clock as _, State as _, StateKey, StateWrite};
use counterfoil_core::usecases::Announced;
use serde_json::{Value, json};

use super::ask::{Ask, Who};
use super::deaths::{Deaths, Workers, every_death, points};
use super::fuse::Side;
use super::governed::Opened;
use super::office::{Office, nothing_behind};
use super::stage::{Stage, Turn};
use super::worker::HOURS;

/// What is decided first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// An action of a run, in `repair-approve`.
    Action,
    /// The stop of a project, in `api`.
    Stop,
}

/// Who decides first, and under which baseline decisions were made before: of no workspace, or of an older
/// build.
#[derive(Debug, Clone, Copy)]
struct Case {
    first: First,
    upgraded: bool,
}

impl Case {
    const ALL: [Self; 4] = [
        Self::of(First::Action, false),
        Self::of(First::Action, true),
        Self::of(First::Stop, false),
        Self::of(First::Stop, true),
    ];

    const fn of(first: First, upgraded: bool) -> Self {
        Self { first, upgraded }
    }

    /// The baseline that is replaced.
    fn older(self) -> Option<String> {
        self.upgraded.then(|| format!("sha256:{}", "1".repeat(64)))
    }

    /// Everything that the act leaves, the project's entries first.
    const fn leaves(self) -> &'static str {
        match self.first {
            First::Action => "run.decision policy.activated",
            First::Stop => "run.open run.decision config.changed run.close policy.activated",
        }
    }

    /// A workspace in which nobody has decided under this baseline, and what is asked for in it.
    async fn before(self, stage: &'static Stage) -> (Office, Ask) {
        let office = Office::undecided(stage, HOURS, nothing_behind()).await;
        if let Some(digest) = self.older() {
            let at = office.time.clock().now();
            let row = StateWrite::create(row(&office), json!(Announced { digest, at }));
            assert!(stage.boot.state().unwrap().write(vec![row]).await.unwrap());
        }
        let ask = match self.first {
            First::Action => {
                let params = json!({ "kind": "refund.create", "target": "invoice-7" });
                let body = json!({ "type": "run.action", "params": params, "reason": "ticket 77" });
                Ask::post(Who::Ann, Opened::new(&office).await.actions(), body)
            }
            First::Stop => {
                let (project, version) = office.project_now().await;
                let body = json!({ "frozen": true, "reason": "something is wrong here" });
                Ask::patch(Who::Owner, format!("/v1/projects/{}", project.id), body).of(version)
            }
        };
        (office, ask)
    }
}

/// The row that says under which baseline decisions were last made.
fn row(office: &Office) -> StateKey {
    StateKey {
        pk: format!("{}#{}", office.workspace.id, Announced::FAMILY),
        sk: "state".to_owned(),
    }
}

/// What the workspace's stream says of baselines from its beginning on, and how many decisions there are.
async fn told(office: &Office) -> (Vec<Value>, usize) {
    let entries = office.since(Office::BEGINNING).await;
    let decided = entries.iter().filter(|it| it.kind == "run.decision");
    let decided = decided.count();
    let told = entries
        .into_iter()
        .filter(|it| it.kind == "policy.activated");
    (told.map(|it| it.facts).collect(), decided)
}

/// Plays a case; what its workers did.
async fn play(stage: &'static Stage, case: Case, deaths: Deaths) -> Vec<Vec<String>> {
    let (office, ask) = case.before(stage).await;
    let mark = office.mark().await;
    let mut workers = Workers::of(&office, deaths);
    let (status, said) = workers.until_answered(&ask).await;
    let known = said["code"] == "already-created" && workers.died();
    assert!(
        status < 300 || known,
        "{case:?} {deaths:?}: {status} {said}"
    );

    let left = office.since(mark).await.into_iter().map(|it| it.kind);
    let left: Vec<String> = left.collect();
    assert_eq!(left.join(" "), case.leaves(), "{case:?} {deaths:?}");
    is_told_once(&office, case, 1).await;
    // What others decide later says nothing of it.
    office.does(&office.rename().await).await;
    is_told_once(&office, case, 2).await;
    let known = stage.boot.state().unwrap().get(&row(&office)).await;
    let known: Announced = serde_json::from_value(known.unwrap().unwrap().doc).unwrap();
    assert_eq!(known.digest, baseline_digest(), "{case:?} {deaths:?}");
    office.verifies().await;

    let steps = workers.steps();
    let first = |kind: &str| {
        let mut kinds = steps.iter().flatten();
        kinds.position(|step| step.split(' ').any(|it| it == kind))
    };
    assert!(
        first("policy.activated") < first("run.decision"),
        "{steps:?}"
    );
    steps
}

async fn is_told_once(office: &Office, case: Case, decisions: usize) {
    let (told, decided) = told(office).await;
    let [entry] = told.as_slice() else {
        panic!("{case:?}: {told:?}");
    };
    let text = |name: &str| entry[name].as_str();
    assert_eq!(text("layer"), Some("baseline"), "{case:?}");
    assert_eq!(text("bundle"), Some(baseline_digest()), "{case:?}");
    assert_eq!(text("previous"), case.older().as_deref(), "{case:?}");
    assert_eq!(decided, decisions, "{case:?}");
}

/// What there is where whoever dies is not followed by anybody.
async fn abandoned(stage: &'static Stage, case: Case, steps: &[String]) -> usize {
    let mut played = 0;
    for (point, name) in points(steps).zip(steps.iter().flat_map(|step| [step, step])) {
        let (office, ask) = case.before(stage).await;
        let deaths = Deaths::first(point);
        let task = office.request(&ask);
        assert_eq!(Workers::of(&office, deaths).work(&task).await, None);
        let (told, decided) = told(&office).await;
        assert!(
            decided <= told.len() && told.len() <= 1,
            "{case:?} {point:?}"
        );
        if name == "policy.activated" {
            let said = usize::from(point.side == Side::After);
            assert_eq!((told.len(), decided), (said, 0), "{case:?} {point:?}");
        }
        played += 1;
    }
    played
}

#[test]
fn whoever_dies_the_first_decision_under_a_baseline_is_announced_once_and_before_it() {
    let turn = Turn::take();
    turn.runtime.block_on(async {
        let (stage, mut played) = (turn.stage(), 0);
        for case in Case::ALL {
            let play = async |deaths| Box::pin(play(stage, case, deaths)).await;
            let (whole, count) = every_death(play).await;
            played += count + abandoned(stage, case, &whole[0]).await;
        }
        eprintln!("{played} first decisions");
    });
}
