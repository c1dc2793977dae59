//! Policy bundles of a workspace: who signs them, uploading, activating, revoking, trying them out.
//!
//! A signing key and an activation take two people: the first request proposes, another person's
//! carries it out; a revocation takes one. Uploading and shadowing change nothing that happens, so the
//! role alone decides them: they must remain possible while the rules in force cannot be asked.
//!
//! What if a step fails: every act is one transaction of its entries and its rows. What failed and
//! happened is seen when the same is asked again, and then nothing is done twice.

mod activate;
mod impact;
mod judge;
mod keys;
mod revoke;
mod room;
mod shadow;
mod suspect;
mod upload;

use std::sync::Arc;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
pub use counterfoil_policy::check::Finding as PolicyFinding;
use counterfoil_policy::check::Finding;
use thiserror::Error;

pub use impact::{ImpactReport, MOST_JUDGED};
pub use upload::{NewBundle, Uploaded};

use super::admin::{AdminError, AdminPorts};
use super::facts::{actor, target_named};
use super::governed::Governed;
use super::held_changes::HeldError;
use super::second_person::NotSecond;
use crate::bundles::{PolicyState, StoredBundle};
use crate::held_change::{HeldChange, POLICY, POLICY_KEY};
use crate::ids::{DecisionId, UserId};
use crate::ports::{AppendError, Batch, EntryRef, EvidenceRead, PortError, StateWrite};
use crate::records::{Directory, RecordError, Versioned};
use crate::tenancy::{Principal, Role, Via, WorkspaceCtx};

/// Why something about policies was not done.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// As for every administrative act.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The bundle has mistakes; nothing was stored: 422.
    #[error("the bundle has {} mistakes", .0.len())]
    Invalid(Vec<Finding>),
    /// The bundle does not fit what is active, or was revoked: 409.
    #[error("{0}")]
    Unfit(String),
    /// Refused for that reason, and not made by somebody who may sign to come next: whoever runs the
    /// product is told.
    #[error(transparent)]
    Suspect(Box<Self>),
    /// The caller does not count as the second person: 409.
    #[error("this is not confirmed")]
    NotSecond(#[source] NotSecond),
}

impl From<RecordError> for PolicyError {
    fn from(error: RecordError) -> Self {
        Self::Admin(error.into())
    }
}

impl From<PortError> for PolicyError {
    fn from(error: PortError) -> Self {
        Self::Admin(error.into())
    }
}

impl From<AppendError> for PolicyError {
    fn from(error: AppendError) -> Self {
        Self::Admin(match error {
            AppendError::StateChanged { .. } => AdminError::Changed,
            error => error.into(),
        })
    }
}

impl From<crate::json::JsonError> for PolicyError {
    fn from(error: crate::json::JsonError) -> Self {
        Self::Admin(error.into())
    }
}

impl From<HeldError> for PolicyError {
    fn from(error: HeldError) -> Self {
        match error {
            HeldError::Denied(judgement, decision) => Self::Admin(AdminError::Denied {
                judgement,
                decision: Some(decision),
            }),
            HeldError::NotSecond(why) => Self::NotSecond(why),
            HeldError::Changed => Self::Admin(AdminError::Changed),
            HeldError::Evidence(error) => error.into(),
            HeldError::Record(error) => error.into(),
            HeldError::Json(error) => error.into(),
        }
    }
}

/// What there is, and what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyView {
    /// What is in force.
    pub state: Versioned<PolicyState>,
    /// An activation that waits for a second person.
    pub activation: Option<HeldChange>,
    /// A signing key that waits for a second person.
    pub key: Option<HeldChange>,
}

/// What a request did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyActed {
    /// It waits for a second person.
    pub waits: bool,
    /// The decision; `None` where nothing had to change.
    pub decision: Option<DecisionId>,
}

impl PolicyActed {
    const NOTHING: Self = Self {
        waits: false,
        decision: None,
    };

