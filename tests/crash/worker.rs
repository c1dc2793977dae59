//! One invocation of a function, in a process that is killed.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use counterfoil_aws::Clients;
use counterfoil_core::auth::authenticate_key;
use counterfoil_core::ports::{AppDatabase, Clock, EvidenceAppend, State};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{Completion, GovernedRuns, RepairPorts, RunError, SweepRuns};
use counterfoil_lambda::Boot;
use counterfoil_lambda::http::{Authentication, Tokens};
use counterfoil_postgres::PgDatabase;
use counterfoil_repair_approve::{Service, handle, router};
use counterfoil_stripe::StripeAccounts;
use counterfoil_testkit::memory::RealClock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fuse::{Fuse, Fused, Point, STEP, say};

/// Names the job of a worker.
const JOB: &str = "COUNTERFOIL_CRASH_JOB";
const ANSWER: &str = "answer: ";

/// Where everything is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) endpoint: String,
    pub(crate) account: String,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) stripe: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Job {
    place: Place,
    time: Later,
    task: Task,
    point: Option<Point>,
}

/// What a worker does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    /// `repair-approve` handles an event.
    Event(Value),
    /// Whoever has the key completes a run.
    Complete { key: String, run: String },
    /// `scheduled-reconcile` ends the runs that were left.
    EndRuns,
}

/// What became of a worker.
#[derive(Debug)]
pub(crate) struct Worked {
    /// `None` when it was killed.
    pub(crate) answer: Option<Value>,
    pub(crate) steps: Vec<String>,
}

/// A clock that began so long ago, and how much has passed since.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Later {
    pub(crate) back: Duration,
    pub(crate) passed: Duration,
}

/// For how long time can pass: less than a day, after which requests are forgotten.
pub(crate) const HOURS: Duration = Duration::from_hours(20);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        let back = u64::try_from(self.back.as_millis()).unwrap();
        let began = RealClock.now().as_millis() - back;
        Timestamp::from_millis(began).plus(self.passed)
    }
}

impl Place {
    pub(crate) async fn boot(&self) -> Boot {
        let clients = Clients::for_endpoint(&self.endpoint, &self.account).await;
        let settings = self.settings.clone();
        Boot::with(clients, move |variable| {
            settings.get(variable.name()).cloned()
        })
    }
}

/// The databases of these tests are on this machine.
pub(crate) fn databases(boot: &Boot) -> Arc<dyn AppDatabase> {
    let here = ["127.0.0.0/8", "any"].map(|it| Some(it.to_owned()));
    let [networks, ports] = here;
    let places = [networks, ports, None];
    Arc::new(PgDatabase::of_deployment(places, boot.database_tokens()).unwrap())
}

/// Starts a process for the task, which dies at the point; without one it answers, unless somebody
/// kills the process that `started` names.
pub(crate) fn work(
    place: &Place,
    time: Later,
    task: &Task,
    point: Option<Point>,
    started: &AtomicU32,
) -> Worked {
    let job = Job {
        place: place.clone(),
        time,
        task: task.clone(),
        point,
    };
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker::a_worker_answers_or_dies", "--nocapture"])
        .env(JOB, serde_json::to_string(&job).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    started.store(child.id(), Ordering::SeqCst);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let told = |prefix: &'static str| {
        text.lines()
            .filter_map(move |line| line.strip_prefix(prefix))
    };
    let answer = told(ANSWER)
        .next()
        .map(|it| serde_json::from_str(it).unwrap());
    let killed = output.status.signal() == Some(9);
    let log = || {
        format!(
            "{point:?}\n{text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        )
    };
    assert_eq!(answer.is_none(), killed, "{}", log());
    assert!(killed || output.status.success(), "{}", log());
    Worked {
        answer,
        steps: told(STEP).map(str::to_owned).collect(),
    }
}

/// The worker's side: without a job there is nothing to do.
#[test]
fn a_worker_answers_or_dies() {
    let Some(job) = std::env::var_os(JOB) else {
        return;
    };
    let job: Job = serde_json::from_str(job.to_str().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(answer(job));
    say(&format!("{ANSWER}{answer}"));
}

async fn answer(job: Job) -> Value {
    let boot = job.place.boot().await;
    let fuse = Fuse::at(job.point);
    let clock: Arc<dyn Clock> = Arc::new(job.time);
    let state: Arc<dyn State> = Arc::new(Fused::<dyn State> {
        port: boot.state().unwrap(),
        fuse: fuse.clone(),
    });
    let evidence: Arc<dyn EvidenceAppend> = Arc::new(Fused::<dyn EvidenceAppend> {
        port: boot.evidence().unwrap(),
        fuse: fuse.clone(),
    });
    let runs = GovernedRuns {
        evidence: evidence.clone(),
        state: state.clone(),
        clock: clock.clone(),
        random: boot.random(),
    };
    let event = match job.task {
        Task::Event(event) => event,
        Task::Complete { key, run } => return complete(&boot, runs, &key, &run).await,
        Task::EndRuns => return end_runs(runs).await,
    };
    let databases: Arc<dyn AppDatabase> = Arc::new(Fused::<dyn AppDatabase> {
        port: databases(&boot),
        fuse,
    });
    let ports = RepairPorts {
        evidence,
        state: state.clone(),
        vault: boot.vault().unwrap(),
        databases,
        billing: Arc::new(StripeAccounts::new(Some(job.place.stripe.clone()), None)),
        clock: clock.clone(),
        random: boot.random(),
    };
    let authentication = Authentication {
        state: boot.state().unwrap(),
        clock: clock.clone(),
        tokens: Tokens::Never,
        limit: None,
        leaks: None,
    };
    let service = Service {
        agents: authentication.clone(),
        authentication,
        repeats: counterfoil_lambda::http::Repeats {
            state,
            clock,
            random: boot.random(),
        },
        ports,
    };
    let front = router(service.clone());
    let handled = handle(service, front, event).await;
    handled.unwrap_or_else(|error| json!({ "failed": error.to_string() }))
}

/// Who has a key, at this moment.
pub(crate) async fn holder(boot: &Boot, clock: &dyn Clock, key: &str) -> TenantCtx {
    let state = boot.state().unwrap();
    let known = authenticate_key(state.as_ref(), key, clock.now()).await;
    let project = known.unwrap().project(state.as_ref(), None).await;
    project.unwrap()
}

async fn complete(boot: &Boot, runs: GovernedRuns, key: &str, run: &str) -> Value {
    let ctx = holder(boot, runs.clock.as_ref(), key).await;
    match runs.complete(&ctx, run, &Completion::default()).await {
        Ok(completed) => json!({ "state": completed.value.state.name() }),
        Err(RunError::Ended(state)) => json!({ "ended": state.name() }),
        Err(error) => json!({ "failed": error.to_string() }),
    }
}

async fn end_runs(runs: GovernedRuns) -> Value {
    let swept = SweepRuns { runs }.sweep().await.unwrap();
    assert!(swept.failed.is_empty(), "{swept:?}");
    json!({ "expired": swept.expired, "aborted": swept.aborted, "ended": swept.ended })
}
