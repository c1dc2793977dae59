//! A live project with two people and their keys, a time of its own, and workers.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::governed_run::GovernedRun;
use counterfoil_core::mapping::{Mapping, compile};
use counterfoil_core::ports::{EvidenceRead as _, StoredPart};
use counterfoil_core::records::{Directory, Project, Records};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::tenancy::{Capability, Principal, Role};
use counterfoil_core::usecases::{
    CreateProject, NewPerson, NewProject, NewSecrets, NewWorkspace, SEGMENT, SealStream,
};
use counterfoil_testkit::memory::RealClock;
use serde_json::{Value, json};

use super::fuse::Point;
use super::stage::{Hours, Stage};
use super::worker::{Task, Worked, work};

const MAPPING: &str = include_str!("../../tools/cli/src/demo/counterfoil.toml");

pub(crate) struct Office {
    pub(crate) stage: &'static Stage,
    pub(crate) time: Hours,
    pub(crate) project: Project,
    /// A repair key of Ann's, which proposes.
    pub(crate) ann: String,
    /// An approver key of Ben's.
    ben: String,
    /// The process of the latest worker.
    pub(crate) worker: Arc<AtomicU32>,
}

/// An entry of the project's stream.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: String,
    pub(crate) run: String,
    pub(crate) facts: Value,
}

impl Office {
    /// One with nothing behind it, whose time began so long ago.
    pub(crate) async fn new(stage: &'static Stage, back: Duration) -> Self {
        let secret = |text: &str| Redacted::new(text.to_owned());
        let secrets = NewSecrets {
            stripe_key: secret("rk_live_x"),
            read_database: secret("postgres://nobody:nothing@127.0.0.1:1/app"),
            repair_database: None,
            webhook: Vec::new(),
        };
        Self::with(stage, back, secrets).await
    }

    pub(crate) async fn with(stage: &'static Stage, back: Duration, secrets: NewSecrets) -> Self {
        let time = Hours::back(back);
        let boot = stage.place.boot().await;
        let create = CreateProject {
            evidence: boot.evidence().unwrap(),
            state: boot.state().unwrap(),
            vault: boot.vault().unwrap(),
            signer: boot.signer().unwrap(),
            clock: Arc::new(time.clock()),
            random: boot.random(),
        };
        let people = [("Ann", Role::Owner), ("Ben", Role::Approver)];
        let people = people.map(|(name, role)| NewPerson {
            name,
            role,
            login: None,
        });
        let new = NewWorkspace {
            name: "Crash",
            people: &people,
        };
        let (workspace, people) = create.workspace(&new).await.unwrap();
        let by = Principal::System {
            duty: "setup".to_owned(),
        };
        let text = MAPPING
            .replace("max_drift_percent = 20.0", "max_drift_percent = 100.0")
            .replace("max_amount_at_risk", "# max_amount_at_risk");
        assert_ne!(text, MAPPING);
        let new = NewProject {
            workspace: &workspace,
            by: &by,
            name: "Shop",
            livemode: true,
            artifact: &compile(&Mapping::from_toml(&text).unwrap()).unwrap(),
            hints: ("rk_live_…", "db"),
            secrets,
            auto_propose: false,
        };
        let project = create.project(new).await.unwrap();
        let mut keys = Vec::new();
        let [ann, ben] = <[_; 2]>::try_from(people).unwrap();
        for (person, approver) in [(ann, None), (ben, Some(ben))] {
            let key = create.api_key(&project, &by, Capability::Repair, person, approver);
            keys.push(key.await.unwrap().reveal().clone());
        }
        let [ann, ben] = keys.try_into().unwrap();
        Self {
            stage,
            time,
            project,
            ann,
            ben,
            worker: Arc::default(),
        }
    }