    const fn waiting(decision: Option<DecisionId>) -> Self {
        Self {
            waits: true,
            decision,
        }
    }

    const fn by(judged: &Governed) -> Self {
        Self {
            waits: false,
            decision: Some(judged.decision()),
        }
    }
}

/// Policy bundles of a workspace.
#[derive(Clone)]
pub struct Policies {
    /// Its ports.
    pub ports: AdminPorts,
    /// Recorded decisions.
    pub reader: Arc<dyn EvidenceRead>,
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Policies")
    }
}

impl Policies {
    /// What is in force, and what waits. For everybody in the workspace.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn view(&self, ctx: &WorkspaceCtx) -> Result<PolicyView, PolicyError> {
        let state = self.state(ctx).await?;
        let (changes, workspace) = (self.changes(), ctx.workspace());
        let activation = changes.of_workspace(workspace, POLICY).await?;
        let activation =
            activation.filter(|it| it.text("instead_of") == state.value.active_digest());
        let key = changes.of_workspace(workspace, POLICY_KEY).await?;
        Ok(PolicyView {
            state,
            activation,
            key,
        })
    }

    /// A stored bundle. For everybody in the workspace.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] where there is none.
    pub async fn bundle(
        &self,
        ctx: &WorkspaceCtx,
        digest: &str,
    ) -> Result<Versioned<StoredBundle>, PolicyError> {
        let directory = self.directory();
        let found = directory.policy_bundle(ctx.workspace(), digest);
        Ok(found.await?.ok_or(AdminError::NotFound)?)
    }

    async fn state(&self, ctx: &WorkspaceCtx) -> Result<Versioned<PolicyState>, PolicyError> {
        Ok(self.directory().policy_state(ctx.workspace()).await?)
    }

    /// Records a refusal and answers with it.
    async fn refuse(&self, ctx: &WorkspaceCtx, judged: Governed) -> PolicyError {
        let recorded = match judged.batch(ctx.principal(), None, Vec::new()) {
            Ok(batch) => self.append(ctx, batch).await.map(drop),
            Err(error) => Err(error.into()),
        };
        match recorded {
            Ok(()) => PolicyError::Admin(AdminError::Denied {
                decision: Some(judged.decision()),
                judgement: judged.judgement,
            }),
            Err(error) => error,
        }
    }

    async fn append(&self, ctx: &WorkspaceCtx, batch: Batch) -> Result<Vec<EntryRef>, PolicyError> {
        let stream: Hash = self.ports.stream(ctx.workspace()).await?;
        Ok(self.ports.evidence.append(stream, batch).await?)
    }

    fn directory(&self) -> Directory<'_> {
        self.ports.directory()
    }
}

/// The row of what is in force, as it is to be.
fn replaced(
    ctx: &WorkspaceCtx,
    version: u64,
    after: &PolicyState,
) -> Result<StateWrite, PolicyError> {
    let key = PolicyState::key(ctx.workspace());
    let version = (version > 0).then_some(version);
    Ok(Directory::write(key, version, after)?)
}

/// The person who signed in as admin or owner: what uploading, shadowing and impact ask for.
fn administrator(principal: &Principal) -> Result<UserId, AdminError> {
    match principal {
        Principal::User {
            id,
            role,
            via: Via::Login { .. },
        } => {
            if Role::may_administer(*role) {
                Ok(*id)
            } else {
                Err(AdminError::NotForRole)
            }
        }
        _ => Err(AdminError::NotAPerson),
    }
}

/// What happened to a bundle without changing what is in force.
fn observed(
    topic: &'static str,
    ctx: &WorkspaceCtx,
    digest: &str,
    more: Vec<(&'static str, Json)>,
) -> Draft {
    let mut facts = vec![
        ("actor", actor(ctx.principal())),
        ("result", "ok".into()),
        ("target", target_named("policy_bundle", digest)),
        ("topic", topic.into()),
    ];
    facts.extend(more);
    Draft::new(Kind::ObservationRecorded, object(facts))
}
