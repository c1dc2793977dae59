//! Projects of a workspace: made, listed, named, configured, deleted.
//!
//! A project begins empty: its stream, and the key of its pseudonyms. Stripe, the database and a
//! mapping come later, each on its own, and until all three are there nothing is compared
//! ([`crate::records::Missing`]).

mod activate;
mod change;
mod connect;
mod create;
mod credential;
mod freeze;
mod mappings;
mod unneeded;

use std::sync::Arc;

use thiserror::Error;

pub use activate::Activation;
pub use change::ProjectChange;
pub use connect::{ConnectionView, NewConnection};
pub use create::NewEmptyProject;
pub use credential::ConnectionKind;
pub use freeze::FreezeChange;
pub use mappings::{MAX_MAPPING, MAX_MAPPINGS};

use super::connections::Probed;
use super::create_project::{CreateProject, CreateProjectError};
use super::governed::{Governed, Judging, Terms};
use super::held_changes::{Changes, from_held};
use super::second_person::NotSecond;
use super::secrets::SecretError;
use super::vault::VaultError;
use crate::held_change::HeldChange;
use crate::ids::{ProjectId, SecretId, WorkspaceId};
use crate::json::JsonError;
use crate::mapping::MappingErrors;
use crate::policy::{Effect, Judgement, Place, Question};
use crate::ports::{AppendError, Batch, Clock, EvidenceRead, PortError, State};
use crate::records::{Directory, Missing, Project, RecordError, Records, Versioned};
use crate::tenancy::{Principal, TenantCtx, WorkspaceCtx};

/// The longest name of a project, in characters.
pub const MAX_NAME: usize = 100;

