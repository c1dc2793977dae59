//! Who asks, when, where, and with which approvals: what every question has in common.

use std::time::Duration;

use counterfoil_policy::ApproverRole;

use crate::ids::{ProjectId, WorkspaceId};
use crate::records::Project;
use crate::tenancy::{Principal, Role};
use crate::time::Timestamp;

/// Age of a machine's sign-in, in seconds: it has none, so it is too old for everything that asks.
const NEVER: u64 = (1 << 53) - 1;

/// Where something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The project; `None` for what concerns the workspace itself.
    pub project: Option<ProjectId>,
    /// Whether its Stripe connection is live; `None` for a workspace.
    pub live: Option<bool>,
    /// The emergency stop of the project.
    pub frozen: bool,
    /// A repair credential is stored and was probed.
    pub repairs_enabled: bool,
    /// An active legal hold covers the whole project or workspace.
    pub legal_hold: bool,
}

impl Place {
    /// The workspace itself.
    pub const fn workspace(workspace: WorkspaceId) -> Self {
        Self {
            workspace,
            project: None,
            live: None,
            frozen: false,
            repairs_enabled: false,
            legal_hold: false,
        }
    }

    /// A project of which nothing else is known.
    pub const fn of(workspace: WorkspaceId, project: ProjectId) -> Self {
        Self {
            project: Some(project),
            ..Self::workspace(workspace)
        }
    }

    /// A project as it is now.
    pub const fn project(project: &Project) -> Self {
        Self {
            workspace: project.workspace,
            project: Some(project.id),
            live: Some(project.livemode),
            frozen: project.frozen,
            repairs_enabled: project.repair_database.is_some(),
            legal_hold: false,
        }
    }

    /// The same under a legal hold, or not.
    #[must_use]
    pub const fn held(self, legal_hold: bool) -> Self {
        Self { legal_hold, ..self }
    }

    /// `live`, `test`, or `none` for a workspace.
    pub(crate) const fn environment(&self) -> &'static str {
        match self.live {
            Some(true) => "live",
            Some(false) => "test",
            None => "none",
        }
    }
}

/// Approvals that people have given to one exact action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvals {
    /// Distinct people whose approval counts.
    pub count: u8,
    /// Their roles now, each once, sorted.
    pub roles: Vec<Role>,
    /// One of them is among those who proposed it.
    pub by_proposer: bool,
    /// One of them owns the key or agent that proposed it.
    pub by_owner: bool,
}

impl Approvals {
    /// One other person of this role.
    pub fn one(role: Role) -> Self {
        Self {
            count: 1,
            roles: vec![role],
            ..Self::default()
        }
    }
}

/// Through which door a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The HTTP API, whoever but an agent calls it.
    Api,
    /// An agent, over MCP or with a key of its own.
    Mcp,
    /// The product's own schedules.
    Schedule,
}

impl Origin {
    const fn of(principal: &Principal) -> Self {
        match principal {
            Principal::User { .. } | Principal::ApiKey { .. } => Self::Api,
            Principal::Agent { .. } => Self::Mcp,
            Principal::Scheduler { .. } | Principal::System { .. } => Self::Schedule,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Mcp => "mcp",
            Self::Schedule => "schedule",
        }
    }
}

/// What every question has in common.
#[derive(Debug, Clone)]
pub struct Asking<'a> {
    /// Whose action it is: its proposer, at proposal and at execution.
    pub proposer: &'a Principal,
    /// Whose request is being served.
    pub serving: &'a Principal,
    /// The time of the judgement.
    pub at: Timestamp,
    /// Where.
    pub place: Place,
    /// The approvals there are, when the action is carried out; `None` when it is proposed.
    pub approvals: Option<Approvals>,
    /// An owner has broken the glass for this action.
    pub break_glass: bool,
    /// Only asked: nothing can come of it.
    pub dry_run: bool,
}

impl<'a> Asking<'a> {
    /// Somebody proposes something that they ask for themselves.
    pub const fn new(principal: &'a Principal, at: Timestamp, place: Place) -> Self {
        Self {
            proposer: principal,
            serving: principal,
            at,
            place,
            approvals: None,
            break_glass: false,
            dry_run: false,
        }
    }

    /// The same with the approvals there are: may it be carried out?
    #[must_use]
    pub fn with(self, approvals: Approvals) -> Self {
        Self {
            approvals: Some(approvals),
            ..self
        }
    }

    pub(crate) const fn origin(&self) -> Origin {
        Origin::of(self.serving)
    }

    /// Seconds since whoever is served proved who they are.
    pub(crate) fn auth_age_s(&self) -> u64 {
        match self.serving {
            Principal::User { via, .. } => via.age(self.at).as_secs(),
            Principal::ApiKey { .. }
            | Principal::Agent { .. }
            | Principal::Scheduler { .. }
            | Principal::System { .. } => NEVER,
        }
    }

    /// Whether that took a second factor.
    pub(crate) const fn second_factor(&self) -> bool {
        self.serving.second_factor()
    }

    /// Whether a person came with an approver key.
    pub(crate) const fn by_approver_key(&self) -> bool {
        self.serving.by_approver_key()
    }
}

/// The least role that an approver must have, as a role of people.
pub const fn approver_role(role: ApproverRole) -> Role {
    match role {
        ApproverRole::Approver => Role::Approver,
        ApproverRole::Admin => Role::Admin,
        ApproverRole::Owner => Role::Owner,
    }
}

/// How long a sign-in may be ago for a rule that asks for a fresh one.
pub(crate) fn fresh_within(rule: &str) -> Option<Duration> {
    match rule {
        "base.forbid.stale-login-admin" | "base.forbid.stale-login-export" => {
            Some(Duration::from_mins(5))
        }
        "base.forbid.stale-login-live" => Some(Duration::from_mins(15)),
        _ => None,
    }
}
