//! A workspace with its people, a project, its keys and its database.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use counterfoil_core::mapping::{Mapping, compile};
use counterfoil_core::ports::{Clock, Login};
use counterfoil_core::records::{Directory, Project};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::tenancy::{Capability, Principal, Role};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{CreateProject, NewPerson, NewProject, NewSecrets, NewWorkspace};
use counterfoil_local::Postgres;
use counterfoil_testkit::stripe::{APP_USERS_TABLE, insert_users};
use counterfoil_testkit::tcp_proxy::{CommitProxy, Loss};

use super::calls::person;
use super::stage::{Stack, Stage, stage};

pub(crate) const MAPPING: &str = include_str!("../../tools/cli/src/demo/counterfoil.toml");
const COLUMNS: &str =
    "id,email,stripe_customer_id,plan,premium,trial_ends_at,seats,features,comped_until";
pub(crate) const REPAIRABLE: &str = "plan,premium,trial_ends_at,seats,features";

/// In every password and signing secret, so that a log that holds one is found.
pub(crate) const SECRET_MARK: &str = "end_to_end_only";

/// Everybody of a tenant's workspace.
const PEOPLE: [(&str, Role); 5] = [
    ("Ada", Role::Owner),
    ("Ben", Role::Approver),
    ("Cleo", Role::Admin),
    ("Dan", Role::Auditor),
    ("Eve", Role::Viewer),
];

/// What is unusual about a tenant.
#[derive(Default)]
pub(crate) struct Setup {
    /// Repairs go through a proxy that loses something.
    pub(crate) loss: Option<Loss>,
    /// Another Stripe key than one that may read everything.
    pub(crate) stripe_key: Option<String>,
    /// Another address for reading than the database's.
    pub(crate) read_url: Option<String>,
    /// Scans propose repairs.
    pub(crate) auto_propose: bool,
    /// It was made at another time than now.
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

/// A project of its own, with keys.
pub(crate) struct Tenant {
    pub(crate) project: Project,
    pub(crate) database: String,
    /// Everybody who signs in, by role: the owner is Ada, the approver Ben.
    pub(crate) people: BTreeMap<Role, String>,
    /// An approver key of Ada's.
    pub(crate) ada: String,
    /// An approver key of Ben's.
    pub(crate) ben: String,
    /// A repair key of Ada's.
    pub(crate) repair_key: String,
    /// A reading key of Ben's.
    pub(crate) read_key: String,
    pub(crate) webhook_secret: String,
    pub(crate) old_webhook_secret: String,
    pub(crate) proxy: Option<CommitProxy>,
}

impl Stage {
    pub(crate) async fn tenant(&self) -> Tenant {
        self.tenant_with(Setup::default()).await
    }

    pub(crate) async fn tenant_with(&self, setup: Setup) -> Tenant {
        self.tenant_in(&self.main, setup).await
    }

    pub(crate) async fn tenant_in(&self, stack: &Stack, setup: Setup) -> Tenant {
        let number = self.number();
        let database = format!("app_{number}");
        self.postgres.create_database(&database).unwrap();
        self.postgres.sql(&database, APP_USERS_TABLE).unwrap();
        let rows = insert_users(&self.sample.users);
        self.postgres.sql(&database, &rows).unwrap();
        // Roles belong to the whole server: each tenant has its own.
        let postgres = &self.postgres;
        let name = format!("read_{number}");
        let read = role(postgres, &database, &name, "read-role.sql", &[]);
        let update = [("update_columns", REPAIRABLE)];
        let name = format!("repair_{number}");
        let mut repair = role(postgres, &database, &name, "repair-role.sql", &update);
        let mut proxy = None;
        if let Some(loss) = setup.loss {
            let port = self.postgres.port();
            let started = CommitProxy::start(port, loss).await.unwrap();
            repair = repair.replace(&format!(":{port}/"), &format!(":{}/", started.port()));
            proxy = Some(started);
        }
        let webhook_secret = format!("whsec_{database}_{SECRET_MARK}");
        let old_webhook_secret = format!("whsec_old_{database}_{SECRET_MARK}");
        let secret = |text: &str| Redacted::new(text.to_owned());
        let stripe_key = setup.stripe_key;
        let secrets = NewSecrets {
            stripe_key: Redacted::new(stripe_key.unwrap_or_else(|| self.stripe.restricted_key())),
            read_database: Redacted::new(setup.read_url.unwrap_or(read)),
            repair_database: Some(Redacted::new(repair)),
            webhook: vec![secret(&old_webhook_secret), secret(&webhook_secret)],
        };
        let Access {
            project,
            people,
            keys: [ada, ben, repair_key, read_key],
        } = access_at(stack, secrets, setup.auto_propose, setup.clock).await;
        Tenant {
            project,
            database,
            people,
            ada,
            ben,
            repair_key,
            read_key,
            webhook_secret,
            old_webhook_secret,
            proxy,
        }
    }
}

impl Stage {
    fn creator(&self) -> CreateProject {
        let boot = &self.main.boot;
        CreateProject {
            evidence: boot.evidence().unwrap(),
            state: boot.state().unwrap(),
            vault: boot.vault().unwrap(),
            signer: boot.signer().unwrap(),
            clock: boot.clock(),
            random: boot.random(),
        }
    }