    /// Sends a request of Ann's or Ben's to a worker.
    pub(crate) fn post(
        &self,
        who: Who,
        path: &str,
        (key, etag): (&str, Option<&str>),
        body: &Value,
        point: Option<Point>,
    ) -> Worked {
        let bearer = match who {
            Who::Ann => &self.ann,
            Who::Ben => &self.ben,
        };
        let event = request(path, bearer, (key, etag), body);
        let of_run = path == "/v1/runs" || path.ends_with("/complete");
        let task = if of_run {
            Task::Api(event)
        } else {
            Task::Repair(event)
        };
        self.work(&task, point)
    }

    pub(crate) fn work(&self, task: &Task, point: Option<Point>) -> Worked {
        let time = self.time.clock();
        work(&self.stage.place, time, task, point, &self.worker)
    }

    /// Lets the worker of the schedule sweep.
    pub(crate) fn sweep(&self, point: Option<Point>) -> Worked {
        let event = json!({ "detail": { "job": "sweep" } });
        self.work(&Task::Repair(event), point)
    }

    /// How many governed runs there are.
    pub(crate) async fn runs(&self) -> usize {
        let boot = self.stage.place.boot().await;
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.project, "test");
        let records = Records::of(state.as_ref(), &ctx);
        records.list::<GovernedRun>().await.unwrap().len()
    }

    fn stream(&self) -> Hash {
        self.project.stream.parse().unwrap()
    }

    pub(crate) async fn entries(&self) -> Vec<Entry> {
        let boot = self.stage.place.boot().await;
        let reader = boot.evidence().unwrap();
        let size = reader.head(self.stream()).await.unwrap().unwrap().size;
        let stored = reader.entries(self.stream(), 0, size).await.unwrap();
        let entries = stored.into_iter().map(|entry| {
            let header: Value = serde_json::from_slice(&entry.header).unwrap();
            let text = |pointer: &str| {
                let text = header.pointer(pointer).and_then(Value::as_str);
                text.unwrap_or_default().to_owned()
            };
            let Some(StoredPart::Present { bytes, .. }) = &entry.facts else {
                panic!("entry {} has no facts", entry.seq);
            };
            Entry {
                kind: text("/kind"),
                run: text("/run/id"),
                facts: serde_json::from_slice(bytes).unwrap(),
            }
        });
        entries.collect()
    }

    /// Seals the stream, which recomputes all of it from the stored bytes and refuses what does not fit.
    pub(crate) async fn verifies(&self) {
        let boot = self.stage.place.boot().await;
        let sealer = SealStream {
            evidence: boot.evidence().unwrap(),
            seals: boot.seals().unwrap(),
            signer: boot.signer().unwrap(),
            retiring: None,
            archive: boot.archive().unwrap(),
            clock: Arc::new(RealClock),
            origin_prefix: "evidence.counterfoil.example/s/".to_owned(),
            budget: Duration::from_mins(1),
            segment: SEGMENT,
        };
        let sealed = sealer.seal(self.stream()).await.unwrap();
        eprintln!("sealed: {sealed:?}");
    }
}

/// Who sends a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    Ann,
    Ben,
}

/// A request as API Gateway hands it on (payload format 2.0).
fn request(path: &str, bearer: &str, (key, etag): (&str, Option<&str>), body: &Value) -> Value {
    let mut headers = json!({
        "authorization": format!("Bearer {bearer}"), "content-type": "application/json",
        "host": "api.example.com", "idempotency-key": key,
    });
    if let Some(etag) = etag {
        headers["if-match"] = json!(etag);
    }
    json!({
        "version": "2.0", "routeKey": format!("POST {path}"), "rawPath": path, "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "111122223333", "apiId": "api", "domainName": "api.example.com", "domainPrefix": "api",
            "http": { "method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t" },
            "requestId": "request", "routeKey": format!("POST {path}"), "stage": "$default",
            "time": "23/Nov/2026:00:01:40 +0000", "timeEpoch": 1_795_392_100_000_u64,
        },
        "body": body.to_string(), "isBase64Encoded": false,
    })
}
