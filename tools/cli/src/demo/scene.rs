//! The stage: local cloud, Postgres, fake Stripe, one workspace with its people and keys.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use counterfoil_aws::Clients;
use counterfoil_aws::lambda::OtherFunction;
use counterfoil_core::incident::Incident;
use counterfoil_core::mapping::{Mapping, compile};
use counterfoil_core::ports::{SealSigner, State};
use counterfoil_core::records::{Directory, Project, Records, Versioned, Workspace};
use counterfoil_core::redacted::Redacted;
use counterfoil_core::run::Run;
use counterfoil_core::tenancy::{Capability, Principal, Role};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::{CreateProject, NewPerson, NewProject, NewSecrets, NewWorkspace};
use counterfoil_lambda::Boot;
use counterfoil_lambda::config::Var;
use counterfoil_local::{LocalCloud, Options, Postgres};
use counterfoil_testkit::stripe::{
    APP_USERS_TABLE, Drift, FakeStripe, Sample, deliver, event, insert_users, sign_event,
};
use reqwest::StatusCode;

use super::api::Api;
use super::story::Story;

const MAPPING: &str = include_str!("counterfoil.toml");
const CUSTOMERS: usize = 200;
const DATABASE: &str = "shop";
const COLUMNS: &str =
    "id,email,stripe_customer_id,plan,premium,trial_ends_at,seats,features,comped_until";
const REPAIRABLE: &str = "plan,premium,trial_ends_at,seats,features";

/// Names of the people, for the story.
#[derive(Debug, Clone)]
pub(super) struct People {
    pub(super) owner: &'static str,
    pub(super) approver: &'static str,
    pub(super) second: &'static str,
}

/// A key to try by hand.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) whose: String,
    pub(super) key: Redacted<String>,
}

/// Everything that the play needs.
pub(super) struct Scene {
    pub(super) cloud: LocalCloud,
    pub(super) postgres: Postgres,
    pub(super) stripe: FakeStripe,
    pub(super) workspace: Workspace,
    pub(super) project: Project,
    pub(super) people: People,
    pub(super) owner: Api,
    pub(super) approver: Api,
    pub(super) second: Api,
    pub(super) keys: Vec<Key>,
    pub(super) webhook_secret: Redacted<String>,
    pub(super) webhook_customer: String,
    pub(super) seal_key_pem: String,
    pub(super) expected: usize,
    state: Arc<dyn State>,
    scan: OtherFunction,
}

/// Raises the curtain.
pub(super) async fn set(story: &Story) -> Result<Scene> {
    let progress = |step: &str| story.progress(step);
    let postgres = Postgres::start(&progress)?;
    story.progress("a shop of 200 customers, with drift of nine kinds");
    let mut sample = Sample::new(7, CUSTOMERS, now());
    for (drift, count) in Drift::ALL.into_iter().zip([3, 2, 1, 1, 1, 1, 1, 1, 1]) {
        sample.inject(drift, count);
    }
    let (read_url, repair_url) = database(&postgres, &sample)?;
    let stripe = stripe(&sample).await?;
    let options = Options {
        functions: true,
        auth: true,
        extra_env: vec![
            (
                Var::StripeUrl.name().to_owned(),
                stripe.base_url().to_owned(),
            ),
            (Var::StripeRate.name().to_owned(), "200".to_owned()),
            (Var::CheckDelay.name().to_owned(), "1".to_owned()),
            (
                Var::DatabaseNetworks.name().to_owned(),
                "127.0.0.0/8".to_owned(),
            ),
            (Var::DatabasePorts.name().to_owned(), "any".to_owned()),
        ],
    };
    let cloud = LocalCloud::start(&options, &progress)?;
    story.progress("a workspace, a project, people and keys");
    let clients = Clients::for_endpoint(&cloud.endpoint, &cloud.deployment.account).await;
    let settings = cloud.deployment.settings();
    let boot = Boot::with(clients, move |variable| {
        settings.get(variable.name()).cloned()
    });
    let signer = boot.signer()?;
    let create = CreateProject {
        evidence: boot.evidence()?,
        state: boot.state()?,
        vault: boot.vault()?,
        signer: signer.clone(),
        clock: boot.clock(),
        random: boot.random(),
    };
    let people = People {
        owner: "Olive (owner)",
        approver: "Ada (approver)",
        second: "Ben (admin)",
    };
    let webhook_secret = Redacted::new("whsec_demo_only".to_owned());
    let secrets = NewSecrets {
        stripe_key: Redacted::new(stripe.restricted_key()),
        read_database: Redacted::new(read_url),
        repair_database: Some(Redacted::new(repair_url)),
        webhook: vec![webhook_secret.clone()],
    };
    let tenant = tenant(&create, &people, secrets).await?;
    let [owner_key, approver_key, second_key, machine_key] = &tenant.keys;
    let api = |key: &Redacted<String>| Api::new(&cloud.api_url, key.clone());
    let first = sample
        .expected
        .iter()
        .find(|expected| expected.kind == "paid_no_access");
    Ok(Scene {
        owner: api(owner_key),
        approver: api(approver_key),
        second: api(second_key),
        keys: vec![
            Key {
                whose: people.owner.to_owned(),
                key: owner_key.clone(),
            },
            Key {
                whose: people.approver.to_owned(),
                key: approver_key.clone(),
            },
            Key {
                whose: people.second.to_owned(),
                key: second_key.clone(),
            },
            Key {
                whose: "a machine (repair key)".to_owned(),
                key: machine_key.clone(),
            },
        ],
        webhook_customer: first.context("no drift was put in")?.customer.clone(),
        seal_key_pem: pem(signer.key().await?.spki()),
        expected: sample.expected.len(),
        state: boot.state()?,
        scan: boot.other_function(cloud.deployment.output("ReconcileFunction")?),
        workspace: tenant.workspace,
        project: tenant.project,
        cloud,
        postgres,
        stripe,
        people,
        webhook_secret,
    })
}

