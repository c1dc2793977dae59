//! From a credential to a context: an API key or a sign-in becomes an [`Authenticated`], and that a
//! [`TenantCtx`] or a [`WorkspaceCtx`] for what the request names.
//!
//! What is out of the credential's reach is answered as what does not exist is, after the same reads.

mod invite;
mod key;
mod reach;

use counterfoil_evidence::hash::sha256;
use thiserror::Error;

pub use invite::{NewInvite, invite_hash};
pub use key::NewKey;
pub use reach::{Reach, Target, reach};

use crate::ids::{ProjectId, UserId, WorkspaceId};
use crate::ports::{Delegation, Login, State};
use crate::records::{ApiKey, Directory, RecordError};
use crate::tenancy::{Capability, Principal, Role, TenantCtx, Via, WorkspaceCtx};
use crate::time::Timestamp;

/// Why a request has no context.
#[derive(Debug, Error)]
pub enum AuthError {
    /// No credential, not one, unknown, revoked or expired. All of them look the same outside.
    #[error("the credential is not valid")]
    Unauthenticated,
    /// The tenant does not exist, or the credential does not reach it: nobody is told which.
    #[error("there is no such tenant for this credential")]
    NotFound,
    /// The credential reaches several projects and the request names none.
    #[error("the request does not say which project it means")]
    ProjectNotNamed,
    /// An approver key stands for a person, and is for the API alone.
    #[error("an approver key is no credential of an agent")]
    NotForAgents,
    /// The token is valid, and the person did not let the client do this.
    #[error("the token lacks the scope")]
    Scope,
    /// It could not be found out.
    #[error("the credential could not be looked up")]
    Unavailable(#[from] RecordError),
}

/// A credential that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authenticated {
    /// An API key.
    Key(Box<PresentedKey>),
    /// Somebody who signed in.
    Person(Presence),
    /// A client that acts for somebody: an agent, and never a person.
    Delegate(Delegate),
}

/// A client that acts for somebody who let it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegate {
    client: String,
    behind: Presence,
}

/// An API key that was checked, and as whom it acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedKey {
    row: ApiKey,
    principal: Principal,
}

/// Somebody who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    login: Login,
    /// `None` until they found or join their first workspace.
    person: Option<UserId>,
}

/// The name of a person in keys of rows: SHA-256 over issuer and subject, hex. An issuer is a URL and
/// holds no line break.
pub fn login_digest(login: &Login) -> String {
    let Login {
        issuer, subject, ..
    } = login;
    sha256(format!("counterfoil/login/v1\n{issuer}\n{subject}").as_bytes()).to_string()
}

/// The public handle in the text of a key, where it is one.
pub fn key_handle(text: &str) -> Option<&str> {
    key::handle(text)
}

/// The key whose whole text `text` starts with, valid or not: for one that came where none belongs.
///
/// # Errors
/// When it cannot be looked up.
pub async fn exposed_key(state: &dyn State, text: &str) -> Result<Option<ApiKey>, RecordError> {
    let whole = text.get(..key::LENGTH);
    let Some((whole, handle)) = whole.and_then(|whole| Some((whole, key::handle(whole)?))) else {
        return Ok(None);
    };
    let row = Directory::of(state).api_key(handle).await?;
    let row = row.map(|row| row.value);
    Ok(row.filter(|row| key::matches(whole, &row.hash)))
}

/// Whoever presents an API key. An approver key speaks as its person, who must still be a member
/// whose role may approve. A key ends with its project or workspace, whatever rows of it are left.
///
/// # Errors
/// [`AuthError::Unauthenticated`] for every defect of the key, without telling which.
pub async fn authenticate_key(
    state: &dyn State,
    key: &str,
    now: Timestamp,
) -> Result<Authenticated, AuthError> {
    let handle = key::handle(key).ok_or(AuthError::Unauthenticated)?;
    let row = Directory::of(state).api_key(handle).await?;
    let row = row.ok_or(AuthError::Unauthenticated)?.value;
    if !key::matches(key, &row.hash) {
        return Err(AuthError::Unauthenticated);
    }
    presented(state, row, now).await
}

/// The key that another function of this deployment has checked and names by its handle. Whether it is
/// still valid, and as whom it acts, is looked up again.
///
/// # Errors
/// As [`authenticate_key`].
pub async fn resolve_key(
    state: &dyn State,
    handle: &str,
    now: Timestamp,
) -> Result<Authenticated, AuthError> {
    let row = Directory::of(state).api_key(handle).await?;
    let row = row.ok_or(AuthError::Unauthenticated)?.value;
    presented(state, row, now).await
}

