//! Workspaces and projects: their streams, members, keys, secrets and mapping.
//!
//! Each step is one transaction of entry and rows, so what exists is explained by evidence.

use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use thiserror::Error;

use super::admin::AdminError;
use super::facts::{change, target};
use super::holds::{changed, set_draft};
use super::secrets::{SecretStep, secret_draft};
use super::vault::{Vault, VaultError};
use super::workspaces::founding::{Founder, Founding, NewWorkspace, open_stream};
use crate::auth::NewKey;
use crate::hold::{HoldState, LegalHold};
use crate::ids::{KeyId, ProjectId, SecretId, UserId};
use crate::mapping::Artifact;
use crate::ports::{
    AppendError, Batch, Clock, EvidenceAppend, Holds, HoldsWrite, PortError, Random, SealSigner,
    State, StateWrite,
};
use crate::records::{
    ApiKey, Directory, Mapping, Project, RecordError, Records, Secret, WebhookSecret, Workspace,
};
use crate::redacted::Redacted;
use crate::sealed::{Purpose, SealContext};
use crate::tenancy::{Capability, Principal, TenantCtx};
use crate::webhook::is_signing_secret;

/// Why something was not created. After an error nothing of the failed step exists, but for a data
/// key that seals nothing.
#[derive(Debug, Error)]
pub enum CreateProjectError {
    /// Evidence could not be written, so nothing was created.
    #[error("evidence could not be written: nothing was created")]
    Evidence(#[from] AppendError),
    /// A workspace could not be founded.
    #[error("the workspace could not be founded")]
    Founding(#[from] AdminError),
    /// A secret could not be sealed.
    #[error("a secret could not be sealed")]
    Vault(#[from] VaultError),
    /// A port did not answer.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be written.
    #[error("a record could not be written")]
    Record(#[from] RecordError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] crate::json::JsonError),
    /// A webhook signing secret cannot be one.
    #[error(
        "secrets.webhook: a signing secret is whsec_ and characters without spaces: copy it from \
         the endpoint's page in Stripe"
    )]
    SigningSecret,
    /// A key could not be made from the random bytes.
    #[error("the random source gave unusable bytes")]
    Random,
}

/// Credentials of a project, in clear; they are sealed before anything is stored.
#[derive(Debug)]
pub struct NewSecrets {
    /// Stripe restricted key.
    pub stripe_key: Redacted<String>,
    /// URL of the reading role.
    pub read_database: Redacted<String>,
    /// URL of the repair role; `None` leaves the project read-only.
    pub repair_database: Option<Redacted<String>>,
    /// Webhook signing secrets.
    pub webhook: Vec<Redacted<String>>,
}

impl NewSecrets {
    /// Refuses signing secrets with which every delivery would fail.
    fn check(&self) -> Result<(), CreateProjectError> {
        let mut signing = self.webhook.iter().map(Redacted::reveal);
        if signing.all(|secret| is_signing_secret(secret)) {
            Ok(())
        } else {
            Err(CreateProjectError::SigningSecret)
        }
    }
}

/// A project to create.
#[derive(Debug)]
pub struct NewProject<'a> {
    /// Tenant.
    pub workspace: &'a Workspace,
    /// Who creates it.
    pub by: &'a Principal,
    /// Its name.
    pub name: &'a str,
    /// Whether the Stripe connection is live.
    pub livemode: bool,
    /// The compiled mapping.
    pub artifact: &'a Artifact,
    /// What may be shown of the connections: key prefix, host and database.
    pub hints: (&'a str, &'a str),
    /// Credentials.
    pub secrets: NewSecrets,
    /// Whether scans propose repairs by themselves.
    pub auto_propose: bool,
}

/// Creates tenants.
#[derive(Clone)]
pub struct CreateProject {
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// State.
    pub state: Arc<dyn State>,
    /// Seals secrets.
    pub vault: Vault,
    /// The key that will seal the streams.
    pub signer: Arc<dyn SealSigner>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids, nonces, keys.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for CreateProject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CreateProject")
    }
}