    /// One more reading key of Ben's.
    pub(crate) async fn another_key(&self, tenant: &Tenant, project: &Project) -> String {
        let state = self.main.boot.state().unwrap();
        let directory = Directory::of(state.as_ref());
        let members = directory.members(project.workspace).await.unwrap();
        let members = members.into_iter();
        let ben = members.rev().find(|member| member.role == Role::Approver);
        let by = Principal::System {
            duty: "setup".to_owned(),
        };
        assert_eq!(project.workspace, tenant.project.workspace);
        let key = self.creator();
        let key = key.api_key(project, &by, Capability::Read, ben.unwrap().id, None);
        key.await.unwrap().reveal().clone()
    }

    /// A second project of the tenant's workspace, and a reading key of it. Nothing is behind it.
    pub(crate) async fn second_project(&self, tenant: &Tenant) -> (String, Project) {
        let state = self.main.boot.state().unwrap();
        let directory = Directory::of(state.as_ref());
        let workspace = directory.workspace(tenant.project.workspace).await;
        let workspace = workspace.unwrap().unwrap().value;
        let by = Principal::System {
            duty: "setup".to_owned(),
        };
        let secret = |text: &str| Redacted::new(text.to_owned());
        let new = NewProject {
            workspace: &workspace,
            by: &by,
            name: "Second shop",
            livemode: true,
            artifact: &compile(&Mapping::from_toml(MAPPING).unwrap()).unwrap(),
            hints: ("rk_live_…", "db"),
            secrets: NewSecrets {
                stripe_key: secret(&self.stripe.restricted_key()),
                read_database: secret(&format!("postgres://nobody:{SECRET_MARK}@127.0.0.1:1/app")),
                repair_database: None,
                webhook: Vec::new(),
            },
            auto_propose: false,
        };
        let project = self.creator().project(new).await.unwrap();
        (self.another_key(tenant, &project).await, project)
    }
}

/// A role of a tenant's database, made with the script that customers run; returns its URL.
pub(crate) fn role(
    postgres: &Postgres,
    database: &str,
    name: &str,
    script: &str,
    more: &[(&str, &str)],
) -> String {
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/sql");
    let password = format!("{name}_{SECRET_MARK}");
    let mut variables = vec![
        ("role", name),
        ("schema", "public"),
        ("table", "app_users"),
        ("columns", COLUMNS),
    ];
    variables.extend_from_slice(more);
    let environment = [("COUNTERFOIL_ROLE_PASSWORD", password.as_str())];
    postgres
        .script(database, &sql.join(script), &variables, &environment)
        .unwrap();
    postgres.url(name, &password, database)
}

pub(crate) struct Access {
    pub(crate) project: Project,
    pub(crate) people: BTreeMap<Role, String>,
    /// Of Ada, of Ben, to repair, to read.
    pub(crate) keys: [String; 4],
}

pub(crate) async fn access(stack: &Stack, secrets: NewSecrets, auto_propose: bool) -> Access {
    access_at(stack, secrets, auto_propose, None).await
}

async fn access_at(
    stack: &Stack,
    secrets: NewSecrets,
    auto_propose: bool,
    clock: Option<Arc<dyn Clock>>,
) -> Access {
    let boot = &stack.boot;
    let create = CreateProject {
        evidence: boot.evidence().unwrap(),
        state: boot.state().unwrap(),
        vault: boot.vault().unwrap(),
        signer: boot.signer().unwrap(),
        clock: clock.unwrap_or_else(|| boot.clock()),
        random: boot.random(),
    };
    let mark = boot.random().bits128();
    let people = PEOPLE.map(|(name, role)| (name, role, login(&format!("{name}-{mark:x}"))));
    let people = people.each_ref().map(|(name, role, login)| NewPerson {
        name,
        role: *role,
        login: Some(login),
    });
    let new = NewWorkspace {
        name: "Test",
        people: &people,
    };
    let (workspace, ids) = create.workspace(&new).await.unwrap();
    let by = Principal::System {
        duty: "setup".to_owned(),
    };
    // The second look is taken, but need not wait for long: nobody else repairs here.
    let mapping = MAPPING.replace("race_grace = \"2s\"", "race_grace = \"1s\"");
    assert_ne!(mapping, MAPPING);
    let new = NewProject {
        workspace: &workspace,
        by: &by,
        name: "Shop",
        livemode: true,
        artifact: &compile(&Mapping::from_toml(&mapping).unwrap()).unwrap(),
        hints: ("rk_live_…", "db"),
        secrets,
        auto_propose,
    };
    let project = create.project(new).await.unwrap();
    let key = async |capability, owner, approver| {
        let key = create
            .api_key(&project, &by, capability, owner, approver)
            .await
            .unwrap();
        key.reveal().clone()
    };
    let keys = [
        key(Capability::Repair, ids[0], Some(ids[0])).await,
        key(Capability::Repair, ids[1], Some(ids[1])).await,
        key(Capability::Repair, ids[0], None).await,
        key(Capability::Read, ids[1], None).await,
    ];
    let subjects = people
        .iter()
        .filter_map(|new| Some((new.role, &new.login?.subject)));
    let project_id = project.id.to_string();
    let people = subjects.map(|(role, subject)| (role, person(subject, &project_id)));
    let people = people.collect();
    Access {
        project,
        people,
        keys,
    }
}

/// A sign-in at the issuer of the stage; its time does not matter here.
pub(crate) fn login(subject: &str) -> Login {
    Login {
        issuer: stage().issuer.url().to_owned(),
        subject: subject.to_owned(),
        authenticated_at: Timestamp::from_millis(0),
        second_factor: false,
    }
}
