//! One invocation of a function, in a process that is killed.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use counterfoil_api::Api;
use counterfoil_aws::Clients;
use counterfoil_core::ports::{AppDatabase, Clock, EvidenceAppend, State};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{
    Connections, GovernedRuns, Reconcile, RepairPorts, ScanLimits, Scans,
};
use counterfoil_lambda::Boot;
use counterfoil_lambda::http::{Authentication, Repeats, Tokens};
use counterfoil_postgres::PgDatabase;
use counterfoil_repair_approve::{Service, handle, router};
use counterfoil_stripe::StripeAccounts;
use counterfoil_testkit::memory::{Mailbox, MemScratch, RealClock};
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
pub(crate) fn databases(boot: &Boot) -> Arc<PgDatabase> {
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
    let ports = Ports {
        state: Arc::new(Fused::<dyn State> {
            port: boot.state().unwrap(),
            fuse: fuse.clone(),
        }),
        evidence: Arc::new(Fused::<dyn EvidenceAppend> {
            port: boot.evidence().unwrap(),
            fuse: fuse.clone(),
        }),
        clock: Arc::new(job.time),
        fuse,
        stripe: job.place.stripe.clone(),
        boot,
    };
    let handled = match job.task {
        Task::Repair(event) => {
            let service = ports.repair();
            let front = router(service.clone());
            handle(service, front, event).await
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

/// Ports that burn at their point, for the use cases of each function.
struct Ports {
    boot: Boot,
    state: Arc<dyn State>,
    evidence: Arc<dyn EvidenceAppend>,
    clock: Arc<dyn Clock>,
    fuse: Arc<Fuse>,
    stripe: String,
}

impl Ports {
    fn authentication(&self) -> Authentication {
        Authentication {
            state: self.boot.state().unwrap(),
            clock: self.clock.clone(),
            tokens: Tokens::Never,
            limit: None,
            leaks: None,
        }
    }

    fn repeats(&self) -> Repeats {
        Repeats {
            state: self.state.clone(),
            clock: self.clock.clone(),
            random: self.boot.random(),
        }
    }

    fn stripe(&self) -> Arc<StripeAccounts> {
        Arc::new(StripeAccounts::new(Some(self.stripe.clone()), None))
    }

    fn repair(&self) -> Service {
        Service {
            agents: self.authentication(),
            authentication: self.authentication(),
            repeats: self.repeats(),
            ports: RepairPorts {
                evidence: self.evidence.clone(),
                state: self.state.clone(),
                vault: self.boot.vault().unwrap(),
                databases: Arc::new(Fused::<dyn AppDatabase> {
                    port: databases(&self.boot),
                    fuse: self.fuse.clone(),
                }),
                billing: self.stripe(),
                clock: self.clock.clone(),
                random: self.boot.random(),
            },
        }
    }

    /// As it is deployed, but for what governed runs need.
    fn api(&self) -> Api {
        Api {
            authentication: self.authentication(),
            repeats: self.repeats(),
            governed: GovernedRuns {
                evidence: self.evidence.clone(),
                state: self.state.clone(),
                clock: self.clock.clone(),
                random: self.boot.random(),
            },
            ..counterfoil_api::wire(&self.boot).unwrap()
        }
    }

    fn scans(&self) -> Scans {
        let mail = Arc::new(Mailbox::default());
        Scans {
            reconcile: Reconcile {
                evidence: self.evidence.clone(),
                state: self.state.clone(),
                vault: self.boot.vault().unwrap(),
                objects: self.boot.objects().unwrap(),
                checks: mail.clone(),
                proposals: mail.clone(),
                databases: databases(&self.boot),
                billing: self.stripe(),
                clock: self.clock.clone(),
                random: self.boot.random(),
            },
            requests: mail,
            scratch: Arc::new(MemScratch),
            limits: ScanLimits::default(),
        }
    }

    fn connections(&self) -> Connections {
        Connections {
            evidence: self.evidence.clone(),
            state: self.state.clone(),
            vault: self.boot.vault().unwrap(),
            keys: self.stripe(),
            roles: databases(&self.boot),
            clock: self.clock.clone(),
        }
    }
}
