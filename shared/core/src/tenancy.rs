//! Who is calling, and for which tenant.
//!
//! [`TenantCtx`] is demanded by every access to a project's records, [`WorkspaceCtx`] by every access
//! to a workspace's, and neither has a public constructor: they come from a credential that was
//! checked ([`crate::auth`]) or from a tenant that the product itself looked up for one of its own
//! triggers ([`crate::records::Directory`]).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{KeyId, ProjectId, RunId, UserId, WorkspaceId};
use crate::time::Timestamp;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Look.
    Read,
    /// Look, propose, and execute what policy allows or people approved.
    Repair,
}

impl Capability {
    /// Whether whoever has this may do what needs `need`.
    pub const fn covers(self, need: Self) -> bool {
        match (self, need) {
            (Self::Repair, _) | (Self::Read, Self::Read) => true,
            (Self::Read, Self::Repair) => false,
        }
    }

    /// The name, as requests and policy write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Repair => "repair",
        }
    }
}

/// A person's role in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads everything, exports, verifies.
    Auditor,
    /// Approves, rejects, proposes and executes repairs.
    Approver,
    /// Connections, mappings, secrets, settings.
    Admin,
    /// Everything.
    Owner,
}

impl Role {
    /// Whether people of this role may vote on held actions.
    pub const fn may_approve(self) -> bool {
        matches!(self, Self::Approver | Self::Admin | Self::Owner)
    }

    /// Whether people of this role may change who is a member, make API keys and delete (rule
    /// `base.permit.owner`).
    pub const fn may_own(self) -> bool {
        matches!(self, Self::Owner)
    }

    /// Whether people of this role may export evidence (rule `base.permit.export`).
    pub const fn may_export(self) -> bool {
        matches!(self, Self::Auditor | Self::Admin | Self::Owner)
    }

    /// Whether people of this role may erase and change settings (rule `base.permit.admin`).
    pub const fn may_administer(self) -> bool {
        matches!(self, Self::Admin | Self::Owner)
    }

    /// Whether people of this role may place a legal hold: preserving is safe, releasing is not
    /// (rule `base.permit.admin`, `base.permit.auditor`).
    pub const fn may_hold(self) -> bool {
        matches!(self, Self::Auditor | Self::Admin | Self::Owner)
    }

    /// The name, as requests and evidence write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Auditor => "auditor",
            Self::Approver => "approver",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Whether people of this role see values in clear: viewers see them masked.
    pub const fn sees_values(self) -> bool {
        !matches!(self, Self::Viewer)
    }

    /// Whether people of this role may release a legal hold (rule `base.permit.owner`).
    pub const fn may_release(self) -> bool {
        matches!(self, Self::Owner)
    }
}

/// How a person came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Via {
    /// With an approver key that is bound to them.
    Key {
        /// The key.
        id: KeyId,
    },
    /// Signed in.
    Login {
        /// When they proved who they are.
        at: Timestamp,
        /// Whether they used a second factor.
        second_factor: bool,
    },
}

impl Via {
    /// How long ago the person proved who they are. An approver key stands for a person at any time.
    pub fn age(&self, now: Timestamp) -> Duration {
        match self {
            Self::Key { .. } => Duration::ZERO,
            Self::Login { at, .. } => now.since(*at),
        }
    }
}

/// Whoever acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Principal {
    /// A person.
    User {
        /// The person.
        id: UserId,
        /// Their role now.
        role: Role,
        /// How they came.
        via: Via,
    },
    /// A plain API key.
    ApiKey {
        /// The key.
        id: KeyId,
        /// What it may do.
        capability: Capability,
        /// The person who created it.
        owner: UserId,
        /// The role of that person now; `None` when they left.
        owner_role: Option<Role>,
    },
    /// An agent: a caller over MCP, or with a key that is an agent's.
    Agent {
        /// Its API key, or the client that a person let in.
        id: String,
        /// What it may do.
        capability: Capability,
        /// The person who created the key, or on whose behalf it acts.
        owner: UserId,
        /// The role of that person now; `None` when they left.
        owner_role: Option<Role>,
        /// It acts on behalf of that person, who counts as a proposer.
        on_behalf: bool,
    },
    /// The product's own schedule, inside a run.
    Scheduler {
        /// The scan on whose behalf it acts.
        run: RunId,
    },
    /// The product itself: webhook intake, expiry, sweeps.
    System {
        /// What it is doing, for example `sweep`.
        duty: String,
    },
}