impl CreateProject {
    /// Founds a workspace with its people; returns it and the people's ids in order.
    pub async fn workspace(
        &self,
        new: &NewWorkspace<'_>,
    ) -> Result<(Workspace, Vec<UserId>), CreateProjectError> {
        let founded = self.founding().found(Founder::Product, new, &|_| None);
        Ok(founded.await?)
    }

    fn founding(&self) -> Founding<'_> {
        Founding {
            evidence: self.evidence.as_ref(),
            state: self.state.as_ref(),
            signer: self.signer.as_ref(),
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
        }
    }

    /// Creates a project with its stream, sealed credentials and mapping.
    pub async fn project(&self, new: NewProject<'_>) -> Result<Project, CreateProjectError> {
        new.secrets.check()?;
        let now = self.clock.now();
        let id = ProjectId::new(now, self.random.bits128());
        let ctx = TenantCtx::new(new.workspace.id, id, new.by.clone());
        let (stream, genesis) = self.stream(&id.to_string()).await?;
        let mut batch = Batch::of([genesis]);
        let (key_hint, database_hint) = new.hints;
        let mut secrets = Vec::new();
        let mut seal = async |purpose, hint: &str, value: &[u8]| {
            let secret = self.sealed(&ctx, purpose, hint, value).await?;
            let secret_id = secret.id;
            secrets.push(secret);
            Ok::<SecretId, CreateProjectError>(secret_id)
        };
        let given = &new.secrets;
        let stripe_key = seal(
            Purpose::Read,
            key_hint,
            given.stripe_key.reveal().as_bytes(),
        )
        .await?;
        let read_database = seal(
            Purpose::Read,
            database_hint,
            given.read_database.reveal().as_bytes(),
        )
        .await?;
        let repair_database = match &given.repair_database {
            Some(url) => Some(seal(Purpose::Repair, database_hint, url.reveal().as_bytes()).await?),
            None => None,
        };
        let mut webhook_secrets = Vec::new();
        for secret in &given.webhook {
            let value = secret.reveal().as_bytes();
            let id = seal(Purpose::Webhook, "whsec_…", value).await?;
            webhook_secrets.push(WebhookSecret::new(id, now));
        }
        let pseudonym_key = seal(Purpose::Pseudonym, "", &self.random.bytes32()).await?;
        let project = Project {
            id,
            workspace: new.workspace.id,
            name: new.name.to_owned(),
            livemode: new.livemode,
            stream: stream.to_string(),
            mapping: Some(new.artifact.hash()),
            stripe_key: Some(stripe_key),
            read_database: Some(read_database),
            repair_database,
            webhook_secrets,
            pseudonym_key,
            auto_propose: new.auto_propose,
            frozen: false,
        };
        let facts = change(
            new.by,
            target("project", id),
            [("mapping", new.artifact.hash().as_str().into())],
        );
        batch.drafts.push(Draft::new(Kind::ConfigChanged, facts));
        batch = batch.with(row(Directory::project_key(id), &project)?.explained_by(1));
        let records = Records::of(self.state.as_ref(), &ctx);
        let mapping = Mapping {
            hash: new.artifact.hash(),
            artifact: new.artifact.canonical_text(),
            source: None,
            added_at: now,
        };
        batch = batch.with(records.create(&mapping)?.explained_by(1));
        for secret in &secrets {
            let entry = batch.drafts.len();
            let draft = secret_draft(new.by, secret, secret.version, SecretStep::Created);
            batch.drafts.push(draft);
            batch = batch.with(records.create(secret)?.explained_by(entry));
        }
        let held = self.holds_of(&project).await?;
        let mut holds = Holds::default();
        for hold in &held {
            batch.drafts.push(set_draft(hold, &hold.by)?);
            holds = changed(&holds, hold, true).unwrap_or(holds);
        }
        if !held.is_empty() {
            holds.version = 1;
            batch = batch.holds(HoldsWrite::Replace(holds.clone()));
        }
        self.evidence.append(stream, batch).await?;
        self.hold_late(&project, stream, &held, holds).await?;
        Ok(project)
    }

    /// The legal holds of a workspace: a project that is created meanwhile starts with them.
    pub(super) async fn holds_of(
        &self,
        project: &Project,
    ) -> Result<Vec<LegalHold>, CreateProjectError> {
        let holds = Directory::of(self.state.as_ref())
            .holds(project.workspace)
            .await?;
        let in_force = |hold: &LegalHold| {
            hold.project.is_none() && matches!(hold.state, HoldState::Setting | HoldState::Active)
        };
        let holds = holds.into_iter().map(|hold| hold.value);
        Ok(holds.filter(in_force).collect())
    }

    /// A hold that was recorded while the project was being created may have missed it, and it the
    /// hold. Whoever sets the hold looks for projects again at its end; this is the other half.
    pub(super) async fn hold_late(
        &self,
        project: &Project,
        stream: Hash,
        held: &[LegalHold],
        mut holds: Holds,
    ) -> Result<(), CreateProjectError> {
        for hold in self.holds_of(project).await? {
            if held.iter().any(|known| known.id == hold.id) {
                continue;
            }
            let Some(after) = changed(&holds, &hold, true) else {
                continue;
            };
            let batch =
                Batch::of([set_draft(&hold, &hold.by)?]).holds(HoldsWrite::Replace(after.clone()));
            match self.evidence.append(stream, batch).await {
                Ok(_) => holds = after,
                // Whoever sets the hold has found the project.
                Err(AppendError::HoldsChanged) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Creates an API key for a project; an approver key speaks as `approver`. Shown once.
    pub async fn api_key(
        &self,
        project: &Project,
        by: &Principal,
        capability: Capability,
        owner: UserId,
        approver: Option<UserId>,
    ) -> Result<Redacted<String>, CreateProjectError> {
        let now = self.clock.now();
        let mut random = Vec::new();
        for _ in 0..4 {
            random.extend(self.random.bytes32());
        }
        let new =
            NewKey::from_random(project.livemode, &random).ok_or(CreateProjectError::Random)?;
        let key = ApiKey {
            id: KeyId::new(now, self.random.bits128()),
            handle: new.handle.clone(),
            hash: new.hash.clone(),
            name: String::new(),
            workspace: project.workspace,
            project: Some(project.id),
            live: project.livemode,
            capability,
            approver,
            agent: false,
            owner,
            created_at: now,
            expires_at: now.plus(KEY_VALID),
            revoked_at: None,
            replaced_by: None,
        };
        let approver = approver.map(|person| ("approver", person.to_string().into()));
        let facts = change(by, target("api_key", key.id), approver);
        let stream: Hash = project
            .stream
            .parse()
            .map_err(|_| CreateProjectError::Random)?;
        let mut batch = Batch::of([Draft::new(Kind::AccessGranted, facts)]);
        for row in Directory::api_key_writes(&key, None)? {
            batch = batch.with(row.explained_by(0));
        }
        self.evidence.append(stream, batch).await?;
        Ok(new.secret.clone())
    }

    pub(super) async fn stream(&self, owner: &str) -> Result<(Hash, Draft), CreateProjectError> {
        Ok(open_stream(self.founding(), owner).await?)
    }

    pub(super) async fn sealed(
        &self,
        ctx: &TenantCtx,
        purpose: Purpose,
        hint: &str,
        value: &[u8],
    ) -> Result<Secret, CreateProjectError> {
        let id = SecretId::new(self.clock.now(), self.random.bits128());
        let context = SealContext {
            workspace: ctx.workspace(),
            project: ctx.project(),
            purpose,
            secret: id,
            version: 1,
        };
        let sealed = self.vault.seal(&context, value).await?;
        let now = self.clock.now();
        Ok(Secret::first(id, purpose, hint, 1, sealed, now))
    }
}

/// Approver keys are valid 30 days at most; every key is, until keys have
/// their own settings.
const KEY_VALID: Duration = Duration::from_hours(30 * 24);

fn row<T: serde::Serialize>(
    key: crate::ports::StateKey,
    value: &T,
) -> Result<StateWrite, RecordError> {
    let doc = serde_json::to_value(value).map_err(|source| RecordError::Shape {
        family: "directory",
        source,
    })?;
    Ok(StateWrite::create(key, doc))
}