/// Why a request about a project did not do what it asked. Unless it says otherwise, nothing was
/// changed.
#[derive(Debug, Error)]
pub enum ProjectError {
    /// Absent, or of another tenant: 404.
    #[error("there is no such record")]
    NotFound,
    /// The input breaks a rule: 400.
    #[error("{field} {rule}")]
    Invalid {
        /// JSON pointer to the field.
        field: &'static str,
        /// The rule and the fix.
        rule: String,
    },
    /// Somebody changed the record in the meantime: 412.
    #[error("the record has changed in the meantime")]
    Changed,
    /// Something else must come first: 409.
    #[error("the project is not complete")]
    Incomplete(#[source] Missing),
    /// A credential does not fit; each sentence says why and what to do: 422.
    #[error("the connection is refused: {}", .0.join("; "))]
    Refused(Vec<String>),
    /// The document is no mapping: 422.
    #[error("this is not a mapping")]
    Mapping(#[source] MappingErrors),
    /// It has as many mappings as it can store: 409.
    #[error("the project has {MAX_MAPPINGS} mappings")]
    Full,
    /// A repair was begun that only this credential can look at again: 409.
    #[error("a repair is being carried out")]
    Repairing,
    /// The caller does not count as the second person: 409.
    #[error("this is not confirmed")]
    NotSecond(#[source] NotSecond),
    /// Policy said no, and this is recorded: 403.
    #[error("policy denies this: {}", .0.reason)]
    Denied(Judgement),
    /// Evidence could not be written: 503.
    #[error("evidence could not be written")]
    Evidence(#[from] AppendError),
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read or written: 503.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// A secret could not be sealed, or a data key not destroyed: 503.
    #[error("a secret could not be sealed or shredded")]
    Vault(#[from] VaultError),
    /// A credential could not be stored or revoked, or its data keys are still there: 503.
    #[error("a secret could not be changed")]
    Secret(#[from] SecretError),
    /// The stream or the first secret could not be made: 503.
    #[error("the project could not be made")]
    Create(#[from] CreateProjectError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

from_held!(ProjectError);

/// A project as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectView {
    /// The project; its version is what `If-Match` names.
    pub project: Versioned<Project>,
    /// What its last probes said, by secret.
    pub probed: Vec<Probed>,
    /// What waits for further people.
    pub waits: Vec<HeldChange>,
}

impl ProjectView {
    /// What waits under a name.
    pub fn waiting(&self, name: &str) -> Option<&HeldChange> {
        self.waits.iter().find(|waits| waits.name == name)
    }

    /// What the last probe of a secret said.
    pub fn probe_of(&self, secret: SecretId) -> Option<&Probed> {
        self.probed.iter().find(|probed| probed.id == secret)
    }
}

/// Projects of a workspace.
#[derive(Clone)]
pub struct Projects {
    /// Makes streams and seals first secrets.
    pub create: CreateProject,
    /// Evidence to read.
    pub reader: Arc<dyn EvidenceRead>,
}

impl std::fmt::Debug for Projects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Projects")
    }
}

impl Projects {
    /// Whether the caller may configure projects. It comes before what they sent.
    ///
    /// # Errors
    /// [`ProjectError::Denied`]; only a request that is tried is recorded.
    pub async fn admit(
        &self,
        workspace: WorkspaceId,
        principal: &Principal,
    ) -> Result<(), ProjectError> {
        let place = Place::workspace(workspace);
        let judged = self.judge_setting(place, principal, "project").await?;
        match judged.judgement.effect {
            Effect::Deny => Err(ProjectError::Denied(judged.judgement)),
            Effect::Allow | Effect::Require => Ok(()),
        }
    }

    /// The projects of the caller's workspace, oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list(&self, ctx: &WorkspaceCtx) -> Result<Vec<Project>, ProjectError> {
        let mut projects = self.directory().projects().await?;
        projects.retain(|it| it.workspace == ctx.workspace() && ctx.sees(it.livemode));
        Ok(projects)
    }

    /// The caller's project.
    ///
    /// # Errors
    /// When it is gone or cannot be read.
    pub async fn read(&self, ctx: &TenantCtx) -> Result<ProjectView, ProjectError> {
        let project = self.project(ctx).await?;
        let records = Records::of(self.state(), ctx);
        let probed = records.list::<Probed>().await?.into_iter();
        let waits = records.list::<HeldChange>().await?.into_iter();
        let waits = waits.map(|waits| waits.value);
        let now = self.clock().now();
        Ok(ProjectView {
            project,
            probed: probed.map(|probed| probed.value).collect(),
            waits: waits.filter(|waits| waits.waits(now)).collect(),
        })
    }

    async fn project(&self, ctx: &TenantCtx) -> Result<Versioned<Project>, ProjectError> {
        let found = self.directory().project(ctx.project()).await?;
        found
            .filter(|found| found.value.workspace == ctx.workspace())
            .ok_or(ProjectError::NotFound)
    }

    fn state(&self) -> &dyn State {
        self.create.state.as_ref()
    }

    fn clock(&self) -> &dyn Clock {
        self.create.clock.as_ref()
    }

    fn directory(&self) -> Directory<'_> {
        Directory::of(self.state())
    }

    fn judging(&self) -> Judging<'_> {
        Judging {
            state: self.create.state.as_ref(),
            clock: self.create.clock.as_ref(),
            random: self.create.random.as_ref(),
        }
    }

    fn changes(&self) -> Changes<'_> {
        Changes {
            evidence: self.create.evidence.as_ref(),
            judging: self.judging(),
        }
    }

    /// Judges a change that makes nothing weaker.
    async fn judge_setting(
        &self,
        place: Place,
        principal: &Principal,
        name: &'static str,
    ) -> Result<Governed, ProjectError> {
        let question = Question::ChangeSetting {
            name,
            loosening: false,
        };
        let judging = self.judging();
        Ok(judging
            .at(place, principal, &question, Terms::default())
            .await?)
    }

    /// Records a refusal in a stream and answers with it.
    async fn refused(
        &self,
        stream: counterfoil_evidence::hash::Hash,
        principal: &Principal,
        judged: Governed,
    ) -> ProjectError {
        let recorded = async {
            let batch: Batch = judged.batch(principal, None, Vec::new())?;
            self.create.evidence.append(stream, batch).await?;
            Ok::<_, ProjectError>(())
        };
        match recorded.await {
            Ok(()) => ProjectError::Denied(judged.judgement),
            Err(error) => error,
        }
    }
}

/// A name as it is stored.
///
/// # Errors
/// When it is no name.
fn name(given: &str) -> Result<String, ProjectError> {
    let fits = given.chars().count() <= MAX_NAME && !given.chars().any(char::is_control);
    let name = given.trim();
    if fits && !name.is_empty() {
        return Ok(name.to_owned());
    }
    Err(ProjectError::Invalid {
        field: "/name",
        rule: format!("must have 1 to {MAX_NAME} characters, none of them a control character"),
    })
}

fn changed(error: AppendError) -> ProjectError {
    match error {
        AppendError::StateChanged { .. } => ProjectError::Changed,
        error => error.into(),
    }
}

/// The stream that a workspace's own acts are recorded in.
async fn workspace_stream(
    directory: Directory<'_>,
    ctx: &WorkspaceCtx,
) -> Result<counterfoil_evidence::hash::Hash, ProjectError> {
    let found = directory.workspace(ctx.workspace()).await?;
    let workspace = found.ok_or(ProjectError::NotFound)?.value;
    let corrupt = |_| {
        let kind = crate::ports::PortErrorKind::Corrupt;
        PortError::new(kind, "reading the stream id")
    };
    Ok(workspace.stream.parse().map_err(corrupt)?)
}

/// The id of a project as a target of entries.
fn project_target(id: ProjectId) -> counterfoil_evidence::json::Json {
    super::facts::target("project", id)
}
