//! One workspace, one project, two approvers, a shop with one customer who paid and got nothing.

mod people;
pub(crate) mod rules;
mod wiring;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use counterfoil_core::auth::{Authenticated, authenticate_key, authenticate_person};
use counterfoil_core::billing::{
    Catalog, Customer, Item, Page, Price, Recurring, Status, Subscription,
};
use counterfoil_core::cell::Cell;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::seal::SealKey;
use counterfoil_core::incident::Incident;
use counterfoil_core::mapping::{Artifact, ColumnType, Mapping, TableColumn, compile};
use counterfoil_core::ports::{
    CheckRequest, Clock, Login, ScanRequest, ScanRequests, SealSigner, State, StateWrite,
    StoredPart,
};
use counterfoil_core::records::{Directory, Project, Records, Workspace};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::scan::Due;
use counterfoil_core::tenancy::{Capability, Principal, Role, TenantCtx};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{
    CreateProject, NewPerson, NewProject, NewSecrets, NewWorkspace, ReconcileError, RunSummary,
    Vault,
};
use counterfoil_testkit::memory::{
    Mailbox, MemApp, MemArchive, MemBilling, MemKeys, MemObjects, MemSigner, MemStore,
    SeededRandom, SetClock,
};

use super::derived::Derived;

pub(crate) const WEBHOOK_SECRET: &str = "whsec_test_only";
pub(crate) const NOW: i64 = 1_795_392_000;

pub(crate) const MAPPING: &str = r#"
[match]
table = "public.app_users"
primary_key = "id"
keys = [
  { stripe = "customer.metadata.user_id", column = "id" },
  { stripe = "customer.id", column = "stripe_customer_id" },
]

[access]
plan = { column = "plan", repairable = true, none = "free" }
premium = { column = "premium", repairable = true }

[[plans]]
name = "pro"
rank = 20
premium = true
match = { price = ["price_pro"] }
features = []

[rules]
race_grace = "10m"

[limits]
max_drift_percent = 60.0
"#;

pub(crate) struct World {
    pub(crate) clock: SetClock,
    pub(crate) store: Arc<MemStore>,
    pub(crate) archive: Arc<MemArchive>,
    pub(crate) objects: Arc<MemObjects>,
    pub(crate) signer: Arc<MemSigner>,
    pub(crate) mail: Arc<Mailbox>,
    pub(crate) billing: MemBilling,
    pub(crate) app: MemApp,
    pub(crate) vault: Vault,
    pub(crate) workspace: Workspace,
    pub(crate) project: Project,
    pub(crate) ann: TenantCtx,
    pub(crate) ben: TenantCtx,
    pub(crate) repair_key: TenantCtx,
    pub(crate) read_key: TenantCtx,
    pub(crate) create: CreateProject,
    random: Arc<SeededRandom>,
    _derived: Derived,
}

fn column(name: &str, data_type: ColumnType, primary_key: bool) -> TableColumn {
    let unique = primary_key || name == "stripe_customer_id";
    TableColumn {
        name: name.to_owned(),
        data_type,
        nullable: !primary_key,
        primary_key,
        unique,
        generated: false,
        max_chars: None,
    }
}

pub(crate) fn artifact() -> &'static Artifact {
    static ARTIFACT: OnceLock<Artifact> = OnceLock::new();
    ARTIFACT.get_or_init(|| compile(&Mapping::from_toml(MAPPING).unwrap()).unwrap())
}

fn price() -> Price {
    Price {
        id: "price_pro".to_owned(),
        product: "prod_pro".to_owned(),
        unit_amount: Some(2_900),
        currency: "usd".to_owned(),
        recurring: Some(Recurring {
            interval: "month".to_owned(),
            interval_count: 1,
            usage_type: None,
        }),
        livemode: Some(true),
        ..Price::default()
    }
}

fn new_project<'a>(workspace: &'a Workspace, by: &'a Principal, repairs: bool) -> NewProject<'a> {
    let secret = |text: &str| Redacted::new(text.to_owned());
    NewProject {
        workspace,
        by,
        name: "Production",
        livemode: true,
        artifact: artifact(),
        hints: ("rk_live_…", "db/app"),
        secrets: NewSecrets {
            stripe_key: secret("rk_live_x"),
            read_database: secret("postgres://reader"),
            repair_database: repairs.then(|| secret("postgres://repairer")),
            webhook: vec![secret(WEBHOOK_SECRET)],
        },
        auto_propose: true,
    }
}