impl Principal {
    /// The type as the evidence format's `actor.type` names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::ApiKey { .. } => "api_key",
            Self::Agent { .. } => "agent",
            Self::Scheduler { .. } => "scheduler",
            Self::System { .. } => "system",
        }
    }

    /// The opaque id as evidence names it.
    pub fn id(&self) -> String {
        match self {
            Self::User { id, .. } => id.to_string(),
            Self::ApiKey { id, .. } => id.to_string(),
            Self::Agent { id, .. } => id.clone(),
            Self::Scheduler { run } => run.to_string(),
            Self::System { duty } => format!("system:{duty}"),
        }
    }

    /// Whose requests are the same: [`Principal::id`], and for an agent that acts for somebody, whom it
    /// acts for. Many people use one client, and what it does for one of them is not another's.
    pub fn account(&self) -> String {
        match self.on_behalf_of() {
            Some(person) => format!("{} for {person}", self.id()),
            None => self.id(),
        }
    }

    /// The person for whom an agent acts that has no key of its own.
    pub const fn on_behalf_of(&self) -> Option<UserId> {
        match self {
            Self::Agent {
                owner,
                on_behalf: true,
                ..
            } => Some(*owner),
            Self::Agent { .. }
            | Self::User { .. }
            | Self::ApiKey { .. }
            | Self::Scheduler { .. }
            | Self::System { .. } => None,
        }
    }

    /// The role that decides what is shown: that of whoever reads in the end. A key has none.
    pub const fn reader_role(&self) -> Option<Role> {
        match self {
            Self::User { role, .. } => Some(*role),
            Self::Agent {
                owner_role,
                on_behalf: true,
                ..
            } => *owner_role,
            Self::ApiKey { .. }
            | Self::Agent { .. }
            | Self::Scheduler { .. }
            | Self::System { .. } => None,
        }
    }

    /// The role of the person behind this request; a machine has none.
    pub const fn role(&self) -> Option<Role> {
        match self {
            Self::User { role, .. } => Some(*role),
            Self::ApiKey { .. }
            | Self::Agent { .. }
            | Self::Scheduler { .. }
            | Self::System { .. } => None,
        }
    }

    /// Whether they may have the product act: ask for checks, propose repairs, execute what is allowed
    /// or was approved.
    pub const fn may_operate(&self) -> bool {
        match self {
            Self::User { role, .. } => role.may_approve(),
            Self::ApiKey { capability, .. } | Self::Agent { capability, .. } => {
                capability.covers(Capability::Repair)
            }
            Self::Scheduler { .. } | Self::System { .. } => false,
        }
    }

    /// People who count as proposers of what this principal proposes: themselves, or whoever an agent
    /// acts for.
    pub fn proposers(&self) -> Vec<UserId> {
        match self {
            Self::User { id, .. } => vec![*id],
            Self::Agent { .. }
            | Self::ApiKey { .. }
            | Self::Scheduler { .. }
            | Self::System { .. } => self.on_behalf_of().into_iter().collect(),
        }
    }

    /// The person who owns the key or agent.
    pub fn owners(&self) -> Vec<UserId> {
        match self {
            Self::ApiKey { owner, .. } | Self::Agent { owner, .. } => vec![*owner],
            Self::User { .. } | Self::Scheduler { .. } | Self::System { .. } => Vec::new(),
        }
    }

    /// The same person as if they had signed in at `at` with the factors they used; `None` for
    /// whoever cannot sign in.
    pub(crate) fn signed_in_at(&self, at: Timestamp) -> Option<Self> {
        match self {
            Self::User {
                id,
                role,
                via: Via::Login { second_factor, .. },
            } => Some(Self::User {
                id: *id,
                role: *role,
                via: Via::Login {
                    at,
                    second_factor: *second_factor,
                },
            }),
            _ => None,
        }
    }

    /// Whether a person came with an approver key: they vote with it, and change no setting.
    pub const fn by_approver_key(&self) -> bool {
        matches!(
            self,
            Self::User {
                via: Via::Key { .. },
                ..
            }
        )
    }

    /// Whether whoever it is proved it with a second factor. An approver key was made with one.
    pub const fn second_factor(&self) -> bool {
        match self {
            Self::User { via, .. } => match via {
                Via::Login { second_factor, .. } => *second_factor,
                Via::Key { .. } => true,
            },
            Self::ApiKey { .. }
            | Self::Agent { .. }
            | Self::Scheduler { .. }
            | Self::System { .. } => false,
        }
    }

    /// The API key that it came with, if it was one; a client of the issuer has none.
    pub fn key(&self) -> Option<KeyId> {
        match self {
            Self::User {
                via: Via::Key { id },
                ..
            }
            | Self::ApiKey { id, .. } => Some(*id),
            Self::Agent { id, .. } => id.parse().ok(),
            Self::User { .. } | Self::Scheduler { .. } | Self::System { .. } => None,
        }
    }

    /// The person behind this request, if it is one.
    pub const fn person(&self) -> Option<UserId> {
        match self {
            Self::User { id, .. } => Some(*id),
            Self::ApiKey { .. }
            | Self::Agent { .. }
            | Self::Scheduler { .. }
            | Self::System { .. } => None,
        }
    }
}

