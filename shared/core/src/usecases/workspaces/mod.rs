//! Workspaces: found one, list one's own, look, rename.

pub(super) mod founding;

use std::sync::Arc;

use counterfoil_evidence::json::object;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::admin::{Acted, AdminError, AdminPorts, Recorded, acted, name};
use super::facts::{change, target};
use super::governed::AdminEffect;
use crate::auth::{Authenticated, login_digest};
use crate::idempotency::Once;
use crate::ids::{UserId, WorkspaceId};
use crate::policy::Question;
use crate::ports::{Login, SealSigner};
use crate::records::{Directory, Versioned, Workspace};
use crate::tenancy::{Role, Via, WorkspaceCtx};
use founding::{Founder, Founding};
pub use founding::{NewPerson, NewWorkspace};

/// Workspaces.
#[derive(Clone)]
pub struct Workspaces {
    /// Its ports.
    pub ports: AdminPorts,
    /// The key that will seal the streams.
    pub signer: Arc<dyn SealSigner>,
}

impl std::fmt::Debug for Workspaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Workspaces")
    }
}

/// A workspace that somebody reaches, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The workspace.
    pub workspace: Versioned<Workspace>,
    /// The person's role; `None` for a key.
    pub role: Option<Role>,
    /// What the person is called there.
    pub name: Option<String>,
}

impl Workspaces {
    /// Founds a workspace; whoever signed in becomes its owner.
    ///
    /// # Errors
    /// [`AdminError::NotAPerson`] for a key.
    pub async fn found(
        &self,
        caller: &Authenticated,
        title: &str,
        your_name: &str,
        once: Option<&Once>,
    ) -> Result<(Workspace, UserId), AdminError> {
        let (login, _) = caller.login().ok_or(AdminError::NotAPerson)?;
        let title = name("/name", title)?;
        let person = NewPerson {
            name: name("/your_name", your_name)?,
            role: Role::Owner,
            login: Some(login),
        };
        let new = NewWorkspace {
            name: title,
            people: &[person],
        };
        let founder = Founder::First(via(login));
        let more = |id: WorkspaceId| once.map(|once| once.done(&id));
        let (workspace, people) = self.founding().found(founder, &new, &more).await?;
        let first = people.first().copied().ok_or(AdminError::Changed)?;
        Ok((workspace, first))
    }

    /// The workspaces that a caller reaches, in the order in which they were founded. A key of one
    /// project reaches none.
    pub async fn mine(&self, caller: &Authenticated) -> Result<Vec<Reached>, AdminError> {
        let directory = self.ports.directory();
        if let Some(key) = caller.key() {
            if key.project.is_some() {
                return Ok(Vec::new());
            }
            let found = directory.workspace(key.workspace).await?;
            let reached = |workspace| Reached {
                workspace,
                role: None,
                name: None,
            };
            return Ok(found.map(reached).into_iter().collect());
        }
        let Some((login, Some(person))) = caller.login() else {
            return Ok(Vec::new());
        };
        let mut mine = Vec::new();
        let mut ids = directory.memberships(&login_digest(login)).await?;
        ids.sort_unstable();
        for id in ids {
            let member = directory.member(id, person).await?;
            let workspace = directory.workspace(id).await?;
            if let (Some(member), Some(workspace)) = (member, workspace) {
                mine.push(Reached {
                    workspace,
                    role: Some(member.value.role),
                    name: Some(member.value.name),
                });
            }
        }
        Ok(mine)
    }

    /// The caller's workspace.
    pub async fn get(&self, ctx: &WorkspaceCtx) -> Result<Versioned<Workspace>, AdminError> {
        let found = self.ports.directory().workspace(ctx.workspace()).await?;
        found.ok_or(AdminError::NotFound)
    }

    /// Whether the caller may rename; for a request that is bad.
    pub async fn admit_rename(&self, ctx: &WorkspaceCtx) -> Result<(), AdminError> {
        self.ports.admit(ctx, &RENAME).await
    }

    /// Renames, for admins and owners.
    pub async fn rename(
        &self,
        ctx: &WorkspaceCtx,
        to: &str,
        version: u64,
    ) -> Result<Acted<Workspace>, AdminError> {
        let found = self.get(ctx).await?;
        let judged = self.ports.judge(ctx, &RENAME).await?;
        let mut after = found.value.clone();
        if judged.allowed() {
            name("/name", to)?.clone_into(&mut after.name);
            if found.version != version {
                return Err(AdminError::Precondition);
            }
            if after == found.value {
                return Ok(Acted::nothing(found));
            }
        }
        let side = |of: &Workspace| object([("name", of.name.as_str().into())]);
        let facts = change(ctx.principal(), target("workspace", after.id), []);
        let both = object([("after", side(&after)), ("before", side(&found.value))]);
        let key = Directory::workspace_key(after.id);
        let effect = AdminEffect {
            draft: Draft::new(Kind::ConfigChanged, facts).subject(both),
            rows: vec![Directory::write(key, Some(found.version), &after)?],
        };
        let recorded = self.ports.record(ctx, &judged, None, vec![effect], None);
        match recorded.await? {
            Recorded::Done(entries) => {
                let version = found.version.saturating_add(1);
                Ok(acted(after, version, &entries, &judged))
            }
            Recorded::Again => Err(AdminError::Precondition),
        }
    }

    fn founding(&self) -> Founding<'_> {
        Founding {
            evidence: self.ports.evidence.as_ref(),
            state: self.ports.state.as_ref(),
            signer: self.signer.as_ref(),
            clock: self.ports.clock.as_ref(),
            random: self.ports.random.as_ref(),
        }
    }
}

/// How somebody who signed in came.
pub(super) const fn via(login: &Login) -> Via {
    Via::Login {
        at: login.authenticated_at,
        second_factor: login.second_factor,
    }
}

/// The name is a setting.
const RENAME: Question = Question::ChangeSetting {
    name: "name",
    loosening: false,
};