pub(crate) fn customer(id: &str, user: &str) -> Customer {
    Customer {
        id: id.to_owned(),
        created: NOW - 86_400 * 90,
        livemode: Some(true),
        metadata: BTreeMap::from([("user_id".to_owned(), user.to_owned())]),
        ..Customer::default()
    }
}

pub(crate) fn subscription(id: &str, customer: &str) -> Subscription {
    let item = Item {
        id: format!("si_{id}"),
        price: price(),
        quantity: Some(1),
        ..Item::default()
    };
    let active = serde_json::json!({
        "id": id, "customer": customer, "status": "active", "created": NOW - 86_400 * 30,
        "livemode": true, "items": { "data": [] },
    });
    let base: Subscription = serde_json::from_value(active).unwrap();
    assert_eq!(base.status, Status::Active);
    Subscription {
        items: Page {
            data: vec![item],
            has_more: false,
        },
        ..base
    }
}

impl World {
    /// A project that may be repaired.
    pub(crate) async fn new() -> Self {
        Self::build(true).await
    }

    /// A project without a repair credential.
    pub(crate) async fn read_only() -> Self {
        Self::build(false).await
    }

    async fn build(repairs: bool) -> Self {
        let clock = SetClock::at(Timestamp::from_secs(NOW));
        let random = Arc::new(SeededRandom::new(1));
        let store = Arc::new(MemStore::new(clock.clone()));
        let keys = Arc::new(MemKeys::default());
        let vault = Vault {
            keys: keys.clone(),
            wrapped: keys,
            random: random.clone(),
        };
        let signer = Arc::new(MemSigner::from_seed(3));
        let create = CreateProject {
            evidence: store.clone(),
            state: store.clone(),
            vault: vault.clone(),
            signer: signer.clone(),
            clock: Arc::new(clock.clone()),
            random: random.clone(),
        };
        let (ann, ben) = (login("Ann", clock.now()), login("Ben", clock.now()));
        let people = [
            signing_in("Ann", Role::Approver, &ann),
            signing_in("Ben", Role::Owner, &ben),
        ];
        let (workspace, people) = create
            .workspace(&NewWorkspace {
                name: "Shop",
                people: &people,
            })
            .await
            .unwrap();
        let by = Principal::System {
            duty: "setup".to_owned(),
        };
        let project = create
            .project(new_project(&workspace, &by, repairs))
            .await
            .unwrap();
        let (ann, ben) = (people[0], people[1]);
        let mut contexts = Vec::new();
        for (capability, owner, approver) in [
            (Capability::Repair, ann, Some(ann)),
            (Capability::Repair, ben, Some(ben)),
            (Capability::Repair, ann, None),
            (Capability::Read, ann, None),
        ] {
            let key = create
                .api_key(&project, &by, capability, owner, approver)
                .await
                .unwrap();
            let caller = authenticate_key(store.as_ref(), key.reveal(), clock.now());
            let ctx = caller.await.unwrap().project(store.as_ref(), None).await;
            contexts.push(ctx.unwrap());
        }
        let [ann, ben, repair_key, read_key] = contexts.try_into().unwrap();
        let billing = MemBilling::new(Catalog {
            prices: BTreeMap::from([("price_pro".to_owned(), price())]),
            ..Catalog::default()
        });
        let app = MemApp::new(vec![
            column("id", ColumnType::Text, true),
            column("stripe_customer_id", ColumnType::Text, false),
            column("plan", ColumnType::Text, false),
            column("premium", ColumnType::Bool, false),
        ]);
        let world = Self {
            _derived: Derived(store.clone()),
            clock,
            store,
            archive: Arc::default(),
            objects: Arc::default(),
            signer,
            mail: Arc::default(),
            billing,
            app,
            vault,
            workspace,
            project,
            ann,
            ben,
            repair_key,
            read_key,
            create,
            random,
        };
        world.add_user("u1", "cus_1", false);
        world.add_user("u2", "cus_2", true);
        world
    }

    /// A paying customer whose row grants what they paid for, or nothing.
    pub(crate) fn add_user(&self, user: &str, id: &str, granted: bool) {
        self.billing.add_customer(customer(id, user));
        self.billing
            .add_subscription(subscription(&format!("sub_{user}"), id));
        self.set_row(user, granted);
    }

