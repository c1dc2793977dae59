//! A scan of a crowd by many workers, in a cloud of its own: bad weather, a worker that is killed, a
//! short limit for handing over. What is found is what an undisturbed scan finds.
//!
//! 3,000 customers; another number in `COUNTERFOIL_CROWD` (docs/design/0003-scan.md tells what
//! 100,000 did).

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use counterfoil_core::evidence::json::Json;
use counterfoil_core::ids::RunId;
use counterfoil_core::ports::{EvidenceRead, StoredPart};
use counterfoil_core::records::{Directory, Project, Records};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::run::{Run, RunResult, RunStep};
use counterfoil_core::scan::ScanWork;
use counterfoil_core::usecases::NewSecrets;
use counterfoil_local::{LocalCloud, Options, Postgres};
use counterfoil_testkit::stripe::{
    APP_USERS_TABLE, Crowd, FakeStripe, FaultKind, Weather, insert_users,
};
use serde_json::json;

use super::stage::{Stack, now, progress};
use super::tenant::{access, role};

/// Requests per second that the account gives the product.
const RATE: u32 = 100;

struct Scene {
    stack: Stack,
    stripe: FakeStripe,
    project: Project,
    size: u32,
}

#[expect(clippy::disallowed_methods, reason = "a test says how large it is")]
fn size() -> u32 {
    let size = std::env::var("COUNTERFOIL_CROWD").ok();
    size.and_then(|text| text.parse().ok()).unwrap_or(3_000)
}

#[test]
fn a_disturbed_scan_of_a_crowd_finds_what_an_undisturbed_one_finds() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let size = size();
    let crowd = Arc::new(Crowd::new(5, size, now()));
    let stripe = runtime
        .block_on(FakeStripe::start_crowd(crowd.clone()))
        .unwrap();
    stripe.compress();
    stripe.go_live();
    let postgres = Postgres::start(&progress).unwrap();
    let extra = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let options = Options {
        functions: true,
        auth: true,
        extra_env: vec![
            extra("COUNTERFOIL_STRIPE_URL", stripe.base_url()),
            extra("COUNTERFOIL_STRIPE_RATE", &RATE.to_string()),
            extra("SCAN_HAND_OVER_SECONDS", "4"),
            extra("RATE_LIMIT_PER_MINUTE", "100000"),
            extra("DATABASE_NETWORKS", "127.0.0.0/8"),
            extra("DATABASE_PORTS", "any"),
        ],
    };
    let cloud = LocalCloud::start(&options, &progress).unwrap();
    let secrets = database(&postgres, &crowd, &stripe);
    runtime.block_on(async {
        let stack = Stack::of(cloud.deployment.clone(), "counterfoil".to_owned()).await;
        // A worker that is killed should be missed soon.
        let url = stack.deployment.output("ScansQueueUrl").unwrap();
        let seconds = (20 + size / 1_000).to_string();
        let queue = stack.clients.sqs.set_queue_attributes().queue_url(url);
        let queue = queue.attributes("VisibilityTimeout".into(), seconds);
        queue.send().await.unwrap();
        let project = access(&stack, secrets, false).await.project;
        let scene = Scene {
            stack,
            stripe,
            project,
            size,
        };
        scene.compare(&crowd).await;
    });
}

fn database(postgres: &Postgres, crowd: &Crowd, stripe: &FakeStripe) -> NewSecrets {
    postgres.create_database("crowd").unwrap();
    postgres.sql("crowd", APP_USERS_TABLE).unwrap();
    let users: Vec<_> = crowd.users().collect();
    for some in users.chunks(400) {
        postgres.sql("crowd", &insert_users(some)).unwrap();
    }
    let url = role(postgres, "crowd", "read_crowd", "read-role.sql", &[]);
    NewSecrets {
        stripe_key: Redacted::new(stripe.restricted_key()),
        read_database: Redacted::new(url),
        repair_database: None,
        webhook: Vec::new(),
    }
}

impl Scene {
    async fn compare(&self, crowd: &Crowd) {
        let weather = Weather::new(9)
            .with(
                FaultKind::TooManyRequests {
                    should_retry: Some(true),
                },
                5,
            )
            .with(FaultKind::Status(500), 5)
            .with(FaultKind::HalfBody, 5)
            .with(FaultKind::BrokenOff, 5);
        self.stripe.weather(weather);
        let disturbed = self.scan(true).await;
        self.stripe.weather(Weather::default());
        let undisturbed = self.scan(false).await;
        for (run, _) in [&disturbed, &undisturbed] {
            assert_eq!(
                run.counts.customers,
                u64::try_from(crowd.counts().0).unwrap()
            );
        }
        let expected = crowd.expected().count();
        assert_eq!(
            disturbed.0.counts.findings,
            u64::try_from(expected).unwrap()
        );
        assert_eq!(disturbed.1, undisturbed.1, "digests of the findings");
        self.changes(crowd, undisturbed).await;
        let most = self.stripe.most_requests_within(Duration::from_secs(1));
        assert!(most <= usize::try_from(RATE).unwrap(), "{most} in a second");
        assert_eq!(self.stripe.non_get_calls(), 0);
        assert_eq!(self.stripe.secret_key_calls(), 0);
        eprintln!(
            "{} customers, {expected} findings, {} requests, at most {most} within a second",
            self.size,
            self.stripe.requests().len(),
        );
    }

