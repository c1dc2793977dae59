//! One invocation of `repair-approve`, in this process or in one that is killed.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_aws::Clients;
use counterfoil_core::ports::{AppDatabase, Clock, EvidenceAppend, State};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::RepairPorts;
use counterfoil_lambda::Boot;
use counterfoil_lambda::http::{Authentication, Tokens};
use counterfoil_postgres::PgDatabase;
use counterfoil_repair_approve::{Service, handle, router};
use counterfoil_stripe::StripeAccounts;
use counterfoil_testkit::memory::RealClock;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// Seconds that have passed.
    passed: u64,
    event: Value,
    point: Option<Point>,
}

/// What became of a worker.
#[derive(Debug)]
pub(crate) struct Worked {
    /// `None` when it was killed.
    pub(crate) answer: Option<Value>,
    pub(crate) steps: Vec<String>,
}

/// A clock that began hours ago, so that time can pass and nothing is ever dated in the future, which
/// the sealer would refuse. Less than a day, after which requests are forgotten.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Later(pub(crate) Duration);

/// For how long time can pass.
pub(crate) const HOURS: Duration = Duration::from_hours(20);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        let back = u64::try_from(HOURS.as_millis()).unwrap();
        let began = RealClock.now().as_millis() - back;
        Timestamp::from_millis(began).plus(self.0)
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

/// Starts a process for the event, which dies at the point; without one it must answer.
pub(crate) fn work(place: &Place, passed: Duration, event: &Value, point: Option<Point>) -> Worked {
    let job = Job {
        place: place.clone(),
        passed: passed.as_secs(),
        event: event.clone(),
        point,
    };
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker::a_worker_answers_or_dies", "--nocapture"])
        .env(JOB, serde_json::to_string(&job).unwrap())
        .output()
        .unwrap();
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
    let clock: Arc<dyn Clock> = Arc::new(Later(Duration::from_secs(job.passed)));
    let state: Arc<dyn State> = Arc::new(Fused::<dyn State> {
        port: boot.state().unwrap(),
        fuse: fuse.clone(),
    });
    let evidence: Arc<dyn EvidenceAppend> = Arc::new(Fused::<dyn EvidenceAppend> {
        port: boot.evidence().unwrap(),
        fuse: fuse.clone(),
    });
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
    let handled = handle(service, front, job.event).await;
    handled.unwrap_or_else(|error| serde_json::json!({ "failed": error.to_string() }))
}