    pub(crate) fn set_row(&self, user: &str, granted: bool) {
        let plan = if granted { "pro" } else { "free" };
        let cells = [
            ("stripe_customer_id", Cell::Null),
            ("plan", Cell::Text(plan.to_owned())),
            ("premium", Cell::Bool(granted)),
        ];
        self.app.put(Cell::Text(user.to_owned()), cells);
    }

    pub(crate) fn granted(&self, user: &str) -> bool {
        let premium = self.app.cell(&Cell::Text(user.to_owned()), "premium");
        premium == Some(Cell::Bool(true))
    }

    pub(crate) fn stream(&self) -> Hash {
        self.project.stream.parse().unwrap()
    }

    pub(crate) async fn seal_key(&self) -> SealKey {
        self.signer.key().await.unwrap()
    }

    /// An approver of another project of the same workspace.
    pub(crate) async fn another_project(&self) -> TenantCtx {
        let by = Principal::System {
            duty: "setup".to_owned(),
        };
        let project = self
            .create
            .project(new_project(&self.workspace, &by, true))
            .await
            .unwrap();
        let person = self.ben.principal().person().unwrap();
        let key = self
            .create
            .api_key(&project, &by, Capability::Repair, person, Some(person))
            .await
            .unwrap();
        let store = self.store.as_ref();
        let caller = authenticate_key(store, key.reveal(), self.clock.now());
        caller.await.unwrap().project(store, None).await.unwrap()
    }

    /// Another key of Ann's that may propose repairs.
    pub(crate) async fn another_key(&self) -> TenantCtx {
        let by = Principal::System {
            duty: "setup".to_owned(),
        };
        let person = self.ann.principal().person().unwrap();
        let (project, store) = (&self.project, self.store.as_ref());
        let key = self
            .create
            .api_key(project, &by, Capability::Repair, person, None);
        let key = key.await.unwrap();
        let caller = authenticate_key(store, key.reveal(), self.clock.now());
        caller.await.unwrap().project(store, None).await.unwrap()
    }

    /// A project of another workspace.
    pub(crate) async fn project_of(&self, workspace: &Workspace) -> Project {
        let by = Principal::System {
            duty: "setup".to_owned(),
        };
        let new = new_project(workspace, &by, true);
        self.create.project(new).await.unwrap()
    }

    /// Somebody of the workspace who signs in at this moment, in the project.
    pub(crate) async fn sign_in(&self, name: &str) -> TenantCtx {
        let caller = self.presence(name).await;
        let project = self.project.id.to_string();
        let ctx = caller.project(self.store.as_ref(), Some(&project)).await;
        ctx.unwrap()
    }

    /// Somebody who signs in at this moment.
    pub(crate) async fn presence(&self, name: &str) -> Authenticated {
        let login = login(name, self.clock.now());
        let caller = authenticate_person(self.store.as_ref(), login).await;
        caller.unwrap()
    }

    /// The message that asks for a check of one customer.
    pub(crate) fn check_of(&self, customer: &str, reason: &str) -> CheckRequest {
        CheckRequest::Customer {
            workspace: self.workspace.id,
            project: self.project.id,
            customer: customer.to_owned(),
            reason: reason.to_owned(),
            event: None,
            asked_at: None,
        }
    }

    /// Scans every project up to the second look, which waits for the race grace.
    pub(crate) async fn first_look(
        &self,
    ) -> Result<Vec<Result<RunSummary, ReconcileError>>, ReconcileError> {
        let scans = self.scans();
        let mut results: BTreeMap<_, _> = BTreeMap::new();
        let mut failed = Vec::new();
        for (_, result) in scans.scan_all(Due::Full).await? {
            match result {
                Ok(summary) => drop(results.insert(summary.run, Ok(summary))),
                Err(error) => failed.push(Err(error)),
            }
        }
        let mut later = Vec::new();
        loop {
            let messages = self.mail.take_scans();
            if messages.is_empty() {
                break;
            }
            for (request, delay) in messages {
                if matches!(request, ScanRequest::Confirm { .. }) {
                    later.push((request, delay));
                } else {
                    let (_, run) = request.scan();
                    results.insert(run, scans.handle(&request).await);
                }
            }
        }
        for (request, delay) in later {
            ScanRequests::send(self.mail.as_ref(), &request, delay).await?;
        }
        failed.extend(results.into_values());
        Ok(failed)
    }

