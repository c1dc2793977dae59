//! One local cloud for the whole test process; a workspace, a project and a database per test.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use counterfoil_aws::Clients;
use counterfoil_core::incident::Incident;
use counterfoil_core::mapping::{Mapping, compile};
use counterfoil_core::ports::{SealSigner, State};
use counterfoil_core::records::{Directory, Project, Records};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::run::Run;
use counterfoil_core::tenancy::{Capability, Principal, Role};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{CreateProject, NewProject, NewSecrets, NewWorkspace};
use counterfoil_lambda::Boot;
use counterfoil_local::{LocalCloud, Options, Postgres};
use counterfoil_testkit::stripe::{
    APP_USERS_TABLE, Drift, FakeStripe, Sample, insert_users, sign_event,
};
use counterfoil_testkit::tcp_proxy::{CommitProxy, Loss};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub(crate) const WEBHOOK_SECRET: &str = "whsec_end_to_end_only";
const MAPPING: &str = include_str!("../../tools/cli/src/demo/counterfoil.toml");
const COLUMNS: &str =
    "id,email,stripe_customer_id,plan,premium,trial_ends_at,seats,features,comped_until";
const REPAIRABLE: &str = "plan,premium,trial_ends_at,seats,features";

/// Roles belong to the whole server, so tests take turns.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// What all tests share. Its processes end with this one, however it ends.
pub(crate) struct Stage {
    runtime: Runtime,
    pub(crate) cloud: LocalCloud,
    pub(crate) postgres: Postgres,
    pub(crate) stripe: FakeStripe,
    pub(crate) boot: Boot,
    sample: Sample,
    count: AtomicU32,
}

/// A project of its own, with keys.
pub(crate) struct Tenant {
    pub(crate) project: Project,
    pub(crate) database: String,
    pub(crate) ada: String,
    pub(crate) ben: String,
    pub(crate) repair_key: String,
    pub(crate) read_key: String,
    pub(crate) proxy: Option<CommitProxy>,
}

/// An answer of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: String,
    pub(crate) content_type: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn field(&self, pointer: &str) -> String {
        let json = self.json();
        json.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }
}

pub(crate) fn stage() -> &'static Stage {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    STAGE.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let progress = |step: &str| eprintln!("{step}");
        let postgres = Postgres::start(&progress).unwrap();
        let mut sample = Sample::new(11, 60, now());
        for drift in Drift::ALL {
            sample.inject(drift, 1);
        }
        let stripe = runtime
            .block_on(FakeStripe::start(sample.shop.clone()))
            .unwrap();
        let extra = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let options = Options {
            functions: true,
            auth: true,
            extra_env: vec![
                extra("COUNTERFOIL_STRIPE_URL", stripe.base_url()),
                extra("COUNTERFOIL_STRIPE_RATE", "500"),
                extra("CHECK_DELAY_SECONDS", "0"),
            ],
        };
        let cloud = LocalCloud::start(&options, &progress).unwrap();
        let account = cloud.deployment.account.clone();
        let clients = runtime.block_on(Clients::for_endpoint(&cloud.endpoint, &account));
        let settings = cloud.deployment.settings();
        let boot = Boot::with(clients, move |variable| {
            settings.get(variable.name()).cloned()
        });
        Stage {
            runtime,
            cloud,
            postgres,
            stripe,
            boot,
            sample,
            count: AtomicU32::new(0),
        }
    })
}

impl Stage {
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The customer and the user's id of the sample's drift of this kind.
    pub(crate) fn drifted(&self, kind: &str) -> (String, String) {
        let found = self
            .sample
            .expected
            .iter()
            .find(|expected| expected.kind == kind)
            .unwrap();
        (found.customer.clone(), found.subject.clone())
    }

    pub(crate) fn state(&self) -> Arc<dyn State> {
        self.boot.state().unwrap()
    }

    pub(crate) async fn tenant(&self) -> Tenant {
        self.tenant_behind(None).await
    }

