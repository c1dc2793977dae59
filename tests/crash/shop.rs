//! A project with a database of its own and an open incident for each case.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use counterfoil_core::incident::Incident;
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
use super::stage::{Stage, number};
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
    incidents: Mutex<Vec<Incident>>,
    log: Mutex<Read>,
}

impl Shop {
    pub(crate) async fn new(stage: &'static Stage) -> Self {
        let database = format!("crash_{}", number());
        let proxy = CommitProxy::faithful(stage.postgres.port()).await.unwrap();
        let secrets = secrets(stage, &database, proxy.port());
        let mut shop = Self {
            office: Office::with(stage, HOURS, secrets).await,
            proxy,
            database,
            incidents: Mutex::default(),
            log: Mutex::default(),
        };
        shop.scan().await;
        shop
    }

    /// Both looks of a scan; what is open afterwards can be repaired.
    async fn scan(&mut self) {
        let boot = &self.office.stage.boot;
        let mail = Arc::new(Mailbox::default());
        let scans = || Scans {
            reconcile: Reconcile {
                evidence: boot.evidence().unwrap(),
                state: boot.state().unwrap(),
                vault: boot.vault().unwrap(),
                objects: boot.objects().unwrap(),
                checks: mail.clone(),
                proposals: mail.clone(),
                databases: databases(boot),
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
                // Every project is asked to be scanned; only this one has to be.
                if request.scan().0 != self.office.project.id {
                    continue;
                }
                self.office.time.pass(delay + Duration::from_secs(1));
                scans().handle(&request).await.unwrap();
            }
        }
        self.incidents = Mutex::new(self.office.records().await);
    }

    /// An incident that no case has had; `None` when there is none, or no time for one more.
    pub(crate) fn next(&self) -> Option<Incident> {
        let next = self.incidents.lock().unwrap().pop();
        next.filter(|_| !self.office.time.is_over())
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
    pub(crate) async fn action(&self, incident: &Incident) -> (Action, u64) {
        let action = self.incident(incident).await.action.unwrap();
        let found = self.office.record::<Action>(&action.to_string()).await;
        let found = found.unwrap();
        (found.value, found.version)
    }

    pub(crate) async fn incident(&self, incident: &Incident) -> Incident {
        let found = self.office.record(&incident.id.to_string()).await;
        found.unwrap().value
    }

    /// Whether the row of the incident grants what was paid for.
    pub(crate) fn granted(&self, incident: &Incident) -> bool {
        let user = self.user(incident);
        let query = format!("SELECT premium FROM app_users WHERE id = '{user}'");
        self.sql(&query).trim() == "t"
    }

    /// The app changes the row of the incident.
    pub(crate) fn set_row(&self, incident: &Incident, granted: bool) {
        let user = self.user(incident);
        let change = format!("UPDATE app_users SET premium = {granted} WHERE id = '{user}'");
        self.sql(&change);
    }

    fn sql(&self, text: &str) -> String {
        let postgres = self.office.stage.postgres;
        postgres.sql(&self.database, text).unwrap()
    }

    /// The id of the row of an incident.
    fn user(&self, incident: &Incident) -> &str {
        let customers = &incident.finding.customers;
        let mut expected = self.office.stage.sample.expected.iter();
        let user = expected.find(|it| customers.contains(&it.customer));
        &user.unwrap().subject
    }

    /// Statements that Postgres has executed for this database's repairs.
    pub(crate) fn updates(&self) -> usize {
        let mut log = File::open(self.office.stage.postgres.log_path()).unwrap();
        let mut read = self.log.lock().unwrap();
        let Read { bytes, updates } = &mut *read;
        log.seek(SeekFrom::Start(*bytes)).unwrap();
        let mut text = Vec::new();
        log.read_to_end(&mut text).unwrap();
        // What is being written comes next time.
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        text.truncate(whole.map_or(0, |end| end + 1));
        *bytes += u64::try_from(text.len()).unwrap();
        let text = String::from_utf8_lossy(&text);
        let database = format!("@{} ", self.database);
        let executed = |line: &&str| line.contains("execute ") && line.contains(": UPDATE ");
        let theirs = text.lines().filter(|line| line.contains(&database));
        *updates += theirs.filter(executed).count();
        *updates
    }
}

/// How far the log of Postgres was read, and what was in it.
#[derive(Default)]
struct Read {
    bytes: u64,
    updates: usize,
}

/// Shops, of which another one opens when the last is used up.
pub(crate) struct Shops {
    stage: &'static Stage,
    opened: tokio::sync::Mutex<Vec<Arc<Shop>>>,
}

impl Shops {
    pub(crate) fn of(stage: &'static Stage) -> Self {
        Self {
            stage,
            opened: tokio::sync::Mutex::default(),
        }
    }

    /// An incident that no case has had, and its shop.
    pub(crate) async fn next(&self) -> (Arc<Shop>, Incident) {
        let mut opened = self.opened.lock().await;
        loop {
            if let Some(shop) = opened.last()
                && let Some(incident) = shop.next()
            {
                return (shop.clone(), incident);
            }
            opened.push(Arc::new(Shop::new(self.stage).await));
        }
    }

    pub(crate) async fn verify(&self) {
        for shop in self.opened.lock().await.iter() {
            shop.office.verifies().await;
        }
    }
}

fn secrets(stage: &Stage, database: &str, proxy: u16) -> NewSecrets {
    let postgres = stage.postgres;
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