struct Tenant {
    workspace: Workspace,
    project: Project,
    keys: [Redacted<String>; 4],
}

async fn tenant(create: &CreateProject, people: &People, secrets: NewSecrets) -> Result<Tenant> {
    let roles = [
        NewPerson::with_keys(people.owner, Role::Owner),
        NewPerson::with_keys(people.approver, Role::Approver),
        NewPerson::with_keys(people.second, Role::Admin),
    ];
    let (workspace, ids) = create
        .workspace(&NewWorkspace {
            name: "Demo",
            people: &roles,
        })
        .await?;
    let [owner, approver, second] = ids.try_into().ok().context("three people")?;
    let by = Principal::System {
        duty: "setup".to_owned(),
    };
    let artifact = compile(&Mapping::from_toml(MAPPING)?)?;
    let new = NewProject {
        workspace: &workspace,
        by: &by,
        name: "Shop",
        livemode: true,
        artifact: &artifact,
        hints: ("rk_live_…", "127.0.0.1/shop"),
        secrets,
        auto_propose: true,
    };
    let project = create.project(new).await?;
    let key = async |capability, owner, approver| {
        create
            .api_key(&project, &by, capability, owner, approver)
            .await
    };
    let keys = [
        key(Capability::Repair, owner, Some(owner)).await?,
        key(Capability::Repair, approver, Some(approver)).await?,
        key(Capability::Repair, second, Some(second)).await?,
        key(Capability::Repair, owner, None).await?,
    ];
    Ok(Tenant {
        workspace,
        project,
        keys,
    })
}

/// A Stripe account in live mode: there, what a machine proposes waits for a person.
async fn stripe(sample: &Sample) -> Result<FakeStripe> {
    let stripe = FakeStripe::start(sample.shop.clone());
    let stripe = stripe.await.context("starting the fake Stripe")?;
    stripe.go_live();
    Ok(stripe)
}

/// The app's table with its rows, and the two roles; returns their URLs.
fn database(postgres: &Postgres, sample: &Sample) -> Result<(String, String)> {
    postgres.create_database(DATABASE)?;
    postgres.sql(DATABASE, APP_USERS_TABLE)?;
    postgres.sql(DATABASE, &insert_users(&sample.users))?;
    let sql = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/sql");
    let role = |name: &str, script: &str, more: &[(&str, &str)]| -> Result<String> {
        let password = format!("{name}_demo_only");
        let mut variables = vec![
            ("role", name),
            ("schema", "public"),
            ("table", "app_users"),
            ("columns", COLUMNS),
        ];
        variables.extend_from_slice(more);
        let environment = [("COUNTERFOIL_ROLE_PASSWORD", password.as_str())];
        postgres.script(DATABASE, &sql.join(script), &variables, &environment)?;
        Ok(postgres.url(name, &password, DATABASE))
    };
    let read = role("counterfoil_read", "read-role.sql", &[])?;
    let update = [("update_columns", REPAIRABLE)];
    let repair = role("counterfoil_repair", "repair-role.sql", &update)?;
    Ok((read, repair))
}

impl Scene {
    /// Sends an event about the webhook customer, signed with `secret`.
    pub(super) async fn deliver_webhook(&self, secret: &str) -> Result<StatusCode> {
        let at = now().as_secs();
        let object = serde_json::json!({
            "id": "sub_demo", "object": "subscription", "customer": self.webhook_customer,
            "livemode": true,
        });
        let payload = event("evt_demo_1", "customer.subscription.updated", at, &object);
        let signature = sign_event(&[secret], &payload, at);
        let url = format!("{}/webhooks/stripe/{}", self.cloud.api_url, self.project.id);
        let answer = deliver(&url, payload, &signature)
            .await
            .context("delivering a webhook")?;
        Ok(StatusCode::from_u16(answer.status)?)
    }

    /// Invokes the schedule's function with the schedule's event; returns the run it started.
    pub(super) async fn invoke_scan(&self) -> Result<String> {
        let event = serde_json::json!({
            "source": "counterfoil.schedule", "detail": { "job": "scan" },
        });
        let answer = self
            .scan
            .invoke(&event)
            .await
            .context("invoking the scan")?;
        let run = answer
            .pointer("/runs/0")
            .and_then(serde_json::Value::as_str);
        Ok(run
            .with_context(|| format!("the scan did not start: {answer}"))?
            .to_owned())
    }

    /// Every incident of the project.
    pub(super) async fn incidents(&self) -> Result<Vec<Versioned<Incident>>> {
        let ctx = Directory::system(&self.project, "demo");
        Ok(Records::of(self.state.as_ref(), &ctx)
            .list::<Incident>()
            .await?)
    }

    /// A run's record.
    pub(super) async fn run(&self, id: &str) -> Result<Option<Run>> {
        let ctx = Directory::system(&self.project, "demo");
        let found = Records::of(self.state.as_ref(), &ctx)
            .get::<Run>(id)
            .await?;
        Ok(found.map(|run| run.value))
    }
}

/// A DER public key as PEM.
fn pem(spki: &[u8]) -> String {
    use p256::pkcs8::{DecodePublicKey, EncodePublicKey, LineEnding};
    let key = p256::PublicKey::from_public_key_der(spki);
    key.ok()
        .and_then(|key| key.to_public_key_pem(LineEnding::LF).ok())
        .unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the demo plays now")]
fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