    /// A project whose repairs go through a proxy that loses one message.
    pub(crate) async fn tenant_behind(&self, loss: Option<Loss>) -> Tenant {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let database = format!("app_{number}");
        self.postgres.create_database(&database).unwrap();
        self.postgres.sql(&database, APP_USERS_TABLE).unwrap();
        self.postgres
            .sql(&database, &insert_users(&self.sample.users))
            .unwrap();
        let read = self.role(&database, "counterfoil_read", "read-role.sql", &[]);
        let update = [("update_columns", REPAIRABLE)];
        let mut repair = self.role(&database, "counterfoil_repair", "repair-role.sql", &update);
        let mut proxy = None;
        if let Some(loss) = loss {
            let port = self.postgres.port();
            let started = CommitProxy::start(port, loss).await.unwrap();
            repair = repair.replace(&format!(":{port}/"), &format!(":{}/", started.port()));
            proxy = Some(started);
        }
        let create = CreateProject {
            evidence: self.boot.evidence().unwrap(),
            state: self.state(),
            vault: self.boot.vault().unwrap(),
            signer: self.boot.signer().unwrap(),
            clock: self.boot.clock(),
            random: self.boot.random(),
        };
        let people = [("Ada", Role::Owner), ("Ben", Role::Approver)];
        let new = NewWorkspace {
            name: "Test",
            people: &people,
        };
        let (workspace, ids) = create.workspace(&new).await.unwrap();
        let by = Principal::System {
            duty: "setup".to_owned(),
        };
        let secret = |text: &str| Redacted::new(text.to_owned());
        let new = NewProject {
            workspace: &workspace,
            by: &by,
            name: "Shop",
            livemode: false,
            artifact: &compile(&Mapping::from_toml(MAPPING).unwrap()).unwrap(),
            hints: ("rk_test_…", "db"),
            secrets: NewSecrets {
                stripe_key: secret(&self.stripe.restricted_key()),
                read_database: secret(&read),
                repair_database: Some(secret(&repair)),
                webhook: vec![secret("whsec_rolled_out"), secret(WEBHOOK_SECRET)],
            },
            auto_propose: false,
        };
        let project = create.project(new).await.unwrap();
        let key = async |capability, owner, approver| {
            let key = create
                .api_key(&project, &by, capability, owner, approver)
                .await
                .unwrap();
            key.reveal().clone()
        };
        Tenant {
            ada: key(Capability::Repair, ids[0], Some(ids[0])).await,
            ben: key(Capability::Repair, ids[1], Some(ids[1])).await,
            repair_key: key(Capability::Repair, ids[0], None).await,
            read_key: key(Capability::Read, ids[1], None).await,
            database,
            project,
            proxy,
        }
    }

    fn role(&self, database: &str, name: &str, script: &str, more: &[(&str, &str)]) -> String {
        let sql = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../infra/sql")
            .join(script);
        let password = "end_to_end_only";
        let mut variables = vec![
            ("role", name),
            ("schema", "public"),
            ("table", "app_users"),
            ("columns", COLUMNS),
        ];
        variables.extend_from_slice(more);
        let environment = [("COUNTERFOIL_ROLE_PASSWORD", password)];
        let turn = TURN.lock();
        self.postgres
            .script(database, &sql, &variables, &environment)
            .unwrap();
        drop(turn);
        self.postgres.url(name, password, database)
    }

