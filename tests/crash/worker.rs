//! One invocation of a function: in a process of its own where it is killed, and here where it lives.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use counterfoil_aws::Clients;
use counterfoil_core::ports::Clock;
use counterfoil_core::time::Timestamp;
use counterfoil_lambda::Boot;
use counterfoil_postgres::PgDatabase;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fuse::{Fuse, Point, STEP, say};
use super::ports::Ports;
use super::stage::Stage;

/// Names the job of a worker.
const JOB: &str = "COUNTERFOIL_CRASH_JOB";

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

/// What a worker does: the event that a function handles.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Of `repair-approve`.
    Repair(Value),
    /// Of `api`.
    Api(Value),
    /// Of `scheduled-reconcile`.
    Schedule(Value),
}

/// What becomes of a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// It answers.
    Lives,
    /// It kills itself here.
    Dies(Point),
    /// Whoever hears of its process kills it.
    IsKilled,
}

/// What a worker did.
#[derive(Debug)]
pub(crate) struct Worked {
    /// `None` when it was killed.
    pub(crate) answer: Option<Value>,
    pub(crate) steps: Vec<String>,
}

/// The time of a project. It stands still while a worker works: what is slow here, on a machine with much
/// else to do, is denied by no budget of time and ends no sweep.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Later(pub(crate) Timestamp);

/// For how long time can pass: less than a day, after which requests are forgotten.
pub(crate) const HOURS: Duration = Duration::from_hours(20);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        self.0
    }
}

impl Place {
    pub(crate) async fn clients(&self) -> Clients {
        Clients::for_endpoint(&self.endpoint, &self.account).await
    }

    pub(crate) fn boot(&self, clients: Clients) -> Boot {
        let settings = self.settings.clone();
        Boot::with(clients, move |variable| {
            settings.get(variable.name()).cloned()
        })
    }
}

/// The databases of these tests are on this machine.
pub(crate) fn databases(boot: &Boot) -> Arc<PgDatabase> {
    let here = ["127.0.0.0/8", "any"].map(|it| Some(it.to_owned()));
    let [networks, ports] = here;
    let places = [networks, ports, None];
    Arc::new(PgDatabase::of_deployment(places, boot.database_tokens()).unwrap())
}

/// Does the task: as another invocation of a function that lives, or in a process that dies, whose id
/// `started` names.
pub(crate) async fn work(
    stage: &Stage,
    time: Later,
    task: &Task,
    fate: Fate,
    started: &AtomicU32,
) -> Worked {
    let point = match fate {
        Fate::Dies(point) => Some(point),
        Fate::Lives | Fate::IsKilled => None,
    };
    let job = Job {
        place: stage.place.clone(),
        time,
        task: task.clone(),
        point,
    };
    if matches!(fate, Fate::Lives) {
        let fuse = Arc::new(Fuse::default());
        let boot = job.place.boot(stage.clients.clone());
        let answer = Some(Box::pin(answer(boot, job, fuse.clone())).await);
        let steps = fuse.steps();
        return Worked { answer, steps };
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker::a_worker_dies", "--nocapture"])
        .env(JOB, serde_json::to_string(&job).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    started.store(child.id(), Ordering::SeqCst);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let killed = output.status.signal() == Some(9);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(killed, "{fate:?} {task:?}: it lived\n{text}\n{log}");
    let steps = text.lines().filter_map(|line| line.strip_prefix(STEP));
    Worked {
        answer: None,
        steps: steps.map(str::to_owned).collect(),
    }
}

/// The worker's side: without a job there is nothing to do.
#[test]
fn a_worker_dies() {
    let Some(job) = std::env::var_os(JOB) else {
        return;
    };
    let job: Job = serde_json::from_str(job.to_str().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let fuse = Fuse::at(job.point);
    let answer = runtime.block_on(async {
        let boot = job.place.boot(job.place.clients().await);
        answer(boot, job, fuse).await
    });
    say(&format!("answer: {answer}"));
}

async fn answer(boot: Boot, job: Job, fuse: Arc<Fuse>) -> Value {
    let ports = Ports::of(boot, fuse, job.time, job.place.stripe);
    let handled = match job.task {
        Task::Repair(event) => {
            let service = ports.repair();
            let front = counterfoil_repair_approve::router(service.clone());
            counterfoil_repair_approve::handle(service, front, event).await
        }
        Task::Api(event) => {
            let api = ports.api();
            let front = counterfoil_api::router(api.clone());
            Box::pin(counterfoil_api::handle(api, front, event)).await
        }
        Task::Schedule(event) => {
            let (scans, connections) = (ports.scans(), ports.connections());
            Box::pin(counterfoil_scheduled_reconcile::handle(
                scans,
                connections,
                &event,
            ))
            .await
        }
    };
    handled.unwrap_or_else(|error| json!({ "failed": error.to_string() }))
}
