//! A project with a database of its own and an open incident for each case.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use counterfoil_core::incident::Incident;
use counterfoil_core::records::{Directory, Records};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::repair::Action;
use counterfoil_core::scan::Due;
use counterfoil_core::usecases::{NewSecrets, Reconcile, ScanLimits, Scans};
use counterfoil_stripe::StripeAccounts;
use counterfoil_testkit::memory::{Mailbox, MemScratch};
use counterfoil_testkit::stripe::{APP_USERS_TABLE, insert_users};
use counterfoil_testkit::tcp_proxy::{CommitProxy, Loss};

use super::fuse::kill;
use super::office::Office;
use super::stage::Stage;
use super::worker::{HOURS, databases};

const COLUMNS: &str =
    "id,email,stripe_customer_id,plan,premium,trial_ends_at,seats,features,comped_until";
const REPAIRABLE: &str = "plan,premium,trial_ends_at,seats,features";

pub(crate) struct Shop {
    pub(crate) office: Office,
    /// Repairs go through it.
    proxy: CommitProxy,
    database: String,
    /// Open, one for each case.
    incidents: Vec<Incident>,
}

impl Shop {
    pub(crate) async fn new(stage: &'static Stage) -> Self {
        let database = format!("crash_{}", stage.number());
        let proxy = CommitProxy::faithful(stage.postgres.port()).await.unwrap();
        let secrets = secrets(stage, &database, proxy.port());
        let mut shop = Self {
            office: Office::with(stage, HOURS, secrets).await,
            proxy,
            database,
            incidents: Vec::new(),
        };
        shop.scan().await;
        shop
    }

    /// Both looks of a scan; what is open afterwards can be repaired.
    async fn scan(&mut self) {
        let boot = self.office.stage.place.boot().await;
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
                    Some(self.office.stage.place.stripe.clone()),
                    None,
                )),
                clock: Arc::new(self.office.time.clock()),
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
                self.office.time.pass(delay + Duration::from_secs(1));
                scans().handle(&request).await.unwrap();
            }
        }
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.office.project, "test");
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

    /// Loses something at the next COMMIT of a repair; `kills` ends the worker at that moment.
    pub(crate) fn cut(&self, loss: Loss, kills: bool) {
        let worker = self.office.worker.clone();
        self.proxy.lose_once(loss, move || {
            if kills {
                kill(worker.load(Ordering::SeqCst));
            }
        });
    }

    /// How often something was lost.
    pub(crate) fn losses(&self) -> u32 {
        self.proxy.losses()
    }

    /// The action of an incident, with its version.
    pub(crate) async fn action(&self, incident: &Incident) -> Option<(Action, u64)> {
        let boot = self.office.stage.place.boot().await;
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.office.project, "test");
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
        let boot = self.office.stage.place.boot().await;
        let state = boot.state().unwrap();
        let ctx = Directory::system(&self.office.project, "test");
        let records = Records::of(state.as_ref(), &ctx);
        let found = records.get::<Incident>(&incident.id.to_string()).await;
        found.unwrap().unwrap().value
    }

    /// Whether the row of the incident grants what was paid for.
    pub(crate) fn granted(&self, incident: &Incident) -> bool {
        let customers = &incident.finding.customers;
        let mut expected = self.office.stage.sample.expected.iter();
        let user = expected.find(|it| customers.contains(&it.customer));
        let user = &user.unwrap().subject;
        let query = format!("SELECT premium FROM app_users WHERE id = '{user}'");
        let premium = self
            .office
            .stage
            .postgres
            .sql(&self.database, &query)
            .unwrap();
        premium.trim() == "t"
    }

    /// Statements that Postgres has executed for this database's repairs.
    pub(crate) fn updates(&self) -> usize {
        let log = std::fs::read_to_string(self.office.stage.postgres.log_path()).unwrap();
        let database = format!("@{} ", self.database);
        let executed = |line: &&str| line.contains("execute ") && line.contains(": UPDATE ");
        let theirs = log.lines().filter(|line| line.contains(&database));
        theirs.filter(executed).count()
    }
}

fn secrets(stage: &Stage, database: &str, proxy: u16) -> NewSecrets {
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
        postgres.url(&name, "only-here", database)
    };
    let update = [("update_columns", REPAIRABLE)];
    let repair = role("repair", "repair-role.sql", &update);
    let own = format!(":{}/", postgres.port());
    assert!(repair.contains(&own));
    let repair = repair.replace(&own, &format!(":{proxy}/"));
    NewSecrets {
        stripe_key: Redacted::new(stage.stripe.restricted_key()),
        read_database: Redacted::new(role("read", "read-role.sql", &[])),
        repair_database: Some(Redacted::new(repair)),
        webhook: Vec::new(),
    }
}