/// Something that holds records: a workspace or a project.
pub trait Tenant: Send + Sync {
    /// What partitions of its records start with.
    fn partition(&self) -> String;

    /// The workspace that it is, or lies in.
    fn workspace(&self) -> WorkspaceId;
}

/// Permission to touch the records of a workspace, and to enter its projects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceCtx {
    workspace: WorkspaceId,
    principal: Principal,
    /// For a key: whether it is for live projects or for the others.
    live: Option<bool>,
}

impl WorkspaceCtx {
    /// Only for the auth layer and the directory of this crate.
    pub(crate) const fn new(workspace: WorkspaceId, principal: Principal) -> Self {
        Self {
            workspace,
            principal,
            live: None,
        }
    }

    /// The same for a key, which reaches projects of its environment alone.
    #[must_use]
    pub(crate) const fn of_environment(mut self, live: bool) -> Self {
        self.live = Some(live);
        self
    }

    /// The workspace.
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Whether projects of this mode exist for the caller.
    pub fn sees(&self, livemode: bool) -> bool {
        self.live.is_none_or(|live| live == livemode)
    }

    /// Who acts.
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl Tenant for WorkspaceCtx {
    fn partition(&self) -> String {
        self.workspace.to_string()
    }

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }
}

/// Permission to touch the records of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantCtx {
    workspace: WorkspaceId,
    project: ProjectId,
    principal: Principal,
}

impl TenantCtx {
    /// Only for the auth layer and the directory of this crate.
    pub(crate) const fn new(
        workspace: WorkspaceId,
        project: ProjectId,
        principal: Principal,
    ) -> Self {
        Self {
            workspace,
            project,
            principal,
        }
    }

    /// The workspace.
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// The project.
    pub const fn project(&self) -> ProjectId {
        self.project
    }

    /// Who acts.
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl Tenant for TenantCtx {
    fn partition(&self) -> String {
        format!("{}#{}", self.workspace, self.project)
    }

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }
}