    /// Sends a request to the product's API.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        etag: Option<&str>,
        body: &Value,
    ) -> Answer {
        let url = format!("{}{path}", self.cloud.api_url);
        let mut request =
            Client::new().request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        if !body.is_null() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let header = |name: &str| {
            let value = response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (etag, content_type) = (header("etag"), header("content-type"));
        let status = response.status().as_u16();
        Answer {
            status,
            etag,
            content_type,
            text: response.text().await.unwrap(),
        }
    }

    /// Delivers a signed event about `customer`.
    pub(crate) async fn webhook(&self, tenant: &Tenant, customer: &str) -> Answer {
        let body = event(customer);
        let signature = sign_event(&[WEBHOOK_SECRET], body.as_bytes(), now().as_secs());
        self.deliver(
            &tenant.project.id.to_string(),
            Some(&signature),
            body.as_bytes(),
        )
        .await
    }

    pub(crate) async fn deliver(
        &self,
        project: &str,
        signature: Option<&str>,
        body: &[u8],
    ) -> Answer {
        let url = format!("{}/webhooks/stripe/{project}", self.cloud.api_url);
        let mut request = Client::new().request(Method::POST, url).body(body.to_vec());
        request = request.header("content-type", "application/json; charset=utf-8");
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        let response = request.send().await.unwrap();
        let kind = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        let content_type = kind.unwrap_or_default().to_owned();
        let status = response.status().as_u16();
        Answer {
            status,
            etag: String::new(),
            content_type,
            text: response.text().await.unwrap(),
        }
    }

    /// Waits for the incident that a webhook about `customer` leads to.
    pub(crate) async fn incident(&self, tenant: &Tenant, customer: &str) -> Incident {
        let found = wait("an incident", async || {
            let incidents = self.incidents(tenant).await;
            incidents.into_iter().find(|found| {
                found
                    .finding
                    .customers
                    .iter()
                    .any(|named| named == customer)
            })
        });
        found.await
    }

    pub(crate) async fn incidents(&self, tenant: &Tenant) -> Vec<Incident> {
        let ctx = Directory::system(&tenant.project, "test");
        let state = self.state();
        let found = Records::of(state.as_ref(), &ctx)
            .list::<Incident>()
            .await
            .unwrap();
        found.into_iter().map(|incident| incident.value).collect()
    }

    pub(crate) async fn runs(&self, tenant: &Tenant) -> Vec<Run> {
        let ctx = Directory::system(&tenant.project, "test");
        let state = self.state();
        let found = Records::of(state.as_ref(), &ctx)
            .list::<Run>()
            .await
            .unwrap();
        found.into_iter().map(|run| run.value).collect()
    }

    /// Proposes the repair of an incident as Ada, to be executed on approval.
    pub(crate) async fn propose(&self, tenant: &Tenant, incident: &Incident) -> Answer {
        let path = format!("/v1/incidents/{}/repairs", incident.id);
        let body = json!({ "reason": "support asked for it", "execute_on_approval": true });
        let answer = self
            .call("POST", &path, Some(&tenant.ada), None, &body)
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    /// Votes on a proposed action.
    pub(crate) async fn vote(&self, action: &Answer, key: &str, vote: &str) -> Answer {
        let path = format!("/v1/actions/{}/approvals", action.field("/id"));
        let body = json!({
            "vote": vote, "reason": "checked the invoice",
            "action_digest": action.field("/action_digest"),
        });
        self.call("POST", &path, Some(key), Some(&action.etag), &body)
            .await
    }

    /// How many UPDATE statements the server has executed in this test's database.
    pub(crate) fn updates(&self, tenant: &Tenant) -> usize {
        let log = std::fs::read_to_string(self.postgres.log_path()).unwrap();
        let executed = |line: &&str| line.contains("execute") && line.contains("UPDATE ");
        let ours = |line: &&str| {
            line.contains(&format!("{} ", tenant.database)) || line.contains(&tenant.database)
        };
        log.lines().filter(executed).filter(ours).count()
    }

    pub(crate) fn granted(&self, tenant: &Tenant, user: &str) -> bool {
        let query = format!("SELECT premium FROM app_users WHERE id = '{user}'");
        self.postgres.sql(&tenant.database, &query).unwrap().trim() == "t"
    }

    pub(crate) async fn seal_key(&self) -> counterfoil_core::evidence::seal::SealKey {
        self.boot.signer().unwrap().key().await.unwrap()
    }
}

pub(crate) fn event(customer: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    json!({
        "id": format!("evt_{number}"), "object": "event", "type": "customer.subscription.updated",
        "livemode": false, "created": now().as_secs(),
        "data": { "object": { "id": "sub_1", "object": "subscription", "customer": customer } },
    })
    .to_string()
}

#[expect(clippy::disallowed_methods, reason = "end-to-end tests run now")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

/// Looks every quarter of a second, for a minute at most.
pub(crate) async fn wait<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..240 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("{what} did not come within a minute");
}