/// A key whose text, or whose name from a function of ours, is right: is it valid, and as whom?
async fn presented(
    state: &dyn State,
    row: ApiKey,
    now: Timestamp,
) -> Result<Authenticated, AuthError> {
    let directory = Directory::of(state);
    if !row.is_valid(now) || !directory.has_tenant(row.workspace, row.project).await? {
        return Err(AuthError::Unauthenticated);
    }
    let person = row.approver.unwrap_or(row.owner);
    let member = directory.member(row.workspace, person).await?;
    let role = member.map(|member| member.value.role);
    let principal = match (row.approver, role) {
        (Some(id), Some(role)) if role.may_approve() && row.capability == Capability::Repair => {
            Principal::User {
                id,
                role,
                via: Via::Key { id: row.id },
            }
        }
        (Some(_), _) => return Err(AuthError::Unauthenticated),
        (None, owner_role) if row.agent => Principal::Agent {
            id: row.id.to_string(),
            capability: row.capability,
            owner: row.owner,
            owner_role,
            on_behalf: false,
        },
        (None, owner_role) => Principal::ApiKey {
            id: row.id,
            capability: row.capability,
            owner: row.owner,
            owner_role,
        },
    };
    Ok(Authenticated::Key(Box::new(PresentedKey {
        row,
        principal,
    })))
}

/// Somebody whose sign-in was verified.
///
/// # Errors
/// When it cannot be looked up whether they are known.
pub async fn authenticate_person(
    state: &dyn State,
    login: Login,
) -> Result<Authenticated, AuthError> {
    let found = Directory::of(state).person(&login_digest(&login)).await?;
    let person = found.map(|row| row.value.id);
    Ok(Authenticated::Person(Presence { login, person }))
}

/// A client whose token was verified, and the person who let it in.
///
/// # Errors
/// When it cannot be looked up whether that person is known.
pub async fn authenticate_delegate(
    state: &dyn State,
    delegation: Delegation,
) -> Result<Authenticated, AuthError> {
    let Delegation { client, person } = delegation;
    let found = Directory::of(state).person(&login_digest(&person)).await?;
    let behind = Presence {
        person: found.map(|row| row.value.id),
        login: person,
    };
    Ok(Authenticated::Delegate(Delegate { client, behind }))
}

impl Authenticated {
    /// The key, if it is one.
    pub fn key(&self) -> Option<&ApiKey> {
        match self {
            Self::Key(key) => Some(&key.row),
            Self::Person(_) | Self::Delegate(_) => None,
        }
    }

    /// Whose requests are counted together where no tenant is meant; a key's are its own.
    pub fn counted(&self) -> Option<String> {
        match self {
            Self::Key(_) => None,
            Self::Person(presence) => Some(login_digest(&presence.login)),
            Self::Delegate(delegate) => Some(login_digest(&delegate.behind.login)),
        }
    }

    /// The sign-in, if it is one, and the person's id once they have one.
    pub fn login(&self) -> Option<(&Login, Option<UserId>)> {
        match self {
            Self::Key(_) | Self::Delegate(_) => None,
            Self::Person(presence) => Some((&presence.login, presence.person)),
        }
    }

    /// The same credential as one of an agent: what acts for somebody is no person, so it never votes.
    ///
    /// # Errors
    /// [`AuthError::NotForAgents`] for an approver key, and for somebody who signed in.
    pub fn as_agent(self) -> Result<Self, AuthError> {
        let mut key = match self {
            Self::Key(key) => key,
            Self::Delegate(_) => return Ok(self),
            Self::Person(_) => return Err(AuthError::NotForAgents),
        };
        match key.principal {
            Principal::Agent { .. } => {}
            Principal::ApiKey {
                id,
                capability,
                owner,
                owner_role,
            } => {
                key.principal = Principal::Agent {
                    id: id.to_string(),
                    capability,
                    owner,
                    owner_role,
                    on_behalf: false,
                };
            }
            _ => return Err(AuthError::NotForAgents),
        }
        Ok(Self::Key(key))
    }

