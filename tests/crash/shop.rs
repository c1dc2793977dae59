//! A project with a database of its own and an open incident for each case.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::incident::Incident;
use counterfoil_core::mapping::{Mapping, compile};
use counterfoil_core::ports::{EvidenceRead as _, StoredPart};
use counterfoil_core::records::{Directory, Project, Records};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::repair::Action;
use counterfoil_core::scan::Due;
use counterfoil_core::tenancy::{Capability, Principal, Role};
use counterfoil_core::usecases::{
    CreateProject, NewPerson, NewProject, NewSecrets, NewWorkspace, Reconcile, SEGMENT, ScanLimits,
    Scans, SealStream,
};
use counterfoil_stripe::StripeAccounts;
use counterfoil_testkit::memory::{Mailbox, MemScratch, RealClock};
use counterfoil_testkit::stripe::{APP_USERS_TABLE, insert_users};
use serde_json::{Value, json};

use super::fuse::Point;
use super::stage::Stage;
use super::worker::{Worked, databases, work};

const MAPPING: &str = include_str!("../../tools/cli/src/demo/counterfoil.toml");
const COLUMNS: &str =
    "id,email,stripe_customer_id,plan,premium,trial_ends_at,seats,features,comped_until";
const REPAIRABLE: &str = "plan,premium,trial_ends_at,seats,features";

pub(crate) struct Shop {
    stage: &'static Stage,
    pub(crate) project: Project,
    database: String,
    /// A repair key of Ann's, which proposes.
    ann: String,
    /// An approver key of Ben's.
    ben: String,
    /// Open, one for each case.
    incidents: Vec<Incident>,
}

/// An entry of the project's stream.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: String,
    pub(crate) run: String,
    pub(crate) facts: Value,
}

impl Shop {
    pub(crate) async fn new(stage: &'static Stage) -> Self {
        stage.restart();
        let database = format!("crash_{}", stage.number());
        let secrets = secrets(stage, &database);
        let boot = stage.place.boot().await;
        let create = CreateProject {
            evidence: boot.evidence().unwrap(),
            state: boot.state().unwrap(),
            vault: boot.vault().unwrap(),
            signer: boot.signer().unwrap(),
            clock: Arc::new(stage.clock()),
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
        let mut shop = Self {
            stage,
            project,
            database,
            ann,
            ben,
            incidents: Vec::new(),
        };
        shop.scan().await;
        shop
    }

    /// Both looks of a scan; what is open afterwards can be repaired.
    async fn scan(&mut self) {
        let boot = self.stage.place.boot().await;
        let mail = Arc::new(Mailbox::default());
        let scans = || Scans {
            reconcile: Reconcile {
                evidence: boot.evidence().unwrap(),
                state: boot.state().unwrap(),
                vault: boot.vault().unwrap(),
                objects: boot.objects().unwrap(),
                checks: mail.clone(),
                proposals: mail.clone(),
                databases: databases(&boot),
                billing: Arc::new(StripeAccounts::new(
                    Some(self.stage.place.stripe.clone()),
                    None,
                )),
                clock: Arc::new(self.stage.clock()),
                random: boot.random(),
            },
            requests: mail.clone(),
            scratch: Arc::new(MemScratch),
            limits: ScanLimits::default(),
        };
        for (_, scanned) in scans().scan_all(Due::Full).await.unwrap() {
            scanned.unwrap();
        }
        loop {
            let messages = mail.take_scans();
            if messages.is_empty() {
                break;
            }
            for (request, delay) in messages {
                self.stage.pass(delay + Duration::from_secs(1));
                scans().handle(&request).await.unwrap();
            }
        }
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.project, "test");
        let records = Records::of(state.as_ref(), &ctx);
        let found = records.list::<Incident>().await.unwrap();
        self.incidents = found.into_iter().map(|found| found.value).collect();
    }

    /// An incident that no case has had.
    pub(crate) fn next(&mut self) -> Option<Incident> {
        self.incidents.pop()
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.incidents.is_empty()
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
        work(&self.stage.place, self.stage.passed(), &event, point)
    }

    /// Lets the worker of the schedule sweep.
    pub(crate) fn sweep(&self, point: Option<Point>) -> Worked {
        let event = json!({ "detail": { "job": "sweep" } });
        work(&self.stage.place, self.stage.passed(), &event, point)
    }

    /// The action of an incident, with its version.
    pub(crate) async fn action(&self, incident: &Incident) -> Option<(Action, u64)> {
        let boot = self.stage.place.boot().await;
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.project, "test");
        let records = Records::of(state.as_ref(), &ctx);
        let all = records.list::<Action>().await.unwrap();
        let mut of = all
            .into_iter()
            .filter(|found| found.value.binding.resource.incident() == Some(incident.id));
        let found = of.next()?;
        assert!(of.next().is_none(), "one proposal, one action");
        Some((found.value, found.version))
    }

    pub(crate) async fn incident(&self, incident: &Incident) -> Incident {
        let boot = self.stage.place.boot().await;
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.project, "test");
        let records = Records::of(state.as_ref(), &ctx);
        let found = records.get::<Incident>(&incident.id.to_string()).await;
        found.unwrap().unwrap().value
    }

    /// Statements that Postgres has executed for this database's repairs.
    pub(crate) fn updates(&self) -> usize {
        let log = std::fs::read_to_string(self.stage.postgres.log_path()).unwrap();
        let database = format!("@{} ", self.database);
        let executed = |line: &&str| line.contains("execute ") && line.contains(": UPDATE ");
        let theirs = log.lines().filter(|line| line.contains(&database));
        theirs.filter(executed).count()
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

fn secrets(stage: &Stage, database: &str) -> NewSecrets {
    let postgres = &stage.postgres;
    postgres.create_database(database).unwrap();
    postgres.sql(database, APP_USERS_TABLE).unwrap();
    let rows = insert_users(&stage.sample.users);
    postgres.sql(database, &rows).unwrap();
    let role = |name: &str, script: &str, more: &[(&str, &str)]| {
        let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/sql");
        let name = format!("{name}_{database}");
        let mut variables = vec![
            ("role", name.as_str()),
            ("schema", "public"),
            ("table", "app_users"),
            ("columns", COLUMNS),
        ];
        variables.extend_from_slice(more);
        let environment = [("COUNTERFOIL_ROLE_PASSWORD", "only-here")];
        let script = sql.join(script);
        postgres
            .script(database, &script, &variables, &environment)
            .unwrap();
        Redacted::new(postgres.url(&name, "only-here", database))
    };
    let update = [("update_columns", REPAIRABLE)];
    NewSecrets {
        stripe_key: Redacted::new(stage.stripe.restricted_key()),
        read_database: role("read", "read-role.sql", &[]),
        repair_database: Some(role("repair", "repair-role.sql", &update)),
        webhook: Vec::new(),
    }
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