    /// Scans, waits out the race grace and takes the second look.
    pub(crate) async fn scan(&self) {
        for result in self.first_look().await.unwrap() {
            result.unwrap();
        }
        self.deliver_scans().await;
    }

    /// Sends a piece of a scan again.
    pub(crate) async fn mail_again(&self, request: &ScanRequest, delay: Duration) {
        let mail: &dyn ScanRequests = self.mail.as_ref();
        mail.send(request, delay).await.unwrap();
    }

    /// Activates a mapping that says the same of another price alone.
    pub(crate) async fn activate_mapping_of(&self, price: &str) {
        let text = MAPPING.replace("price_pro", price);
        self.activate_mapping(&text).await;
    }

    /// Activates a mapping.
    pub(crate) async fn activate_mapping(&self, text: &str) {
        let artifact = compile(&Mapping::from_toml(text).unwrap()).unwrap();
        let stored = counterfoil_core::records::Mapping {
            hash: artifact.hash(),
            artifact: artifact.canonical_text(),
            source: None,
            added_at: self.clock.now(),
        };
        let directory = Directory::of(self.store.as_ref());
        let mut project = directory.project(self.project.id).await.unwrap().unwrap();
        project.value.mapping = Some(stored.hash.clone());
        let row = serde_json::to_value(&project.value).unwrap();
        let key = Directory::project_key(self.project.id);
        let ctx = Directory::system(&self.project, "test");
        let writes = vec![
            Records::of(self.store.as_ref(), &ctx)
                .create(&stored)
                .unwrap(),
            StateWrite::replace(key, project.version, row),
        ];
        assert!(self.store.write(writes).await.unwrap());
    }

    /// Delivers every piece of scans that is in the mailbox, each after its delay, until none is left.
    pub(crate) async fn deliver_scans(&self) {
        loop {
            let messages = self.mail.take_scans();
            if messages.is_empty() {
                break;
            }
            for (request, delay) in messages {
                self.clock.advance(delay);
                self.scans().handle(&request).await.unwrap();
            }
        }
    }

    /// Delivers every check that is in the mailbox, each after its delay.
    pub(crate) async fn deliver_checks(&self) {
        for (request, delay) in self.mail.take_checks() {
            self.clock.advance(delay);
            self.reconcile().handle(&request).await.unwrap();
        }
    }

    pub(crate) async fn incidents(&self) -> Vec<Incident> {
        let ctx = Directory::system(&self.project, "test");
        let records = Records::of(self.store.as_ref(), &ctx);
        let all = records.list::<Incident>().await.unwrap();
        all.into_iter().map(|incident| incident.value).collect()
    }

    /// The one incident of the project.
    pub(crate) async fn incident(&self) -> Incident {
        let mut all = self.incidents().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Facts of every entry of a kind, in order.
    pub(crate) fn facts(&self, kind: &str) -> Vec<Json> {
        let entries = self.store.stream(self.stream()).into_iter();
        let kinds = self.kinds().into_iter();
        let of_kind = entries.zip(kinds).filter(|(_, found)| found == kind);
        let facts = of_kind.map(|(entry, _)| match entry.facts {
            Some(StoredPart::Present { bytes, .. }) => Json::parse(&bytes).unwrap(),
            _ => panic!("facts are protected"),
        });
        facts.collect()
    }

    /// Kinds of the stream's entries, in order.
    pub(crate) fn kinds(&self) -> Vec<String> {
        let entries = self.store.stream(self.stream());
        let kind = |bytes: &[u8]| {
            let header = Json::parse(bytes).unwrap();
            header
                .get("kind")
                .and_then(Json::as_str)
                .unwrap()
                .to_owned()
        };
        entries.iter().map(|entry| kind(&entry.header)).collect()
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.kinds().iter().filter(|found| *found == kind).count()
    }
}

/// A sign-in of this person at a time.
pub(crate) fn login(name: &str, at: Timestamp) -> Login {
    Login {
        issuer: "https://issuer.example".to_owned(),
        subject: name.to_owned(),
        authenticated_at: at,
        second_factor: true,
    }
}

/// Somebody of a new workspace who signs in.
pub(crate) fn signing_in<'a>(name: &'a str, role: Role, login: &'a Login) -> NewPerson<'a> {
    NewPerson {
        name,
        role,
        login: Some(login),
    }
}