    /// The context of a workspace. A key of one project reaches nothing of its workspace, and neither
    /// does an agent, or a client that acts for somebody: agents work in projects.
    ///
    /// # Errors
    /// [`AuthError::NotFound`] when it does not exist or is out of reach.
    pub async fn workspace(
        &self,
        state: &dyn State,
        asked: &str,
    ) -> Result<WorkspaceCtx, AuthError> {
        let asked: WorkspaceId = asked.parse().map_err(|_| AuthError::NotFound)?;
        match self {
            Self::Key(key) if !key.row.agent && key.reaches(Target::Workspace(asked)) => {
                let ctx = WorkspaceCtx::new(asked, key.principal.clone());
                Ok(ctx.of_environment(key.row.live))
            }
            Self::Key(_) | Self::Delegate(_) => Err(AuthError::NotFound),
            Self::Person(presence) => {
                let principal = presence.member_of(state, asked).await?;
                let principal = principal.ok_or(AuthError::NotFound)?;
                Ok(WorkspaceCtx::new(asked, principal))
            }
        }
    }

    /// The context of a project: the one that the request names, or the key's own.
    ///
    /// # Errors
    /// [`AuthError::NotFound`] when it does not exist or is out of reach,
    /// [`AuthError::ProjectNotNamed`] when it is neither named nor the key's.
    pub async fn project(
        &self,
        state: &dyn State,
        asked: Option<&str>,
    ) -> Result<TenantCtx, AuthError> {
        let own = self.key().and_then(|row| row.project);
        if let (Self::Key(key), Some(own)) = (self, own) {
            // A key of one project has that project's environment since it was made.
            let asked = match asked {
                Some(asked) => asked.parse().map_err(|_| AuthError::NotFound)?,
                None => own,
            };
            let workspace = key.row.workspace;
            let target = Target::Project {
                workspace,
                project: asked,
                live: key.row.live,
            };
            return if key.reaches(target) {
                Ok(TenantCtx::new(workspace, asked, key.principal.clone()))
            } else {
                Err(AuthError::NotFound)
            };
        }
        let asked = asked.ok_or(AuthError::ProjectNotNamed)?;
        let asked: ProjectId = asked.parse().map_err(|_| AuthError::NotFound)?;
        let found = Directory::of(state).project(asked).await?;
        let found = found.map(|found| found.value);
        let workspace = found.as_ref().map(|project| project.workspace);
        // Without a project the same read is made, for a workspace that nobody has.
        let owner = workspace.unwrap_or_else(|| WorkspaceId::from_bits(0));
        let principal = match self {
            Self::Key(key) => found
                .filter(|project| {
                    key.reaches(Target::Project {
                        workspace: project.workspace,
                        project: asked,
                        live: project.livemode,
                    })
                })
                .map(|_| key.principal.clone()),
            Self::Person(presence) => presence.member_of(state, owner).await?,
            Self::Delegate(delegate) => delegate.agent_in(state, owner).await?,
        };
        match (workspace, principal) {
            (Some(workspace), Some(principal)) => Ok(TenantCtx::new(workspace, asked, principal)),
            _ => Err(AuthError::NotFound),
        }
    }
}

impl PresentedKey {
    /// Whether something exists for this key. What it may do there is asked of the principal.
    fn reaches(&self, target: Target) -> bool {
        reach(&self.row, target, Capability::Read) != Reach::Absent
    }
}

impl Delegate {
    /// The client as an agent in a workspace, where whoever let it in is a member. It can do what an
    /// agent with a key can, and no more than that person: who may not repair has an agent that looks.
    async fn agent_in(
        &self,
        state: &dyn State,
        workspace: WorkspaceId,
    ) -> Result<Option<Principal>, AuthError> {
        let member = self.behind.role_in(state, workspace).await?;
        Ok(member.map(|(owner, role)| Principal::Agent {
            id: self.client.clone(),
            capability: if role.may_approve() {
                Capability::Repair
            } else {
                Capability::Read
            },
            owner,
            owner_role: Some(role),
            on_behalf: true,
        }))
    }
}

impl Presence {
    /// Who they are in a workspace, if they are a member.
    async fn role_in(
        &self,
        state: &dyn State,
        workspace: WorkspaceId,
    ) -> Result<Option<(UserId, Role)>, AuthError> {
        let Some(id) = self.person else {
            return Ok(None);
        };
        let directory = Directory::of(state);
        let member = directory.member(workspace, id).await?;
        if member.is_none() || !directory.has_tenant(workspace, None).await? {
            return Ok(None);
        }
        Ok(member.map(|member| (id, member.value.role)))
    }

    /// The person as a member of a workspace, if they are one.
    async fn member_of(
        &self,
        state: &dyn State,
        workspace: WorkspaceId,
    ) -> Result<Option<Principal>, AuthError> {
        let member = self.role_in(state, workspace).await?;
        Ok(member.map(|(id, role)| Principal::User {
            id,
            role,
            via: Via::Login {
                at: self.login.authenticated_at,
                second_factor: self.login.second_factor,
            },
        }))
    }
}