    /// A few customers change: a scan of what has changed finds what a scan of everything finds.
    async fn changes(&self, crowd: &Crowd, before: (Run, String)) {
        let mut changed = BTreeSet::new();
        self.stripe.change(|shop| {
            for number in (0..self.size).step_by(usize::try_from(self.size / 15).unwrap()) {
                let (id, at) = (crowd.customer_id(number), now().as_secs());
                crowd.put_into(number, shop);
                shop.delete_customer(&id, at);
                let event = json!({
                    "id": format!("evt_{number}"), "object": "event", "created": at,
                    "type": "customer.deleted", "data": { "object": { "id": id } },
                });
                assert!(shop.put(event));
                changed.insert(id);
            }
        });
        let requests = self.stripe.requests().len();
        let incremental = self.run("incremental", false).await;
        let requests = self.stripe.requests().len() - requests;
        let since = incremental.0.since().unwrap();
        assert_eq!(since.run, before.0.id);
        assert_eq!(since.changed, u64::try_from(changed.len()).unwrap());
        let full = self.scan(false).await;
        assert_eq!(full.0.since(), None);
        assert_eq!(incremental.1, full.1, "digests of the findings");
        assert_ne!(full.1, before.1, "something has changed");
        assert_eq!(incremental.0.counts, full.0.counts);
        eprintln!(
            "{} have changed: {requests} requests for {} findings",
            since.changed, full.0.counts.findings
        );
    }

    /// Scans everything; returns the run, and the digest of its findings.
    async fn scan(&self, kill: bool) -> (Run, String) {
        self.run("scan", kill).await
    }

    async fn run(&self, job: &str, kill: bool) -> (Run, String) {
        let began = Instant::now();
        let event = json!({ "detail": { "job": job } });
        let answer = self
            .stack
            .invoke("ReconcileFunction", &event)
            .await
            .unwrap();
        let run: RunId = answer["runs"][0].as_str().unwrap().parse().unwrap();
        let mut left = if kill { 2 } else { 0 };
        let limit = Duration::from_secs(120 + u64::from(self.size) / 40);
        loop {
            assert!(began.elapsed() < limit, "the scan does not end");
            tokio::time::sleep(Duration::from_millis(300)).await;
            let (found, work) = self.records(run).await;
            if found.step == RunStep::Done {
                let told = self.closed(run).await;
                assert_eq!(found.result, Some(RunResult::Complete), "{told:?}");
                assert_eq!(left, 0, "workers that were to be killed");
                let files = self.digest(run).await;
                eprintln!("scanned in {:?}", began.elapsed());
                return (found, files);
            }
            let kept = work.map_or(0, |work| work.all_files().count());
            if left > 0 && kept > 0 && found.step == RunStep::Looking {
                left -= usize::from(self.kill_a_worker());
            }
        }
    }

    async fn records(&self, run: RunId) -> (Run, Option<ScanWork>) {
        let ctx = Directory::system(&self.project, "test");
        let state = self.stack.boot.state().unwrap();
        let records = Records::of(state.as_ref(), &ctx);
        let found = records.get::<Run>(&run.to_string()).await.unwrap().unwrap();
        let work = records.get::<ScanWork>(&run.to_string()).await.unwrap();
        (found.value, work.map(|work| work.value))
    }

    async fn digest(&self, run: RunId) -> String {
        let facts = self.closed(run).await;
        let outputs = facts.get("outputs").and_then(Json::as_array).unwrap();
        assert_eq!(outputs.len(), 2, "findings and an index");
        let findings = outputs[0].get("hash").and_then(Json::as_str);
        findings.unwrap().to_owned()
    }

    /// The facts of the run's end.
    async fn closed(&self, run: RunId) -> Json {
        let stream = self.project.stream_id().unwrap();
        let reader = self.stack.boot.evidence().unwrap();
        let entries = reader.run(stream, &run.to_string()).await.unwrap();
        let Some(StoredPart::Present { bytes, .. }) = &entries.last().unwrap().facts else {
            panic!("facts are protected");
        };
        Json::parse(bytes).unwrap()
    }

    /// Kills a process of scheduled-reconcile in this cloud; other tests have clouds of their own.
    fn kill_a_worker(&self) -> bool {
        let own = std::process::id();
        let queue = self.stack.deployment.output("ScansQueueUrl").unwrap();
        let queue = format!("SCANS_QUEUE_URL={queue}");
        let processes = fs::read_dir("/proc").unwrap();
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        for id in ids {
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            let has = |variable: &str| {
                let mut variables = environment.split(|byte| *byte == 0);
                variables.any(|it| it.starts_with(variable.as_bytes()))
            };
            // `api` knows that queue too, and invokes nobody.
            if has(&queue) && has("REPAIR_FUNCTION=") && descends(id, own) {
                let killed = Command::new("kill").args(["-9", &id.to_string()]).status();
                return killed.is_ok_and(|status| status.success());
            }
        }
        false
    }
}

fn descends(mut id: u32, from: u32) -> bool {
    for _ in 0..20 {
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else {
            return false;
        };
        // The name in brackets may hold anything.
        let after = stat.rsplit(')').next().unwrap_or_default();
        let Some(parent) = after.split_whitespace().nth(1) else {
            return false;
        };
        match parent.parse() {
            Ok(parent) if parent == from => return true,
            Ok(parent) if parent > 1 => id = parent,
            _ => return false,
        }
    }
    false
}
