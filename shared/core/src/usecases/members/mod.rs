//! People of a workspace: who they are, their roles, leaving and being removed.
//!
//! Only owners change who is a member; nobody changes their own role; a workspace keeps an owner. What
//! a person had beside their membership ends by itself: an approver key stops with the next request
//! ([`crate::auth`]), keys they own lose the right to export, invitations they made stop to count.

mod invitations;

use counterfoil_evidence::json::object;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

pub use invitations::{INVITATION_VALID, Invitations, Joined, NewInvitation};

use super::admin::{ATTEMPTS, Acted, AdminError, AdminPorts, Recorded, acted, gone};
use super::facts::{change, target};
use super::governed::AdminEffect;
use super::logins::leaving;
use super::pages::{Page, PageOf};
use crate::ids::UserId;
use crate::policy::Question;
use crate::ports::StateWrite;
use crate::records::{Directory, Member, Owners, RecordError, Versioned};
use crate::tenancy::{Role, WorkspaceCtx};
use crate::time::Timestamp;

/// The name of the list in its cursors.
const ROUTE: &str = "GET /v1/workspaces/{workspace_id}/members";

/// People of a workspace.
#[derive(Debug, Clone)]
pub struct Members {
    /// Its ports.
    pub ports: AdminPorts,
}

/// What is to become of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Role(Role),
    Gone,
}

/// Whether members are a caller's to change.
const CHANGE: Question = Question::ChangeMember {
    own: false,
    removes_last_owner: false,
    to: Some(Role::Viewer),
};

impl Members {
    /// The members, in the order of their ids.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when the cursor is not of this list.
    pub async fn list(
        &self,
        ctx: &WorkspaceCtx,
        page: PageOf<'_>,
    ) -> Result<Page<Versioned<Member>>, AdminError> {
        let place = |member: &Member| member.id;
        self.ports.page(ctx, ROUTE, place, page).await
    }

    /// One member.
    pub async fn get(&self, ctx: &WorkspaceCtx, id: &str) -> Result<Versioned<Member>, AdminError> {
        let id: UserId = id.parse().map_err(|_| AdminError::NotFound)?;
        self.ports.find(ctx, id).await
    }

    /// Whether the caller may change who is a member; for a request that is bad.
    pub async fn admit(&self, ctx: &WorkspaceCtx, id: &str) -> Result<(), AdminError> {
        self.get(ctx, id).await?;
        self.ports.admit(ctx, &CHANGE).await
    }

    /// Gives another role, for owners.
    ///
    /// # Errors
    /// [`AdminError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn change_role(
        &self,
        ctx: &WorkspaceCtx,
        id: &str,
        role: Role,
        version: u64,
    ) -> Result<Acted<Member>, AdminError> {
        for _ in 0..ATTEMPTS {
            let found = self.get(ctx, id).await?;
            if ctx.principal().role().is_some_and(Role::may_own) && found.version != version {
                return Err(AdminError::Precondition);
            }
            if let Some(done) = self.change(ctx, found, Change::Role(role)).await? {
                return Ok(done);
            }
        }
        Err(AdminError::Changed)
    }

    /// Removes somebody, for owners, or lets the caller leave.
    ///
    /// # Errors
    /// [`AdminError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn remove(&self, ctx: &WorkspaceCtx, id: &str) -> Result<Acted<Member>, AdminError> {
        for _ in 0..ATTEMPTS {
            let found = self.get(ctx, id).await?;
            if let Some(done) = self.change(ctx, found, Change::Gone).await? {
                return Ok(done);
            }
        }
        Err(AdminError::Changed)
    }

    /// One attempt; `None` when a row has changed meanwhile.
    async fn change(
        &self,
        ctx: &WorkspaceCtx,
        found: Versioned<Member>,
        to: Change,
    ) -> Result<Option<Acted<Member>>, AdminError> {
        let member = found.value.clone();
        let owners = self.ports.directory().owners(ctx.workspace()).await?;
        let now = self.ports.clock.now();
        let after = owners_after(&owners.value, &member, to, now);
        let question = Question::ChangeMember {
            own: ctx.principal().person() == Some(member.id),
            removes_last_owner: member.role == Role::Owner && after.owners.is_empty(),
            to: match to {
                Change::Role(role) => Some(role),
                Change::Gone => None,
            },
        };
        let judged = self.ports.judge(ctx, &question).await?;
        if judged.allowed() && to == Change::Role(member.role) {
            return Ok(Some(Acted::nothing(found)));
        }
        let changed = member_after(&member, to, now);
        let mut rows = self.rows_after(ctx, &found, changed.as_ref()).await?;
        if after != owners.value {
            rows.push(owners_write(ctx, &owners, &after)?);
        }
        let draft = entry(ctx, &member, to);
        let effect = AdminEffect { draft, rows };
        let recorded = self.ports.record(ctx, &judged, None, vec![effect], None);
        let Recorded::Done(entries) = recorded.await? else {
            return Ok(None);
        };
        let version = found.version.saturating_add(1);
        let after = changed.unwrap_or(member);
        Ok(Some(acted(after, version, &entries, &judged)))
    }

    async fn rows_after(
        &self,
        ctx: &WorkspaceCtx,
        found: &Versioned<Member>,
        after: Option<&Member>,
    ) -> Result<Vec<StateWrite>, RecordError> {
        let member = &found.value;
        let key = Directory::member_key(ctx.workspace(), member.id);
        if let Some(after) = after {
            return Ok(vec![Directory::write(key, Some(found.version), after)?]);
        }
        let mut rows = vec![gone(key, found.version)];
        if let Some(login) = &member.login {
            let directory = self.ports.directory();
            rows.extend(leaving(directory, login, ctx.workspace()).await?);
        }
        Ok(rows)
    }
}

/// The member with another role; `None` when they are gone.
fn member_after(member: &Member, to: Change, now: Timestamp) -> Option<Member> {
    let Change::Role(role) = to else {
        return None;
    };
    let mut after = member.clone();
    if role > member.role {
        after.role_since = Some(now);
    }
    after.role = role;
    Some(after)
}

fn owners_after(owners: &Owners, member: &Member, to: Change, now: Timestamp) -> Owners {
    let mut after = owners.clone();
    if to == Change::Gone {
        after.left_at = Some(now);
    }
    if to == Change::Role(Role::Owner) {
        after.owners.insert(member.id);
    } else {
        after.owners.remove(&member.id);
    }
    after
}

/// The write that says who the owners are now.
fn owners_write(
    ctx: &WorkspaceCtx,
    before: &Versioned<Owners>,
    after: &Owners,
) -> Result<StateWrite, RecordError> {
    let version = (before.version > 0).then_some(before.version);
    Directory::write(Directory::owners_key(ctx.workspace()), version, after)
}

fn entry(ctx: &WorkspaceCtx, member: &Member, to: Change) -> Draft {
    let side = |role: Role| object([("role", role.name().into())]);
    let (kind, role, sides) = match to {
        Change::Role(role) => (
            Kind::AccessChanged,
            role,
            object([("after", side(role)), ("before", side(member.role))]),
        ),
        Change::Gone => (
            Kind::AccessRevoked,
            member.role,
            object([("before", side(member.role))]),
        ),
    };
    let role = [("role", role.name().into())];
    let facts = change(ctx.principal(), target("user", member.id), role);
    Draft::new(kind, facts).subject(sides)
}
